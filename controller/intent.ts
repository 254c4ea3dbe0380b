// Intent from the store into the engine's tables: everything once, then each change as it is committed.
import type { Derivation } from './derivation.ts'
import type { Inputs } from './topology.ts'
import type { Store } from './store/index.ts'

const PREFIX = 'intent/'
const tables: Readonly<Record<string, keyof Inputs>> = {
  networks: 'network',
  subnets: 'subnet',
  ports: 'port',
  routers: 'router',
  router_hosts: 'router_host',
  security_groups: 'security_group',
  security_group_rules: 'security_group_rule',
  address_groups: 'address_group',
  qos_policies: 'qos_policy',
}

interface Writable {
  set(key: string, row: object): void
  delete(key: string): void
}

/** The table and id of `intent/ports/ID`; null for what forwarding does not read. */
function locate(key: string): { table: keyof Inputs; id: string } | null {
  if (!key.startsWith(PREFIX)) return null
  const [kind = '', id = ''] = key.slice(PREFIX.length).split('/', 2)
  const table = tables[kind]
  return table === undefined ? null : { table, id }
}

function write(derivation: Derivation, key: string, value: string | null): void {
  const place = locate(key)
  if (place === null) return
  const table = derivation.inputs[place.table] as Writable
  if (value === null) table.delete(place.id)
  else table.set(place.id, JSON.parse(value) as object)
}

/** Settles when the tables hold what the store has; `onChange` hears of each later revision. Returns the end of it. */
export async function followIntent(
  store: Store,
  derivation: Derivation,
  onChange: (revision: number) => void,
): Promise<() => void> {
  const { entries, revision } = await store.range(PREFIX)
  for (const { key, value } of entries) write(derivation, key, value)
  onChange(revision)
  const watch = store.watch('', revision + 1)
  void (async () => {
    for await (const { revision: now, events } of watch) {
      for (const event of events) {
        if (event.kind === 'put') write(derivation, event.entry.key, event.entry.value)
        else write(derivation, event.key, null)
      }
      onChange(now)
    }
  })()
  return () => watch.close()
}

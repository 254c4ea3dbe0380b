// Intent from the store into the engine's tables: everything once, then each change as it is committed.
import type { Derivation, Inputs } from './derivation.ts'

/** What this needs of a store (controller/store). */
export interface IntentSource {
  range(prefix: string): Promise<{ readonly entries: readonly { readonly key: string; readonly value: string }[]; readonly revision: number }>
  watch(fromRevision: number, onBatch: (batch: IntentBatch) => void): Promise<() => void>
}
export interface IntentBatch {
  readonly revision: number
  readonly changes: readonly { readonly key: string; readonly value: string | null }[]
}

const PREFIX = 'intent/'
const tables: Readonly<Record<string, keyof Inputs>> = { networks: 'network', subnets: 'subnet', ports: 'port', routers: 'router' }

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
export async function followIntent(source: IntentSource, derivation: Derivation, onChange: (revision: number) => void): Promise<() => void> {
  const { entries, revision } = await source.range(PREFIX)
  for (const { key, value } of entries) write(derivation, key, value)
  onChange(revision)
  return source.watch(revision, (batch) => {
    for (const { key, value } of batch.changes) write(derivation, key, value)
    onChange(batch.revision)
  })
}

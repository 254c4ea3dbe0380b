// What a host's database says, as rows of the engine's tables.
import type { HostFacts } from './host/facts.ts'
import type { Inputs } from './topology.ts'

/** Of one host: what it said before, and what it says now; null where nothing is known of it. */
export function writeHost({ host, vif }: Inputs, before: HostFacts | null, after: HostFacts | null): void {
  if (before !== null && after === null) host.delete(before.id)
  if (after !== null) {
    const { id, name, encapIp, uplinks } = after
    host.set(id, { id, name, encapIp, uplinks })
  }
  const names = new Set(after?.vifs.map(({ name }) => name))
  for (const { host: id, name } of before?.vifs ?? []) if (!names.has(name)) vif.delete(`${id}/${name}`)
  for (const row of after?.vifs ?? []) vif.set(`${row.host}/${row.name}`, row)
}

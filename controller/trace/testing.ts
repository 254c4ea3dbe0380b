// For tests: a tracer of the network that rows describe.
import { apps } from '../../apps/index.ts'
import { simulate, type Rows, type Simulated } from '../model/testing.ts'
import { Tracer } from './tracer.ts'

export function tracerOf(rows: Rows): Simulated & { readonly tracer: Tracer } {
  const simulated = simulate(rows)
  const { derivation, deployment } = simulated
  const hosts = rows.hosts.map(({ id, encapIp, uplinks }) => ({
    id,
    encapIp,
    uplinks,
    ofports: rows.vifs.filter(({ host }) => host === id).map(({ ofport }) => ofport),
    items: () => deployment.itemsOf(id).values(),
  }))
  return { ...simulated, tracer: new Tracer({ apps, derivation, hosts: () => hosts }) }
}

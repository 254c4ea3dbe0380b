// The incremental engine at the size of a large cloud: 100,000 ports on 1,000 hosts, 1,000 networks and 200 security
// groups. Each port has flows that depend on its own row, its network and its groups; each host refers to the flows
// of its ports. One edit is compared with computing everything again, in the same run.
import { performance } from 'node:perf_hooks'
import { Engine } from '../../controller/engine/index.ts'
import { quantile } from './statistics.ts'

const portCount = 100_000
const hostCount = 1000
const networkCount = 1000
const groupCount = 200

interface Port {
  readonly host: number
  readonly network: number
  readonly groups: readonly number[]
  readonly mac: number
}

interface Flow {
  readonly table: number
  readonly priority: number
  readonly match: Readonly<Record<string, number>>
  readonly actions: readonly string[]
}

const portOf = (i: number, mac: number): Port => ({
  host: i % hostCount,
  network: Math.floor(i / 100) % networkCount,
  groups: [i % groupCount, (i * 7) % groupCount],
  mac,
})

function flowsOf(port: Port, vni: number, rules: readonly number[]): readonly Flow[] {
  const { mac: dl_src } = port
  const admit = rules.map((tp_dst, i) => ({ table: 2, priority: 50 + i, match: { dl_src, tp_dst }, actions: ['next'] }))
  return [
    { table: 0, priority: 100, match: { dl_src }, actions: [`set_field:${vni}->reg0`, 'resubmit(,1)'] },
    { table: 1, priority: 100, match: { dl_src, vni }, actions: ['resubmit(,2)'] },
    ...admit,
  ]
}

function build() {
  const engine = new Engine()
  const ports = engine.table<number, Port>('port')
  const networks = engine.table<number, { readonly vni: number }>('network')
  const rules = engine.table<number, { readonly port: number }>('group')
  const byHost = engine.grouping('ports by host', ports, ({ host }) => [host])
  const flows = engine.query('port flows', (id: number) => {
    const port = ports.get(id)
    if (port === undefined) return []
    const vni = networks.get(port.network)?.vni ?? 0
    return flowsOf(
      port,
      vni,
      port.groups.map((group) => rules.get(group)?.port ?? 0),
    )
  })
  engine.output('host flows', byHost, (host) => byHost.get(host).map((id) => flows.get(id)))
  for (let i = 0; i < networkCount; i++) networks.set(i, { vni: i })
  for (let i = 0; i < groupCount; i++) rules.set(i, { port: i })
  for (let i = 0; i < portCount; i++) ports.set(i, portOf(i, i))
  return { engine, ports, rules }
}

const heapMegabytes = (): number => {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed / 1e6
}

function time(work: () => void): number {
  const start = performance.now()
  work()
  return performance.now() - start
}

/** Builds three times; the last one stays. Collected memory needs `node --expose-gc`. */
export async function run(): Promise<void> {
  const builds: number[] = []
  let subject = build()
  const before = heapMegabytes()
  for (let i = 0; i < 3; i++) {
    subject = build()
    builds.push(time(() => subject.engine.commit()))
  }
  const { engine, ports, rules } = subject
  const held = heapMegabytes() - before
  const edits = Array.from({ length: 5000 }, (_, n) => {
    const id = (n * 7919) % portCount
    return time(() => {
      ports.set(id, portOf(id, portCount + n))
      engine.commit()
    })
  }).slice(1000)
  const group = Array.from({ length: 20 }, (_, n) =>
    time(() => {
      rules.set(n, { port: 5000 + n })
      engine.commit()
    }),
  )
  let slices = 0
  let longest = 0
  for (let i = 0; i < networkCount * 100; i++) ports.set(i, portOf(i, 2 * portCount + i))
  for (let done = false; !done; slices++) {
    const start = performance.now()
    done = engine.commitSlice(() => performance.now() - start > 5) !== undefined
    longest = Math.max(longest, performance.now() - start)
  }
  const scratch = quantile(builds, 0.5)
  const median = quantile(edits, 0.5)
  console.log(`engine: ${portCount} ports, ${hostCount} hosts, ${engine.stats.edges} remembered reads`)
  console.log(`  build from scratch     ${scratch.toFixed(0)} ms (median of 3)`)
  console.log(`  memory                 ${globalThis.gc ? `${held.toFixed(0)} MB` : 'needs node --expose-gc'}`)
  console.log(
    `  one port changed       ${(median * 1000).toFixed(1)} µs, p99 ${(quantile(edits, 0.99) * 1000).toFixed(1)} µs`,
  )
  console.log(`  one group changed      ${quantile(group, 0.5).toFixed(2)} ms (1,000 ports on it)`)
  console.log(`  from scratch / one     ${(scratch / median).toFixed(0)}`)
  console.log(`  all ports, 5 ms slices ${slices} slices, longest ${longest.toFixed(1)} ms`)
}

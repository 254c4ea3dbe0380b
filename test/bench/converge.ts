// `npm run bench -- converge [hosts=N] [networks=N] [ports=N] [rounds=N]`: how long until all hosts have what changed, in
// Weft and in OVN: the same networks, ports, router and group, written by the interface that clouds use (REST; the
// northbound database), on the same kind of hosts, one side after the other. A host is an ovsdb-server and an ovs-vswitchd
// with the dummy datapath.
import type { DummyHost } from '../lab/dummy-hosts.ts'
import { OvnSide } from './converge-ovn.ts'
import { printConvergence, type Measured } from './converge-report.ts'
import type { Side } from './converge-side.ts'
import { WeftSide } from './converge-weft.ts'
import type { Sizes } from './main.ts'
import { since, usage } from './processes.ts'
import { median, timed } from './statistics.ts'
import { switchesAlone } from './switches-alone.ts'
import type { PlannedNetwork, PlannedPort, Topology } from './topology.ts'
import { bind, flowsOn, receivedBy, trial } from './trial.ts'

/** `ports`: of each network. */
const defaults = { hosts: 10, networks: 20, ports: 100, rounds: 5 }

/** Of each step, done in turn and again: the median of its milliseconds. The first turn, which warms up, does not count. */
async function repeated<K extends string>(
  rounds: number,
  steps: Readonly<Record<K, (round: number) => Promise<void>>>,
): Promise<Record<K, number>> {
  const entries = Object.entries(steps) as [K, (round: number) => Promise<void>][]
  const times = new Map(entries.map(([name]) => [name, [] as number[]]))
  for (let round = 0; round <= rounds; round += 1) {
    for (const [name, step] of entries) {
      const milliseconds = await timed(() => step(round))
      if (round > 0) times.get(name)?.push(milliseconds)
    }
  }
  return Object.fromEntries(Array.from(times, ([name, each]) => [name, median(each)])) as Record<K, number>
}

/** Binds everything; what it took and what came of it. */
async function converge(side: Side, hosts: readonly DummyHost[], { networks }: Topology) {
  const ports = networks.flatMap((network) => network.ports)
  const processes = (): (readonly [string, number])[] => [
    ...side.processes(),
    ...hosts.map(({ ovs }) => ['ovs-vswitchd', ovs.processes.switch] as const),
  ]
  const before = { usage: usage(processes()), received: await receivedBy(hosts) }
  const milliseconds = await timed(async () => {
    await bind(side, hosts, ports)
    await side.bound(ports)
  })
  return {
    milliseconds,
    usage: since(before.usage, usage(processes())),
    messages: (await receivedBy(hosts)) - before.received,
    flows: await flowsOn(hosts),
  }
}

async function measure(side: Side, hosts: readonly DummyHost[], topology: Topology, rounds: number): Promise<Measured> {
  const { networks, spare } = topology
  const [first, last] = [networks[0] as PlannedNetwork, networks.at(-1) as PlannedNetwork]
  const written = await timed(() => side.build(topology))
  const { milliseconds, ...rest } = await converge(side, hosts, topology)
  const steps = await repeated(rounds, {
    'one port added and bound': async (round) => {
      const port = spare[round] as PlannedPort
      await side.addPort(first, port)
      await bind(side, hosts, [port])
      await side.bound([port])
    },
    'one port removed': (round) => side.removePort(first, spare[round] as PlannedPort),
    'one rule added': () => side.setRule(true),
    'one rule removed': () => side.setRule(false),
    'router interface removed': () => side.setInterface(last, false),
    'router interface added': () => side.setInterface(last, true),
  })
  const received = await receivedBy(hosts)
  const restart = await timed(() => side.restart())
  const times = {
    'intent written, nothing bound': written,
    'all interfaces bound': milliseconds,
    ...steps,
    'controllers killed and started': restart,
  }
  return { side: side.name, times, ...rest, restartMessages: (await receivedBy(hosts)) - received }
}

export async function run(sizes: Sizes): Promise<void> {
  const size = { ...defaults, ...sizes }
  const { hosts, networks, ports, rounds } = size
  console.log(
    `converge: ${hosts} hosts, ${networks} networks of ${ports} ports, one router, one group with 4 rules; medians of ${rounds}`,
  )
  const measured = (side: Side, all: readonly DummyHost[], topology: Topology): Promise<Measured> =>
    measure(side, all, topology, rounds)
  const sized = { ...size, spare: rounds + 1 }
  const ovn = await trial(sized, (all) => OvnSide.start(all), measured)
  let alone = Number.NaN
  const weft = await trial(
    sized,
    (all) => WeftSide.start(all),
    async (side, all, topology) => {
      const result = await measured(side, all, topology)
      await side.controller.halt()
      alone = await switchesAlone(all, rounds)
      return result
    },
  )
  printConvergence(weft, ovn)
  console.log(`  three flows sent to all switches by a program that does nothing else: ${alone.toFixed(1)} ms`)
}

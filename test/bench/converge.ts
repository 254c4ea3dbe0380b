// `npm run bench -- converge`: how long until all hosts have what changed, in Weft and in OVN: the same networks, ports and
// router, written by the interface that clouds use (REST; the northbound database), on the same kind of hosts, one side after
// the other. A host is an ovsdb-server and an ovs-vswitchd with the dummy datapath.
import { DummyHosts, type DummyHost } from '../lab/dummy-hosts.ts'
import type { Side } from './converge-side.ts'
import { OvnSide } from './converge-ovn.ts'
import { WeftSide } from './converge-weft.ts'
import { usage, type Usage } from './processes.ts'
import { median, timed } from './statistics.ts'
import { plan, type PlannedNetwork, type PlannedPort, type Topology } from './topology.ts'

export const options = { hosts: 10, networks: 20, ports: 100, rounds: 5 }
type Options = typeof options

interface Measured {
  readonly side: string
  /** Milliseconds by what was done. */
  readonly times: ReadonlyMap<string, number>
  readonly flows: number
  /** Sent to one host while it converged, and for a port added elsewhere. */
  readonly messages: number
  /** Seconds of processor time while it converged. */
  readonly switchSeconds: number
  readonly usage: ReadonlyMap<string, Usage>
}

/** Binds the ports' interfaces on all hosts at once. */
async function bind(side: Side, hosts: readonly DummyHost[], ports: readonly PlannedPort[]): Promise<void> {
  const bindings = (n: number): (readonly [string, string])[] =>
    ports.filter(({ host }) => host === n).map((port) => [port.interface, side.idOf(port)] as const)
  await Promise.all(hosts.map((host, n) => (bindings(n).length > 0 ? host.bind(bindings(n)) : null)))
}

async function repeated(rounds: number, measure: (round: number) => Promise<number>): Promise<number> {
  const times: number[] = []
  for (let round = 0; round < rounds; round += 1) times.push(await measure(round))
  return median(times)
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)

async function measure(side: Side, hosts: readonly DummyHost[], topology: Topology, rounds: number): Promise<Measured> {
  const { networks, spare } = topology
  const ports = networks.flatMap((network) => network.ports)
  const [first, last] = [networks[0] as PlannedNetwork, networks.at(-1) as PlannedNetwork]
  const times = new Map<string, number>()
  const received = async (): Promise<number> => median(await Promise.all(hosts.map((host) => host.received())))
  const switchSeconds = (): number => sum(hosts.map(({ ovs }) => usage([['', ovs.processes.switch]]).get('')?.seconds ?? 0))

  times.set('intent written', await timed(() => side.build(topology)))
  const before = { received: await received(), seconds: switchSeconds(), usage: usage(side.processes()) }
  const converged = await timed(async () => {
    await bind(side, hosts, ports)
    await side.bound(ports)
  })
  times.set('all interfaces bound', converged)
  const messages = (await received()) - before.received
  const after = usage(side.processes())
  const spent = switchSeconds() - before.seconds
  const flows = median(await Promise.all(hosts.map((host) => host.flows())))

  const addPort = await repeated(rounds, (round) =>
    timed(async () => {
      const port = spare[round] as PlannedPort
      await side.addPort(first, port)
      await bind(side, hosts, [port])
      await side.bound([port])
    }),
  )
  times.set('one port added', addPort)
  times.set('one port removed', await repeated(rounds, (round) => timed(() => side.removePort(first, spare[round] as PlannedPort))))
  const interfaces = { removed: [] as number[], added: [] as number[] }
  for (let round = 0; round < rounds; round += 1) {
    interfaces.removed.push(await timed(() => side.setInterface(last, false)))
    interfaces.added.push(await timed(() => side.setInterface(last, true)))
  }
  times.set('router interface removed', median(interfaces.removed))
  times.set('router interface added', median(interfaces.added))
  times.set('controllers killed and started', await timed(() => side.restart()))
  const used = new Map(
    Array.from(after, ([name, { seconds, ...rest }]) => {
      return [name, { ...rest, seconds: seconds - (before.usage.get(name)?.seconds ?? 0) }] as const
    }),
  )
  return { side: side.name, times, flows, messages, switchSeconds: spent, usage: used }
}

async function run1(options: Options, start: (hosts: DummyHosts) => Promise<Side>): Promise<Measured> {
  const topology = plan({ ...options, spare: options.rounds })
  const ports = [...topology.networks.flatMap((network) => network.ports), ...topology.spare]
  await using all = await DummyHosts.start(options.hosts)
  for (const [n, host] of all.hosts.entries()) {
    await host.addInterfaces(ports.filter((port) => port.host === n).map((port) => port.interface))
  }
  await using side = await start(all)
  return await measure(side, all.hosts, topology, options.rounds)
}

export async function run(options: Options): Promise<void> {
  const { hosts, networks, ports, rounds } = options
  console.log(
    `converge: ${hosts} hosts, ${networks} networks of ${ports} ports on one router; medians of ${rounds}; milliseconds until all hosts have confirmed`,
  )
  const ovn = await run1(options, (all) => OvnSide.start(all, false))
  console.log(ovn)
  const weft = await run1(options, (all) => WeftSide.start(all))
  console.log(weft)
}

// What the comparisons of controllers share: fresh hosts for each side, interfaces that become ports, and what hosts count.
import { DummyHosts, type DummyHost } from '../lab/dummy-hosts.ts'
import type { Side } from './converge-side.ts'
import { median } from './statistics.ts'
import { plan, type PlannedPort, type Size, type Topology } from './topology.ts'

/** Fresh hosts, with all interfaces in place before anything is measured. */
export async function trial<S extends Side, R>(
  size: Size,
  start: (hosts: DummyHosts) => Promise<S>,
  measure: (side: S, hosts: readonly DummyHost[], topology: Topology) => Promise<R>,
): Promise<R> {
  const topology = plan(size)
  const ports = [...topology.networks.flatMap((network) => network.ports), ...topology.spare]
  await using all = await DummyHosts.start(size.hosts)
  for (const [n, host] of all.hosts.entries()) {
    await host.addInterfaces(ports.filter((port) => port.host === n).map((port) => port.interface))
  }
  await using side = await start(all)
  return await measure(side, all.hosts, topology)
}

/** Says on all hosts at once which ports the interfaces are. */
export async function bind(side: Side, hosts: readonly DummyHost[], ports: readonly PlannedPort[]): Promise<void> {
  const bindOn = async (host: DummyHost, n: number): Promise<void> => {
    const here = ports.filter((port) => port.host === n)
    if (here.length > 0) await host.bind(here.map((port) => [port.interface, side.idOf(port)] as const))
  }
  await Promise.all(hosts.map(bindOn))
}

/** OpenFlow messages that a host has got so far. */
export const receivedBy = async (hosts: readonly DummyHost[]): Promise<number> =>
  median(await Promise.all(hosts.map((host) => host.received())))

export const flowsOn = async (hosts: readonly DummyHost[]): Promise<number> =>
  median(await Promise.all(hosts.map((host) => host.flows())))

// OVN in `converge`: what Neutron's driver would write, with ovn-monitor-all as large installations set it.
import type { DummyHosts } from '../lab/dummy-hosts.ts'
import type { OvnNorthbound } from '../lab/ovn-northbound.ts'
import { Ovn } from '../lab/ovn.ts'
import type { Side } from './converge-side.ts'
import type { PlannedNetwork, PlannedPort, Topology } from './topology.ts'

const ROUTER = 'router'
/** The group that all ports are in. */
export const GROUP = 'pg_default'
const CHANGED = ['ingress', 'ip4 && tcp && tcp.dst == 22'] as const

export class OvnSide implements Side {
  readonly name = 'OVN'
  readonly #ovn: Ovn

  private constructor(ovn: Ovn) {
    this.#ovn = ovn
  }

  static async start({ hosts }: DummyHosts): Promise<OvnSide> {
    const ovn = await Ovn.start()
    for (const host of hosts) await ovn.addHost(host)
    await ovn.northbound.synchronized()
    return new OvnSide(ovn)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#ovn.stop()
  }

  get northbound(): OvnNorthbound {
    return this.#ovn.northbound
  }

  async build({ networks }: Topology): Promise<void> {
    const { northbound } = this
    await northbound.addRouter(ROUTER)
    await northbound.addDefaultGroup(GROUP)
    for (const network of networks) {
      await northbound.addNetwork(network.name, network)
      await northbound.addPorts(network.name, network, network.ports, GROUP)
      await northbound.addInterface(ROUTER, network.name, network)
    }
    await northbound.synchronized()
  }

  addPort(network: PlannedNetwork, port: PlannedPort): Promise<void> {
    return this.northbound.addPorts(network.name, network, [port], GROUP)
  }

  async removePort(network: PlannedNetwork, { name }: PlannedPort): Promise<void> {
    await this.northbound.removePort(network.name, name)
    await this.northbound.confirmed()
  }

  idOf({ name }: PlannedPort): string {
    return name
  }

  async bound(ports: readonly PlannedPort[]): Promise<void> {
    await this.northbound.up(ports.map(({ name }) => name))
    await this.northbound.synchronized()
  }

  async setRule(there: boolean): Promise<void> {
    const { northbound } = this
    await (there ? northbound.addRule(GROUP, ...CHANGED) : northbound.removeRule(GROUP, ...CHANGED))
    await northbound.confirmed()
  }

  async setInterface(network: PlannedNetwork, there: boolean): Promise<void> {
    const { northbound } = this
    if (there) await northbound.addInterface(ROUTER, network.name, network)
    else await northbound.removeInterface(ROUTER, network.name)
    await northbound.confirmed()
  }

  async restart(): Promise<void> {
    await this.#ovn.restart()
    await this.northbound.synchronized()
  }

  processes(): readonly (readonly [string, number])[] {
    const names: Record<string, string> = { nb: 'ovsdb-server NB', sb: 'ovsdb-server SB', northd: 'ovn-northd' }
    return Array.from(this.#ovn.processes, ([name, pid]) => [names[name] ?? 'ovn-controller', pid] as const)
  }
}

// A physical network beside the underlay: a switch (an OVS of its own, learning as switches do), cables to hosts, where
// each has a bridge for it, and machines that no controller knows, untagged or in a VLAN.
import { Machine, type Fabric, type Hypervisor } from './fabric.ts'
import { Ovs } from './ovs.ts'
import { run } from './run.ts'

const SWITCH = 'wire'
/** On each host that is connected. */
export const BRIDGE = 'br-wire'

export class Wire {
  readonly #fabric: Fabric
  readonly #namespace: string
  readonly #ovs: Ovs

  private constructor(fabric: Fabric, namespace: string, ovs: Ovs) {
    this.#fabric = fabric
    this.#namespace = namespace
    this.#ovs = ovs
  }

  static async start(fabric: Fabric): Promise<Wire> {
    const namespace = await fabric.namespace()
    const ovs = await Ovs.start({ namespace })
    fabric.onStop(() => ovs.stop())
    await ovs.vsctl('add-br', SWITCH, '--', 'set', 'bridge', SWITCH, 'datapath_type=netdev')
    return new Wire(fabric, namespace, ovs)
  }

  /** Puts a cable between the switch and a new interface; `settings` are of the switch's Port row. */
  async #cable(device: string, namespace: string, there: string, ...settings: readonly string[]): Promise<void> {
    const peer = ['peer', 'name', there, 'netns', namespace]
    await run('ip', ['-n', this.#namespace, 'link', 'add', device, 'type', 'veth', ...peer])
    await run('ip', ['-n', this.#namespace, 'link', 'set', device, 'up'])
    await run('ip', ['-n', namespace, 'link', 'set', there, 'up'])
    await this.#ovs.vsctl('add-port', SWITCH, device, ...settings)
  }

  /** What the operator of a host does: a bridge with the interface to the physical network. */
  async connect(host: Hypervisor): Promise<void> {
    await this.#cable(host.name, host.namespace, 'eth1')
    const settings = ['--', 'set', 'bridge', BRIDGE, 'datapath_type=netdev']
    await host.ovs.vsctl('add-br', BRIDGE, ...settings, '--', 'add-port', BRIDGE, 'eth1')
  }

  /** A machine with this address, in a VLAN or none. */
  async machine(name: string, cidr: string, vlan: number | null): Promise<Machine> {
    const machine = new Machine(name, await this.#fabric.namespace(), this.#fabric.folder)
    await this.attach(machine, 'eth0', cidr, vlan)
    return machine
  }

  /** A further interface of a machine, which may be on another wire with the first. */
  async attach(machine: Machine, device: string, cidr: string, vlan: number | null): Promise<void> {
    await this.#cable(machine.name, machine.namespace, device, vlan === null ? 'trunks=0' : `tag=${vlan}`)
    await machine.exec('ethtool', '-K', device, 'tx', 'off')
    await machine.exec('ip', 'addr', 'add', cidr, 'dev', device)
  }

  /** The MACs that the switch has learned, each with its port. */
  async learned(): Promise<readonly string[]> {
    const table = await this.#ovs.appctl('fdb/show', SWITCH)
    return table.split('\n').flatMap((line) => /([0-9a-f:]{17})/.exec(line)?.[1] ?? [])
  }
}

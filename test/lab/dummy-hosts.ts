// Many hosts without a data plane: each an ovsdb-server and an ovs-vswitchd with dummy ports, all in one network namespace,
// where a controller can listen on any port. For what controllers do, not for packets.
import { dial, OpenVSwitch, Transaction, type Connection } from '../../ovsdb/index.ts'
import { makeFolder, makeNamespace, removeFolder, removeNamespace } from './folder.ts'
import { Ovs } from './ovs.ts'

export class DummyHost {
  readonly name: string
  /** Where tunnels would end. */
  readonly address: string
  readonly namespace: string
  readonly ovs: Ovs
  readonly #database: Connection

  constructor(name: string, address: string, namespace: string, ovs: Ovs, database: Connection) {
    this.name = name
    this.address = address
    this.namespace = namespace
    this.ovs = ovs
    this.#database = database
  }

  /** Adds interfaces to br-int that are no port's yet. */
  async addInterfaces(names: readonly string[]): Promise<void> {
    const adds = names.map((name) => ['--', 'add-port', 'br-int', name, '--', 'set', 'interface', name, 'type=dummy'])
    await this.ovs.vsctl(...adds.flat())
  }

  /** Says which ports the interfaces are, in one transaction, as whoever starts virtual machines does. */
  async bind(ports: Iterable<readonly [name: string, port: string]>): Promise<void> {
    const tx = new Transaction(OpenVSwitch)
    for (const [name, port] of ports) {
      tx.update('Interface', [['name', '==', name]], { external_ids: new Map([['iface-id', port]]) })
    }
    const outcome = await this.#database.transact(tx)
    if (outcome.kind === 'failed') throw new Error(JSON.stringify(outcome.error))
  }

  async flows(): Promise<number> {
    return Number(/flow_count=(\d+)/.exec(await this.ovs.ofctl('dump-aggregate', 'br-int'))?.[1])
  }

  /** OpenFlow messages that the switch has been sent; a flow_mod in a bundle is one. */
  async received(): Promise<number> {
    return Number(await this.ovs.appctl('coverage/read-counter', 'vconn_received'))
  }

  async stop(): Promise<void> {
    this.#database.close()
    await this.ovs.stop()
  }
}

export class DummyHosts implements AsyncDisposable {
  readonly folder: string
  /** The namespace of everything. */
  readonly controller: string
  readonly hosts: DummyHost[] = []

  private constructor(folder: string, namespace: string) {
    this.folder = folder
    this.controller = namespace
  }

  static async start(count: number): Promise<DummyHosts> {
    const all = new DummyHosts(await makeFolder(), await makeNamespace())
    try {
      for (let n = 1; n <= count; n += 1) all.hosts.push(await all.#addHost(n))
      return all
    } catch (error) {
      await all.stop()
      throw error
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.hosts.map((host) => host.stop()))
    await removeNamespace(this.controller)
    removeFolder(this.folder)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #addHost(n: number): Promise<DummyHost> {
    const [name, address] = [`host${n}`, `192.0.2.${n}`]
    const ovs = await Ovs.start({ namespace: this.controller, dummy: true })
    await ovs.addBridge('br-int')
    const ids = [`system-id=${name}`, `hostname=${name}`, 'weft-datapath-type=dummy', `weft-encap-ip=${address}`]
    await ovs.vsctl('set', 'Open_vSwitch', '.', ...ids.map((pair) => `external_ids:${pair}`))
    return new DummyHost(name, address, this.controller, ovs, await dial(ovs.database, { probeMilliseconds: 0 }))
  }
}

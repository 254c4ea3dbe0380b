// One simulated OVS host: a database that dials its manager (as after `ovs-vsctl set-manager`), a switch that connects to
// what the database says, and the little of ovs-vswitchd that stands between the two. Real protocols over real sockets.
import { ipv4 } from '../../controller/address.ts'
import { Backoff } from '../../ovsdb/connect/backoff.ts'
import { dial, OpenVSwitch, OvsdbError, ServerDatabase, Transaction, type Connection } from '../../ovsdb/index.ts'
import type { AnyRow } from '../../ovsdb/data/table.ts'
import type { PacketOut } from '../../ofproto/messages/index.ts'
import { MemoryDatabase, Schema } from './database.ts'
import { DatabaseServer } from './database-server.ts'
import type { FlowPool, PooledFlow } from './flow-pool.ts'
import { SwitchLink } from './switch-link.ts'
import { SimulatedSwitch } from './switch.ts'

const BRIDGE = 'br-int'
const OVS_VERSION = '3.1.0'
/** OFPP_LOCAL as OVS writes it into the database. */
const LOCAL = 65_534

const openVSwitch = new Schema(OpenVSwitch, ['Open_vSwitch'])
const serverSchema = new Schema(ServerDatabase, ['Database'])

/** What a standalone ovsdb-server says of itself; the same for all. */
const aboutServer = new MemoryDatabase(serverSchema)
const about = new Transaction(ServerDatabase)
about.insert('Database', { name: OpenVSwitch.name, model: 'standalone', connected: true, leader: true })
aboutServer.transact(about.params().slice(1))

export interface HostOptions {
  /** From 0; gives datapath id, names and addresses. */
  readonly index: number
  /** tcp:ADDRESS:PORT of the controller's OVSDB listener. */
  readonly manager: string
  readonly pool: FlowPool
  readonly changed?: (host: SimulatedHost, flow: PooledFlow, present: boolean) => void
  readonly delivered?: (host: SimulatedHost, port: number, bytes: Uint8Array) => void
  readonly packetOut?: (host: SimulatedHost, message: PacketOut) => void
}

export const hostName = (index: number): string => `sim-${String(index).padStart(4, '0')}`
/** 172.16.0.1 and up. */
const encapAddress = (index: number): string =>
  [172, 16 + ((index + 1) >> 16), ((index + 1) >> 8) & 255, (index + 1) & 255].join('.')

export class SimulatedHost {
  readonly index: number
  readonly name: string
  readonly encapIp: string
  readonly database = new MemoryDatabase(openVSwitch)
  readonly switch: SimulatedSwitch
  readonly link: SwitchLink
  readonly #options: HostOptions
  readonly #stop = new AbortController()
  /** Interface names and the ports that they are, plugged in as soon as there is a bridge. */
  readonly #wanted = new Map<string, string>()
  #connection: Connection | null = null
  #reconfiguring = false

  constructor(options: HostOptions) {
    const { index, pool, changed, delivered, packetOut } = options
    this.index = index
    this.#options = options
    this.name = hostName(index)
    this.encapIp = encapAddress(index)
    this.link = new SwitchLink({
      receive: (frame) => this.switch.receive(frame),
      connected: (is) => this.#connected(is),
    })
    this.switch = new SimulatedSwitch({
      datapath: 0x0200_0000_0000n + BigInt(index),
      pool,
      tunnelSource: ipv4(this.encapIp) ?? 0,
      send: (bytes) => this.link.send(bytes),
      ...(changed && { changed: (flow, present) => changed(this, flow, present) }),
      ...(delivered && { delivered: (port, bytes) => delivered(this, port, bytes) }),
      ...(packetOut && { packetOut: (message) => packetOut(this, message) }),
    })
    this.#transact((tx) =>
      tx.insert('Open_vSwitch', {
        ovs_version: OVS_VERSION,
        external_ids: new Map([
          ['system-id', this.name],
          ['hostname', this.name],
          ['weft-encap-ip', this.encapIp],
        ]),
      }),
    )
    this.database.watch(() => this.#reconfigureSoon())
  }

  start(): void {
    void this.#serveDatabase()
  }

  stop(): void {
    this.#stop.abort()
    this.link.connectTo(null)
    this.#connection?.close()
  }

  // What an operator or a virtual machine manager does.

  /** Plugs in interfaces, by name and the port's UUID, in one transaction. */
  plug(interfaces: Iterable<readonly [name: string, port: string]>): void {
    for (const [name, port] of interfaces) this.#wanted.set(name, port)
    this.#reconfigureSoon()
  }

  unplug(name: string): void {
    this.#wanted.delete(name)
    const [row] = this.#find('Port', name)
    const [bridge] = this.#find('Bridge', BRIDGE)
    if (row === undefined || bridge === undefined) return
    this.#transact((tx) =>
      tx.mutate('Bridge', [['name', '==', BRIDGE]], [['ports', 'delete', [row['_uuid'] as never]]]),
    )
  }

  /** The OpenFlow number of an interface; null until it has one. */
  ofport(name: string): number | null {
    return (this.#find('Interface', name)[0]?.['ofport'] ?? null) as number | null
  }

  // Faults.

  /** Both connections break; the host comes back by itself. */
  disconnect(): void {
    this.link.break()
    this.#connection?.close()
  }

  /** Neither reads nor answers any more, as a host that swaps or hangs. */
  stall(): void {
    this.link.pause()
    this.#connection?.pause()
  }

  resume(): void {
    this.link.resume()
    this.#connection?.resume()
  }

  /** ovs-vswitchd is killed and started: what the switch held is gone. */
  restartSwitch(): void {
    this.switch.tables.clear()
    this.link.break()
  }

  // ovsdb-server.

  async #serveDatabase(): Promise<void> {
    const { signal } = this.#stop
    const backoff = new Backoff({}, Math.random)
    while (!signal.aborted) {
      let connection: Connection | null = null
      const server = new DatabaseServer([aboutServer, this.database], (method, params) =>
        connection?.notify(method, params),
      )
      try {
        const serve = (method: string, params: Parameters<DatabaseServer['serve']>[1]) => server.serve(method, params)
        connection = this.#connection = await dial(this.#options.manager, { serve }, signal)
        backoff.reset()
        await connection.closed
      } catch (error) {
        if (!(error instanceof OvsdbError)) throw error
      }
      this.#connection = null
      server.close()
      await pause(backoff.next(), signal)
    }
  }

  #transact(build: (tx: Transaction<(typeof OpenVSwitch)['tables']>) => unknown): void {
    const tx = new Transaction(OpenVSwitch)
    build(tx)
    const failed = this.database.transact(tx.params().slice(1)).find((each) => JSON.stringify(each).includes('"error"'))
    if (failed !== undefined) throw new Error(`${this.name}: ${JSON.stringify(failed)}`)
  }

  #find(table: string, name: string): AnyRow[] {
    return Array.from(this.database.table(table).values()).filter((row) => row['name'] === name)
  }

  // ovs-vswitchd. Like the real one it looks at the database after each change, not within it.

  #reconfigureSoon(): void {
    if (this.#reconfiguring) return
    this.#reconfiguring = true
    setImmediate(() => {
      this.#reconfiguring = false
      if (!this.#stop.signal.aborted) this.#reconfigure()
    })
  }

  #reconfigure(): void {
    const [bridge] = this.#find('Bridge', BRIDGE)
    if (bridge === undefined) return this.link.connectTo(null)
    this.#transact((tx) => {
      if (bridge['datapath_id'] === null) {
        const id = (0x0200_0000_0000n + BigInt(this.index)).toString(16).padStart(16, '0')
        tx.update('Bridge', [['name', '==', BRIDGE]], { datapath_id: id })
      }
      this.#plugWanted(tx)
      this.#numberPorts(tx)
    })
    const [controller] = bridge['controller'] as readonly string[]
    const row = controller === undefined ? undefined : this.database.table('Controller').get(controller)
    this.link.connectTo(
      (row?.['target'] as string | undefined) ?? null,
      (row?.['max_backoff'] as number | null) ?? undefined,
    )
  }

  #plugWanted(tx: Transaction<(typeof OpenVSwitch)['tables']>): void {
    const present = new Set(Array.from(this.database.table('Port').values(), (row) => row['name']))
    const ports = Array.from(this.#wanted)
      .filter(([name]) => !present.has(name))
      .map(([name, port]) => {
        const external_ids = new Map([['iface-id', port]])
        return tx.insert('Port', { name, interfaces: [tx.insert('Interface', { name, external_ids })] })
      })
    if (ports.length > 0) tx.mutate('Bridge', [['name', '==', BRIDGE]], [['ports', 'insert', ports]])
  }

  #numberPorts(tx: Transaction<(typeof OpenVSwitch)['tables']>): void {
    const interfaces = [...this.database.table('Interface').values()]
    const taken = new Set(interfaces.map((row) => row['ofport'] as number | null))
    let next = 1
    for (const row of interfaces) {
      if (row['ofport'] !== null) continue
      const wanted = row['ofport_request'] as number | null
      while (taken.has(next)) next += 1
      const ofport = wanted !== null && !taken.has(wanted) ? wanted : row['name'] === BRIDGE ? LOCAL : next
      taken.add(ofport)
      tx.update('Interface', [['_uuid', '==', row['_uuid'] as never]], { ofport })
    }
    const isTunnel = (row: AnyRow): boolean => row['type'] !== '' && row['type'] !== 'internal'
    const numbered = (list: readonly AnyRow[]): number[] =>
      list.flatMap((row) => (row['ofport'] as number | null) ?? [])
    this.switch.setPorts(
      numbered(interfaces.filter((row) => !isTunnel(row))),
      numbered(interfaces.filter((row) => isTunnel(row))),
    )
  }

  #connected(is_connected: boolean): void {
    if (!is_connected) this.switch.disconnected()
    this.#transact((tx) => tx.update('Controller', [], { is_connected }))
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, milliseconds)
    signal.addEventListener('abort', done)
  })
}

// Who answers packet-ins in `punt`: Weft, ovs-testcontroller (C), a learning switch on os-ken (Python), and a program that
// only reads and writes; each with simulated switches of its own.
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { mac } from '../../controller/address.ts'
import { encodeMessage, NO_BUFFER } from '../../ofproto/messages/index.ts'
import { interfaceOf, startFleet } from '../fleet/fleet.ts'
import { FlowPool } from '../fleet/flow-pool.ts'
import type { SimulatedHost } from '../fleet/host.ts'
import { SwitchLink } from '../fleet/switch-link.ts'
import { SimulatedSwitch } from '../fleet/switch.ts'
import { makeFolder, removeFolder } from '../lab/folder.ts'
import { startDaemon, until } from '../lab/run.ts'
import { ServeProcess } from '../lab/serve.ts'
import { discover } from './punt-dhcp.ts'
import { Load, type Punter } from './punt-load.ts'
import { areActive, makePorts } from './punt-ports.ts'

/** ovs-testcontroller takes no more. */
export const SWITCHES = 16
const PORTS = 10
const READY_SECONDS = 30

export interface Contender {
  readonly name: string
  readonly load: Load
  stop(): Promise<void>
}

/** Ends what has been started, last first. */
async function undo(steps: readonly (() => unknown)[]): Promise<void> {
  for (const step of steps.toReversed()) await step()
}

export async function weft(): Promise<Contender> {
  const folder = await makeFolder()
  const controller = await ServeProcess.start(folder)
  const steps: (() => unknown)[] = [() => removeFolder(folder), () => controller.stop()]
  try {
    const ports = await makePorts(controller, SWITCHES * PORTS)
    const portsOf = (host: number) => ports.slice(host * PORTS, (host + 1) * PORTS)
    const answered = { load: null as Load | null }
    const fleet = startFleet({
      hosts: SWITCHES,
      portsOf: (host) => portsOf(host).map(({ id }) => id),
      manager: controller.manager,
      packetOut: ({ index }) => answered.load?.answered(index),
    })
    steps.push(() => fleet.stop())
    await until('all ports are ACTIVE', () => areActive(controller), READY_SECONDS)
    const framesOf = (host: SimulatedHost): Uint8Array[][] =>
      portsOf(host.index).map(({ id, mac_address }) =>
        host.switch.packetIns(host.ofport(interfaceOf(id)) ?? 0, discover(mac(mac_address), 1)),
      )
    const { hosts } = fleet
    const isAsked = (host: SimulatedHost): boolean => framesOf(host).every((frames) => frames.length > 0)
    await until('requests come to the controller', () => hosts.every(isAsked), READY_SECONDS)
    const punters = hosts.map((host): Punter => {
      return { frames: framesOf(host).flat(), send: (frame) => host.link.send(frame) }
    })
    answered.load = new Load(punters, controller.pid)
    return { name: 'Weft', load: answered.load, stop: () => undo(steps) }
  } catch (error) {
    await undo(steps)
    throw error
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

export async function testController(): Promise<Contender> {
  const folder = await makeFolder()
  const files = [`--unixctl=${join(folder, 'ctl')}`, '--no-chdir', '-vconsole:off', '-O', 'OpenFlow13']
  const start = (port: number) => startDaemon('ovs-testcontroller', [...files, `ptcp:${port}:127.0.0.1`])
  return learning('ovs-testcontroller', start, () => removeFolder(folder))
}

const here = (file: string): string => join(import.meta.dirname, file)

export const osKen = (): Promise<Contender> =>
  learning('os-ken learning switch', (port) => {
    const listen = ['--ofp-listen-host', '127.0.0.1', '--ofp-tcp-listen-port', String(port)]
    return startDaemon('osken-manager', [...listen, here('punt-os-ken.py')])
  })

export const bareSockets = (): Promise<Contender> =>
  learning('Node, reading and writing alone', (port) =>
    startDaemon(process.execPath, [here('punt-sockets.ts'), String(port)]),
  )

/** From each port of the switch another client. */
function discovers(index: number): Uint8Array[] {
  return Array.from({ length: PORTS }, (_, port) => {
    const data = discover(0x0200_0000_0000 + index * PORTS + port, 1)
    const match = [{ kind: 'in_port_oxm' as const, value: port + 1, mask: null }]
    const about = { bufferId: NO_BUFFER, totalLength: data.length, reason: 0, table: 0, cookie: 0n, match, data }
    return encodeMessage({ kind: 'packet_in', xid: 0, ...about })
  })
}

/** One that wants to know nothing of a switch but its packets. */
async function learning(
  name: string,
  start: (port: number) => ReturnType<typeof startDaemon>,
  after: () => void = () => {},
): Promise<Contender> {
  const port = await freePort()
  const daemon = await start(port)
  const steps: (() => unknown)[] = [after, () => daemon.stop()]
  const pool = new FlowPool()
  const switches = Array.from({ length: SWITCHES }, (_, index) => {
    const link: SwitchLink = new SwitchLink({ receive: (frame) => device.receive(frame), connected: () => {} })
    const device: SimulatedSwitch = new SimulatedSwitch({
      datapath: BigInt(index + 1),
      pool,
      tunnelSource: 0,
      send: (bytes) => link.send(bytes),
      packetOut: () => load.answered(index),
    })
    device.setPorts(
      Array.from({ length: PORTS }, (_, i) => i + 1),
      [],
    )
    link.connectTo(`tcp:127.0.0.1:${port}`)
    steps.push(() => link.connectTo(null))
    return { link, frames: discovers(index), send: (frame: Uint8Array) => link.send(frame) }
  })
  const load = new Load(switches, daemon.pid)
  try {
    await until('all switches are connected', () => switches.every(({ link }) => link.isConnected), READY_SECONDS)
    // Controllers ask a few things first; until then os-ken takes no packets.
    await sleep(1000)
  } catch (error) {
    await undo(steps)
    throw error
  }
  return { name, load, stop: () => undo(steps) }
}

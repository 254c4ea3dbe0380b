// `npm run bench -- punt`: how fast packets are answered that switches send to the controller. DHCP through a real OVS; then
// packet-in to packet-out from the same simulated switches for Weft, ovs-testcontroller (C) and a learning switch on os-ken
// (Python). They do not do the same: Weft gets DHCP requests, which it looks up and answers with a packet of its own; the
// other two get ARP requests, learn the sender and send the packet on to all ports. Theirs is less work.
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { arpFrame } from '../../controller/model/testing.ts'
import { BROADCAST_MAC } from '../../packet/frame.ts'
import { encodeMessage, NO_BUFFER } from '../../ofproto/messages/index.ts'
import { startFleet, type Fleet } from '../fleet/fleet.ts'
import { FlowPool } from '../fleet/flow-pool.ts'
import { SwitchLink } from '../fleet/switch-link.ts'
import { SimulatedSwitch } from '../fleet/switch.ts'
import { makeFolder, removeFolder } from '../lab/folder.ts'
import { startDaemon, until } from '../lab/run.ts'
import { ServeProcess } from '../lab/serve.ts'
import { discover, realDhcp } from './punt-dhcp.ts'
import { Load, type Punter, type Served } from './punt-load.ts'
import { areActive, makePorts } from './punt-ports.ts'
import { costOf } from './watch-process.ts'

/** ovs-testcontroller takes no more. */
const SWITCHES = 16
const PORTS = 10
/** ovs-testcontroller drops answers when more than 10 wait for one switch. */
const UNANSWERED = 8
const SECONDS = 4
const READY_SECONDS = 30

export async function run(): Promise<void> {
  console.log('punt: DHCP requests of virtual machines through one ovs-vswitchd')
  for (const { offered, perSecond, p50, p99, lost, ...cpu } of await realDhcp()) {
    line(
      `${offered} a second offered`,
      `${perSecond.toFixed(0)} a second answered, ${ms(p50)} p50, ${ms(p99)} p99, ${lost} lost`,
    )
    const [weft, ovs] = [cpu.weftMicroseconds, cpu.switchMicroseconds]
    line('', `CPU time for each: ${weft.toFixed(0)} µs of Weft, ${ovs.toFixed(0)} µs of ovs-vswitchd`)
  }
  console.log(`punt: packet-in to packet-out, ${SWITCHES} simulated switches`)
  for (const peer of [weft, testController, osKen]) print(await peer())
}

interface Measured {
  readonly name: string
  /** One unanswered packet-in in all, and several of each switch. */
  readonly latency: Served
  readonly throughput: Served
  /** Answers for each second of the controller's CPU time, with several unanswered. */
  readonly perCpuSecond: number
}

const ms = (value: number): string => `${value.toFixed(value < 10 ? 2 : 0)} ms`
const line = (name: string, value: string): void => console.log(`  ${name.padEnd(36)}${value}`)

function print({ name, latency, throughput, perCpuSecond }: Measured): void {
  line(name, `${throughput.perSecond.toFixed(0)} a second, ${perCpuSecond.toFixed(0)} a second of its CPU time`)
  line('', `one at a time: ${ms(latency.p50)} p50, ${ms(latency.p99)} p99; ${throughput.lost} lost`)
}

async function measure(name: string, pid: number, punters: readonly Punter[], load: Load): Promise<Measured> {
  if (punters.some(({ frames }) => frames.length === 0)) throw new Error(`${name}: a switch has nothing to send`)
  const latency = await load.run(1, 1, SECONDS)
  const before = costOf(pid).cpuSeconds
  const begin = performance.now()
  const throughput = await load.run(SWITCHES, UNANSWERED, SECONDS)
  // Half of the time was to warm up.
  const share = (SECONDS * 1000) / (performance.now() - begin)
  const perCpuSecond = throughput.answers / ((costOf(pid).cpuSeconds - before) * share)
  return { name, latency, throughput, perCpuSecond }
}

async function weft(): Promise<Measured> {
  const folder = await makeFolder()
  const controller = await ServeProcess.start(folder)
  let fleet: Fleet | undefined
  try {
    const ports = await makePorts(controller, SWITCHES * PORTS)
    const idsOf = (host: number): string[] => ports.slice(host * PORTS, (host + 1) * PORTS).map(({ id }) => id)
    const answered = { load: null as Load | null }
    fleet = startFleet({
      hosts: SWITCHES,
      portsOf: idsOf,
      manager: controller.manager,
      packetOut: ({ index }) => answered.load?.answered(index),
    })
    const { hosts } = fleet
    await until('all ports are ACTIVE', () => areActive(controller), READY_SECONDS)
    const punters = hosts.map((host, index) => ({
      send: (frame: Uint8Array) => host.link.send(frame),
      frames: ports.slice(index * PORTS, (index + 1) * PORTS).flatMap(({ id, mac_address }) => {
        const number = host.ofport(`tap${id.replaceAll('-', '').slice(0, 12)}`) ?? 0
        return host.switch.packetIns(number, discover(mac_address, 1))
      }),
    }))
    answered.load = new Load(punters)
    return await measure('Weft, DHCP', controller.pid, punters, answered.load)
  } finally {
    fleet?.stop()
    await controller.stop()
    removeFolder(folder)
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

async function testController(): Promise<Measured> {
  const folder = await makeFolder()
  const port = await freePort()
  const files = [`--unixctl=${join(folder, 'ctl')}`, '--no-chdir', '-vconsole:off']
  const daemon = await startDaemon('ovs-testcontroller', ['-O', 'OpenFlow13', ...files, `ptcp:${port}:127.0.0.1`])
  try {
    return await measureLearning('ovs-testcontroller, ARP', daemon.pid, port)
  } finally {
    await daemon.stop()
    removeFolder(folder)
  }
}

async function osKen(): Promise<Measured> {
  const port = await freePort()
  const program = join(import.meta.dirname, 'punt-os-ken.py')
  const listen = ['--ofp-listen-host', '127.0.0.1', '--ofp-tcp-listen-port', String(port)]
  const daemon = await startDaemon('osken-manager', [...listen, program])
  try {
    return await measureLearning('os-ken learning switch, ARP', daemon.pid, port)
  } finally {
    await daemon.stop()
  }
}

/** Who has 10.0.0.1? From each port of the switch another sender. */
function arpRequests(index: number): Uint8Array[] {
  return Array.from({ length: PORTS }, (_, port) => {
    const sha = 0x0200_0000_0000 + index * PORTS + port
    const data = arpFrame(sha, BROADCAST_MAC, { op: 1, sha, spa: 0x0a00_0100 + port, tha: 0, tpa: 0x0a00_0001 })
    const match = [{ kind: 'in_port_oxm' as const, value: port + 1, mask: null }]
    const about = { bufferId: NO_BUFFER, totalLength: data.length, reason: 0, table: 0, cookie: 0n, match, data }
    return encodeMessage({ kind: 'packet_in', xid: 0, ...about })
  })
}

async function measureLearning(name: string, pid: number, port: number): Promise<Measured> {
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
    return { link, frames: arpRequests(index), send: (frame: Uint8Array) => link.send(frame) }
  })
  const load = new Load(switches)
  try {
    await until('all switches are connected', () => switches.every(({ link }) => link.isConnected), READY_SECONDS)
    // Both ask a few things first; until then os-ken takes no packets.
    await sleep(1000)
    return await measure(name, pid, switches, load)
  } finally {
    for (const { link } of switches) {
      link.connectTo(null)
      link.break()
    }
  }
}

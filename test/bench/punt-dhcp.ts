// DHCP through a real ovs-vswitchd: dummy ports whose packets come and go over a unix socket each, so that a request takes
// the way of any virtual machine's: classifier, port security, its port's meter, packet-in, Weft, packet-out, port.
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { mac } from '../../controller/address.ts'
import { composeDhcp, messageTypes, parseDhcp } from '../../packet/dhcp.ts'
import {
  BROADCAST_MAC,
  composeFrame,
  composeIpv4,
  composeUdp,
  parseFrame,
  parseIpv4,
  parseUdp,
} from '../../packet/frame.ts'
import { makeFolder, removeFolder } from '../lab/folder.ts'
import { Ovs } from '../lab/ovs.ts'
import { until } from '../lab/run.ts'
import { ServeProcess } from '../lab/serve.ts'
import { areActive, makePorts } from './punt-ports.ts'
import { quantile } from './statistics.ts'
import { cpuMicroseconds } from './watch-process.ts'

/** As a host may have; a port's meter lets 10 a second pass, so 1,000 of all. */
const PORTS = 100
const RATES = [100, 500, 900]
const SECONDS = 4
const READY_SECONDS = 60
const TYPE = 53

/** A DHCPDISCOVER of the machine with this MAC, as an Ethernet frame. */
export function discover(source: number, xid: number): Uint8Array {
  const message = composeDhcp({
    op: 1,
    xid,
    seconds: 0,
    broadcast: true,
    clientAddress: 0,
    yourAddress: 0,
    serverAddress: 0,
    relayAddress: 0,
    clientMac: source,
    serverName: '',
    bootFile: '',
    options: new Map([[TYPE, Uint8Array.of(messageTypes.discover)]]),
  })
  const ends = { source: 0, destination: 0xffff_ffff }
  const udp = composeUdp({ sourcePort: 68, destinationPort: 67, payload: message }, ends)
  const packet = composeIpv4({ ...ends, protocol: 17, ttl: 64, dscp: 0, payload: udp })
  return composeFrame({ source, destination: BROADCAST_MAC, etherType: 0x0800, payload: packet })
}

/** A dummy port's other end: packets with their length before them (OVS, lib/netdev-dummy.c). */
class DummyWire {
  readonly #socket: Socket
  #held = Buffer.alloc(0)

  constructor(path: string, onFrame: (frame: Uint8Array) => void) {
    this.#socket = connect({ path })
    this.#socket.on('data', (chunk: Buffer) => {
      this.#held = Buffer.concat([this.#held, chunk])
      while (this.#held.length >= 2 && this.#held.length >= 2 + this.#held.readUInt16BE(0)) {
        const end = 2 + this.#held.readUInt16BE(0)
        onFrame(this.#held.subarray(2, end))
        this.#held = this.#held.subarray(end)
      }
    })
  }

  send(frame: Uint8Array): void {
    const header = Buffer.alloc(2)
    header.writeUInt16BE(frame.length)
    this.#socket.write(Buffer.concat([header, frame]))
  }

  close(): void {
    this.#socket.destroy()
  }
}

export interface DhcpServed {
  readonly offered: number
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
  readonly lost: number
  /** Microseconds of CPU time for each answer, beyond what the processes take when nobody asks. */
  readonly weftMicroseconds: number
  readonly switchMicroseconds: number
}

/** xid of the DHCPOFFER in a frame; null for anything else. */
function offerIn(frame: Uint8Array): number | null {
  const ip = parseIpv4(parseFrame(frame)?.payload ?? frame)
  const udp = ip === null ? null : parseUdp(ip)
  const message = udp === null ? null : parseDhcp(udp.payload)
  return message?.options.get(TYPE)?.[0] === messageTypes.offer ? message.xid : null
}

export async function realDhcp(): Promise<readonly DhcpServed[]> {
  const folder = await makeFolder()
  const controller = await ServeProcess.start(folder)
  const ovs = await Ovs.start()
  const wires: DummyWire[] = []
  try {
    const ports = await makePorts(controller, PORTS)
    await ovs.vsctl('set', 'open_vswitch', '.', 'external_ids:weft-datapath-type=dummy')
    await ovs.vsctl('set-manager', controller.manager)
    await until('br-int is there', async () => (await ovs.vsctl('list-br')).includes('br-int'), READY_SECONDS)
    const path = (i: number): string => join(ovs.folder, `p${i}.sock`)
    const added = ports.flatMap(({ id }, i) => {
      const settings = ['type=dummy', `options:pstream=punix:${path(i)}`, `external_ids:iface-id=${id}`]
      return ['--', 'add-port', 'br-int', `p${i}`, '--', 'set', 'interface', `p${i}`, ...settings]
    })
    await ovs.vsctl(...added)
    await until('all ports are ACTIVE', () => areActive(controller), READY_SECONDS)
    const pending = new Map<number, number>()
    const latencies: number[] = []
    const onFrame = (frame: Uint8Array): void => {
      const sent = pending.get(offerIn(frame) ?? -1)
      if (sent === undefined) return
      pending.delete(offerIn(frame) ?? -1)
      latencies.push(performance.now() - sent)
    }
    for (let i = 0; i < PORTS; i += 1) wires.push(new DummyWire(path(i), onFrame))
    await sleep(1000)
    const results: DhcpServed[] = []
    let xid = 1
    const spent = (): number[] => [controller.pid, ovs.processes.switch].map(cpuMicroseconds)
    const atRest = spent()
    await sleep(SECONDS * 1000)
    const idle = spent().map((each, i) => (each - (atRest[i] ?? 0)) / SECONDS)
    for (const offered of RATES) {
      const before = spent()
      pending.clear()
      latencies.length = 0
      const begin = performance.now()
      for (let sent = 0; sent < offered * SECONDS;) {
        const due = Math.min(offered * SECONDS, ((performance.now() - begin) / 1000) * offered)
        for (; sent < due; sent += 1) {
          const at = sent % PORTS
          pending.set(xid, performance.now())
          wires[at]?.send(discover(mac(ports[at]?.mac_address ?? ''), xid))
          xid += 1
        }
        await sleep(1)
      }
      const seconds = (performance.now() - begin) / 1000
      const perSecond = latencies.length / seconds
      await sleep(1000)
      const took = (performance.now() - begin) / 1000
      const [weftMicroseconds = Number.NaN, switchMicroseconds = Number.NaN] = spent().map(
        (each, i) => (each - (before[i] ?? 0) - (idle[i] ?? 0) * took) / latencies.length,
      )
      const quantiles = { p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99) }
      results.push({ offered, perSecond, ...quantiles, weftMicroseconds, switchMicroseconds, lost: pending.size })
    }
    return results
  } finally {
    for (const wire of wires) wire.close()
    await ovs.stop()
    await controller.stop()
    removeFolder(folder)
  }
}

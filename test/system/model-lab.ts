// A real switch beside the modelled one: a bridge with dummy ports and a VXLAN port over a bridge for the underlay, what
// ofproto/trace says of a packet, and the very bytes that leave the ports, tunnelled ones unpacked.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from '../../controller/connect/openflow.ts'
import type { Channel } from '../../controller/connect/channel.ts'
import type { Arrival } from '../../controller/model/switch.ts'
import type { Tunnel } from '../../controller/model/packet.ts'
import { encodeMessage, formatMessage, ports, type Message } from '../../ofproto/messages/index.ts'
import { composeFrame, composeIpv4, composeUdp } from '../../packet/frame.ts'
import { Ovs } from '../lab/ovs.ts'
import { until } from '../lab/run.ts'

const BRIDGE = 'br-int'
export const VXLAN_PORT = 65001
const UNDERLAY_MAC = 0xaaaa_aa00_0001
const VXLAN = 4789
/** Ethernet, IPv4, UDP and VXLAN. */
const OUTER = 50
/** Of a pcap file, and of each packet in it. */
const PCAP_HEADER = 24
const RECORD_HEADER = 16
const UNDECIDED = /\b(recirc|check_pkt_len)\(/

type PacketIn = Extract<Message, { readonly kind: 'packet_in' }>

export interface Traced {
  /** Null where the datapath has to look before it is known how the packet goes on (hash, length). */
  /** `port` or `port key destination`, sorted. */
  readonly outputs: readonly string[] | null
  readonly packetIns: number
  readonly text: string
}

/** An output as text, so that lists of them compare. */
export const outputText = (
  port: number,
  tunnel: { readonly id: bigint; readonly destination: number } | null,
): string => (tunnel === null ? `${port}` : `${port} ${tunnel.id} ${dotted(tunnel.destination)}`)

const dotted = (address: number): string => [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join('.')

/** Splits at commas outside parentheses. */
function split(text: string): string[] {
  const parts: string[] = []
  let depth = 0
  let start = 0
  for (let i = 0; i <= text.length; i += 1) {
    const c = text[i]
    if (c === '(') depth += 1
    if (c === ')') depth -= 1
    if (i === text.length || (c === ',' && depth === 0)) {
      parts.push(text.slice(start, i))
      start = i + 1
    }
  }
  return parts
}

export class ModelLab implements AsyncDisposable {
  readonly #ovs: Ovs
  readonly #ports: readonly number[]
  readonly #channel: Channel
  readonly #errors: Message[]
  readonly #packetIns: PacketIn[]
  /** Datapath port to OpenFlow port of br-int. */
  #numbers = new Map<string, number>()

  private constructor(ovs: Ovs, ports: readonly number[], channel: Channel, errors: Message[], packetIns: PacketIn[]) {
    this.#ovs = ovs
    this.#ports = ports
    this.#channel = channel
    this.#errors = errors
    this.#packetIns = packetIns
  }

  /** `local` is the host's tunnel address, `neighbours` those of the others. All are in one /24. */
  static async start(ports: readonly number[], local: string, neighbours: readonly string[]): Promise<ModelLab> {
    const ovs = await Ovs.start()
    try {
      const pcap = (name: string): string => `options:tx_pcap=${join(ovs.folder, `${name}.pcap`)}`
      const bridge = (name: string, ...settings: readonly string[]): string[] => {
        return ['--', 'add-br', name, '--', 'set', 'bridge', name, 'datapath_type=dummy', ...settings]
      }
      const port = (on: string, name: string, ...settings: readonly string[]): string[] => {
        return ['--', 'add-port', on, name, '--', 'set', 'interface', name, ...settings]
      }
      await ovs.vsctl(
        ...bridge('br-phy', 'other-config:hwaddr=aa:aa:aa:00:00:01'),
        ...port('br-phy', 'e0', 'type=dummy', pcap('e0')),
        ...bridge(BRIDGE, 'fail_mode=secure', 'protocols=OpenFlow13'),
        ...ports.flatMap((n) => port(BRIDGE, `p${n}`, 'type=dummy', `ofport_request=${n}`, pcap(`p${n}`))),
        ...port(BRIDGE, 'vx', 'type=vxlan', 'options:remote_ip=flow', 'options:key=flow'),
        `ofport_request=${VXLAN_PORT}`,
      )
      await ovs.appctl('netdev-dummy/ip4addr', 'br-phy', `${local}/24`)
      await ovs.appctl('ovs/route/add', `${local.replace(/\d+$/, '0')}/24`, 'br-phy')
      for (const [i, address] of neighbours.entries()) {
        await ovs.appctl('tnl/neigh/set', 'br-phy', address, `aa:aa:aa:00:01:0${i}`)
      }
      const errors: Message[] = []
      const packetIns: PacketIn[] = []
      const onMessage = (message: Message): void => {
        if (message.kind === 'error') errors.push(message)
        if (message.kind === 'packet_in') packetIns.push(message)
      }
      const channel = await connect(ovs.management(BRIDGE), { onMessage })
      const lab = new ModelLab(ovs, ports, channel, errors, packetIns)
      await lab.#learnNumbers()
      return lab
    } catch (error) {
      await ovs.stop()
      throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#channel.close()
    await this.#ovs.stop()
  }

  async #learnNumbers(): Promise<void> {
    const [, ours = ''] = (await this.#ovs.appctl('dpif/show')).split(`${BRIDGE}:`)
    for (const [, name, number, datapath] of (ours.split(/^ {2}\S+:$/m)[0] ?? '').matchAll(
      /^\s+(\S+) (\d+)\/(\d+):/gm,
    )) {
      this.#numbers.set(datapath ?? '', name === BRIDGE ? ports.local : Number(number))
    }
  }

  /** Rejects if the switch refuses any. */
  async install(messages: readonly Message[]): Promise<void> {
    for (const message of messages) this.#channel.send({ ...message, xid: this.#channel.nextXid() })
    await this.#channel.barrier()
    if (this.#errors.length > 0) {
      const texts = this.#errors.splice(0).map((error) => formatMessage(encodeMessage(error)))
      throw new Error(texts.slice(0, 5).join('\n'))
    }
  }

  /** What was installed decides from now on, also about flows that the datapath has cached. */
  async revalidated(): Promise<void> {
    await this.#ovs.appctl('revalidator/wait')
  }

  /** Packet-ins come from now on, whole. */
  async watch(): Promise<void> {
    await this.install([{ kind: 'set_config', xid: 0, flags: 0, missSendLength: 0xffff }])
  }

  /** The packet-ins since the last call, once there are `count`. */
  async punts(count: number): Promise<readonly PacketIn[]> {
    await until(`${count} packet-ins`, () => this.#packetIns.length >= count).catch(() => {})
    return this.#packetIns.splice(0)
  }

  async trace({ bytes, inPort, tunnel }: Arrival): Promise<Traced> {
    const outer = tunnel
      ? `,tun_id=${tunnel.id},tun_src=${dotted(tunnel.source)},tun_dst=${dotted(tunnel.destination)}`
      : ''
    const packet = Buffer.from(bytes).toString('hex')
    const text = await this.#ovs.appctl('ofproto/trace', BRIDGE, `in_port=${inPort}${outer}`, packet)
    const actions = /Datapath actions: (.*)/.exec(text)?.[1] ?? ''
    const found = this.#read(actions)
    const outputs = UNDECIDED.test(actions) ? null : found.outputs.toSorted()
    return { outputs, packetIns: found.packetIns, text }
  }

  /** Where a flow's packets leave, if conntrack says of each in turn what `states` say (`trk,new` and so on). */
  async traceFlow(
    flow: string,
    states: readonly string[],
  ): Promise<Pick<Traced, 'text'> & { outputs: readonly string[] }> {
    const next = states.flatMap((state) => ['--ct-next', state])
    const text = await this.#ovs.appctl('ofproto/trace', BRIDGE, flow, ...next)
    const actions = Array.from(text.matchAll(/Datapath actions: (.*)/g), ([, found = '']) => found)
    return { outputs: actions.flatMap((each) => this.#read(each).outputs), text }
  }

  #read(actions: string): { outputs: string[]; packetIns: number } {
    const outputs: string[] = []
    let packetIns = 0
    for (const action of split(actions)) {
      const number = this.#numbers.get(action)
      if (number !== undefined) outputs.push(outputText(number, null))
      else if (action.startsWith('clone(')) {
        const inner = this.#read(action.slice('clone('.length, -1))
        outputs.push(...inner.outputs)
        packetIns += inner.packetIns
      } else if (action.startsWith('tnl_push(')) {
        const [, destination = ''] = /ipv4\(src=[^,]*,dst=([^,]*),/.exec(action) ?? []
        const [, vni = '0'] = /vni=(0x[0-9a-f]+)/.exec(action) ?? []
        outputs.push(`${VXLAN_PORT} ${BigInt(vni)} ${destination}`)
      } else if (action.includes('controller(')) packetIns += 1
    }
    return { outputs, packetIns }
  }

  /** Makes the switch receive a packet; one with an outer header comes in by the underlay. */
  async receive({ bytes, inPort, tunnel }: Arrival): Promise<void> {
    const frame = tunnel ? encapsulate(bytes, tunnel) : bytes
    await this.#ovs.appctl('netdev-dummy/receive', tunnel ? 'e0' : `p${inPort}`, Buffer.from(frame).toString('hex'))
  }

  /** What has left since the start, as `output: bytes`, sorted. Waits until there are `count`. */
  async transmitted(count: number): Promise<readonly string[]> {
    const all = (): string[] => [...this.#ports.flatMap((n) => this.#left(`p${n}`, n)), ...this.#left('e0', null)]
    await until(`${count} packets have left`, () => all().length >= count).catch(() => {})
    // What is still on its way shows as too much.
    for (let i = 0; i < 3; i += 1) await this.#ovs.appctl('version')
    return all().toSorted()
  }

  #left(name: string, port: number | null): string[] {
    const file = readFileSync(join(this.#ovs.folder, `${name}.pcap`))
    const out: string[] = []
    for (let at = PCAP_HEADER; at + RECORD_HEADER <= file.length;) {
      const size = file.readUInt32LE(at + 8)
      const frame = file.subarray(at + RECORD_HEADER, at + RECORD_HEADER + size)
      at += RECORD_HEADER + size
      if (port !== null) out.push(`${port}: ${frame.toString('hex')}`)
      else if (frame.readUInt16BE(12) === 0x0800 && frame.readUInt16BE(36) === VXLAN) {
        const tunnel = { id: BigInt(frame.readUIntBE(46, 3)), destination: frame.readUInt32BE(30) }
        out.push(`${outputText(VXLAN_PORT, tunnel)}: ${frame.subarray(OUTER).toString('hex')}`)
      }
    }
    return out
  }
}

function encapsulate(bytes: Uint8Array, { id, source, destination }: Tunnel): Uint8Array {
  const payload = new Uint8Array(8 + bytes.length)
  payload[0] = 8
  new DataView(payload.buffer).setUint32(4, Number(id) * 256)
  payload.set(bytes, 8)
  const ends = { source, destination }
  const udp = composeUdp({ sourcePort: 50_000, destinationPort: VXLAN, payload }, ends)
  const packet = composeIpv4({ ...ends, protocol: 17, ttl: 64, dscp: 0, payload: udp })
  return composeFrame({ source: 0xaaaa_aa00_0100, destination: UNDERLAY_MAC, etherType: 0x0800, payload: packet })
}

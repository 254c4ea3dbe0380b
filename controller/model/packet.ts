// A packet on its way through the tables: its bytes, and what the pipeline knows of it besides (port, tunnel, registers).
// Fields read and write either; what is read from bytes is extracted again after bytes have changed, so the two never
// disagree. Values are bigints here, in the slots of ofproto/fields/slots.ts.
import { bitsToBytes, bytesToBits, ones } from '../../ofproto/fields/bits.ts'
import type { FlowMatch } from '../../ofproto/fields/flow-match.ts'
import { port10, port11 } from '../../ofproto/fields/ports.ts'
import { ETH_TYPE, IP_PROTO } from '../../ofproto/fields/protocols.ts'
import { registersOf, slotOf } from '../../ofproto/fields/slots.ts'
import type { Subfield } from '../../ofproto/fields/subfield.ts'
import { fieldOf, type AnyValue, type FieldName } from '../../ofproto/fields/table.ts'
import { extractFlow, keyMatch, type FlowKey } from '../../ofproto/packet/index.ts'
import { patch } from './checksum.ts'
import { CT, type Tracked } from './conntrack/conntrack.ts'
import { networkOffset, placeOf } from './place.ts'

/** The outer header of a tunnelled packet: key (VNI) and IPv4 addresses. */
export interface Tunnel {
  readonly id: bigint
  readonly source: number
  readonly destination: number
}

const CFI = 0x1000n
const VID = 0x0fffn
const PCP = 0xe000n
/** Of one flow (FLOW_MAX_VLAN_HEADERS). */
const MAX_VLANS = 2
/** `other_config:vlan-limit` as OVS has it unless told otherwise: further tags of what arrives are payload. */
const VLAN_LIMIT = 1
const MAX_LABELS = 3
const BOTTOM = 0x100
const LATER_FRAGMENT = 2
const nothing = new Uint8Array()

interface Headers {
  readonly key: FlowKey
  readonly match: FlowMatch
}

/** VLAN fields as the parts of the tag that they are: bits, and what is shifted out. */
const tagParts: Readonly<Partial<Record<FieldName, readonly [mask: bigint, shift: bigint]>>> = {
  vlan_tci: [0xffffn, 0n],
  dl_vlan: [VID, 0n],
  vlan_vid: [VID | CFI, 0n],
  dl_vlan_pcp: [PCP, 13n],
  vlan_pcp: [PCP, 13n],
}

/** Registers by number of 32 bits, the most significant first, for every field that is one or more of them. */
const registers = new Map<FieldName, readonly string[] | null>()
function registersFor(field: FieldName): readonly string[] | null {
  let found = registers.get(field)
  if (found === undefined) registers.set(field, (found = registersOf(field)))
  return found
}

/** Fields that show what conntrack found. */
const trackingFields: readonly FieldName[] = [
  'ct_state',
  'ct_zone',
  'ct_mark',
  'ct_label',
  'ct_nw_proto',
  'ct_nw_src',
  'ct_nw_dst',
  'ct_ipv6_src',
  'ct_ipv6_dst',
  'ct_tp_src',
  'ct_tp_dst',
]
/** The fields of the original direction's tuple: in packet-ins only with one of these states (is_ct_valid). */
const isTuple = (slot: string): boolean =>
  slot.startsWith('ct_nw') || slot.startsWith('ct_ipv6') || slot.startsWith('ct_tp')
const TUPLE_STATES = BigInt(CT.new | CT.est | CT.rpl)

export class ModelPacket {
  bytes: Uint8Array
  /** What the datapath knows, whether or not the pipeline may see it. */
  tracked: Tracked | null = null
  /** Fragments that go the same way, held until this one came. */
  companions: readonly ModelPacket[] = []
  readonly #context: Map<string, bigint>
  /** Tags that the pipeline sees: what arrived with it, then what it pushes and pops. */
  #tags: number
  #headers: Headers | null = null

  constructor(bytes: Uint8Array, context: ReadonlyMap<string, bigint>, tags?: number) {
    // Not slice(): that of a Buffer shares its bytes.
    this.bytes = new Uint8Array(bytes)
    this.#context = new Map(context)
    this.#tags = tags ?? extractFlow(bytes, 0, VLAN_LIMIT).vlans.length
  }

  static arrived(bytes: Uint8Array, inPort: number, tunnel: Tunnel | null): ModelPacket {
    const packet = new ModelPacket(bytes, new Map([['in_port', BigInt(port10(inPort) ?? 0xffff)]]))
    if (tunnel !== null) {
      packet.#context.set('tun_id', tunnel.id)
      packet.#context.set('tun_src', BigInt(tunnel.source))
      packet.#context.set('tun_dst', BigInt(tunnel.destination))
    }
    return packet
  }

  clone(): ModelPacket {
    const copy = this.with(this.bytes, this.tracked)
    copy.companions = this.companions.map((each) => each.clone())
    return copy
  }

  /** Another packet of which the pipeline knows the same. */
  with(bytes: Uint8Array, tracked: Tracked | null): ModelPacket {
    const packet = new ModelPacket(bytes, this.#context, this.#tags)
    packet.tracked = tracked
    return packet
  }

  /** Before another table is looked up behind ct: as OVS, ports of the tuple show only beside the packet's own. */
  showTracking(): void {
    const { state = 0, zone = 0, mark = 0n, label = 0n, tuple = null } = this.tracked ?? {}
    const { ethType, fragment } = this.key
    this.#context.set('ct_state', BigInt(state))
    this.#context.set('ct_zone', BigInt(zone))
    this.#context.set('ct_mark', mark)
    this.#context.set('ct_label', label)
    if (tuple === null) return
    const family = ethType === ETH_TYPE.ip ? 'ct_nw' : 'ct_ipv6'
    this.#context.set(`${family}_src`, tuple.source)
    this.#context.set(`${family}_dst`, tuple.destination)
    this.#context.set('ct_nw_proto', BigInt(tuple.protocol))
    if ((fragment & LATER_FRAGMENT) !== 0) return
    this.#context.set('ct_tp_src', BigInt(tuple.sourcePort))
    const isIcmp = tuple.protocol === IP_PROTO.icmp || tuple.protocol === IP_PROTO.icmpv6
    // Of ICMP the code, which is zero for everything that opens a connection.
    this.#context.set('ct_tp_dst', BigInt(isIcmp ? 0 : tuple.destinationPort))
  }

  hideTracking(): void {
    for (const field of trackingFields) this.#context.delete(field)
  }

  untrack(): void {
    for (const each of this.companions) each.untrack()
    this.tracked = null
    this.hideTracking()
  }

  get #extracted(): Headers {
    if (this.#headers === null) {
      const key = extractFlow(this.bytes, 0, this.#tags)
      this.#headers = { key, match: keyMatch(key) }
    }
    return this.#headers
  }

  get key(): FlowKey {
    return this.#extracted.key
  }

  /** What the tables compare; zero for what the packet does not have. */
  slot(slot: string): bigint {
    const { match } = this.#extracted
    return match.has(slot) ? match.get(slot).value : (this.#context.get(slot) ?? 0n)
  }

  get inPort(): number {
    return port11(Number(this.slot('in_port')))
  }

  get tunnel(): Tunnel {
    const at = (slot: string): bigint => this.#context.get(slot) ?? 0n
    return { id: at('tun_id'), source: Number(at('tun_src')), destination: Number(at('tun_dst')) }
  }

  /** Whether the packet has what the field needs (mf_are_prereqs_ok). */
  has(field: FieldName): boolean {
    const { prerequisite } = fieldOf(field)
    if (prerequisite === 'none' || prerequisite === 'Ethernet') return true
    if (prerequisite === 'VLAN VID') return this.key.vlans.length > 0
    if (prerequisite === 'CT') return (this.slot('ct_state') & TUPLE_STATES) !== 0n
    if (field === 'nw_proto' || field === 'ip_frag')
      return this.key.ethType === ETH_TYPE.ip || this.key.ethType === ETH_TYPE.ipv6
    if (field === 'nw_tos') return this.has('ip_dscp')
    if (field === 'tcp_flags') return this.has('tcp_src')
    if (field === 'mpls_bos') return this.has('mpls_label')
    return placeOf(field, this.bytes, this.key) !== null
  }

  read(field: FieldName): bigint {
    const tag = tagParts[field]
    if (tag !== undefined) return (this.slot('tci') & tag[0]) >> tag[1]
    const parts = registersFor(field)
    if (parts !== null) return parts.reduce((value, part) => (value << 32n) | this.slot(part), 0n)
    if (field === 'in_port_oxm') return BigInt(this.inPort)
    if (field === 'ip_dscp') return this.slot('nw_tos') >> 2n
    if (field === 'nd_reserved' || field === 'nd_options_type') return this.#readBytes(field)
    return this.slot(slotOf(field))
  }

  #readBytes(field: FieldName): bigint {
    const place = placeOf(field, this.bytes, this.key)
    if (place === null) return 0n
    const whole = bytesToBits(this.bytes.subarray(place.at, place.at + place.size))
    return (whole >> BigInt(place.shift)) & ones(place.bits)
  }

  /** Sets the bits of `mask`; a packet without the field stays as it is. False if it stays so. */
  write(field: FieldName, value: bigint, mask: bigint): boolean {
    for (const each of this.companions) each.write(field, value, mask)
    if (!this.has(field)) return false
    const tag = tagParts[field]
    if (tag !== undefined) {
      const [part, shift] = tag
      const bits = (mask << shift) & part
      // A part of a tag makes one where there is none (flow_set_vlan_vid, flow_set_vlan_pcp).
      const present = field === 'dl_vlan' || field === 'dl_vlan_pcp' || field === 'vlan_pcp' ? CFI : 0n
      this.#writeTag((this.slot('tci') & ~bits) | ((value << shift) & bits) | present)
      return true
    }
    if (field === 'nw_tos') return this.write('ip_dscp', value >> 2n, mask >> 2n)
    if (fieldOf(field).prerequisite === 'none') this.#writeContext(field, value, mask)
    else this.#writeBytes(field, value, mask)
    return true
  }

  #writeContext(field: FieldName, value: bigint, mask: bigint): void {
    const merged = (this.read(field) & ~mask) | (value & mask)
    const parts = registersFor(field)
    if (parts !== null) {
      parts.forEach((part, i) =>
        this.#context.set(part, (merged >> BigInt(32 * (parts.length - 1 - i))) & 0xffff_ffffn),
      )
    } else if (field === 'in_port_oxm') this.#context.set('in_port', BigInt(port10(Number(merged)) ?? 0xffff))
    else this.#context.set(slotOf(field), merged)
  }

  #writeBytes(field: FieldName, value: bigint, mask: bigint): void {
    const { key } = this
    const place = placeOf(field, this.bytes, key)
    if (place === null) return
    const bits = (mask & ones(place.bits)) << BigInt(place.shift)
    const before = bytesToBits(this.bytes.subarray(place.at, place.at + place.size))
    patch(this.bytes, key, place.at, place.size, (before & ~bits) | ((value << BigInt(place.shift)) & bits))
    this.#headers = null
  }

  #writeTag(tci: bigint): void {
    const tagged = this.key.vlans.length > 0
    if ((tci & CFI) === 0n) {
      if (tagged) this.popVlan()
      return
    }
    if (!tagged) this.pushVlan(ETH_TYPE.vlan)
    this.bytes.set(bitsToBytes(tci & ~CFI, 2), 14)
    this.#headers = null
  }

  /** As in OVS, a tag too much pushes out the innermost. */
  pushVlan(etherType: number): void {
    if (this.#tags >= MAX_VLANS) this.#splice(12 + 4 * (MAX_VLANS - 1), 4, nothing)
    else this.#tags += 1
    this.#splice(12, 0, Uint8Array.of(etherType >>> 8, etherType & 0xff, 0, 0))
  }

  popVlan(): void {
    if (this.#tags === 0) return
    this.#tags -= 1
    this.#splice(12, 4, nothing)
  }

  /** A copy of the outermost label, or one made from the IP header; false if there is no room for one more. */
  pushMpls(etherType: number): boolean {
    const { key } = this
    if (key.mpls.length >= MAX_LABELS) return false
    const outer = key.mpls[0]
    const isIp = key.ethType === ETH_TYPE.ip || key.ethType === ETH_TYPE.ipv6
    const label = key.ethType === ETH_TYPE.ipv6 ? 2 : 0
    const trafficClass = isIp ? (key.tos >>> 2) & 7 : 0
    const fresh = (label << 12) | (trafficClass << 9) | BOTTOM | ((isIp && key.ttl) || 64)
    const entry = outer === undefined ? fresh : outer & ~BOTTOM
    const start = networkOffset(this.bytes, key)
    this.#splice(start, 0, bitsToBytes(BigInt(entry >>> 0), 4))
    this.#setEtherType(start, etherType)
    return true
  }

  popMpls(etherType: number): boolean {
    const { key } = this
    const last = key.mpls.at(-1)
    if (last === undefined) return true
    if (key.mpls.length === MAX_LABELS && (last & BOTTOM) === 0) return false
    const start = networkOffset(this.bytes, key)
    this.#splice(start, 4, nothing)
    this.#setEtherType(start, etherType)
    return true
  }

  #setEtherType(networkStart: number, etherType: number): void {
    this.bytes.set([etherType >>> 8, etherType & 0xff], networkStart - 2)
    this.#headers = null
  }

  #splice(at: number, removed: number, inserted: Uint8Array): void {
    const out = new Uint8Array(this.bytes.length - removed + inserted.length)
    out.set(this.bytes.subarray(0, at))
    out.set(inserted, at)
    out.set(this.bytes.subarray(at + removed), at + inserted.length)
    this.bytes = out
    this.#headers = null
  }

  readBits({ field, start, bits }: Subfield): bigint {
    return (this.read(field) >> BigInt(start)) & ones(bits)
  }

  writeBits({ field, start, bits }: Subfield, value: bigint): boolean {
    const shift = BigInt(start)
    return this.write(field, (value & ones(bits)) << shift, ones(bits) << shift)
  }

  /** What a packet-in tells of the pipeline (flow_get_metadata): everything that is not zero, and the port. */
  metadata(): ReadonlyMap<FieldName, AnyValue> {
    const out = new Map<FieldName, AnyValue>()
    for (const slot of this.#context.keys()) {
      const name = (slot === 'in_port' ? 'in_port_oxm' : slot) as FieldName
      const value = this.read(name)
      const { bytes } = fieldOf(name)
      if ((value === 0n && name !== 'in_port_oxm') || (isTuple(slot) && !this.has(name))) continue
      out.set(name, bytes < 8 ? Number(value) : bytes === 8 ? value : bitsToBytes(value, bytes))
    }
    return out
  }
}

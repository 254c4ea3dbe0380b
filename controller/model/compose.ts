// A packet from what a flow text says of it, as flow_compose() of OVS: the headers that the match wants, zeros for the
// rest, right lengths and checksums (but for SCTP's). First a skeleton of the headers, then each field is written as
// actions write it.
import { toBits } from '../../ofproto/fields/bits.ts'
import { FlowMatch } from '../../ofproto/fields/flow-match.ts'
import type { Match } from '../../ofproto/fields/match.ts'
import { port11 } from '../../ofproto/fields/ports.ts'
import { ETH_TYPE, IP_PROTO } from '../../ofproto/fields/protocols.ts'
import { fieldOf, type FieldName } from '../../ofproto/fields/table.ts'
import { checksum, composeFrame } from '../../packet/frame.ts'
import { ModelPacket } from './packet.ts'
import type { Arrival } from './switch.ts'

/** What is wanted of a packet cannot be had; `field` is to blame. */
export class ComposeError extends Error {
  override readonly name = 'ComposeError'
  readonly field: string

  constructor(field: string, message: string) {
    super(message)
    this.field = field
  }
}

const DEFAULT_TTL = 64
const FRAGMENT_HEADER = 44
/** In units of 8 bytes, where a later fragment lies. */
const SOME_OFFSET = 1
const [SOURCE_LINK_ADDRESS, TARGET_LINK_ADDRESS] = [1, 2]

const word = (value: number): number[] => [(value >>> 8) & 0xff, value & 0xff]
const nothing = new Uint8Array()
const zeros = (count: number): number[] => Array.from({ length: count }, () => 0)

/** What goes into a packet besides its headers. */
export interface Content {
  /** Bytes from the Ethernet header on; larger where headers and payload need it. */
  readonly size?: number
  /** Behind the transport header. */
  readonly payload?: Uint8Array
}

/** The bytes, with zeros up to `size`. */
function padded(bytes: readonly number[], size: number): Uint8Array {
  const out = new Uint8Array(Math.max(bytes.length, size))
  out.set(bytes)
  return out
}

function discovery(flow: FlowMatch): number[] {
  if (!flow.has('nd_target')) return zeros(8)
  const option = flow.has('arp_sha') ? SOURCE_LINK_ADDRESS : flow.has('arp_tha') ? TARGET_LINK_ADDRESS : 0
  return [...zeros(24), ...(option === 0 ? [] : [option, 1, ...zeros(6)])]
}

/** Header, and where in it the checksum is; none for protocols without one here. */
function transportHeader(flow: FlowMatch): readonly [header: number[], checksumAt: number | null] {
  const flags = Number(flow.get('tcp_flags').value)
  switch (flow.protocol) {
    case IP_PROTO.tcp:
      return [[...zeros(12), 0x50 | (flags >>> 8), flags & 0xff, ...zeros(6)], 16]
    case IP_PROTO.udp:
      return [zeros(8), 6]
    case IP_PROTO.icmp:
      return [zeros(8), 2]
    case IP_PROTO.icmpv6:
      return [discovery(flow), 2]
    case IP_PROTO.sctp:
      return [zeros(12), null]
    default:
      return [[], null]
  }
}

/** With a checksum that is right as long as all fields are zero. */
function transport(flow: FlowMatch, { size = 0, payload = nothing }: Content): Uint8Array {
  const [header, at] = transportHeader(flow)
  const bytes = padded([...header, ...payload], size)
  if (flow.protocol === IP_PROTO.udp) bytes.set(word(bytes.length), 4)
  if (at === null) return bytes
  const pseudoHeader = Uint8Array.of(0, flow.protocol, ...word(bytes.length))
  const sum = flow.protocol === IP_PROTO.icmp ? checksum(bytes) : checksum(pseudoHeader, bytes)
  bytes.set(word(sum), at)
  return bytes
}

/** Room that is left behind a header of `bytes`. */
const behind = (bytes: number, { size = 0, ...rest }: Content): Content => ({ ...rest, size: size - bytes })

/** 0: whole, 1: first fragment, 3: a later one. */
const fragmentOf = (flow: FlowMatch): number => Number(flow.get('ip_frag').value)

function ipv4(flow: FlowMatch, content: Content): Uint8Array {
  const fragment = fragmentOf(flow)
  const payload = transport(flow, behind(20, content))
  const place = fragment === 0 ? 0 : fragment === 1 ? 0x2000 : SOME_OFFSET
  const fixed = [0x45, 0, ...word(20 + payload.length), 0, 0, ...word(place), DEFAULT_TTL, flow.protocol]
  const header = Uint8Array.of(...fixed, ...zeros(10))
  header.set(word(checksum(header)), 10)
  return Uint8Array.of(...header, ...payload)
}

function ipv6(flow: FlowMatch, content: Content): Uint8Array {
  const fragment = fragmentOf(flow)
  const extension =
    fragment === 0 ? [] : [flow.protocol, 0, ...word(fragment === 1 ? 1 : SOME_OFFSET << 3), ...zeros(4)]
  const payload = [...extension, ...transport(flow, behind(40 + extension.length, content))]
  const next = fragment === 0 ? flow.protocol : FRAGMENT_HEADER
  return Uint8Array.of(0x60, 0, 0, 0, ...word(payload.length), next, DEFAULT_TTL, ...zeros(32), ...payload)
}

function networkPacket(flow: FlowMatch, content: Content): Uint8Array {
  const { size = 0 } = content
  switch (flow.ethType) {
    case ETH_TYPE.ip:
      return ipv4(flow, content)
    case ETH_TYPE.ipv6:
      return ipv6(flow, content)
    case ETH_TYPE.arp:
    case ETH_TYPE.rarp:
      return padded([0, 1, 8, 0, 6, 4], Math.max(28, size))
    default:
      return padded([], size)
  }
}

/** What the skeleton has in it already. */
const structural: ReadonlySet<FieldName> = new Set(['packet_type', 'eth_type', 'nw_proto', 'ip_frag', 'tcp_flags'])
const arrival: ReadonlySet<FieldName> = new Set(['in_port', 'in_port_oxm', 'tun_id', 'tun_src', 'tun_dst'])

/**
 * The packet and where it comes in. Throws ComposeError for what a packet that arrives cannot have, or the model cannot
 * write.
 */
export function composeArrival(match: Match, content: Content = {}): Arrival {
  const flow = FlowMatch.from(match)
  if (!flow.has('in_port')) throw new ComposeError('in_port', 'the flow does not say in_port')
  const etherType = flow.ethType
  const payload = networkPacket(flow, behind(14, content))
  const packet = new ModelPacket(composeFrame({ source: 0, destination: 0, etherType, payload }), new Map())
  for (const entry of match) {
    if (entry.kind === 'unknown') throw new ComposeError('flow', 'the flow has a field that is not known here')
    const { kind, value } = entry
    if (structural.has(kind) || arrival.has(kind)) continue
    if (fieldOf(kind).prerequisite === 'none') throw new ComposeError(kind, `${kind}: a packet that arrives has none`)
    if (!packet.write(kind, toBits(value), (1n << BigInt(fieldOf(kind).bytes * 8)) - 1n))
      throw new ComposeError(kind, `${kind}: the model cannot make such a packet`)
  }
  const at = (slot: string): bigint => flow.get(slot).value
  const tunnel =
    flow.has('tun_id') || flow.has('tun_dst')
      ? { id: at('tun_id'), source: Number(at('tun_src')), destination: Number(at('tun_dst')) }
      : null
  return { bytes: packet.bytes, inPort: port11(Number(at('in_port'))), tunnel }
}

// Which connection a packet belongs to, as OVS's userspace conntrack reads it (conn_key_extract): addresses, protocol,
// ports; of an ICMP error those of the packet that it is about. Null for what is malformed or not to be tracked.
import { bytesToBits } from '../../../ofproto/fields/bits.ts'
import { ETH_TYPE, IP_PROTO } from '../../../ofproto/fields/protocols.ts'
import { Cursor, skipExtensions, type FlowKey } from '../../../ofproto/packet/index.ts'
import { checksum } from '../../../packet/frame.ts'
import { networkOffset } from '../place.ts'

export interface ConnectionKey {
  readonly zone: number
  readonly ethType: number
  readonly protocol: number
  readonly source: bigint
  readonly destination: bigint
  /** Of ICMP the type, and the type that answers it; zero for protocols without ports, of which SCTP is one here. */
  readonly sourcePort: number
  readonly destinationPort: number
  /** Of ICMP. */
  readonly identifier: number
}

export interface Classified {
  readonly key: ConnectionKey
  /** The packet is an ICMP error about one of the connection, which went the other way. */
  readonly related: boolean
}

/** The key of the packets that go the other way. */
export const reversed = (key: ConnectionKey): ConnectionKey => ({
  ...key,
  source: key.destination,
  destination: key.source,
  sourcePort: key.destinationPort,
  destinationPort: key.sourcePort,
})

/** Equal keys have equal names. */
export const nameOf = (key: ConnectionKey): string =>
  [
    key.zone,
    key.ethType,
    key.protocol,
    key.identifier,
    key.source.toString(36),
    key.sourcePort,
    key.destination.toString(36),
    key.destinationPort,
  ].join()

type Ends = Pick<ConnectionKey, 'sourcePort' | 'destinationPort' | 'identifier'>
const noEnds: Ends = { sourcePort: 0, destinationPort: 0, identifier: 0 }

/** ICMP requests and what answers them. */
const answers: readonly (readonly [protocol: number, request: number, reply: number])[] = [
  [IP_PROTO.icmp, 8, 0],
  [IP_PROTO.icmp, 13, 14],
  [IP_PROTO.icmp, 15, 16],
  [IP_PROTO.icmpv6, 128, 129],
]
/** Destination unreachable, source quench, redirect, time exceeded, parameter problem; of ICMPv6 RFC 4443 §3. */
const errors: ReadonlyMap<number, readonly number[]> = new Map<number, readonly number[]>([
  [IP_PROTO.icmp, [3, 4, 5, 11, 12]],
  [IP_PROTO.icmpv6, [1, 2, 3, 4]],
])
/** What an IPv4 error must carry of the transport header that it is about (RFC 792). */
const QUOTED = 8
const [TCP_HEADER, UDP_HEADER, ICMP_HEADER, IPV4_HEADER, IPV6_HEADER] = [20, 8, 8, 20, 40]

const u16 = (bytes: Uint8Array, at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)

/** Whether an ICMP message of this type may open a connection. */
export const isRequest = (protocol: number, type: number): boolean =>
  answers.some(([of, request]) => of === protocol && request === type)

function ported(l4: Uint8Array, size: number): Ends | null {
  if (l4.length < size) return null
  const ends = { ...noEnds, sourcePort: u16(l4, 0), destinationPort: u16(l4, 2) }
  return ends.sourcePort === 0 || ends.destinationPort === 0 ? null : ends
}

function echo(protocol: number, l4: Uint8Array): Ends | null {
  const type = l4[0] ?? 0
  const pair = answers.find(([of, request, reply]) => of === protocol && (request === type || reply === type))
  if (l4.length < ICMP_HEADER || pair === undefined || l4[1] !== 0) return null
  const [, request, reply] = pair
  return { sourcePort: type, destinationPort: type === request ? reply : request, identifier: u16(l4, 4) }
}

const isIcmp = (ethType: number, protocol: number): boolean =>
  protocol === (ethType === ETH_TYPE.ip ? IP_PROTO.icmp : IP_PROTO.icmpv6)

/** `tcpSize`: how much of a TCP header there must be. */
function endsOf(ethType: number, protocol: number, l4: Uint8Array, tcpSize: number): Ends | null {
  if (protocol === IP_PROTO.tcp) return ported(l4, tcpSize)
  if (protocol === IP_PROTO.udp) return ported(l4, UDP_HEADER)
  return isIcmp(ethType, protocol) ? echo(protocol, l4) : noEnds
}

/** The sum over the transport header and data of a whole packet is right, and lengths within them are possible. */
function isSound(bytes: Uint8Array, start: number, key: FlowKey): boolean {
  const { ethType, protocol } = key
  const l4 = bytes.subarray(key.transportOffset, key.transportEnd)
  const addresses =
    ethType === ETH_TYPE.ip ? bytes.subarray(start + 12, start + 20) : bytes.subarray(start + 8, start + 40)
  const pseudo = Uint8Array.of(...addresses, 0, 0, l4.length >>> 8, l4.length & 0xff, 0, 0, 0, protocol)
  const summed = (): boolean => checksum(pseudo, l4) === 0
  if (protocol === IP_PROTO.tcp) {
    const header = ((l4[12] ?? 0) >>> 4) * 4
    return l4.length >= TCP_HEADER && header >= TCP_HEADER && header <= l4.length && summed()
  }
  if (protocol === IP_PROTO.udp) {
    const size = u16(l4, 4)
    if (l4.length < UDP_HEADER || size < UDP_HEADER || size > l4.length) return false
    return (ethType === ETH_TYPE.ip && u16(l4, 6) === 0) || summed()
  }
  if (!isIcmp(ethType, protocol)) return true
  return ethType === ETH_TYPE.ip ? checksum(l4) === 0 : summed()
}

interface Addressed {
  readonly source: bigint
  readonly destination: bigint
  readonly protocol: number
  readonly l4: Uint8Array
}

/** The packet inside an ICMP error: cut short as a rule, so its lengths and sums say nothing. */
function quoted(ethType: number, bytes: Uint8Array): Addressed | null {
  const at = (start: number, size: number): bigint => bytesToBits(bytes.subarray(start, start + size))
  if (ethType === ETH_TYPE.ip) {
    const header = ((bytes[0] ?? 0) & 0x0f) * 4
    const isFragment = (u16(bytes, 6) & 0x3fff) !== 0
    if (bytes.length < IPV4_HEADER || header < IPV4_HEADER || bytes.length < header || isFragment) return null
    return { source: at(12, 4), destination: at(16, 4), protocol: bytes[9] ?? 0, l4: bytes.subarray(header) }
  }
  if (bytes.length < IPV6_HEADER) return null
  const cursor = new Cursor(bytes)
  cursor.pull(IPV6_HEADER)
  const found = skipExtensions(cursor, bytes[6] ?? 0)
  if (found === null || found.fragment !== 0) return null
  return { source: at(8, 16), destination: at(24, 16), protocol: found.protocol, l4: bytes.subarray(cursor.offset) }
}

/** `bytes` are of a whole packet, `key` is what was extracted of them. */
export function classify(bytes: Uint8Array, key: FlowKey, zone: number): Classified | null {
  const { ethType, protocol } = key
  const start = networkOffset(bytes, key)
  const isIpv4 = ethType === ETH_TYPE.ip
  if ((!isIpv4 && ethType !== ETH_TYPE.ipv6) || key.transportOffset < 0 || key.fragment !== 0) return null
  if (isIpv4 && checksum(bytes.subarray(start, key.transportOffset)) !== 0) return null
  if (!isSound(bytes, start, key)) return null
  const l4 = bytes.subarray(key.transportOffset, key.transportEnd)
  const at = isIpv4
    ? { source: BigInt(key.ipSrc), destination: BigInt(key.ipDst) }
    : { source: bytesToBits(key.ipv6Src), destination: bytesToBits(key.ipv6Dst) }
  if (!isIcmp(ethType, protocol) || errors.get(protocol)?.includes(l4[0] ?? 0) !== true) {
    const ends = endsOf(ethType, protocol, l4, TCP_HEADER)
    return ends === null ? null : { key: { zone, ethType, protocol, ...at, ...ends }, related: false }
  }
  const inner = l4.length < ICMP_HEADER ? null : quoted(ethType, l4.subarray(ICMP_HEADER))
  if (inner === null || inner.source !== at.destination) return null
  const ends = endsOf(ethType, inner.protocol, inner.l4, isIpv4 ? QUOTED : TCP_HEADER)
  if (ends === null) return null
  const { source, destination } = inner
  return { key: reversed({ zone, ethType, protocol: inner.protocol, source, destination, ...ends }), related: true }
}

// Packets of one connection: the answer to a packet that has arrived, and TCP segments that conntrack takes for valid.
import { ETH_TYPE, IP_PROTO } from '../../ofproto/fields/protocols.ts'
import { extractFlow } from '../../ofproto/packet/index.ts'
import { patch } from '../model/checksum.ts'
import { networkOffset } from '../model/place.ts'

const TTL = 64n
const ECHO = [
  { protocol: IP_PROTO.icmp, request: 8, reply: 0 },
  { protocol: IP_PROTO.icmpv6, request: 128, reply: 129 },
] as const
const FLAGS = { syn: 0x02, synAck: 0x12, ack: 0x10 } as const
/** Header of 20 bytes. */
const DATA_OFFSET = 0x5000
const WINDOW = 65_535

/** Where a packet stands in its connection. */
export type Segment = keyof typeof FLAGS

/** The packet with the flags and numbers of a TCP segment at this place; other packets as they are. */
export function asSegment(packet: Uint8Array, segment: Segment): Uint8Array {
  const bytes = packet.slice()
  const key = extractFlow(bytes)
  if (key.protocol !== IP_PROTO.tcp || key.transportOffset < 0 || key.fragment !== 0) return bytes
  const at = key.transportOffset
  // Both sides begin with 0, and a SYN counts for one byte (RFC 9293 §3.4).
  patch(bytes, key, at + 4, 4, segment === 'ack' ? 1n : 0n)
  patch(bytes, key, at + 8, 4, segment === 'syn' ? 0n : 1n)
  patch(bytes, key, at + 12, 4, BigInt((DATA_OFFSET | FLAGS[segment]) * 0x1_0000 + WINDOW))
  return bytes
}

function swap(bytes: Uint8Array, at: number, size: number): void {
  const first = bytes.slice(at, at + size)
  bytes.copyWithin(at, at + size, at + 2 * size)
  bytes.set(first, at + size)
}

/** The answer of whoever gets the packet; null for a packet that opens no connection. Swaps keep checksums right. */
export function answerTo(packet: Uint8Array): Uint8Array | null {
  const bytes = packet.slice()
  const key = extractFlow(bytes)
  const isIpv4 = key.ethType === ETH_TYPE.ip
  if ((!isIpv4 && key.ethType !== ETH_TYPE.ipv6) || key.transportOffset < 0 || key.fragment !== 0) return null
  const network = networkOffset(bytes, key)
  swap(bytes, 0, 6)
  swap(bytes, network + (isIpv4 ? 12 : 8), isIpv4 ? 4 : 16)
  patch(bytes, key, network + (isIpv4 ? 8 : 7), 1, TTL)
  const echo = ECHO.find(({ protocol }) => protocol === key.protocol)
  if (echo !== undefined && key.tpSrc !== echo.request) return null
  if (echo !== undefined) patch(bytes, key, key.transportOffset, 1, BigInt(echo.reply))
  const hasPorts = ([IP_PROTO.tcp, IP_PROTO.udp, IP_PROTO.sctp] as number[]).includes(key.protocol)
  if (hasPorts) swap(bytes, key.transportOffset, 2)
  return asSegment(bytes, 'synAck')
}

// IPv6 (RFC 8200) and ICMPv6 errors (RFC 4443) as the controller's own answers need them. Parsing gives null for whatever
// is not well formed, and for packets with extension headers.
import { checksum } from './frame.ts'

export interface Ipv6 {
  /** 16 bytes. */
  readonly source: Uint8Array
  readonly destination: Uint8Array
  readonly protocol: number
  readonly payload: Uint8Array
}

export const ETHERTYPE_IPV6 = 0x86dd
const PROTOCOL_ICMPV6 = 58
const HEADER = 40
const HOP_LIMIT = 64
/** RFC 4443 §2.4 (c): with the original as long as the error fits the minimum MTU: 1280 - 40 (IPv6) - 8 (ICMPv6). */
const MAX_QUOTE = 1232
const UNREACHABLE = 1
const PROHIBITED = 1

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

export function parseIpv6(bytes: Uint8Array): Ipv6 | null {
  if (bytes.length < HEADER || (bytes[0] ?? 0) >> 4 !== 6) return null
  const length = viewOf(bytes).getUint16(4)
  if (bytes.length < HEADER + length) return null
  return {
    source: bytes.subarray(8, 24),
    destination: bytes.subarray(24, HEADER),
    protocol: bytes[6] ?? 0,
    payload: bytes.subarray(HEADER, HEADER + length),
  }
}

export function composeIpv6(packet: Ipv6): Uint8Array {
  const bytes = new Uint8Array(HEADER + packet.payload.length)
  bytes[0] = 0x60
  viewOf(bytes).setUint16(4, packet.payload.length)
  bytes[6] = packet.protocol
  bytes[7] = HOP_LIMIT
  bytes.set(packet.source, 8)
  bytes.set(packet.destination, 24)
  bytes.set(packet.payload, HEADER)
  return bytes
}

/** What checksums of upper layers cover beside the payload (RFC 8200 §8.1). */
export function pseudoHeader6({ source, destination, protocol }: Omit<Ipv6, 'payload'>, length: number): Uint8Array {
  const bytes = new Uint8Array(HEADER)
  bytes.set(source, 0)
  bytes.set(destination, 16)
  viewOf(bytes).setUint32(32, length)
  bytes[39] = protocol
  return bytes
}

/** RFC 4443 §2.4 (e): nobody is told about an error, or about what went to or came from many or nobody. */
function deservesAnswer({ source, destination, protocol, payload }: Ipv6): boolean {
  const isError = protocol === PROTOCOL_ICMPV6 && (payload[0] ?? 0) < 128
  return !isError && destination[0] !== 0xff && source[0] !== 0xff && source.some((byte) => byte !== 0)
}

/** Destination unreachable: administratively prohibited, as from the destination itself. */
export function prohibited6(original: Uint8Array): Uint8Array | null {
  const packet = parseIpv6(original)
  if (packet === null || !deservesAnswer(packet)) return null
  const quote = original.subarray(0, Math.min(HEADER + packet.payload.length, MAX_QUOTE))
  const payload = new Uint8Array(8 + quote.length)
  payload.set([UNREACHABLE, PROHIBITED])
  payload.set(quote, 8)
  const ends = { source: packet.destination, destination: packet.source, protocol: PROTOCOL_ICMPV6 }
  viewOf(payload).setUint16(2, checksum(pseudoHeader6(ends, payload.length), payload))
  return composeIpv6({ ...ends, payload })
}

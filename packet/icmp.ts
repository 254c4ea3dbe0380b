// The ICMPv4 messages that a distributed router sends itself (RFC 792, RFC 1191, RFC 1812 §4.3).
import { checksum, composeFrame, composeIpv4, ETHERTYPE_IPV4, parseFrame, parseIpv4, PROTOCOL_ICMP } from './frame.ts'

/** Who answers: the router interface on the sender's network. */
export interface Responder {
  readonly mac: number
  readonly address: number
  /** The MAC to answer to, where the frame's source is not the sender any more. */
  readonly to?: number
}

/** RFC 1812 §4.3.2.3: as much of the original as fits 576 bytes: 576 - 20 (IPv4) - 8 (ICMP). */
const MAX_QUOTE = 548

function composeIcmp(type: number, code: number, restOfHeader: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(8 + payload.length)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, type)
  view.setUint8(1, code)
  view.setUint32(4, restOfHeader)
  bytes.set(payload, 8)
  view.setUint16(2, checksum(bytes))
  return bytes
}

const isIcmpError = (type: number | undefined): boolean => type !== undefined && [3, 4, 5, 11, 12].includes(type)
const isMulticast = (address: number): boolean => address >>> 28 >= 0xe

/**
 * An ICMP error about `original` (an Ethernet frame), or null where RFC 1122 §3.2.2 forbids one: about an ICMP error,
 * a fragment, a broadcast or multicast, or a sender that is no single host.
 */
function error(original: Uint8Array, from: Responder, type: number, code: number, rest: number): Uint8Array | null {
  const frame = parseFrame(original)
  if (frame === null || frame.etherType !== ETHERTYPE_IPV4) return null
  const packet = parseIpv4(frame.payload)
  if (packet === null || packet.source === 0 || isMulticast(packet.source) || isMulticast(packet.destination))
    return null
  if (packet.protocol === PROTOCOL_ICMP && isIcmpError(packet.payload[0])) return null
  const length = new DataView(frame.payload.buffer, frame.payload.byteOffset).getUint16(2)
  return composeFrame({
    destination: from.to ?? frame.source,
    source: from.mac,
    etherType: ETHERTYPE_IPV4,
    payload: composeIpv4({
      source: from.address,
      destination: packet.source,
      protocol: PROTOCOL_ICMP,
      ttl: 64,
      // RFC 1812 §4.3.2.5: precedence 6 (internetwork control).
      dscp: 48,
      payload: composeIcmp(type, code, rest, frame.payload.subarray(0, Math.min(length, MAX_QUOTE))),
    }),
  })
}

/** Time exceeded in transit (type 11 code 0): what makes a router show in traceroute. */
export const timeExceeded = (original: Uint8Array, from: Responder): Uint8Array | null =>
  error(original, from, 11, 0, 0)

/** Port unreachable (type 3 code 3): nobody listens (RFC 1122 §3.2.2.1). */
export const portUnreachable = (original: Uint8Array, from: Responder): Uint8Array | null =>
  error(original, from, 3, 3, 0)

/** Communication administratively prohibited (type 3 code 13, RFC 1812 §5.2.7.1). */
export const prohibited = (original: Uint8Array, from: Responder): Uint8Array | null => error(original, from, 3, 13, 0)

/** Fragmentation needed (type 3 code 4) with the next hop's MTU in bytes (RFC 1191). */
export const fragmentationNeeded = (original: Uint8Array, from: Responder, mtu: number): Uint8Array | null =>
  error(original, from, 3, 4, mtu & 0xffff)

// The answer to a packet that nobody takes, as from its destination: a TCP reset (RFC 9293 §3.5.2), or an ICMP error that
// says why. Null where there must be no answer.
import {
  checksum,
  composeFrame,
  composeIpv4,
  ETHERTYPE_IPV4,
  parseFrame,
  parseIpv4,
  pseudoHeader,
  type Ipv4,
} from './frame.ts'
import { portUnreachable, prohibited } from './icmp.ts'
import { composeIpv6, ETHERTYPE_IPV6, parseIpv6, prohibited6, pseudoHeader6, type Ipv6 } from './ipv6.ts'

const PROTOCOL_TCP = 6
const flags = { fin: 1, syn: 2, reset: 4, ack: 16 } as const
const HEADER = 20

/** The reset that answers a segment, its checksum still 0; null for what is itself a reset, or no segment. */
function reset(segment: Uint8Array): Uint8Array | null {
  if (segment.length < HEADER) return null
  const view = new DataView(segment.buffer, segment.byteOffset, segment.length)
  const has = (flag: number): boolean => (view.getUint8(13) & flag) !== 0
  if (has(flags.reset)) return null
  const data = segment.length - (view.getUint8(12) >> 4) * 4
  const bytes = new Uint8Array(HEADER)
  const out = new DataView(bytes.buffer)
  out.setUint16(0, view.getUint16(2))
  out.setUint16(2, view.getUint16(0))
  if (has(flags.ack)) out.setUint32(4, view.getUint32(8))
  else out.setUint32(8, (view.getUint32(4) + data + Number(has(flags.syn)) + Number(has(flags.fin))) >>> 0)
  out.setUint8(12, (HEADER / 4) << 4)
  out.setUint8(13, has(flags.ack) ? flags.reset : flags.reset | flags.ack)
  return bytes
}

function summed(segment: Uint8Array, pseudo: Uint8Array): Uint8Array {
  new DataView(segment.buffer).setUint16(16, checksum(pseudo, segment))
  return segment
}

function reset4(packet: Ipv4): Uint8Array | null {
  const segment = reset(packet.payload)
  if (segment === null) return null
  const ends = { source: packet.destination, destination: packet.source, protocol: PROTOCOL_TCP }
  return composeIpv4({ ...ends, ttl: 64, dscp: 0, payload: summed(segment, pseudoHeader(ends, HEADER)) })
}

function reset6(packet: Ipv6): Uint8Array | null {
  const segment = reset(packet.payload)
  if (segment === null) return null
  const ends = { source: packet.destination, destination: packet.source, protocol: PROTOCOL_TCP }
  return composeIpv6({ ...ends, payload: summed(segment, pseudoHeader6(ends, HEADER)) })
}

type Unreachable = typeof prohibited

/** `why` is not said where a reset says it all. */
function answer4(
  original: Uint8Array,
  frame: Uint8Array,
  source: number,
  destination: number,
  why: Unreachable,
): Uint8Array | null {
  const packet = parseIpv4(original)
  if (packet === null) return null
  if (packet.protocol !== PROTOCOL_TCP) {
    return why(frame, { mac: source, address: packet.destination, to: destination })
  }
  const payload = reset4(packet)
  return payload && composeFrame({ source, destination, etherType: ETHERTYPE_IPV4, payload })
}

function answer6(original: Uint8Array, source: number, destination: number): Uint8Array | null {
  const packet = parseIpv6(original)
  if (packet === null) return null
  const payload = packet.protocol === PROTOCOL_TCP ? reset6(packet) : prohibited6(original)
  return payload && composeFrame({ source, destination, etherType: ETHERTYPE_IPV6, payload })
}

/** The frame that tells the sender of the frame `original` that a rule rejects it: from the MAC `source` to the MAC `destination`. */
export function refusal(original: Uint8Array, source: number, destination: number): Uint8Array | null {
  const frame = parseFrame(original)
  if (frame?.etherType === ETHERTYPE_IPV4) return answer4(frame.payload, original, source, destination, prohibited)
  return frame?.etherType === ETHERTYPE_IPV6 ? answer6(frame.payload, source, destination) : null
}

/** The frame that tells the sender of the IPv4 frame `original`, as its destination, that nobody listens there. */
export function nobodyListens(original: Uint8Array): Uint8Array | null {
  const frame = parseFrame(original)
  if (frame?.etherType !== ETHERTYPE_IPV4) return null
  return answer4(frame.payload, original, frame.destination, frame.source, portUnreachable)
}

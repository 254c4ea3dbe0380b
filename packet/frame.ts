// Ethernet, IPv4 and UDP as the controller's own answers need them: DHCP replies, ICMP errors. Packets come from
// virtual machines, so nothing about them may be trusted: parsing gives null for whatever is not well formed.

/** Untagged Ethernet II. Addresses are 48-bit numbers. `payload` is a view of the frame's bytes. */
export interface Frame {
  readonly destination: number
  readonly source: number
  readonly etherType: number
  readonly payload: Uint8Array
}

/** IPv4 without its options (RFC 791); lengths and checksum are computed. Addresses are 32-bit numbers. */
export interface Ipv4 {
  readonly source: number
  readonly destination: number
  readonly protocol: number
  readonly ttl: number
  readonly dscp: number
  readonly payload: Uint8Array
}

export interface Udp {
  readonly sourcePort: number
  readonly destinationPort: number
  readonly payload: Uint8Array
}

export const ETHERTYPE_IPV4 = 0x0800
export const PROTOCOL_ICMP = 1
export const PROTOCOL_UDP = 17
export const BROADCAST_MAC = 0xffff_ffff_ffff

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** The Internet checksum (RFC 1071) of `parts` laid end to end; every part but the last has an even length. */
export function checksum(...parts: readonly Uint8Array[]): number {
  let sum = 0
  for (const part of parts) {
    for (let i = 0; i < part.length; i += 2) sum += ((part[i] ?? 0) << 8) | (part[i + 1] ?? 0)
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x1_0000)
  return ~sum & 0xffff
}

export function parseFrame(bytes: Uint8Array): Frame | null {
  if (bytes.length < 14) return null
  const view = viewOf(bytes)
  return {
    destination: view.getUint16(0) * 0x1_0000_0000 + view.getUint32(2),
    source: view.getUint16(6) * 0x1_0000_0000 + view.getUint32(8),
    etherType: view.getUint16(12),
    payload: bytes.subarray(14),
  }
}

export function composeFrame(frame: Frame): Uint8Array {
  const bytes = new Uint8Array(14 + frame.payload.length)
  const view = viewOf(bytes)
  view.setUint16(0, frame.destination / 0x1_0000_0000)
  view.setUint32(2, frame.destination % 0x1_0000_0000)
  view.setUint16(6, frame.source / 0x1_0000_0000)
  view.setUint32(8, frame.source % 0x1_0000_0000)
  view.setUint16(12, frame.etherType)
  bytes.set(frame.payload, 14)
  return bytes
}

/** A whole IPv4 packet with a right header checksum; null also for a fragment, whose payload is incomplete. */
export function parseIpv4(bytes: Uint8Array): Ipv4 | null {
  if (bytes.length < 20) return null
  const view = viewOf(bytes)
  const headerLength = (view.getUint8(0) & 0x0f) * 4
  const totalLength = view.getUint16(2)
  if (view.getUint8(0) >> 4 !== 4 || headerLength < 20 || totalLength < headerLength || totalLength > bytes.length)
    return null
  const moreFragmentsOrOffset = view.getUint16(6) & 0x3fff
  if (moreFragmentsOrOffset !== 0 || checksum(bytes.subarray(0, headerLength)) !== 0) return null
  return {
    source: view.getUint32(12),
    destination: view.getUint32(16),
    protocol: view.getUint8(9),
    ttl: view.getUint8(8),
    dscp: view.getUint8(1) >> 2,
    payload: bytes.subarray(headerLength, totalLength),
  }
}

export function composeIpv4(packet: Ipv4): Uint8Array {
  const bytes = new Uint8Array(20 + packet.payload.length)
  const view = viewOf(bytes)
  view.setUint8(0, 0x45)
  view.setUint8(1, packet.dscp << 2)
  view.setUint16(2, bytes.length)
  view.setUint8(8, packet.ttl)
  view.setUint8(9, packet.protocol)
  view.setUint32(12, packet.source)
  view.setUint32(16, packet.destination)
  view.setUint16(10, checksum(bytes.subarray(0, 20)))
  bytes.set(packet.payload, 20)
  return bytes
}

/** What the checksums of UDP and TCP cover beside the payload (RFC 768, RFC 9293 §3.1). */
export function pseudoHeader(packet: Pick<Ipv4, 'source' | 'destination' | 'protocol'>, length: number): Uint8Array {
  const bytes = new Uint8Array(12)
  const view = viewOf(bytes)
  view.setUint32(0, packet.source)
  view.setUint32(4, packet.destination)
  view.setUint8(9, packet.protocol)
  view.setUint16(10, length)
  return bytes
}

export function parseUdp(packet: Ipv4): Udp | null {
  const { payload } = packet
  if (packet.protocol !== PROTOCOL_UDP || payload.length < 8) return null
  const view = viewOf(payload)
  const length = view.getUint16(4)
  if (length < 8 || length > payload.length) return null
  const datagram = payload.subarray(0, length)
  // A zero checksum means that the sender computed none.
  if (view.getUint16(6) !== 0 && checksum(pseudoHeader(packet, length), datagram) !== 0) return null
  return { sourcePort: view.getUint16(0), destinationPort: view.getUint16(2), payload: datagram.subarray(8) }
}

/** The datagram as an IPv4 payload. `packet` names the addresses that its checksum covers. */
export function composeUdp(udp: Udp, packet: { source: number; destination: number }): Uint8Array {
  const bytes = new Uint8Array(8 + udp.payload.length)
  const view = viewOf(bytes)
  view.setUint16(0, udp.sourcePort)
  view.setUint16(2, udp.destinationPort)
  view.setUint16(4, bytes.length)
  bytes.set(udp.payload, 8)
  // A computed zero is sent as all ones.
  view.setUint16(6, checksum(pseudoHeader({ ...packet, protocol: PROTOCOL_UDP }, bytes.length), bytes) || 0xffff)
  return bytes
}

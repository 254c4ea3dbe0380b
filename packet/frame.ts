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

/** The sum of the 16-bit words from `from` to `to`; an odd byte at the end is the upper half of a word. */
function sumOf(bytes: Uint8Array, from: number, to: number): number {
  let sum = 0
  const even = to - ((to - from) & 1)
  for (let i = from; i < even; i += 2) sum += ((bytes[i] as number) << 8) | (bytes[i + 1] as number)
  return even < to ? sum + ((bytes[even] as number) << 8) : sum
}

function complement(sum: number): number {
  let folded = sum
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x1_0000)
  return ~folded & 0xffff
}

/** The Internet checksum (RFC 1071) of `parts` laid end to end; every part but the last has an even length. */
export const checksum = (...parts: readonly Uint8Array[]): number =>
  complement(parts.reduce((sum, part) => sum + sumOf(part, 0, part.length), 0))

/** The frame, for another destination. */
export function withDestination(frame: Uint8Array, destination: number): Uint8Array {
  const bytes = Uint8Array.from(frame)
  const view = viewOf(bytes)
  view.setUint16(0, destination / 0x1_0000_0000)
  view.setUint32(2, destination % 0x1_0000_0000)
  return bytes
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

const ETHERNET = 14
const IPV4 = 20
const UDP = 8

function writeEthernet(view: DataView, { destination, source, etherType }: Omit<Frame, 'payload'>): void {
  view.setUint16(0, destination / 0x1_0000_0000)
  view.setUint32(2, destination % 0x1_0000_0000)
  view.setUint16(6, source / 0x1_0000_0000)
  view.setUint32(8, source % 0x1_0000_0000)
  view.setUint16(12, etherType)
}

export function composeFrame(frame: Frame): Uint8Array {
  const bytes = new Uint8Array(ETHERNET + frame.payload.length)
  writeEthernet(new DataView(bytes.buffer), frame)
  bytes.set(frame.payload, ETHERNET)
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

/** The header at `at`, of a packet that reaches to the end of the bytes. */
function writeIpv4(bytes: Uint8Array, view: DataView, at: number, packet: Omit<Ipv4, 'payload'>): void {
  view.setUint8(at, 0x45)
  view.setUint8(at + 1, packet.dscp << 2)
  view.setUint16(at + 2, bytes.length - at)
  view.setUint8(at + 8, packet.ttl)
  view.setUint8(at + 9, packet.protocol)
  view.setUint32(at + 12, packet.source)
  view.setUint32(at + 16, packet.destination)
  view.setUint16(at + 10, complement(sumOf(bytes, at, at + IPV4)))
}

export function composeIpv4(packet: Ipv4): Uint8Array {
  const bytes = new Uint8Array(IPV4 + packet.payload.length)
  writeIpv4(bytes, new DataView(bytes.buffer), 0, packet)
  bytes.set(packet.payload, IPV4)
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

type Ends = Pick<Ipv4, 'source' | 'destination'>

/** The checksum of a datagram and the pseudo-header before it (RFC 768). */
function udpChecksum(bytes: Uint8Array, from: number, to: number, { source, destination }: Ends): number {
  const ends = (source >>> 16) + (source & 0xffff) + (destination >>> 16) + (destination & 0xffff)
  return complement(ends + PROTOCOL_UDP + (to - from) + sumOf(bytes, from, to))
}

export function parseUdp(packet: Ipv4): Udp | null {
  const { payload } = packet
  if (packet.protocol !== PROTOCOL_UDP || payload.length < 8) return null
  const view = viewOf(payload)
  const length = view.getUint16(4)
  if (length < 8 || length > payload.length) return null
  const datagram = payload.subarray(0, length)
  // A zero checksum means that the sender computed none.
  if (view.getUint16(6) !== 0 && udpChecksum(datagram, 0, length, packet) !== 0) return null
  return { sourcePort: view.getUint16(0), destinationPort: view.getUint16(2), payload: datagram.subarray(8) }
}

/** The datagram at `at`, which reaches to the end of the bytes. */
function writeUdp(bytes: Uint8Array, view: DataView, at: number, udp: Udp, ends: Ends): void {
  view.setUint16(at, udp.sourcePort)
  view.setUint16(at + 2, udp.destinationPort)
  view.setUint16(at + 4, bytes.length - at)
  bytes.set(udp.payload, at + UDP)
  // A computed zero is sent as all ones.
  view.setUint16(at + 6, udpChecksum(bytes, at, bytes.length, ends) || 0xffff)
}

/** The datagram as an IPv4 payload. `packet` names the addresses that its checksum covers. */
export function composeUdp(udp: Udp, packet: Ends): Uint8Array {
  const bytes = new Uint8Array(UDP + udp.payload.length)
  writeUdp(bytes, new DataView(bytes.buffer), 0, udp, packet)
  return bytes
}

/** A datagram with all that goes around it, in one buffer: what the controller answers most. */
export function composeUdpFrame(
  frame: Pick<Frame, 'source' | 'destination'>,
  packet: Omit<Ipv4, 'payload' | 'protocol'>,
  udp: Udp,
): Uint8Array {
  const bytes = new Uint8Array(ETHERNET + IPV4 + UDP + udp.payload.length)
  const view = new DataView(bytes.buffer)
  writeEthernet(view, { ...frame, etherType: ETHERTYPE_IPV4 })
  writeUdp(bytes, view, ETHERNET + IPV4, udp, packet)
  writeIpv4(bytes, view, ETHERNET, { ...packet, protocol: PROTOCOL_UDP })
  return bytes
}

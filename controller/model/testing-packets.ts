// For tests: packets of either family, with lengths and checksums that are right, and fragments of them.
import { bitsToBytes } from '../../ofproto/fields/bits.ts'
import { parseIpv4, parseIpv6 } from '../../ofproto/fields/addresses.ts'
import { ETH_TYPE, IP_PROTO } from '../../ofproto/fields/protocols.ts'
import { checksum, composeFrame } from '../../packet/frame.ts'

/** `from` and `to` are of one family. */
export interface Ends {
  readonly fromMac: number
  readonly toMac: number
  readonly from: string
  readonly to: string
  readonly ttl?: number
}

const isIpv6 = (address: string): boolean => address.includes(':')
const bytesOf = (address: string): Uint8Array =>
  isIpv6(address) ? bitsToBytes(parseIpv6(address), 16) : bitsToBytes(parseIpv4(address), 4)
const u16 = (value: number): number[] => [(value >>> 8) & 0xff, value & 0xff]
const u32 = (value: number): number[] => [...u16(value >>> 16), ...u16(value)]

export const reply = ({ fromMac, toMac, from, to, ...rest }: Ends): Ends => ({
  ...rest,
  fromMac: toMac,
  toMac: fromMac,
  from: to,
  to: from,
})

/** Any protocol; the checksum that covers addresses and payload goes into the payload at `sumAt`. */
export function ipFrame(ends: Ends, protocol: number, payload: Uint8Array, sumAt: number | null = null): Uint8Array {
  const [source, destination] = [bytesOf(ends.from), bytesOf(ends.to)]
  const bytes = payload.slice()
  const own = protocol === IP_PROTO.icmp
  const pseudo = Uint8Array.of(...source, ...destination, ...u32(bytes.length), 0, 0, 0, protocol)
  if (sumAt !== null) bytes.set(u16(own ? checksum(bytes) : checksum(pseudo, bytes)), sumAt)
  const { ttl = 64 } = ends
  const header = isIpv6(ends.from)
    ? Uint8Array.of(0x60, 0, 0, 0, ...u16(bytes.length), protocol, ttl, ...source, ...destination)
    : Uint8Array.of(0x45, 0, ...u16(20 + bytes.length), 0, 0, 0, 0, ttl, protocol, 0, 0, ...source, ...destination)
  if (!isIpv6(ends.from)) header.set(u16(checksum(header)), 10)
  return composeFrame({
    source: ends.fromMac,
    destination: ends.toMac,
    etherType: isIpv6(ends.from) ? ETH_TYPE.ipv6 : ETH_TYPE.ip,
    payload: Buffer.concat([header, bytes]),
  })
}

type Ports = readonly [source: number, destination: number]

export interface TcpFields {
  readonly sequence?: number
  readonly acknowledgement?: number
  readonly window?: number
  readonly data?: string
}

export const TCP_FLAGS = { fin: 1, syn: 2, rst: 4, ack: 0x10, synAck: 0x12 } as const

export function tcpFrame(ends: Ends, [source, destination]: Ports, flags: number, fields: TcpFields = {}): Uint8Array {
  const { sequence = 1, acknowledgement = 0, window = 0x2000, data = '' } = fields
  const header = [...u16(source), ...u16(destination), ...u32(sequence), ...u32(acknowledgement)]
  const segment = Uint8Array.of(...header, 0x50, flags, ...u16(window), 0, 0, 0, 0, ...Buffer.from(data, 'latin1'))
  return ipFrame(ends, IP_PROTO.tcp, segment, 16)
}

export const udpFrame = (ends: Ends, [source, destination]: Ports, data: Uint8Array = new Uint8Array(4)): Uint8Array =>
  ipFrame(
    ends,
    IP_PROTO.udp,
    Buffer.concat([Uint8Array.of(...u16(source), ...u16(destination), ...u16(8 + data.length), 0, 0), data]),
    6,
  )

/** An INIT chunk is not made: nothing here reads beyond the ports. */
export const sctpFrame = (ends: Ends, [source, destination]: Ports): Uint8Array =>
  ipFrame(ends, IP_PROTO.sctp, Uint8Array.of(...u16(source), ...u16(destination), ...Array<number>(12).fill(0)))

export function icmpFrame(ends: Ends, type: number, code: number, rest: Uint8Array): Uint8Array {
  const protocol = isIpv6(ends.from) ? IP_PROTO.icmpv6 : IP_PROTO.icmp
  return ipFrame(ends, protocol, Buffer.concat([Uint8Array.of(type, code, 0, 0), rest]), 2)
}

export function echoFrame(ends: Ends, kind: 'request' | 'reply', identifier = 0x1234): Uint8Array {
  const [request, answer] = isIpv6(ends.from) ? [128, 129] : [8, 0]
  return icmpFrame(ends, kind === 'request' ? request : answer, 0, Uint8Array.of(...u16(identifier), 0, 1, 1, 2, 3, 4))
}

/** "Port unreachable", or no route, about a packet that `ends.from` or a router on the way got. */
export function unreachableFrame(ends: Ends, about: Uint8Array): Uint8Array {
  const [type, code] = isIpv6(ends.from) ? [1, 4] : [3, 3]
  return icmpFrame(ends, type, code, Buffer.concat([new Uint8Array(4), about.subarray(14, 14 + 128)]))
}

const [ETHERNET, IPV4, IPV6, FRAGMENT] = [14, 20, 40, 44]

/** Fragments with `size` bytes of data each, a multiple of 8, but the last. */
export function fragmentFrames(frame: Uint8Array, size: number, identifier: number): Uint8Array[] {
  const isIpv4 = (frame[12] ?? 0) === 0x08
  const headers = frame.subarray(0, ETHERNET + (isIpv4 ? IPV4 : IPV6))
  const data = frame.subarray(headers.length)
  return Array.from({ length: Math.ceil(data.length / size) }, (_, i) => {
    const part = data.subarray(i * size, (i + 1) * size)
    const more = (i + 1) * size < data.length
    const header = headers.slice()
    if (isIpv4) {
      header.set(u16(IPV4 + part.length), ETHERNET + 2)
      header.set([...u16(identifier), ...u16((more ? 0x2000 : 0) | ((i * size) / 8))], ETHERNET + 4)
      header.set([0, 0], ETHERNET + 10)
      header.set(u16(checksum(header.subarray(ETHERNET))), ETHERNET + 10)
      return Buffer.concat([header, part])
    }
    const next = header[ETHERNET + 6] ?? 0
    header.set(u16(8 + part.length), ETHERNET + 4)
    header[ETHERNET + 6] = FRAGMENT
    return Buffer.concat([header, Uint8Array.of(next, 0, ...u16(i * size + (more ? 1 : 0)), ...u32(identifier)), part])
  })
}

// Random packets that have a chance to get somewhere: made of addresses that the flows know, with checksums that are right.
import * as fc from 'fast-check'
import type { Arrival } from '../../controller/model/switch.ts'
import { checksum, composeFrame, composeIpv4, composeUdp } from '../../packet/frame.ts'

export interface Known {
  readonly macs: readonly number[]
  readonly addresses: readonly number[]
}
/** Who sends: mostly what belongs together, as port security demands. */
export interface Sender {
  readonly inPort: number
  readonly mac: number
  readonly address: number
}

/** Mostly the sender's own. */
const own = <T>(value: T, others: readonly T[]): fc.Arbitrary<T> =>
  fc.oneof({ weight: 8, arbitrary: fc.constant(value) }, fc.constantFrom(...others))

const word = (value: number): number[] => [(value >>> 8) & 0xff, value & 0xff]
const bytesOf = (value: number, size: number): number[] =>
  Array.from({ length: size }, (_, i) => Math.floor(value / 2 ** (8 * (size - 1 - i))) % 256)

const ports = fc.constantFrom(67, 68, 80, 1000, 53)
const data = fc.uint8Array({ maxLength: 40 })

const icmp = fc.tuple(fc.constantFrom(8, 8, 0, 3, 11), fc.constantFrom(0, 0, 1), data).map(([type, code, rest]) => {
  const bytes = Uint8Array.of(type, code, 0, 0, 1, 2, 3, 4, ...rest)
  bytes.set(word(checksum(bytes)), 2)
  return bytes
})

/** The sum of pseudo-header and segment, into the segment at `at`. */
function seal(
  segment: Uint8Array,
  at: number,
  source: readonly number[],
  destination: readonly number[],
  protocol: number,
): Uint8Array {
  const pseudo = Uint8Array.of(...source, ...destination, 0, 0, ...word(segment.length), 0, 0, 0, protocol)
  segment.set(word(checksum(pseudo, segment)), at)
  return segment
}

const tcpHeader = (source: number, destination: number): number[] => [
  ...word(source),
  ...word(destination),
  0,
  0,
  0,
  1,
  0,
  0,
  0,
  0,
  0x50,
  2,
  0x20,
  0,
  0,
  0,
  0,
  0,
]

function ipv4Payload(known: Known, sender: Sender): fc.Arbitrary<Uint8Array> {
  const address = fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom(...known.addresses) },
    fc.constantFrom(0, 0xffff_ffff, 0xe000_0005),
  )
  const ends = fc.record({
    source: own(sender.address, known.addresses),
    destination: address,
    ttl: fc.constantFrom(0, 1, 2, 64, 64, 64, 255),
    dscp: fc.constantFrom(0, 46),
  })
  const udp = fc.tuple(ports, ports, data, fc.boolean()).map(([sourcePort, destinationPort, payload, sum]) => {
    return (at: { source: number; destination: number }): Uint8Array => {
      const bytes = composeUdp({ sourcePort, destinationPort, payload }, at)
      if (!sum) bytes.set([0, 0], 6)
      return bytes
    }
  })
  const tcp = fc.tuple(ports, ports, data).map(([source, destination, payload]) => {
    return (at: { source: number; destination: number }): Uint8Array =>
      seal(
        Uint8Array.of(...tcpHeader(source, destination), ...payload),
        16,
        bytesOf(at.source, 4),
        bytesOf(at.destination, 4),
        6,
      )
  })
  const make = (
    protocol: number,
    at: { source: number; destination: number; ttl: number; dscp: number },
    payload: Uint8Array,
  ) => composeIpv4({ ...at, protocol, payload })
  return fc.oneof(
    { weight: 3, arbitrary: fc.tuple(ends, icmp).map(([at, payload]) => make(1, at, payload)) },
    { weight: 2, arbitrary: fc.tuple(ends, udp).map(([at, payload]) => make(17, at, payload(at))) },
    fc.tuple(ends, tcp).map(([at, payload]) => make(6, at, payload(at))),
    fc.tuple(ends, data).map(([at, payload]) => make(47, at, payload)),
  )
}

function arpPayload(known: Known, sender: Sender): fc.Arbitrary<Uint8Array> {
  const hardware = fc.constantFrom(0, ...known.macs)
  const address = fc.constantFrom(0, ...known.addresses)
  return fc
    .tuple(
      fc.constantFrom(1, 1, 1, 2, 3),
      own(sender.mac, known.macs),
      own(sender.address, [0, ...known.addresses]),
      hardware,
      address,
    )
    .map(([op, sha, spa, tha, tpa]) =>
      Uint8Array.of(
        0,
        1,
        8,
        0,
        6,
        4,
        0,
        op,
        ...bytesOf(sha, 6),
        ...bytesOf(spa, 4),
        ...bytesOf(tha, 6),
        ...bytesOf(tpa, 4),
      ),
    )
}

/** fe80::/64 with the MAC's identifier, as stations have. */
const linkLocal = (hardware: number): number[] => {
  const [a = 0, ...rest] = bytesOf(hardware, 6)
  return [0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, ...rest.slice(0, 2), 0xff, 0xfe, ...rest.slice(2)]
}

function ipv6Payload(known: Known, sender: Sender): fc.Arbitrary<Uint8Array> {
  const address = fc.constantFrom(...known.macs).map(linkLocal)
  const solicit = (target: readonly number[], hardware: number): number[] => [
    135,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    ...target,
    1,
    1,
    ...bytesOf(hardware, 6),
  ]
  const discovery = fc
    .tuple(address, fc.constantFrom(...known.macs))
    .map(([target, hardware]) => [58, 2, ...solicit(target, hardware)])
  const udp = fc
    .tuple(ports, ports)
    .map(([source, destination]) => [17, 6, ...word(source), ...word(destination), 0, 12, 0, 0, 1, 2, 3, 4])
  return fc
    .tuple(
      own(linkLocal(sender.mac), known.macs.map(linkLocal)),
      address,
      fc.oneof(discovery, udp),
      fc.constantFrom(1, 64, 255),
    )
    .map(([source, destination, [protocol = 0, at = 0, ...segment], hops]) => {
      const payload = seal(Uint8Array.from(segment), at, source, destination, protocol)
      return Uint8Array.of(
        0x60,
        0,
        0,
        0,
        ...word(payload.length),
        protocol,
        hops,
        ...source,
        ...destination,
        ...payload,
      )
    })
}

function frames(known: Known, sender: Sender): fc.Arbitrary<Uint8Array> {
  const hardware = fc.constantFrom(...known.macs)
  const destination = fc.oneof(
    { weight: 6, arbitrary: hardware },
    fc.constantFrom(0xffff_ffff_ffff, 0x0100_5e00_0005, 0x0200_00ff_0001),
  )
  const body = fc.oneof(
    { weight: 6, arbitrary: fc.tuple(fc.constant(0x0800), ipv4Payload(known, sender)) },
    { weight: 3, arbitrary: fc.tuple(fc.constant(0x0806), arpPayload(known, sender)) },
    { weight: 2, arbitrary: fc.tuple(fc.constant(0x86dd), ipv6Payload(known, sender)) },
    fc.tuple(fc.constantFrom(0x88cc, 0x0842), data),
  )
  const tag = fc.oneof(
    { weight: 8, arbitrary: fc.constant([] as number[]) },
    fc.nat(0xfff).map((vid) => [...word(0x8100), ...word(0x2000 + vid)]),
  )
  return fc
    .tuple(destination, own(sender.mac, known.macs), tag, body)
    .map(([to, source, vlan, [etherType, payload]]) => {
      const frame = composeFrame({ destination: to, source, etherType, payload })
      return Uint8Array.of(...frame.subarray(0, 12), ...vlan, ...frame.subarray(12))
    })
}

/** Tunnel addresses: of the host, and of the others. */
export interface Ends {
  readonly local: number
  readonly others: readonly number[]
}

/** From a station, or by a tunnel with a VNI from 1 to 3. */
export function packets(
  known: Known,
  stations: readonly Sender[],
  tunnelPort: number,
  ends: Ends,
): fc.Arbitrary<Arrival> {
  const plain = fc
    .constantFrom(...stations)
    .chain((sender) => frames(known, sender).map((bytes) => ({ inPort: sender.inPort, tunnel: null, bytes })))
  const remote = fc.record({
    inPort: fc.constant(tunnelPort),
    mac: fc.constantFrom(...known.macs),
    address: fc.constantFrom(...known.addresses),
  })
  const tunnelled = fc
    .tuple(fc.integer({ min: 1, max: 3 }), fc.constantFrom(...ends.others), remote)
    .chain(([id, source, sender]) =>
      frames(known, sender).map((bytes) => ({
        inPort: tunnelPort,
        tunnel: { id: BigInt(id), source, destination: ends.local },
        bytes,
      })),
    )
  return fc.oneof({ weight: 4, arbitrary: plain }, tunnelled)
}

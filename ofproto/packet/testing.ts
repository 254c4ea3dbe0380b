// Random packets for tests: stacks of headers that fit each other, then cut short or with bytes changed.
import * as fc from 'fast-check'

const bytes = (size: number): fc.Arbitrary<number[]> => fc.array(fc.nat(255), { minLength: size, maxLength: size })
const word = (value: number): number[] => [(value >>> 8) & 0xff, value & 0xff]
const join = (...parts: fc.Arbitrary<number[]>[]): fc.Arbitrary<number[]> =>
  fc.tuple(...parts).map((lists) => lists.flat())
const just = (...list: number[]): fc.Arbitrary<number[]> => fc.constant(list)

const tcp = join(bytes(12), fc.constantFrom([0x50], [0x60], [0x40], [0x51]), bytes(7), bytes(4))
const option = fc.oneof(
  join(fc.constantFrom([1, 1], [2, 1]), bytes(6)),
  join(fc.constantFrom([5, 1], [3, 1], [1, 2], [1, 0]), bytes(6)),
)
const icmp6 = fc.oneof(
  join(
    fc.constantFrom([135, 0], [136, 0], [135, 1]),
    bytes(6),
    bytes(16),
    fc.array(option, { maxLength: 3 }).map((options) => options.flat()),
  ),
  bytes(12),
)
/** Protocol number and what follows. */
const transport: fc.Arbitrary<readonly [number, number[]]> = fc.oneof(
  fc.tuple(fc.constant(6), tcp),
  fc.tuple(fc.constantFrom(17, 1, 2, 132, 58, 47), bytes(16)),
  fc.tuple(fc.constant(58), icmp6),
)

const fragment = fc.constantFrom([0, 0], [0x20, 0], [0, 1], [0x20, 9], [0x40, 0])
const ipv4 = fc
  .tuple(transport, fragment, bytes(1), bytes(3), bytes(8), fc.constantFrom(0, 0, 0, 1))
  .map(([[protocol, payload], frag, [tos = 0], [ttl = 0, ...id], addresses, options]) => [
    0x45 + options,
    tos,
    ...word(20 + 4 * options + payload.length),
    ...id,
    ...frag,
    ttl,
    protocol,
    0,
    0,
    ...addresses,
    ...Array.from({ length: 4 * options }, () => 1),
    ...payload,
  ])

/** Chains of extension headers in front of a transport. */
const extended: fc.Arbitrary<readonly [number, number[]]> = fc
  .tuple(transport, fc.array(fc.tuple(fc.constantFrom(0, 43, 60, 51, 44), bytes(6), fragment), { maxLength: 2 }))
  .map(([[protocol, payload], headers]) =>
    headers.reduce<readonly [number, number[]]>(
      ([next, rest], [kind, fill, [high = 0, low = 0]]) => {
        if (kind === 44) return [kind, [next, 0, high, low & 1 ? 8 : low, ...fill.slice(0, 4), ...rest]]
        return [kind, [next, kind === 51 ? 0 : 0, ...fill, ...rest]]
      },
      [protocol, payload],
    ),
  )
const ipv6 = fc
  .tuple(extended, bytes(4), bytes(33))
  .map(([[protocol, payload], first, [ttl = 0, ...addresses]]) => [
    ...first,
    ...word(payload.length),
    protocol,
    ttl,
    ...addresses,
    ...payload,
  ])

const arp = join(just(0, 1, 8, 0, 6, 4, 0), bytes(1), bytes(20))
const nsh = fc.oneof(join(just(0x0f, 0xc6, 1), bytes(21)), join(just(0x10, 0x42, 2), bytes(5)), bytes(24))
const labels = fc.array(bytes(4), { maxLength: 4 }).map((list) => list.flat())

/** Ethernet type and payload. */
const payload: fc.Arbitrary<readonly [number, number[]]> = fc.oneof(
  fc.tuple(fc.constant(0x0800), ipv4),
  fc.tuple(fc.constant(0x86dd), ipv6),
  fc.tuple(fc.constantFrom(0x0806, 0x8035), arp),
  fc.tuple(fc.constant(0x894f), nsh),
  fc.tuple(fc.constantFrom(0x8847, 0x8848), labels),
  fc.tuple(fc.constantFrom(0x88cc, 0x0700, 0x1234), bytes(10)),
  fc.tuple(fc.constant(0x0030), fc.oneof(bytes(12), join(just(0xaa, 0xaa, 3, 0, 0, 0, 8, 0), ipv4))),
)
const tags = fc
  .array(fc.tuple(fc.constantFrom(0x8100, 0x88a8), bytes(2)), { maxLength: 3 })
  .map((list) => list.flatMap(([type, tci]) => [...word(type), ...tci]))
const whole = fc
  .tuple(bytes(12), tags, payload, fc.nat(8))
  .map(([macs, vlans, [type, rest], padding]) => [
    ...macs,
    ...vlans,
    ...word(type),
    ...rest,
    ...Array.from({ length: padding }, () => 0),
  ])

/** Cut short, or with one byte changed, or whole. */
const damaged = (packet: fc.Arbitrary<number[]>): fc.Arbitrary<Uint8Array> =>
  fc
    .oneof(
      { weight: 4, arbitrary: packet },
      { weight: 1, arbitrary: fc.tuple(packet, fc.nat(80)).map(([list, size]) => list.slice(0, size)) },
      {
        weight: 1,
        arbitrary: fc
          .tuple(packet, fc.nat(60), fc.nat(255))
          .map(([list, at, value]) => list.map((byte, i) => (i === at ? value : byte))),
      },
    )
    .map((list) => Uint8Array.from(list))

/** Bytes and packet type: Ethernet frames, and packets that start with their network header. */
export const packet: fc.Arbitrary<{ readonly bytes: Uint8Array; readonly packetType: number }> = fc.oneof(
  { weight: 5, arbitrary: damaged(whole).map((frame) => ({ bytes: frame, packetType: 0 })) },
  {
    weight: 1,
    arbitrary: payload.chain(([type, list]) =>
      damaged(fc.constant(list)).map((frame) => ({ bytes: frame, packetType: 0x1_0000 + type })),
    ),
  },
)

import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { foldedMatch, plainMatch, type MatchFields } from './build.ts'
import { Writer } from '../wire/writer.ts'
import { parseMatch } from './match-text.ts'
import { matchCodec } from './match.ts'
import { fields, type AnyValue, type Field } from './table.ts'
import { writeMatch } from './template.ts'
import { matchText } from './testing.ts'

/** What foldedMatch makes of them, null for what it refuses. */
function folded(asked: MatchFields): unknown {
  try {
    return foldedMatch(asked)
  } catch (error) {
    expect(error).toBeInstanceOf(RangeError)
    return null
  }
}

const interesting = [0, 1, 6, 17, 58, 1, 2, 0x800, 0x806, 0x86dd, 0xff, 0xffff, 0xffff_ffff, 0xffff_ffff_ffff]
const value = (field: Field): fc.Arbitrary<AnyValue> => {
  if (field.bytes > 8) return fc.uint8Array({ minLength: field.bytes, maxLength: field.bytes })
  if (field.bytes === 8) return fc.oneof(fc.bigInt({ min: 0n, max: 1n << 64n }), fc.constantFrom(0n, (1n << 64n) - 1n))
  return fc.oneof(fc.constantFrom(...interesting), fc.nat(2 ** (8 * Math.min(field.bytes, 3)) - 1))
}
const operand = (field: Field): fc.Arbitrary<readonly [string, unknown]> =>
  fc.oneof(value(field), fc.tuple(value(field), value(field))).map((what) => [field.aka ?? field.name, what])

/** Fields that apps match, more often than others. */
const plain = fields.filter(({ name }) =>
  /^(eth|ip|ipv6|arp|nd|ct)_|^x?reg[0-3]$|_(src|dst)$|icmp|nw_|tun_id|in_port_oxm|metadata/.test(name),
)
const anyField = fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...plain) }, fc.constantFrom(...fields))
const operands = (of: readonly Field[]): fc.Arbitrary<MatchFields> =>
  fc.tuple(...of.map(operand)).map((entries) => Object.fromEntries(entries) as MatchFields)
const anyFields = fc.array(anyField, { maxLength: 5 }).chain(operands)
/** Several matches on the same fields. */
const alike = fc
  .array(anyField, { minLength: 1, maxLength: 4 })
  .chain((of) => fc.array(operands(of), { minLength: 2, maxLength: 4 }))

test('a match on plain fields is the one that OVS would make of them, or is left to the slower way', () => {
  fc.assert(
    fc.property(anyFields, (asked) => {
      const match = plainMatch(asked)
      if (match !== null) expect(match).toEqual(folded(asked))
    }),
    { numRuns: 1500 },
  )
})

/** The match in bytes; null for what is refused. */
function bytesOf(write: (w: Writer) => void): string | null {
  const w = new Writer()
  w.bytes.fill(0xa5)
  try {
    write(w)
  } catch (error) {
    expect(error).toBeInstanceOf(RangeError)
    return null
  }
  return Buffer.from(w.slice()).toString('hex')
}

const inFamily = (asked: MatchFields): MatchFields => ({ eth_type: 0x0800, nw_proto: 6, ...asked })

test('matches written at once have the bytes of those that are made with care, however many of a kind came before', () => {
  fc.assert(
    fc.property(alike, fc.boolean(), (matches, tcp) => {
      for (const asked of tcp ? matches.map(inFamily) : matches) {
        expect(bytesOf((w) => writeMatch(w, asked))).toBe(bytesOf((w) => matchCodec.write(w, foldedMatch(asked))))
      }
    }),
    { numRuns: 800 },
  )
})

test('a match that a value allows is refused for another value', () => {
  writeMatch(new Writer(), { eth_type: 0x0800, ip_dst: 1 })
  expect(() => writeMatch(new Writer(), { eth_type: 0x86dd, ip_dst: 1 })).toThrow(RangeError)
  writeMatch(new Writer(), { eth_type: 0x0800, ct_state: [0x01, 0x21], ct_nw_src: 1 })
  expect(() => writeMatch(new Writer(), { eth_type: 0x0800, ct_state: [0, 0x21], ct_nw_src: 1 })).toThrow(RangeError)
})

test('whatever match text can say, both ways agree on it', () => {
  fc.assert(
    fc.property(matchText, (text) => {
      const asked = Object.fromEntries(
        parseMatch(text).flatMap((entry) =>
          entry.kind === 'unknown' ? [] : [[entry.kind, entry.mask === null ? entry.value : [entry.value, entry.mask]]],
        ),
      ) as MatchFields
      const match = plainMatch(asked)
      if (match !== null) expect(match).toEqual(folded(asked))
      expect(bytesOf((w) => writeMatch(w, asked))).toBe(bytesOf((w) => matchCodec.write(w, foldedMatch(asked))))
    }),
    { numRuns: 500 },
  )
})

test('what apps match is plain', () => {
  const dhcp = { in_port_oxm: 1, eth_type: 0x0800, nw_proto: 17, udp_src: 68, udp_dst: 67 }
  for (const asked of [
    {},
    dhcp,
    { xreg0: 5n, reg5: [0, 1], eth_dst: 0x0200_0000_0001 },
    { xreg0: 5n, arp_op: 1, arp_tpa: 0x0a000001, arp_sha: 2 },
    { in_port_oxm: 1, eth_type: 0x86dd, ipv6_src: [new Uint8Array(16), new Uint8Array(16).fill(255, 0, 8)] },
    {
      eth_type: 0x0800,
      ct_state: [0x21, 0x31],
      ct_mark: 0,
      ct_nw_src: [0x0a000000, 0xff000000],
      ct_nw_proto: 6,
      ct_tp_dst: [80, 0xfffe],
      metadata: 5n,
    },
    { xreg1: 7n, eth_type: 0x0800, ip_dst: [0x0a000000, 0xff000000], nw_proto: 1, icmp_type: 8, icmp_code: 0 },
  ] satisfies MatchFields[]) {
    expect(plainMatch(asked)).toEqual(foldedMatch(asked))
    expect(bytesOf((w) => writeMatch(w, asked))).toBe(bytesOf((w) => matchCodec.write(w, foldedMatch(asked))))
  }
})

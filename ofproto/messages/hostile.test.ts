// Messages made to hurt: 64 KiB of the smallest or deepest parts, and lengths that lie. Each is refused with the error
// that OpenFlow has for it, or decodes to what encodes to the same bytes; and it prints. test/fuzz has the random ones.
import { describe, expect, test } from 'vitest'
import { DecodeError } from '../wire/errors.ts'
import { decodeMessage, encodeMessage, formatMessage } from './index.ts'

/** The longest that leaves room for the headers around. */
const ROOM = 65_000

const hex = (number: number, bytes: number): string => number.toString(16).padStart(2 * bytes, '0')
const size = (part: string): number => part.length / 2
const zeros = (bytes: number): string => '00'.repeat(bytes)
const many = (part: string): string => part.repeat(Math.floor(ROOM / size(part)))

const frame = (type: number, body: string): string => `04${hex(type, 1)}${hex(8 + size(body), 2)}00000001${body}`
const packetOut = (actions: string): string =>
  frame(13, `fffffffffffffffd${hex(size(actions), 2)}${zeros(6)}${actions}`)
const reply = (type: number, body: string): string => frame(19, `${hex(type, 2)}${zeros(6)}${body}`)
const flowMod = (match: string, instructions: string): string => {
  const length = 4 + size(match)
  return frame(14, `${zeros(40)}0001${hex(length, 2)}${match}${zeros(-length & 7)}${instructions}`)
}
const clone = (inside: string): string => `ffff${hex(16 + size(inside), 2)}00002320002a${zeros(6)}${inside}`
const ct = (inside: string): string =>
  `ffff${hex(24 + size(inside), 2)}000023200023${zeros(6)}0000ff${zeros(5)}${inside}`

function nested(wrap: (inside: string) => string, depth = Number.POSITIVE_INFINITY): string {
  let all = ''
  for (let i = 0; i < depth; i += 1) {
    const next = wrap(all)
    if (size(next) > ROOM) break
    all = next
  }
  return all
}

const group = (buckets: string): string => reply(7, `${hex(8 + size(buckets), 2)}000000000001${buckets}`)
const bundleAdd = (inner: string): string => frame(4, `4f4e4600000008fd0000000100000000${inner}`)
const packetIn2 = (properties: string): string => frame(4, `000023200000001e${properties}`)

/** Name, bytes, and the error; null if it is a message as any other. */
const messages: readonly (readonly [string, string, string | null])[] = [
  ['clone in clone, 4,000 deep', packetOut(nested(clone)), 'OFPBAC_BAD_ARGUMENT'],
  ['ct in ct, 2,700 deep', packetOut(nested(ct)), 'OFPBAC_BAD_ARGUMENT'],
  ['clone in clone, 99 deep', packetOut(nested(clone, 99)), null],
  ['4,000 clones of nothing', packetOut(many(clone(''))), null],
  ['8,000 dec_ttl', packetOut(many('0018000800000000')), null],
  ['an action longer than the message', packetOut('00000020000000010000000000000000'), 'OFPBAC_BAD_LEN'],
  ['a clone whose inside is longer than it', packetOut(clone('').replace('ffff0010', 'ffff0018')), 'OFPBAC_BAD_LEN'],
  ['16,000 fields that nobody knows', flowMod('7fff0000'.repeat(16_000), ''), null],
  ['8,000 times the same field', flowMod('0001000400000001'.repeat(8000), ''), 'OFPBMC_DUP_FIELD'],
  ['8,000 instructions that nobody knows', flowMod('', 'ffff000800000000'.repeat(8000)), null],
  ['8,000 times the same instruction', flowMod('', '0005000800000000'.repeat(8000)), 'OFPBIC_DUP_INST'],
  ['flows of no length', reply(1, zeros(64_000)), 'OFPBRC_BAD_LEN'],
  ['a flow longer than the message', reply(1, `ffff${zeros(46)}0001000400000000`), 'OFPBRC_BAD_LEN'],
  ['1,100 flows', reply(1, many(`0038${zeros(46)}0001000400000000`)), null],
  ['8,000 groups without buckets', reply(7, many('0008000000000001')), null],
  ['a group of 4,000 buckets', group(many(`0010${zeros(14)}`)), null],
  ['a group of buckets of no length', group(zeros(64_000)), 'OFPGMFC_BAD_BUCKET'],
  ['tables without features', reply(12, many(`0040${zeros(62)}`)), 'OFPTFFC_BAD_FEATURES'],
  ['table features of no length', reply(12, `${hex(64_064, 2)}${zeros(62 + 64_000)}`), 'OFPBPC_BAD_LEN'],
  [
    'table features 16,000 times',
    reply(12, `${hex(64_064, 2)}${zeros(62)}${'00000004'.repeat(16_000)}`),
    'OFPTFFC_BAD_FEATURES',
  ],
  ['a bundle in a bundle', bundleAdd(bundleAdd('')), 'OFPBFC_MSG_UNSUP'],
  ['a bundled message longer than its bundle_add', bundleAdd('040e00ff00000001'), 'OFPBFC_MSG_BAD_LEN'],
  ['16,000 packet-in properties', packetIn2('00000004'.repeat(16_000)), 'OFPBRC_BAD_LEN'],
]

describe('a message of', () => {
  test.each(messages)('%s', (_, text, error) => {
    const bytes = Uint8Array.from(Buffer.from(text, 'hex'))
    expect(formatMessage(bytes)).toMatch(/\n$/)
    if (error === null) {
      expect(Buffer.from(encodeMessage(decodeMessage(bytes))).equals(bytes)).toBe(true)
      return
    }
    let thrown: unknown
    try {
      decodeMessage(bytes)
    } catch (e) {
      thrown = e
    }
    expect(thrown).toBeInstanceOf(DecodeError)
    expect((thrown as DecodeError).error.name).toBe(error)
  })
})

test('bytes behind the match of a flow request are passed over, as OVS does', () => {
  const request = decodeMessage(
    Buffer.from(
      '04120048000000010001000000000000ff000000ffffffffffffffff00000000000000000000000000000000000000000001000400000000000000000000000500013e0401020304',
      'hex',
    ),
  )
  expect(request).toMatchObject({ kind: 'multipart_request', body: { kind: 'flow', match: [] } })
})

// Match fields as bytes and as the text that OVS 3.1.0 has for them (ofproto-matches.txt): every field, with and without
// a mask, with every header that it has.
import { describe, expect, it, test } from 'vitest'
import { formatMatch, parseMatch } from '../../ofproto/fields/match-text.ts'
import { oxmList, type Match } from '../../ofproto/fields/match.ts'
import { fields } from '../../ofproto/fields/table.ts'
import { Reader } from '../../ofproto/wire/reader.ts'
import { Writer } from '../../ofproto/wire/writer.ts'
import { matchVectors } from './vectors.ts'

const vectors = matchVectors()
const sent = vectors.filter((vector) => vector.sent)

const decode = (hex: string): Match => oxmList.read(new Reader(Uint8Array.from(Buffer.from(hex, 'hex'))))

/** Into a buffer full of 0xa5, so that a byte left unwritten shows. */
function encode(match: Match): string {
  const w = new Writer(1024)
  w.bytes.fill(0xa5)
  oxmList.write(w, match)
  return Buffer.from(w.slice()).toString('hex')
}

/** ovs-ofctl prints `gtpu_flags` and reads `tun_gtpu_flags` only. */
const asWritten = (text: string): string => text.replaceAll(/(?<!tun_)gtpu_/g, 'tun_gtpu_')

describe('golden vectors', () => {
  test.each(sent)('$text: bytes -> text, and back to the same bytes', ({ text, hex }) => {
    const match = decode(hex)
    expect(formatMatch(match)).toBe(text)
    expect(encode(match)).toBe(hex)
  })

  test.each(sent)('$text: text -> bytes', ({ text, hex }) => {
    expect(encode(parseMatch(asWritten(text)))).toBe(hex)
  })

  test.each(vectors.filter((vector) => !vector.sent))('$hex means $text, also when encoded again', ({ text, hex }) => {
    const match = decode(hex)
    expect(formatMatch(match)).toBe(text)
    expect(formatMatch(decode(encode(match)))).toBe(text)
  })

  it('has every field, and those that can have one with a mask', () => {
    const found = new Set(
      vectors.flatMap(({ hex }) => decode(hex)).map(({ kind, mask }) => `${kind}${mask === null ? '' : '/mask'}`),
    )
    // tun_ttl, skb_priority ... cannot be matched on the wire.
    const wanted = fields
      .filter(({ oxm }) => oxm !== null)
      .flatMap(({ name, maskable }) => (maskable ? [name, `${name}/mask`] : [name]))
    expect(wanted.filter((name) => !found.has(name))).toEqual([])
  })

  it('has every header', () => {
    const header = (word: number, experimenter: number): string => `${word >>> 9} ${experimenter}`
    const found = new Set(
      vectors.flatMap(({ hex }) => {
        const bytes = Buffer.from(hex, 'hex')
        const out: string[] = []
        for (let at = 0; at < bytes.length; at += 4 + (bytes[at + 3] as number)) {
          const word = bytes.readUInt32BE(at)
          out.push(header(word, word >>> 16 === 0xffff ? bytes.readUInt32BE(at + 4) : 0))
        }
        return out
      }),
    )
    const missing = fields.flatMap((field) => field.headers.filter((h) => !found.has(header(h.word, h.experimenter))))
    expect(missing.map(({ name }) => name)).toEqual([])
  })
})

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DecodeError, EncodeError } from '../wire/errors.ts'
import { Reader } from '../wire/reader.ts'
import { Writer } from '../wire/writer.ts'
import { checkPrerequisites } from './check.ts'
import { oxmHeader, nxmHeader } from './header.ts'
import { looseOxmList, matchCodec, nxmList, oxmEntry, oxmList, type Match } from './match.ts'
import { formatMatch, parseMatch } from './match-text.ts'
import { fieldByHeader, fields } from './table.ts'
import { matchText } from './testing.ts'

/** Bytes of `value`, written into a buffer full of 0xa5 so that padding that nobody writes shows. */
function encode<T>(codec: { write(w: Writer, value: T): void }, value: T): Uint8Array {
  const w = new Writer(8)
  w.bytes.fill(0xa5)
  codec.write(w, value)
  return w.slice()
}
const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

function errorOf(codec: { read(r: Reader): unknown }, hex: string): string {
  try {
    codec.read(new Reader(bytesOf(hex)))
  } catch (error) {
    if (error instanceof DecodeError) return error.error.name
    throw error
  }
  return 'none'
}

describe('a match on the wire', () => {
  test('is type, length, entries and zero padding to 8 bytes', () => {
    const match: Match = [
      { kind: 'in_port_oxm', value: 1, mask: null },
      { kind: 'eth_type', value: 0x0800, mask: null },
      { kind: 'ip_dst', value: 0x0a000000, mask: 0xff000000 },
    ]
    const expected = '0001 001e 80000004 00000001 80000a02 0800 80001908 0a000000 ff000000 0000'
    expect(hexOf(encode(matchCodec, match))).toBe(expected.replaceAll(' ', ''))
    expect(matchCodec.read(new Reader(bytesOf(expected)))).toEqual(match)
  })

  test('decodes to what was encoded, for any match that text can express', () => {
    fc.assert(
      fc.property(matchText, (text) => {
        const match = parseMatch(text)
        expect(matchCodec.read(new Reader(encode(matchCodec, match)))).toEqual(match)
        expect(oxmList.read(new Reader(encode(oxmList, match)))).toEqual(match)
        expect(looseOxmList.read(new Reader(encode(nxmList, match)))).toEqual(match)
        expect(checkPrerequisites(match)).toBeNull()
      }),
      { numRuns: 200 },
    )
  })

  test('keeps unknown fields byte for byte', () => {
    for (const hex of ['80007e02 abcd', '80007f04 abcd ffff', 'ffff7e06 12345678 beef', '80007f03 000102']) {
      const entry = oxmEntry.read(new Reader(bytesOf(hex)))
      expect(entry.kind).toBe('unknown')
      expect(hexOf(encode(oxmEntry, entry))).toBe(hex.replaceAll(' ', ''))
    }
  })

  test('takes a known field with a length it cannot have for unknown', () => {
    expect(oxmEntry.read(new Reader(bytesOf('80000a03 080000'))).kind).toBe('unknown')
  })

  test('with any header of a field means the same', () => {
    expect(oxmList.read(new Reader(bytesOf('00000602 0800')))).toEqual([
      { kind: 'eth_type', value: 0x0800, mask: null },
    ])
  })

  test('is refused as OVS refuses it', () => {
    expect(errorOf(oxmList, '80001604 0a000001')).toBe('OFPBMC_BAD_PREREQ')
    expect(errorOf(looseOxmList, '80001604 0a000001')).toBe('none')
    expect(errorOf(oxmList, '80000a02 0800 80000a02 0800')).toBe('OFPBMC_DUP_FIELD')
    expect(errorOf(oxmList, '80010008 0000000000000001 00010204 00000001')).toBe('OFPBMC_DUP_FIELD')
    expect(errorOf(oxmList, '00010108 00000001 00000000')).toBe('OFPBMC_BAD_WILDCARDS')
    expect(errorOf(oxmList, '80000b04 0800 ff00')).toBe('OFPBMC_BAD_MASK')
    expect(errorOf(oxmList, '80000a02 0800 80001001 40')).toBe('OFPBMC_BAD_VALUE')
    expect(errorOf(oxmList, '80000a02 08')).toBe('OFPBMC_BAD_LEN')
    expect(errorOf(oxmList, '80000a')).toBe('OFPBMC_BAD_LEN')
    expect(errorOf(oxmList, 'ffff0003 000000')).toBe('OFPBMC_BAD_LEN')
    expect(errorOf(matchCodec, '0000 0004 00000000')).toBe('OFPBMC_BAD_TYPE')
    expect(errorOf(matchCodec, '0001 0003 00000000')).toBe('OFPBMC_BAD_LEN')
    expect(errorOf(matchCodec, '0001 0009 00000000')).toBe('OFPBMC_BAD_LEN')
  })

  test('throws nothing but DecodeError on any bytes', () => {
    const headers = fields.flatMap((field) => field.headers.flatMap(({ word, maskedWord }) => [word, maskedWord]))
    const header = fc
      .constantFrom(...headers)
      .map((word) => [word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255])
    const chunk = fc.oneof(header, fc.array(fc.nat(255), { maxLength: 20 }))
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 6 }), (chunks) => {
        const bytes = Uint8Array.from(chunks.flat())
        for (const codec of [oxmList, looseOxmList, matchCodec]) {
          try {
            const match = codec.read(new Reader(bytes))
            expect(formatMatch(match)).toBeTypeOf('string')
            if (codec === oxmList) expect(oxmList.read(new Reader(encode(oxmList, match)))).toEqual(match)
          } catch (error) {
            expect(error).toBeInstanceOf(DecodeError)
          }
        }
      }),
      { numRuns: 500 },
    )
  })

  test('is not written with a value of the wrong size or a field that has no header', () => {
    expect(() => encode(oxmEntry, { kind: 'ipv6_src', value: new Uint8Array(4), mask: null })).toThrow(EncodeError)
    expect(() => encode(oxmEntry, { kind: 'tun_ttl', value: 1, mask: null })).toThrow(EncodeError)
  })
})

describe('headers', () => {
  test('of every field are found again, and are written as OVS writes them', () => {
    for (const field of fields) {
      for (const { word, maskedWord, experimenter } of field.headers) {
        expect(fieldByHeader(word, experimenter)).toBe(field)
        expect(fieldByHeader(maskedWord, experimenter)).toBe(field)
      }
      if (field.oxm === null) continue
      const ref = { kind: field.name, masked: false, bytes: field.bytes }
      expect(oxmHeader.read(new Reader(encode(oxmHeader, ref)))).toEqual(ref)
      expect(nxmHeader.read(new Reader(encode(nxmHeader, ref)))).toEqual(ref)
    }
  })

  test('differ between OpenFlow 1.3 and Nicira actions', () => {
    const ref = { kind: 'tcp_flags', masked: true, bytes: 2 } as const
    expect(hexOf(encode(oxmHeader, ref))).toBe('ffff55084f4e4600')
    expect(hexOf(encode(nxmHeader, ref))).toBe('00014504')
  })
})

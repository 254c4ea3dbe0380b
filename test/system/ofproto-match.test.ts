// Matches and packets against the installed OVS: what ovs-ofctl makes of random texts, bytes and packets is what we make
// of them. One process for thousands of cases; the seed is in the message of a failure.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FlowMatch } from '../../ofproto/fields/flow-match.ts'
import { matchCodec, oxmEntry, oxmList, type Match, type MatchEntry } from '../../ofproto/fields/match.ts'
import { toMatch } from '../../ofproto/fields/match-order.ts'
import { formatMatch, MatchBuilder, parseMatch } from '../../ofproto/fields/match-text.ts'
import { fieldOf, fields } from '../../ofproto/fields/table.ts'
import { matchText } from '../../ofproto/fields/testing.ts'
import { formatPacket } from '../../ofproto/packet/format.ts'
import { packet } from '../../ofproto/packet/testing.ts'
import { items, type Item } from '../../ofproto/text/tokens.ts'
import { DecodeError } from '../../ofproto/wire/errors.ts'
import { Reader } from '../../ofproto/wire/reader.ts'
import { Writer } from '../../ofproto/wire/writer.ts'
import { ofctl, parseFlows } from '../lab/ofctl.ts'
import { seed } from '../seed.ts'

const here = `WEFT_SEED=${seed}`

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'weft-match-'))
})
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

function hexOf(match: Match): string {
  const w = new Writer()
  matchCodec.write(w, match)
  return Buffer.from(w.slice()).toString('hex')
}

/** Offset of the match in a flow_mod. */
const FLOW_MOD_MATCH = 48

/** What ovs-ofctl prints and makes of the matches. */
function flows(texts: readonly string[]): { text: string; hex: string }[] {
  return parseFlows(texts.map((text) => `${text}${text === '' ? '' : ','}actions=drop`)).map(({ text, bytes }) => {
    const length = new DataView(bytes.buffer).getUint16(FLOW_MOD_MATCH + 2)
    return {
      text: text.replace(/^.*?: ADD /, '').replace(/ ?actions=drop$/, ''),
      hex: Buffer.from(bytes.subarray(FLOW_MOD_MATCH, FLOW_MOD_MATCH + ((length + 7) & ~7))).toString('hex'),
    }
  })
}

/** An entry as parse-oxm reads it, `80000b04(0800/ffff)`, or with the header's name as it prints it. */
function entryAsText(entry: MatchEntry, named: boolean): string {
  const w = new Writer()
  oxmEntry.write(w, entry)
  const hex = Buffer.from(w.slice()).toString('hex')
  const headerSize = hex.startsWith('ffff') ? 16 : 8
  // parse-oxm shows the unused front of a tun_metadata, all zeros, instead of its value.
  const blank = named && entry.kind !== 'unknown' && fieldOf(entry.kind).variable
  const payload = blank ? hex.slice(headerSize).replaceAll(/./g, '0') : hex.slice(headerSize)
  const half = payload.length / 2
  const value = entry.mask === null ? payload : `${payload.slice(0, half)}/${payload.slice(half)}`
  const name = entry.kind === 'unknown' ? '?' : `${fieldOf(entry.kind).oxm?.name}${entry.mask === null ? '' : '_W'}`
  return `${named ? name : hex.slice(0, headerSize)}(${value})`
}

/** Turns one bit of some values around. */
const flip = (text: string, at: number): string =>
  text.replaceAll(/\(([0-9a-f])/g, (all, digit: string, offset: number) =>
    offset % 7 === at ? `(${(Number.parseInt(digit, 16) ^ 8).toString(16)}` : all,
  )

/** Entries of a match, some left out; or of two matches in a row; or with changed values: many are wrong somehow. */
const entryText: fc.Arbitrary<string> = fc
  .oneof(
    matchText.map((text) => [text]),
    fc.tuple(matchText, matchText),
  )
  .chain((texts) => fc.subarray(texts.flatMap(parseMatch)))
  .chain((entries) => fc.tuple(fc.constant(entries.map((entry) => entryAsText(entry, false)).join(', ')), fc.nat(20)))
  .map(([text, at]) => flip(text, at))
  .filter((text) => text !== '')

/** What we make of entries, in the words of parse-oxm: them in canonical order, or the error. */
function verdict(text: string): string {
  const bytes = Uint8Array.from(Buffer.from(text.replaceAll(/[^0-9a-f]/g, ''), 'hex'))
  try {
    const match = oxmList.read(new Reader(bytes))
    const canonical = toMatch(FlowMatch.from(match))
    return canonical.length === 0 ? '<any>' : canonical.map((entry) => entryAsText(entry, true)).join(', ')
  } catch (error) {
    if (error instanceof DecodeError) return error.error.name
    throw error
  }
}

/** An item as it can be read again: values in parentheses belong to packet_type only. */
const asWritten = ({ key, value }: Item): string => (value === '' ? key : `${key}=${value}`)

/** The first cases where we and ovs-ofctl part ways, with the seed that finds them again; none is what tests want. */
function differences<T>(cases: readonly string[], ours: readonly T[], theirs: readonly T[]): unknown[] {
  const out: unknown[] = []
  if (ours.length !== theirs.length) out.push(`${here}: ${theirs.length} answers to ${ours.length} cases`)
  ours.forEach((our, i) => {
    if (JSON.stringify(our) !== JSON.stringify(theirs[i])) out.push({ here, case: cases[i], our, their: theirs[i] })
  })
  return out.slice(0, 3)
}

describe('matches agree with ovs-ofctl', () => {
  test('in text and in bytes, for 3,000 random texts', () => {
    const texts = fc.sample(matchText, { numRuns: 3000, seed })
    const ours = texts.map((text) => {
      const match = parseMatch(text)
      return { text: formatMatch(match), hex: hexOf(match) }
    })
    expect(differences(texts, ours, flows(texts))).toEqual([])
  })

  test('when a prerequisite is missing and ovs-ofctl drops what needs it', () => {
    const incomplete = fc.tuple(matchText, fc.nat(20)).map(([text, at]) => {
      const parts = items(text).map(asWritten)
      return parts.filter((_, i) => i !== at % (parts.length + 1)).join(',')
    })
    const texts = fc.sample(incomplete, { numRuns: 2000, seed })
    const ours = texts.map((text) => {
      const builder = new MatchBuilder()
      for (const { key, value } of items(text)) builder.add(key, value)
      return hexOf(builder.buildLoosely())
    })
    const theirs = flows(texts).map(({ hex }) => hex)
    expect(differences(texts, ours, theirs)).toEqual([])
  })

  test('about the numbers and names of every header', () => {
    const headers = fields.flatMap((field) => field.headers.map((header) => ({ field, header })))
    const texts = headers.map(({ field, header }) => {
      const id = header.experimenter === 0 ? '' : header.experimenter.toString(16).padStart(8, '0')
      return [`${header.word.toString(16).padStart(8, '0')}${id}`, header.name].map(
        (name) => `${name}(${'00'.repeat(field.bytes)})`,
      )
    })
    const lines = (column: number): string[] =>
      ofctl(['parse-oxm', 'OpenFlow13'], texts.map((pair) => `${pair[column]}\n`).join(''))
        .trimEnd()
        .split('\n')
    const byNumber = lines(0)
    const byName = lines(1)
    expect(byNumber).toEqual(byName)
    expect(byName.filter((line) => line.includes('BAD_FIELD'))).toEqual([])
    expect(byName).toHaveLength(texts.length)
  })

  test('about which entries are in order and what they mean, for 3,000 random lists of them', () => {
    const texts = fc.sample(entryText, { numRuns: 3000, seed })
    const out = ofctl(['--strict', 'parse-oxm', 'OpenFlow13'], texts.map((text) => `${text}\n`).join(''))
    const theirs = out
      .trimEnd()
      .split('\n')
      .map((line) => /returned error (\w+)/.exec(line)?.[1] ?? line)
    const ours = texts.map(verdict)
    expect(differences(texts, ours, theirs)).toEqual([])
    // Both verdicts must have been tried.
    const refused = ours.filter((text) => text.startsWith('OFP')).length
    expect(refused).toBeGreaterThan(300)
    expect(ours.length - refused).toBeGreaterThan(300)
  })
})

describe('packets agree with ovs-ofctl', () => {
  /** A packet-in of OpenFlow 1.3 with the packet, whose match names the packet type unless it is Ethernet. */
  function packetIn(xid: number, bytes: Uint8Array, packetType: number): Buffer {
    const w = new Writer()
    matchCodec.write(w, packetType === 0 ? [] : [{ kind: 'packet_type', value: packetType, mask: null }])
    const match = w.slice()
    const head = Buffer.alloc(24)
    head.writeUInt16BE(0x040a, 0)
    head.writeUInt16BE(head.length + match.length + 2 + bytes.length, 2)
    head.writeUInt32BE(xid, 4)
    head.writeUInt32BE(0xffff_ffff, 8)
    head.writeUInt16BE(bytes.length, 12)
    return Buffer.concat([head, match, Buffer.alloc(2), bytes])
  }

  test('in what they print of 5,000 random packets', () => {
    const packets = fc.sample(packet, { numRuns: 5000, seed })
    const file = join(folder, 'packets')
    writeFileSync(file, Buffer.concat(packets.map(({ bytes, packetType }, i) => packetIn(i, bytes, packetType))))
    const theirs = ofctl(['ofp-parse', file])
      .split(/^(?=OFPT_PACKET_IN)/m)
      .map((block) => block.split('\n')[1])
    const ours = packets.map(({ bytes, packetType }) => formatPacket(bytes, packetType))
    const cases = packets.map(({ bytes, packetType }) => `${Buffer.from(bytes).toString('hex')} ${packetType}`)
    expect(differences(cases, ours, theirs)).toEqual([])
  })
})

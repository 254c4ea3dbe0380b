// Matches and packets against the installed OVS: what ovs-ofctl makes of random texts, bytes and packets is what we make
// of them. One process for thousands of cases; the seed is in the message of a failure.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FlowMatch } from '../../ofproto/fields/flow-match.ts'
import { oxmEntry, matchCodec, oxmList, type Match } from '../../ofproto/fields/match.ts'
import { toMatch } from '../../ofproto/fields/match-order.ts'
import { formatMatch, parseMatch } from '../../ofproto/fields/match-text.ts'
import { matchText } from '../../ofproto/fields/testing.ts'
import { formatPacket } from '../../ofproto/packet/format.ts'
import { packet } from '../../ofproto/packet/testing.ts'
import { DecodeError } from '../../ofproto/wire/errors.ts'
import { Reader } from '../../ofproto/wire/reader.ts'
import { Writer } from '../../ofproto/wire/writer.ts'

const seed = Number(process.env['WEFT_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const here = `WEFT_SEED=${seed}`

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'weft-match-'))
})
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

function ofctl(args: readonly string[], input = ''): string {
  const { status, stdout, stderr } = spawnSync('ovs-ofctl', args, { encoding: 'utf8', input, maxBuffer: 2 ** 28 })
  expect(status, `${here} ovs-ofctl ${args.join(' ')}: ${stderr.slice(-500)}`).toBe(0)
  return stdout
}

function hexOf(match: Match): string {
  const w = new Writer()
  matchCodec.write(w, match)
  return Buffer.from(w.slice()).toString('hex')
}

/** Offset of the match in a flow_mod. */
const FLOW_MOD_MATCH = 48

/** What ovs-ofctl prints and sends for the matches. */
function flows(texts: readonly string[]): { text: string; hex: string }[] {
  const file = join(folder, 'flows')
  writeFileSync(file, texts.map((text) => `${text}${text === '' ? '' : ','}actions=drop\n`).join(''))
  // At verbosity 5 every message is followed by a hex dump of its bytes.
  const out = ofctl(['-mmmmm', '-O', 'OpenFlow13', 'parse-flows', file])
  return out
    .split(/^(?=OFPT_FLOW_MOD)/m)
    .slice(1)
    .map((block) => {
      const [line = '', ...dump] = block.split('\n')
      const bytes = dump.map((row) => row.slice(10, 58).replaceAll(/[ -]/g, '')).join('')
      const length = Number.parseInt(bytes.slice(2 * FLOW_MOD_MATCH + 4, 2 * FLOW_MOD_MATCH + 8), 16)
      const padded = (length + 7) & ~7
      return {
        text: line.replace(/^.*?: ADD /, '').replace(/ ?actions=drop$/, ''),
        hex: bytes.slice(2 * FLOW_MOD_MATCH, 2 * (FLOW_MOD_MATCH + padded)),
      }
    })
}

describe('matches agree with ovs-ofctl', () => {
  test('in text and in bytes, for 3,000 random texts', () => {
    const texts = fc.sample(matchText, { numRuns: 3000, seed })
    const theirs = flows(texts)
    expect(theirs.length, here).toBe(texts.length)
    texts.forEach((text, i) => {
      const match = parseMatch(text)
      expect({ text: formatMatch(match), hex: hexOf(match) }, `${here} ${text}`).toEqual(theirs[i])
    })
  })

  /** Entries as parse-oxm reads them: `80000b04(0800/ffff)`. */
  const oxmText = (match: Match): string =>
    match
      .map((entry) => {
        const w = new Writer()
        oxmEntry.write(w, entry)
        const hex = Buffer.from(w.slice()).toString('hex')
        const header = hex.startsWith('ffff') ? 16 : 8
        const payload = hex.slice(header)
        const value =
          entry.mask === null ? payload : `${payload.slice(0, payload.length / 2)}/${payload.slice(payload.length / 2)}`
        return `${hex.slice(0, header)}(${value})`
      })
      .join(', ')

  const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(/[^0-9a-f]/g, ''), 'hex'))

  /** Our verdict on entries in the words of parse-oxm: the entries in canonical order, or the error. */
  function verdict(text: string): string {
    try {
      const match = oxmList.read(new Reader(bytesOf(text)))
      const unknown = match.some((entry) => entry.kind === 'unknown')
      return unknown ? 'OFPBMC_BAD_FIELD' : formatMatch(toMatch(FlowMatch.from(match)))
    } catch (error) {
      if (error instanceof DecodeError) return error.error.name
      throw error
    }
  }

  test('about which bytes are in order and what they mean, for 3,000 random lists of entries', () => {
    // Entries of two matches mixed, some bits of some values changed: half of these are wrong somehow.
    const mixed = fc
      .tuple(matchText, matchText, fc.nat(99), fc.nat(3))
      .chain(([a, b, at, change]) =>
        fc
          .subarray([...parseMatch(a), ...(change === 0 ? parseMatch(b) : [])], { minLength: 1 })
          .map((entries) =>
            oxmText(entries).replaceAll(/\((.)/g, (all, digit: string, offset: number) =>
              change === 1 && offset % 5 === at % 5 ? `(${(Number.parseInt(digit, 16) ^ 8).toString(16)}` : all,
            ),
          ),
      )
      .filter((text) => text !== '')
    const texts = fc.sample(mixed, { numRuns: 3000, seed })
    const lines = ofctl(['--strict', 'parse-oxm', 'OpenFlow13'], texts.map((text) => `${text}\n`).join('')).split('\n')
    texts.forEach((text, i) => {
      const theirs = lines[i] ?? ''
      const error = /OFP\w+/.exec(theirs.replaceAll(/[A-Z]*OXM_\w+/g, ''))?.[0]
      const ours = verdict(text)
      if (error === undefined) expect(ours, `${here} ${text} ${theirs}`).not.toMatch(/^OFP/)
      else expect(ours, `${here} ${text}`).toBe(error)
    })
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
    const blocks = ofctl(['ofp-parse', file]).split(/^(?=OFPT_PACKET_IN)/m)
    expect(blocks.length, here).toBe(packets.length)
    packets.forEach(({ bytes, packetType }, i) => {
      const message = `${here} ${Buffer.from(bytes).toString('hex')} ${packetType}`
      expect(formatPacket(bytes, packetType), message).toBe(blocks[i]?.split('\n')[1])
    })
  })
})

// The messages of ofproto against ovs-ofctl: what we encode, it reads, and prints as we print it. One process prints
// thousands of messages; an echo request with a number of its own follows each, so that one difference hides no other.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeMessage, formatMessage, type Message } from '../../ofproto/messages/index.ts'
import { message } from '../../ofproto/messages/testing.ts'
import { seed } from '../seed.ts'

const MARK = 0xabcd0000
const mark = (n: number): Message => ({ kind: 'echo_request', version: 4, xid: MARK + n, data: new Uint8Array(0) })

/** What ovs-ofctl prints for each frame. */
function print(frames: readonly Uint8Array[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'weft-messages-'))
  try {
    const file = join(folder, 'messages')
    writeFileSync(file, Buffer.concat(frames.flatMap((frame, i) => [frame, encodeMessage(mark(i))])))
    const out = execFileSync('ovs-ofctl', ['ofp-parse', file], {
      encoding: 'latin1',
      maxBuffer: 1 << 30,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    return split(out, frames.length)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function split(out: string, count: number): string[] {
  const texts: string[] = []
  let at = 0
  for (let i = 0; i < count; i += 1) {
    const next = formatMessage(mark(i))
    const end = out.indexOf(next, at)
    if (end < 0) throw new Error(`no output for message ${i}`)
    texts.push(out.slice(at, end))
    at = end + next.length
  }
  return texts
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** The messages that print otherwise, with their bytes, to be looked at with `ovs-ofctl ofp-print`. */
function differences(
  frames: readonly Uint8Array[],
): { readonly hex: string; readonly ours: string; readonly theirs: string }[] {
  const theirs = print(frames)
  return frames.flatMap((frame, i) => {
    const ours = formatMessage(frame)
    return ours === theirs[i] ? [] : [{ hex: hex(frame), ours, theirs: theirs[i] as string }]
  })
}

const isRefused = (text: string) => text.includes('***decode error')
/** How what OVS does not know, and refuses, prints: we keep it. */
const KEPT = /unknown\(|unknown_instruction\(|oxm\(0x/
/** Such errors where OVS does not know what OpenFlow 1.3 has (push_pbb), or asks whether actions fit the match. */
const UNKNOWN = /OFPBAC_BAD_TYPE|OFPBAC_MATCH_INCONSISTENT/
/** Errors of ours about what OVS refuses only when it carries it out, never looks at, or has of later versions. */
const LATE = /OFPBFC_BAD_TYPE|OFPGMFC_BAD_(TYPE|COMMAND)|OFPMMFC_BAD_BAND/

describe(`messages, seed ${seed}`, () => {
  it('prints 4,000 random messages of every kind as ovs-ofctl ofp-parse does', () => {
    const frames = fc.sample(message, { numRuns: 4000, seed }).map(encodeMessage)
    expect(differences(frames).slice(0, 3)).toEqual([])
  })

  it('refuses of 4,000 broken messages those that OVS refuses', () => {
    const broken = fc
      .tuple(message, fc.nat(), fc.integer({ min: 0, max: 255 }))
      .map(([m, at, byte]) => damage(encodeMessage(m), at, byte))
    const frames = fc.sample(broken, { numRuns: 4000, seed })
    const disagreements = differences(frames).filter(({ ours, theirs }) => {
      if (isRefused(ours) === isRefused(theirs)) return false
      return isRefused(theirs) ? !KEPT.test(ours) && !UNKNOWN.test(theirs) : !LATE.test(ours)
    })
    expect(disagreements.slice(0, 3)).toEqual([])
  })
})

/** Changes one byte of the body, or cuts the body there and corrects the length of the message. */
function damage(frame: Uint8Array, at: number, byte: number): Uint8Array {
  const out = frame.slice()
  if (frame.length <= 8) return out
  const index = 8 + (at % (frame.length - 8))
  if (byte >= 200) {
    const cut = out.slice(0, index)
    new DataView(cut.buffer).setUint16(2, index)
    return cut
  }
  out[index] = byte
  return out
}

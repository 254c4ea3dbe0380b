// Random messages there and back, and what hostile bytes may do. The golden vectors are in test/vectors.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DecodeError, EncodeError } from '../wire/errors.ts'
import { Writer } from '../wire/writer.ts'
import { decodeMessage, encodeMessage, formatMessage, writeMessage, type Message } from './index.ts'
import { message } from './testing.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** `message` written over a buffer that is full of other things, as a writer that is used again is. */
function encodeOver(value: Message): Uint8Array {
  const w = new Writer(4096)
  w.bytes.fill(0xa5)
  writeMessage(w, value)
  return w.slice()
}

describe('random messages', () => {
  it('decode to the value that was encoded', () => {
    fc.assert(
      fc.property(message, (value) => {
        expect(decodeMessage(encodeOver(value))).toEqual(value)
      }),
    )
  })

  it('decode from the middle of a buffer, and share no memory with it', () => {
    fc.assert(
      fc.property(message, (value) => {
        const frame = encodeMessage(value)
        const buffer = new Uint8Array(frame.length + 20).fill(0xff)
        buffer.set(frame, 7)
        const decoded = decodeMessage(buffer, 7, 7 + frame.length)
        buffer.fill(0xee)
        expect(hex(encodeMessage(decoded))).toBe(hex(frame))
      }),
    )
  })
})

const messageBytes = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc
    .tuple(message, fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 4 }))
    .map(([value, edits]) => {
      const frame = encodeMessage(value)
      for (const [at, byte] of edits) frame[at % frame.length] = byte
      return frame
    }),
)

describe('hostile bytes', () => {
  it('are refused with a DecodeError and nothing else, or decode to a value that can be encoded', () => {
    fc.assert(
      fc.property(messageBytes, (bytes) => {
        try {
          encodeMessage(decodeMessage(bytes))
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError)
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('always print', () => {
    fc.assert(
      fc.property(messageBytes, (bytes) => {
        expect(formatMessage(bytes)).toMatch(/\n$/)
      }),
      { numRuns: 1000 },
    )
  })

  it('a bundle cannot hold a bundle, so messages nest no deeper than two', () => {
    const barrier = encodeMessage({ kind: 'barrier_request', xid: 5 })
    const add = (inner: Uint8Array): Uint8Array => {
      const frame = new Uint8Array(24 + inner.length)
      frame.set([4, 4, 0, frame.length, 0, 0, 0, 5, 0x4f, 0x4e, 0x46, 0, 0, 0, 0x08, 0xfd])
      frame.set(inner, 24)
      return frame
    }
    for (const frame of [add(barrier), add(add(barrier))])
      expect(() => decodeMessage(frame)).toThrow(
        expect.objectContaining({ error: expect.objectContaining({ name: 'OFPBFC_MSG_UNSUP' }) }),
      )
  })
})

it('refuses to encode a message that is longer than its length can say', () => {
  const data = new Uint8Array(70_000)
  expect(() => encodeMessage({ kind: 'echo_request', version: 4, xid: 1, data })).toThrow(EncodeError)
})

import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { DecodeError } from '../wire/errors.ts'
import { Framer } from './framer.ts'

/** A frame of OpenFlow 1.3 with `size` bytes after the header. */
function frame(size: number, fill: number): Uint8Array {
  const bytes = new Uint8Array(8 + size).fill(fill)
  bytes.set([4, 2, (8 + size) >> 8, (8 + size) & 0xff])
  return bytes
}

function framesOf(framer: Framer, chunks: readonly Uint8Array[]): string[] {
  const out: string[] = []
  for (const chunk of chunks) {
    framer.push(chunk)
    while (framer.next()) out.push(Buffer.from(framer.bytes.subarray(framer.start, framer.end)).toString('hex'))
  }
  return out
}

function split(stream: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const at = [0, ...cuts.map((cut) => cut % (stream.length + 1)), stream.length].sort((a, b) => a - b)
  return at.slice(1).map((end, i) => stream.subarray(at[i], end))
}

const sizes = fc.array(fc.oneof(fc.nat(40), fc.nat(5000), fc.constant(0xffff - 8)), { maxLength: 12 })

test('however a stream is split, the same frames come out', () => {
  fc.assert(
    fc.property(sizes, fc.array(fc.nat(), { maxLength: 40 }), (lengths, cuts) => {
      const frames = lengths.map((size, i) => frame(size, i))
      const stream = new Uint8Array(Buffer.concat(frames))
      const found = framesOf(new Framer(), split(stream, cuts))
      expect(found).toEqual(frames.map((bytes) => Buffer.from(bytes).toString('hex')))
    }),
  )
})

test('a stream that comes byte by byte gives the same frames', () => {
  const frames = [frame(0, 1), frame(3, 2), frame(3000, 3), frame(0, 4)]
  const stream = new Uint8Array(Buffer.concat(frames))
  const bytes = Array.from(stream, (_, i) => stream.subarray(i, i + 1))
  expect(framesOf(new Framer(), bytes)).toEqual(frames.map((b) => Buffer.from(b).toString('hex')))
})

test('a frame that lies whole in a chunk is not copied', () => {
  const chunk = new Uint8Array(Buffer.concat([frame(5, 1), frame(9, 2)]))
  const framer = new Framer()
  framer.push(chunk)
  expect(framer.next() && framer.bytes).toBe(chunk)
  expect(framer.next() && framer.bytes).toBe(chunk)
  expect([framer.start, framer.end]).toEqual([13, 30])
  expect(framer.next()).toBe(false)
})

test.each([0, 7])('a length of %i is refused, at once and ever after, wherever the stream is split', (length) => {
  const bad = Uint8Array.of(4, 0, 0, length, 0, 0, 0, 0)
  for (let cut = 0; cut <= 4; cut += 1) {
    const framer = new Framer()
    const give = () => framesOf(framer, [frame(1, 9), bad.subarray(0, cut), bad.subarray(cut)])
    expect(give).toThrow(DecodeError)
    expect(() => framer.next()).toThrow(
      expect.objectContaining({ error: expect.objectContaining({ type: 1, code: 6 }) }),
    )
    framer.push(frame(1, 1))
    expect(() => framer.next()).toThrow(DecodeError)
  }
})

test('once versions are agreed upon, a frame of another is refused', () => {
  const framer = new Framer()
  framer.version = 4
  framer.push(Uint8Array.of(1, 0, 0, 8, 0, 0, 0, 0))
  expect(() => framer.next()).toThrow(/OFPBRC_BAD_VERSION/)
})

test('what is after a frame that is refused is not looked at, what is before it is given', () => {
  const framer = new Framer()
  framer.push(new Uint8Array(Buffer.concat([frame(2, 1), Uint8Array.of(4, 0, 0, 0), frame(2, 2)])))
  expect(framer.next()).toBe(true)
  expect(() => framer.next()).toThrow(DecodeError)
  expect(() => framer.next()).toThrow(DecodeError)
})

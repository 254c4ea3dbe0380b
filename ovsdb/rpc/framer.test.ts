import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { OvsdbError } from '../errors.ts'
import { JsonFramer, type FramerLimits } from './framer.ts'

const limits: FramerLimits = { maxBytes: 1000, maxDepth: 10 }

/** Pushes the chunks; the values, then the code of the error that ended it, if one did. */
function feed(chunks: readonly Buffer[], within = limits): { values: unknown[]; code: string | null } {
  const framer = new JsonFramer(within)
  const values: unknown[] = []
  try {
    for (const chunk of chunks) framer.push(chunk, (value) => values.push(value))
  } catch (error) {
    if (!(error instanceof OvsdbError)) throw error
    return { values, code: error.code }
  }
  return { values, code: null }
}

/** The bytes cut at the given places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const edges = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return edges.slice(1).map((end, index) => bytes.subarray(edges[index], end))
}

const message = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 4 }), { maxKeys: 4 })
const places = fc.array(fc.nat(), { maxLength: 12 })
const roomy: FramerLimits = { maxBytes: 1 << 20, maxDepth: 10 }

describe('JsonFramer', () => {
  test('any split of any messages gives the same messages', () => {
    fc.assert(
      fc.property(
        fc.array(message, { maxLength: 5 }),
        fc.constantFrom('', ' ', '\n', '\r\n\t'),
        places,
        (messages, gap, at) => {
          const texts = messages.map((value) => JSON.stringify(value))
          const expected = texts.map((text) => JSON.parse(text) as unknown)
          expect(feed(cut(Buffer.from(texts.join(gap)), at), roomy)).toEqual({ values: expected, code: null })
        },
      ),
    )
  })

  test('any bytes give the same messages and the same error however they are split', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc
        .array(fc.constantFrom(...'{ } [ ] " : , \\ 1 a'.split(' '), ' '), { maxLength: 60 })
        .map((chars) => Buffer.from(`{${chars.join('')}`)),
    )
    fc.assert(
      fc.property(bytes, places, (array, at) => {
        const whole = Buffer.from(array)
        expect(feed(cut(whole, at))).toEqual(feed([whole]))
      }),
      { numRuns: 1000 },
    )
  })

  test('a message split after every byte, inside an escape and inside a UTF-8 sequence is whole again', () => {
    const text = String.raw`{"a\"}\\":"é€😀\\","b":["]{"]}`
    const bytes = Buffer.from(text)
    expect(feed([...bytes].map((byte) => Buffer.of(byte)))).toEqual({ values: [JSON.parse(text)], code: null })
  })

  test('messages before a fault in the same chunk are delivered', () => {
    expect(feed([Buffer.from('{"a":1}{"b":2} nonsense')])).toEqual({ values: [{ a: 1 }, { b: 2 }], code: 'bad-json' })
  })

  test.each([
    ['bad-json', Buffer.from('[]')],
    ['bad-json', Buffer.from('}')],
    ['bad-json', Buffer.from('{]')],
    ['bad-json', Buffer.from('{"a":tru}')],
    ['bad-utf8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
    ['message-too-deep', Buffer.from(`{"a":${'['.repeat(10)}`)],
    ['message-too-large', Buffer.from(`{"a":"${'x'.repeat(1000)}"}`)],
    ['message-too-large', Buffer.from(`{"a":"${'x'.repeat(1000)}`)],
  ])('refuses with %s: %s', (code, bytes) => {
    expect(feed([bytes]).code).toBe(code)
    expect(feed([...bytes].map((byte) => Buffer.of(byte))).code).toBe(code)
  })

  test('a message of exactly the allowed size and depth passes', () => {
    const text = `{"a":${'['.repeat(9)}"${'x'.repeat(1000 - 5 - 9 - 2 - 9 - 1)}"${']'.repeat(9)}}`
    expect(text.length).toBe(1000)
    expect(feed([Buffer.from(text)]).code).toBeNull()
  })

  test('holds no byte of a message that it has delivered', () => {
    const framer = new JsonFramer(limits)
    framer.push(Buffer.from('{"a":1'), () => {})
    expect(framer.pendingBytes).toBe(6)
    framer.push(Buffer.from('}{'), () => {})
    expect(framer.pendingBytes).toBe(1)
  })
})

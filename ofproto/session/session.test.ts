import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeMessage, encodeMessage, type Message } from '../messages/index.ts'
import type { Hello } from '../messages/immutable.ts'
import { Framer } from './framer.ts'
import { Session, type SessionEvent, type SessionOptions } from './session.ts'

const none = new Uint8Array(0)
const hello = (version: number, bitmaps: readonly number[] | null): Hello => ({
  kind: 'hello',
  version,
  xid: 9,
  elements: bitmaps === null ? [] : [{ kind: 'version_bitmap', bitmaps }],
  rest: none,
})
const echo = (kind: 'echo_request' | 'echo_reply', xid: number, data = none): Message => ({
  kind,
  version: 4,
  xid,
  data,
})

/** A session, with what it sent decoded. */
class Bench {
  readonly session: Session
  constructor(options: SessionOptions = {}, agreed = true) {
    this.session = new Session(options, 0)
    if (agreed) this.give(hello(4, [0x10]))
    this.sent()
  }
  give(message: Message, now = 0): readonly SessionEvent[] {
    return this.session.receive(encodeMessage(message), now)
  }
  sent(): Message[] {
    const bytes = this.session.takeOutput()
    const framer = new Framer()
    if (bytes !== null) framer.push(bytes)
    const out: Message[] = []
    while (framer.next()) out.push(decodeMessage(framer.bytes, framer.start, framer.end))
    return out
  }
}

const kinds = (events: readonly SessionEvent[]): string[] => events.map(({ kind }) => kind)

describe('hello', () => {
  test('opens with the version bitmap of 1.3', () => {
    const session = new Session({}, 0)
    expect(Buffer.from(session.takeOutput() ?? none).toString('hex')).toBe('04000010000000010001000800000010')
    expect(session.takeOutput()).toBeNull()
  })

  test.each([
    ['a bitmap with 1.3', hello(6, [0x72]), true],
    ['a bitmap without 1.3', hello(6, [0x62]), false],
    ['1.3 and no bitmap', hello(4, null), true],
    ['1.5 and no bitmap', hello(6, null), true],
    ['1.0 and no bitmap', hello(1, null), false],
    ['1.0 in the header and 1.3 in the bitmap', hello(1, [0x12]), true],
    ['1.3 in the header only', hello(4, [0x02]), false],
  ])('a peer that offers %s: agreed %3$s', (_, message, agreed) => {
    const bench = new Bench({}, false)
    const events = bench.give(message)
    expect(kinds(events)).toEqual([agreed ? 'open' : 'closed'])
    if (agreed) expect(bench.sent()).toEqual([])
    else expect(bench.sent()).toMatchObject([{ kind: 'error', type: 0, code: 0, xid: 9 }])
  })

  test('a peer that talks before it says hello is given up', () => {
    const bench = new Bench({}, false)
    expect(bench.give({ kind: 'barrier_request', xid: 1 })).toMatchObject([{ kind: 'closed', reason: 'framing' }])
  })

  test('a message of another version after that is the end', () => {
    const bench = new Bench()
    const bytes = encodeMessage(echo('echo_request', 1))
    bytes[0] = 1
    expect(bench.session.receive(bytes, 0)).toMatchObject([{ kind: 'closed', reason: 'framing' }])
    expect(bench.give(echo('echo_request', 2))).toEqual([])
  })
})

test('an echo request is answered with its data, without anybody hearing of it', () => {
  const bench = new Bench()
  expect(bench.give(echo('echo_request', 77, Uint8Array.of(1, 2, 3)))).toEqual([])
  expect(bench.sent()).toEqual([echo('echo_reply', 77, Uint8Array.of(1, 2, 3))])
})

describe('inactivity', () => {
  test('a silent peer is probed, and given up if it stays silent', () => {
    const bench = new Bench({ probeMilliseconds: 1000 })
    expect(bench.session.deadline).toBe(1000)
    expect(bench.session.tick(999)).toEqual([])
    expect(bench.session.tick(1000)).toEqual([])
    expect(bench.sent()).toMatchObject([{ kind: 'echo_request' }])
    expect(bench.session.deadline).toBe(2000)
    expect(bench.session.tick(2000)).toMatchObject([{ kind: 'closed', reason: 'inactive' }])
    expect(bench.session.deadline).toBe(Infinity)
  })

  test('any message of the peer puts the probe off', () => {
    const bench = new Bench({ probeMilliseconds: 1000 })
    bench.session.tick(1000)
    const [probe] = bench.sent()
    expect(bench.give(echo('echo_reply', probe?.xid ?? 0), 1500)).toEqual([])
    expect(bench.session.deadline).toBe(2500)
    expect(bench.session.tick(2499)).toEqual([])
    expect(bench.sent()).toEqual([])
  })

  test('a peer that never says hello is given up', () => {
    const session = new Session({ probeMilliseconds: 1000 }, 0)
    expect(session.tick(1000)).toMatchObject([{ kind: 'closed', reason: 'inactive' }])
  })
})

describe('requests', () => {
  test('the reply of the same xid answers, in whatever order replies come', () => {
    const bench = new Bench()
    bench.session.request({ kind: 'barrier_request', xid: 11 })
    bench.session.request({ kind: 'get_config_request', xid: 12 })
    expect(bench.give({ kind: 'get_config_reply', xid: 12, flags: 0, missSendLength: 0 })).toMatchObject([
      { kind: 'reply', xid: 12, message: { kind: 'get_config_reply' } },
    ])
    expect(bench.give({ kind: 'barrier_reply', xid: 11 })).toMatchObject([{ kind: 'reply', xid: 11 }])
    expect(bench.give({ kind: 'barrier_reply', xid: 11 })).toMatchObject([{ kind: 'message' }])
  })

  test('an error of the same xid refuses; another is a message', () => {
    const bench = new Bench()
    const failure = (xid: number): Message => {
      const data = Uint8Array.of(9)
      return { kind: 'error', version: 4, xid, type: 1, code: 5, experimenter: null, data }
    }
    bench.session.request({ kind: 'barrier_request', xid: 11 })
    expect(bench.give(failure(10))).toMatchObject([{ kind: 'message', message: { kind: 'error', xid: 10 } }])
    expect(bench.give(failure(11))).toMatchObject([{ kind: 'refused', xid: 11, error: { type: 1, code: 5 } }])
  })

  test('a reply that cannot be decoded refuses its request and leaves the session alone', () => {
    const bench = new Bench()
    bench.session.request({ kind: 'get_config_request', xid: 11 })
    const cut = Uint8Array.of(4, 8, 0, 9, 0, 0, 0, 11, 0)
    expect(bench.session.receive(cut, 0)).toMatchObject([{ kind: 'refused', xid: 11, error: { name: 'DecodeError' } }])
    expect(bench.session.receive(cut, 0)).toMatchObject([{ kind: 'undecodable', xid: 11 }])
    expect(bench.session.state).toBe('open')
    expect(bench.sent().map(({ kind }) => kind)).toEqual(['get_config_request'])
  })

  test('a switch answers what it cannot decode with the error it earned', () => {
    const bench = new Bench({ side: 'switch' })
    const cut = Uint8Array.of(4, 9, 0, 9, 0, 0, 0, 11, 0)
    bench.session.receive(cut, 0)
    expect(bench.sent()).toMatchObject([{ kind: 'error', xid: 11, type: 1, code: 6, data: cut }])
  })

  test('an xid in use is neither given out nor taken twice', () => {
    const bench = new Bench()
    const next = bench.session.nextXid()
    bench.session.request({ kind: 'barrier_request', xid: next + 1 })
    expect(bench.session.nextXid()).toBe(next + 2)
    expect(() => bench.session.request({ kind: 'barrier_request', xid: next + 1 })).toThrow(RangeError)
  })
})

describe('messages in parts', () => {
  const part = (xid: number, from: number, count: number, more: boolean): Message => ({
    kind: 'multipart_reply',
    xid,
    more,
    body: {
      kind: 'meter_config',
      meters: Array.from({ length: count }, (_, i) => ({ flags: 1, meter: from + i, bands: [] })),
    },
  })
  const ask = (xid: number): Message => ({ kind: 'multipart_request', xid, more: false, body: { kind: 'desc' } })

  test('however a reply is cut into parts, and its bytes into chunks, it comes as one', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(5), { minLength: 1, maxLength: 9 }),
        fc.integer({ min: 1, max: 50 }),
        (counts, size) => {
          const bench = new Bench()
          bench.session.request(ask(5))
          let from = 0
          const parts = counts.map((count, i) => {
            from += count
            return encodeMessage(part(5, from - count, count, i < counts.length - 1))
          })
          const stream = Buffer.concat(parts)
          const events: SessionEvent[] = []
          for (let at = 0; at < stream.length; at += size)
            events.push(...bench.session.receive(new Uint8Array(stream.subarray(at, at + size)), 0))
          expect(events).toEqual([{ kind: 'reply', xid: 5, message: part(5, 0, from, false) }])
        },
      ),
    )
  })

  test('replies to two requests may be interleaved', () => {
    const bench = new Bench()
    bench.session.request(ask(5))
    bench.session.request(ask(6))
    expect(bench.give(part(5, 0, 1, true))).toEqual([])
    expect(bench.give(part(6, 7, 1, false))).toEqual([{ kind: 'reply', xid: 6, message: part(6, 7, 1, false) }])
    expect(bench.give(part(5, 1, 1, false))).toEqual([{ kind: 'reply', xid: 5, message: part(5, 0, 2, false) }])
  })

  test.each([
    ['too many parts', { messages: 3, bytes: 1 << 20 }],
    ['too many bytes', { messages: 100, bytes: 90 }],
  ])('a reply of %s refuses its request and is forgotten', (_, limits) => {
    const bench = new Bench({ limits })
    bench.session.request(ask(5))
    const events = [1, 2, 3, 4].flatMap((i) => bench.give(part(5, i, 1, true)))
    expect(events[0]).toMatchObject({ kind: 'refused', xid: 5, error: { error: { type: 1, code: 13 } } })
    expect(kinds(events.slice(1)).every((kind) => kind === 'message')).toBe(true)
  })

  test('parts of different bodies refuse the request', () => {
    const bench = new Bench()
    bench.session.request(ask(5))
    bench.give(part(5, 0, 1, true))
    const other: Message = { kind: 'multipart_reply', xid: 5, more: false, body: { kind: 'group_desc', groups: [] } }
    expect(bench.give(other)).toMatchObject([{ kind: 'refused', xid: 5 }])
  })

  test('a switch answers a request in too many parts with OFPBRC_MULTIPART_BUFFER_OVERFLOW', () => {
    const bench = new Bench({ side: 'switch', limits: { messages: 2, bytes: 1 << 20 } })
    const request: Message = {
      kind: 'multipart_request',
      xid: 8,
      more: true,
      body: { kind: 'table_features', tables: [] },
    }
    expect([1, 2, 3].flatMap(() => kinds(bench.give(request)))).toEqual(['undecodable'])
    expect(bench.sent()).toMatchObject([{ kind: 'error', xid: 8, type: 1, code: 13 }])
  })
})

test('a message shares no memory with the chunk that it came in, be it a Buffer', () => {
  const bench = new Bench()
  const chunk = Buffer.from(encodeMessage(echo('echo_reply', 1, Uint8Array.of(1, 2, 3))))
  bench.session.request(echo('echo_request', 1))
  const events = bench.session.receive(chunk, 0)
  chunk.fill(0)
  expect(events).toEqual([{ kind: 'reply', xid: 1, message: echo('echo_reply', 1, Uint8Array.of(1, 2, 3)) }])
})

test('random bytes after hello never throw and leave at most an end', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 200 }), { maxLength: 10 }), (chunks) => {
      const bench = new Bench()
      const events = chunks.flatMap((chunk) => bench.session.receive(chunk, 0))
      expect(kinds(events).filter((kind) => kind === 'closed').length).toBeLessThanOrEqual(1)
    }),
  )
})

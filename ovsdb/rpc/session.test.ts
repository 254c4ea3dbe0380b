import { describe, expect, test } from 'vitest'
import { Session, type SessionEvent } from './session.ts'

function receive(session: Session, value: unknown, now = 0): SessionEvent[] {
  const events: SessionEvent[] = []
  session.receive(Buffer.from(JSON.stringify(value)), now, (event) => events.push(event))
  return events
}
const output = (session: Session): unknown[] => session.takeOutput().map((text) => JSON.parse(text) as unknown)

describe('Session', () => {
  test('matches replies to requests in any order, once each', () => {
    const session = new Session(0)
    const first = session.request('list_dbs', [])
    const second = session.request('echo', ['x'])
    expect(output(session)).toEqual([
      { id: first, method: 'list_dbs', params: [] },
      { id: second, method: 'echo', params: ['x'] },
    ])
    expect(receive(session, { id: second, result: ['x'], error: null })).toEqual([
      { kind: 'result', id: second, result: ['x'] },
    ])
    expect(receive(session, { id: first, result: null, error: 'no' })).toEqual([
      { kind: 'error', id: first, error: 'no' },
    ])
    expect(() => receive(session, { id: first, result: [], error: null })).toThrow(/never made/)
  })

  test('answers echo with its params and refuses every other request', () => {
    const session = new Session(0)
    expect(receive(session, { id: 'echo', method: 'echo', params: [1, { a: null }] })).toEqual([])
    expect(receive(session, { id: 7, method: 'transact', params: [] })).toEqual([])
    expect(output(session)).toEqual([
      { id: 'echo', result: [1, { a: null }], error: null },
      { id: 7, result: null, error: 'unknown method' },
    ])
  })

  test('serves what it is given to serve', () => {
    const session = new Session(0, {
      serve: (method, params) => (method === 'get' ? { result: params } : method === 'bad' ? { error: 'no' } : null),
    })
    for (const method of ['get', 'bad', 'other', 'echo']) receive(session, { id: 1, method, params: [method] })
    expect(output(session)).toEqual([
      { id: 1, result: ['get'], error: null },
      { id: 1, result: null, error: 'no' },
      { id: 1, result: null, error: 'unknown method' },
      { id: 1, result: ['echo'], error: null },
    ])
  })

  test('passes notifications on in order', () => {
    const session = new Session(0)
    expect(receive(session, { id: null, method: 'update', params: ['m', {}] })).toEqual([
      { kind: 'notification', method: 'update', params: ['m', {}] },
    ])
  })

  test('probes a silent peer, once, and gives it up after as long again', () => {
    const session = new Session(1000, { probeMilliseconds: 100 })
    expect(session.deadline).toBe(1100)
    session.tick(1099)
    expect(output(session)).toEqual([])
    session.tick(1100)
    expect(output(session)).toEqual([{ id: 'echo', method: 'echo', params: [] }])
    expect(session.deadline).toBe(1200)
    session.tick(1199)
    expect(output(session)).toEqual([])
    expect(() => session.tick(1200)).toThrow(/no answer to an inactivity probe in 100 ms/)
  })

  test('any byte from the peer counts as life', () => {
    const session = new Session(0, { probeMilliseconds: 100 })
    session.tick(100)
    session.receive(Buffer.from('{"id'), 150, () => {})
    expect(session.deadline).toBe(250)
  })

  test('the answer to a probe is no event', () => {
    const session = new Session(0, { probeMilliseconds: 100 })
    session.tick(100)
    expect(receive(session, { id: 'echo', result: [], error: null }, 120)).toEqual([])
    expect(session.deadline).toBe(220)
  })

  test('probing can be off', () => {
    expect(new Session(0, { probeMilliseconds: 0 }).deadline).toBe(Infinity)
  })

  test.each([
    ['an array inside', { id: 1, method: 2, params: [] }],
    ['params that are no array', { id: 1, method: 'echo', params: {} }],
    ['no id and no method', { result: 1 }],
    ['an error without an id', { id: null, error: 'syntax error' }],
  ])('refuses a message with %s', (_name, message) => {
    expect(() => receive(new Session(0), message)).toThrow(/malformed/)
  })
})

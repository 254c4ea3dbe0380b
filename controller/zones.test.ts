import { expect, test } from 'vitest'
import type { Message } from '../ofproto/messages/index.ts'
import type { Zone } from './app.ts'
import { Zones } from './zones.ts'

/** A switch that answers barriers when told to. */
class Switch {
  readonly flushed: number[] = []
  #waiting: PromiseWithResolvers<void>[] = []

  nextXid = (): number => 1
  send = (message: Message): void => {
    if (message.kind === 'ct_flush_zone') this.flushed.push(message.zone)
  }
  barrier = (): Promise<void> => {
    const waiting = Promise.withResolvers<void>()
    this.#waiting.push(waiting)
    return waiting.promise
  }
  /** Answers, or breaks the connection. */
  async end(how: 'resolve' | 'reject'): Promise<void> {
    for (const each of this.#waiting.splice(0)) each[how]()
    await new Promise(setImmediate)
  }
}

function world(...recalled: readonly Zone[]) {
  const rows = new Map<string, number>(recalled.map(({ host, object, zone }) => [`${host}/${object}`, zone]))
  const zones = new Zones((key, zone) => (zone === null ? rows.delete(key) : rows.set(key, zone.zone)))
  for (const zone of recalled) zones.recall(zone)
  return { zones, rows: () => Object.fromEntries(rows) }
}

test('a zone is used when the switch has confirmed that it is flushed, and not before', async () => {
  const { zones, rows } = world()
  const peer = new Switch()
  zones.want('h', new Set(['a', 'b']))
  expect([...zones.waitingFor('a')]).toEqual(['h'])
  zones.connected('h', peer)
  expect(peer.flushed).toEqual([1, 2])
  expect(rows()).toEqual({})
  await peer.end('resolve')
  expect(rows()).toEqual({ 'h/a': 1, 'h/b': 2 })
  expect([...zones.waitingFor('a')]).toEqual([])
})

test('what a lost connection leaves open is flushed by the next one', async () => {
  const { zones, rows } = world()
  const [lost, next] = [new Switch(), new Switch()]
  zones.connected('h', lost)
  zones.want('h', new Set(['a']))
  await lost.end('reject')
  expect(rows()).toEqual({})
  zones.connected('h', next)
  await next.end('resolve')
  expect(next.flushed).toEqual([1])
  expect(rows()).toEqual({ 'h/a': 1 })
})

test('a zone of before a restart stays as it is, unflushed; one that is not wanted any more goes', async () => {
  const { zones, rows } = world({ host: 'h', object: 'a', zone: 7 }, { host: 'h', object: 'b', zone: 8 })
  const peer = new Switch()
  zones.connected('h', peer)
  zones.want('h', new Set(['a']))
  await peer.end('resolve')
  expect(peer.flushed).toEqual([])
  expect(rows()).toEqual({ 'h/a': 7 })
})

test('a number is given out again only when all others had their turn, and flushed anew', async () => {
  const { zones, rows } = world({ host: 'h', object: 'a', zone: 65_518 })
  const peer = new Switch()
  zones.connected('h', peer)
  for (const objects of [['b'], ['c'], ['a', 'd']]) {
    zones.want('h', new Set(objects))
    await peer.end('resolve')
  }
  expect(peer.flushed).toEqual([65_519, 1, 2, 3])
  expect(rows()).toEqual({ 'h/a': 2, 'h/d': 3 })
})

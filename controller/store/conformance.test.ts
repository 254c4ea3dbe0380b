// What every store promises, told by the interface alone. `opened` opens the implementation; a store is reopened on
// the same place to see what a restart keeps.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { array, asyncProperty, assert as assertProperty, constant, constantFrom, nat, oneof, record } from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { CompactedError, type Entry, InvalidRequestError, LeaseNotFoundError, openLmdbStore } from './index.ts'
import type { Batch, Operation, Store, Watch } from './index.ts'

/** A place that stores are opened on, one after another. */
interface Place {
  open(historyRevisions?: number): Store
  remove(): void
}

function lmdbPlace(): Place {
  const folder = mkdtempSync(join(tmpdir(), 'weft-store-'))
  return {
    open: (historyRevisions = 1000) => openLmdbStore({ folder, historyRevisions }),
    remove: () => rmSync(folder, { recursive: true }),
  }
}

const put = (key: string, value: string, lease?: number): Operation =>
  lease === undefined ? { kind: 'put', key, value } : { kind: 'put', key, value, lease }
const remove = (key: string): Operation => ({ kind: 'delete', key })

async function take(watch: Watch, count: number): Promise<Batch[]> {
  const batches: Batch[] = []
  while (batches.length < count) batches.push((await watch.next()).value as Batch)
  return batches
}

const brief = ({ revision, events }: Batch): string =>
  `${revision}: ${events.map((event) => (event.kind === 'put' ? `${event.entry.key}=${event.entry.value}` : `-${event.key}`)).join(' ')}`

describe.each([{ name: 'LMDB', place: lmdbPlace }])('the $name store', ({ place: newPlace }) => {
  const places: Place[] = []
  const stores: Store[] = []
  const opened = (place?: Place, historyRevisions?: number): Store => {
    const at = place ?? newPlace()
    if (!places.includes(at)) places.push(at)
    const store = at.open(historyRevisions)
    stores.push(store)
    return store
  }

  afterEach(async () => {
    vi.useRealTimers()
    for (const store of stores.splice(0)) await store.close()
    for (const place of places.splice(0)) place.remove()
  })

  test('an entry knows the revisions that created and changed it and how often it was put', async () => {
    const store = opened()
    expect(await store.get('a')).toBeUndefined()
    expect(await store.transact({ apply: [put('a', '1'), put('b', '1')] })).toEqual({ succeeded: true, revision: 1 })
    expect(await store.transact({ apply: [put('a', '2')] })).toEqual({ succeeded: true, revision: 2 })
    expect(await store.get('a')).toEqual({ key: 'a', value: '2', createRevision: 1, modRevision: 2, version: 2 })
    await store.transact({ apply: [remove('a')] })
    await store.transact({ apply: [put('a', '3')] })
    expect(await store.get('a')).toEqual({ key: 'a', value: '3', createRevision: 4, modRevision: 4, version: 1 })
  })

  test('a transaction whose precondition fails does nothing and says what is there', async () => {
    const store = opened()
    await store.transact({ when: [{ key: 'a', modRevision: 0 }], apply: [put('a', '1')] })
    const outcome = await store.transact({
      when: [
        { key: 'a', modRevision: 0 },
        { key: 'b', modRevision: 0 },
      ],
      apply: [put('a', '2'), put('b', '2')],
    })
    const found = await store.get('a')
    expect(outcome).toEqual({ succeeded: false, revision: 1, conflicts: [{ key: 'a', found }] })
    expect((await store.range('')).entries).toEqual([found])
  })

  test('of many that compare and swap one key at once, each revision is won by exactly one', async () => {
    const store = opened()
    const increment = async (): Promise<void> => {
      for (;;) {
        const entry = await store.get('n')
        const value = String(Number(entry?.value ?? 0) + 1)
        const when = [{ key: 'n', modRevision: entry?.modRevision ?? 0 }]
        if ((await store.transact({ when, apply: [put('n', value)] })).succeeded) return
      }
    }
    await Promise.all(Array.from({ length: 20 }, increment))
    expect(await store.get('n')).toMatchObject({ value: '20', modRevision: 20, version: 20 })
  })

  test('a range has the keys of its prefix in the order of their bytes, and the revision it is of', async () => {
    const store = opened()
    const keys = ['p/b', 'p/a', 'p', 'p0', 'p/é', 'p/\u{10ffff}', 'p/\u{ffff}', 'q', 'o']
    await store.transact({ apply: keys.map((key) => put(key, key)) })
    const { revision, entries } = await store.range('p/')
    expect(revision).toBe(1)
    expect(entries.map(({ key }) => key)).toEqual(['p/a', 'p/b', 'p/é', 'p/\u{ffff}', 'p/\u{10ffff}'])
    expect((await store.range('')).entries).toHaveLength(keys.length)
    expect((await store.range('nothing')).entries).toEqual([])
  })

  test('deleting what is absent changes no revision and wakes no watch', async () => {
    const store = opened()
    const watch = store.watch('')
    expect(await store.transact({ apply: [remove('a')] })).toEqual({ succeeded: true, revision: 0 })
    await store.transact({ apply: [put('a', '1')] })
    expect((await take(watch, 1)).map(brief)).toEqual(['1: a=1'])
  })

  test('a watch yields each transaction once and whole, under its prefix only', async () => {
    const store = opened()
    const watch = store.watch('p/')
    await store.transact({ apply: [put('p/a', '1'), put('q/a', '1'), put('p/b', '1')] })
    await store.transact({ apply: [put('q/a', '2')] })
    await store.transact({ apply: [remove('p/a')] })
    expect((await take(watch, 2)).map(brief)).toEqual(['1: p/a=1 p/b=1', '3: -p/a'])
  })

  test('a watch from a past revision first tells what happened since, also across a restart', async () => {
    const place = newPlace()
    const store = opened(place)
    for (const value of ['1', '2', '3']) await store.transact({ apply: [put('a', value)] })
    await store.close()
    const again = opened(place)
    const watch = again.watch('', 2)
    await again.transact({ apply: [put('a', '4')] })
    expect((await take(watch, 3)).map(brief)).toEqual(['2: a=2', '3: a=3', '4: a=4'])
    expect(await again.get('a')).toMatchObject({ version: 4, createRevision: 1 })
  })

  test('a watch from before the kept history fails with the revision to start after', async () => {
    const place = newPlace()
    const store = opened(place, 3)
    for (let n = 1; n <= 10; n++) await store.transact({ apply: [put('a', String(n))] })
    await expect(store.watch('', 7).next()).rejects.toEqual(new CompactedError(7, 7))
    expect((await take(store.watch('', 8), 3)).map(brief)).toEqual(['8: a=8', '9: a=9', '10: a=10'])
    await store.close()
    await expect(opened(place, 3).watch('', 1).next()).rejects.toMatchObject({ compactRevision: 7 })
  })

  test('closing ends a watch that waits', async () => {
    const store = opened()
    const [one, two] = [store.watch(''), store.watch('')]
    const waiting = [one.next(), two.next()]
    one.close()
    await store.close()
    expect(await Promise.all(waiting)).toEqual([
      { done: true, value: undefined },
      { done: true, value: undefined },
    ])
    await expect(store.transact({ apply: [put('a', '1')] })).rejects.toThrow('closed')
  })

  test('a lease that is not kept alive takes its keys with it, and only those it still holds', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const store = opened()
    const lease = await store.grantLease(10)
    await store.transact({ apply: [put('a', '1', lease), put('b', '1', lease), put('c', '1', lease)] })
    await store.transact({ apply: [put('b', '2')] })
    const watch = store.watch('')
    vi.advanceTimersByTime(9_000)
    await store.keepAlive(lease)
    vi.advanceTimersByTime(9_000)
    expect(await store.get('a')).toMatchObject({ lease })
    vi.advanceTimersByTime(1_000)
    expect((await take(watch, 1)).map(brief)).toEqual(['3: -a -c'])
    expect((await store.range('')).entries.map(({ key }) => key)).toEqual(['b'])
    await expect(store.keepAlive(lease)).rejects.toBeInstanceOf(LeaseNotFoundError)
    await expect(store.transact({ apply: [put('x', '1'), put('d', '1', lease)] })).rejects.toBeInstanceOf(
      LeaseNotFoundError,
    )
    expect(await store.get('x')).toBeUndefined()
  })

  test('a revoked lease takes its keys at once; a restart keeps the others and gives them their full time', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const place = newPlace()
    const store = opened(place)
    const [one, two] = [await store.grantLease(10), await store.grantLease(10)]
    await store.transact({ apply: [put('a', '1', one), put('b', '1', two)] })
    await store.revokeLease(one)
    expect((await store.range('')).entries.map(({ key }) => key)).toEqual(['b'])
    vi.advanceTimersByTime(8_000)
    await store.close()
    const again = opened(place)
    vi.advanceTimersByTime(8_000)
    expect(await again.get('b')).toMatchObject({ lease: two })
    const watch = again.watch('')
    vi.advanceTimersByTime(2_000)
    expect((await take(watch, 1)).map(brief)).toEqual(['3: -b'])
    expect(await again.grantLease(1)).toBeGreaterThan(two)
  })

  test('a request that nothing could satisfy is refused', async () => {
    const store = opened()
    await expect(store.transact({ apply: [put('a', '1'), remove('a')] })).rejects.toThrow("two operations on 'a'")
    await expect(store.get('')).rejects.toBeInstanceOf(InvalidRequestError)
    await expect(store.get('x'.repeat(1025))).rejects.toThrow('at most 1024 bytes, not 1025')
    await expect(store.transact({ apply: [put('\ud800', '1')] })).rejects.toThrow('well-formed')
    await expect(store.grantLease(0)).rejects.toThrow('between 1 second and 24 days')
  })

  test('any sequence of transactions and restarts gives what a map would, and the watch replays it', async () => {
    const key = constantFrom('a', 'b', 'c')
    const step = oneof(
      record({ kind: constant('put' as const), key, value: constantFrom('x', 'y'), known: nat(1) }),
      record({ kind: constant('delete' as const), key, known: nat(1) }),
      record({ kind: constant('restart' as const) }),
    )
    const law = asyncProperty(array(step, { maxLength: 15 }), async (steps) => {
      const place = newPlace()
      let store = opened(place)
      const model = new Map<string, Entry>()
      let revision = 0
      for (const current of steps) {
        if (current.kind === 'restart') {
          await store.close()
          store = opened(place)
          continue
        }
        const { key, known } = current
        const before = model.get(key)
        // A wrong guess of the revision must be refused.
        const modRevision = (before?.modRevision ?? 0) + known
        const apply = [current.kind === 'put' ? put(key, current.value) : remove(key)]
        const outcome = await store.transact({ when: [{ key, modRevision }], apply })
        expect(outcome.succeeded).toBe(known === 0)
        if (known !== 0 || (current.kind === 'delete' && before === undefined)) continue
        revision += 1
        expect(outcome.revision).toBe(revision)
        const createRevision = before?.createRevision ?? revision
        const version = (before?.version ?? 0) + 1
        if (current.kind === 'delete') model.delete(key)
        else model.set(key, { key, value: current.value, createRevision, modRevision: revision, version })
      }
      const sorted = [...model.values()].sort((a, b) => (a.key < b.key ? -1 : 1))
      expect(await store.range('')).toEqual({ revision, entries: sorted })
      const replayed = new Map<string, Entry>()
      for (const { events } of await take(store.watch('', 1), revision)) {
        for (const event of events) {
          if (event.kind === 'put') replayed.set(event.entry.key, event.entry)
          else replayed.delete(event.key)
        }
      }
      expect(replayed).toEqual(model)
      await store.close()
    })
    await assertProperty(law, { numRuns: 25 })
  })
})

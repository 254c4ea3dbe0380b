// A model of the server's tables is changed at random; what it would send, written here independently of the
// replica, must keep the replica equal to the model, and the net changes folded over the old contents must too.
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Replica, type RowChange } from './replica.ts'
import type { Json } from './rpc/message.ts'
import { integer, map, optional, scalar, set, string } from './schema/column.ts'
import { database } from './schema/database.ts'

const Db = database('db', {
  T: { name: scalar(string), tag: optional(integer), trunks: set(integer), ids: map(string, string) },
  U: { n: scalar(integer) },
})
type Tables = (typeof Db)['tables']

interface T {
  readonly name: string
  readonly tag: number | null
  readonly trunks: readonly number[]
  readonly ids: Readonly<Record<string, string>>
}
type Model = ReadonlyMap<string, T>

const uuidOf = (n: number): string => `00000000-0000-0000-0000-${String(n).padStart(12, '0')}`
const txn = (n: number): string => `11111111-0000-0000-0000-${String(n).padStart(12, '0')}`

const row: fc.Arbitrary<T> = fc.record({
  name: fc.constantFrom('', 'a', 'b'),
  tag: fc.option(fc.integer({ min: 0, max: 2 })),
  trunks: fc.uniqueArray(fc.integer({ min: 0, max: 5 })).map((list) => list.sort((a, b) => a - b)),
  ids: fc.dictionary(fc.constantFrom('x', 'y', '__proto__'), fc.constantFrom('1', '2')),
})
const model: fc.Arbitrary<Model> = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 4 }).map(uuidOf), row), { maxLength: 5 })
  .map((rows) => new Map(rows))

const wireSet = (list: readonly number[]): Json => (list.length === 1 ? (list[0] as number) : ['set', list])
const wireMap = (ids: Readonly<Record<string, string>>): Json => ['map', Object.entries(ids)]
function wireRow(value: T): Record<string, Json> {
  return {
    name: value.name,
    tag: value.tag ?? ['set', []],
    trunks: wireSet(value.trunks),
    ids: wireMap(value.ids),
  }
}

/** <row> of an insert in update2: without the columns that have their default values. */
function wireInsert(value: T): Json {
  const { name, tag, trunks, ids } = wireRow(value)
  return {
    ...(value.name === '' ? {} : { name: name as Json }),
    ...(value.tag === null ? {} : { tag: tag as Json }),
    ...(value.trunks.length === 0 ? {} : { trunks: trunks as Json }),
    ...(Object.keys(value.ids).length === 0 ? {} : { ids: ids as Json }),
  }
}

/** <row> of a modify in update2. */
function wireModify(a: T, b: T): Record<string, Json> {
  const diff: Record<string, Json> = {}
  if (a.name !== b.name) diff['name'] = b.name
  if (a.tag !== b.tag) diff['tag'] = b.tag ?? ['set', []]
  const trunks = [...a.trunks.filter((x) => !b.trunks.includes(x)), ...b.trunks.filter((x) => !a.trunks.includes(x))]
  if (trunks.length > 0) diff['trunks'] = wireSet(trunks)
  const gone = Object.entries(a.ids).filter(([key]) => !Object.hasOwn(b.ids, key))
  const come = Object.entries(b.ids).filter(([key, value]) => !Object.hasOwn(a.ids, key) || a.ids[key] !== value)
  if (gone.length + come.length > 0) diff['ids'] = ['map', [...gone, ...come]]
  return diff
}

function updates2(a: Model, b: Model): Json {
  const rows: Record<string, Json> = {}
  for (const uuid of a.keys()) if (!b.has(uuid)) rows[uuid] = { delete: null }
  for (const [uuid, value] of b) {
    const before = a.get(uuid)
    if (!before) rows[uuid] = { insert: wireInsert(value) }
    else {
      const modify = wireModify(before, value)
      if (Object.keys(modify).length > 0) rows[uuid] = { modify }
    }
  }
  return Object.keys(rows).length > 0 ? { T: rows } : {}
}

function updates1(a: Model, b: Model): Json {
  const rows: Record<string, Json> = {}
  for (const [uuid, value] of a) if (!b.has(uuid)) rows[uuid] = { old: wireRow(value) }
  for (const [uuid, value] of b) rows[uuid] = { new: wireRow(value) }
  return { T: rows }
}

const initial2 = (b: Model): Json => ({
  T: Object.fromEntries([...b].map(([uuid, value]) => [uuid, { initial: wireInsert(value) }])),
})

/** The replica's table T in the model's terms. */
function contents(replica: Replica<Tables>): Model {
  return new Map(
    [...replica.table('T')].map(([uuid, { _uuid, ids, ...rest }]) => [uuid, { ...rest, ids: Object.fromEntries(ids) }]),
  )
}

/** Folds changes over a copy of what was there, checking that each `before` is what the copy holds. */
function fold(before: Map<string, unknown>, changes: readonly RowChange<Tables>[]): Map<string, unknown> {
  const result = new Map(before)
  const seen = new Set<string>()
  for (const change of changes) {
    expect(seen.has(change.uuid)).toBe(false)
    seen.add(change.uuid)
    expect(result.get(change.uuid) ?? null).toBe(change.before)
    expect(change.after).not.toEqual(change.before)
    if (change.after) result.set(change.uuid, change.after)
    else result.delete(change.uuid)
  }
  return result
}

describe('Replica', () => {
  test('after any updates it equals the database, and the net changes fold to it', () => {
    fc.assert(
      fc.property(model, fc.array(fc.tuple(model, fc.constantFrom(1, 2, 3)), { maxLength: 6 }), (first, steps) => {
        const replica = new Replica(Db)
        let folded = fold(new Map(), replica.applyReply('monitor_cond_since', [false, txn(0), initial2(first)]))
        let current = first
        for (const [[next, version], index] of steps.map((step, index) => [step, index + 1] as const)) {
          const changes =
            version === 1
              ? replica.applyUpdate('update', ['db', updates1(current, next)])
              : version === 2
                ? replica.applyUpdate('update2', ['db', updates2(current, next)])
                : replica.applyUpdate('update3', ['db', txn(index), updates2(current, next)])
          folded = fold(folded, changes)
          current = next
          expect(contents(replica)).toEqual(current)
          expect(folded).toEqual(new Map(replica.table('T')))
        }
      }),
    )
  })

  test('a reconnection yields the same net changes whether or not the server knows the history', () => {
    fc.assert(
      fc.property(model, model, (before, after) => {
        const [resumed, refilled] = [new Replica(Db), new Replica(Db)]
        for (const replica of [resumed, refilled])
          replica.applyReply('monitor_cond_since', [false, txn(1), initial2(before)])
        const a = resumed.applyReply('monitor_cond_since', [true, txn(2), updates2(before, after)])
        const b = refilled.applyReply('monitor_cond_since', [false, txn(2), initial2(after)])
        const byUuid = (x: { uuid: string }, y: { uuid: string }): number => (x.uuid < y.uuid ? -1 : 1)
        expect([...b].sort(byUuid)).toEqual([...a].sort(byUuid))
        expect(contents(resumed)).toEqual(after)
        expect(contents(refilled)).toEqual(after)
      }),
    )
  })

  const a: T = { name: 'a', tag: 1, trunks: [1, 2], ids: { x: '1' } }
  const filled = (): Replica<Tables> => {
    const replica = new Replica(Db)
    replica.applyReply('monitor_cond_since', [false, txn(1), initial2(new Map([[uuidOf(1), a]]))])
    return replica
  }

  test('values that an update does not change keep their identity', () => {
    const replica = filled()
    const [change] = replica.applyUpdate('update3', ['db', txn(2), { T: { [uuidOf(1)]: { modify: { tag: 2 } } } }])
    if (change?.table !== 'T') throw new Error('no change of T')
    expect(change.after?.tag).toBe(2)
    expect(change.after?.trunks).toBe(change.before?.trunks)
    expect(change.after?.ids).toBe(change.before?.ids)
  })

  test('an update that changes nothing is no change', () => {
    const replica = filled()
    const before = [...replica.table('T').values()][0]
    expect(replica.applyUpdate('update3', ['db', txn(2), { T: { [uuidOf(1)]: { modify: { tag: 1 } } } }])).toEqual([])
    expect(replica.applyReply('monitor', { T: { [uuidOf(1)]: { new: wireRow(a) } } })).toEqual([])
    expect([...replica.table('T').values()][0]).toBe(before)
  })

  test('asks to resume after the last transaction that it holds', () => {
    const replica = filled()
    expect(replica.monitorParams('monitor_cond_since', 'm')).toEqual([
      'db',
      'm',
      { T: [{ columns: ['name', 'tag', 'trunks', 'ids'] }], U: [{ columns: ['n'] }] },
      txn(1),
    ])
    replica.applyUpdate('update3', ['db', txn(2), {}])
    expect(replica.monitorParams('monitor_cond_since', 'm')[3]).toBe(txn(2))
  })

  test('does not resume when the connection was lost before new conditions were confirmed', () => {
    const replica = filled()
    expect(replica.changeWhere('m', { T: [['name', '==', 'b']], U: [] })).toEqual([
      'm',
      'm',
      { T: [{ where: [['name', '==', 'b']] }], U: [{ where: [false] }] },
    ])
    replica.applyUpdate('update3', ['db', txn(2), {}])
    expect(replica.monitorParams('monitor_cond_since', 'm')[3]).toBe('00000000-0000-0000-0000-000000000000')
    replica.confirmWhere()
    replica.applyUpdate('update3', ['db', txn(3), {}])
    expect(replica.monitorParams('monitor_cond_since', 'm')[3]).toBe(txn(3))
  })

  test.each<[string, Json]>([
    ['not an object', []],
    ['a table that is not monitored', { X: {} }],
    ['a name that is no UUID', { T: { x: { delete: null } } }],
    ['a modification of an unknown row', { T: { [uuidOf(9)]: { modify: {} } } }],
    ['an unknown kind of update', { T: { [uuidOf(1)]: {} } }],
    ['a row that is no object', { T: { [uuidOf(1)]: { insert: 5 } } }],
    [
      'a value of the wrong type',
      { T: { [uuidOf(2)]: { insert: { name: 'x' } }, [uuidOf(1)]: { modify: { name: 5 } } } },
    ],
  ])('refuses an update with %s and stays as it was', (_name, updates) => {
    const replica = filled()
    expect(() => replica.applyUpdate('update3', ['db', txn(2), updates])).toThrow()
    expect(contents(replica)).toEqual(new Map([[uuidOf(1), a]]))
    expect(replica.lastTransaction).toBe(txn(1))
  })

  test('names table, row and column of a bad value', () => {
    expect(() => filled().applyUpdate('update2', ['db', { T: { [uuidOf(2)]: { insert: { tag: 'x' } } } }])).toThrow(
      `table T, row ${uuidOf(2)}, column tag: expected an integer, found "x"`,
    )
  })

  test('refuses to grow beyond its limit, and counts what is deleted and replaced', () => {
    const replica = new Replica(Db, {}, { maxBytes: 10_000 })
    const insert = (n: number, size: number): unknown =>
      replica.applyUpdate('update2', ['db', { T: { [uuidOf(n)]: { insert: { name: 'x'.repeat(size) } } } }])
    insert(1, 8000)
    expect(() => insert(2, 8000)).toThrow(/more than 10000 bytes/)
    insert(1, 10)
    insert(2, 8000)
    for (let i = 0; i < 10; i++) {
      replica.applyUpdate('update2', ['db', { T: { [uuidOf(2)]: { delete: null } } }])
      insert(2, 8000)
    }
    expect(() => insert(3, 8000)).toThrow(/more than 10000 bytes/)
    expect(replica.table('T').size).toBe(2)
  })

  test('does not create rows named by a prototype', () => {
    expect(() => filled().applyUpdate('update2', ['db', JSON.parse('{"__proto__":{}}') as Json])).toThrow(
      /not monitored/,
    )
  })
})

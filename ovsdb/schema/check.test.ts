import { describe, expect, test } from 'vitest'
import type { Json } from '../rpc/message.ts'
import { checkSchema, SchemaMismatchError } from './check.ts'
import { boolean, immutable, integer, map, oneOf, optional, ref, scalar, set, string } from './column.ts'
import { database } from './database.ts'

const Db = database('db', {
  T: {
    name: immutable(scalar(string)),
    tag: optional(integer),
    mode: optional(oneOf('a', 'b')),
    others: set(ref('T'), { min: 1 }),
    queues: map(integer, ref('U')),
  },
  U: { up: scalar(boolean) },
})

const good = {
  name: { type: 'string', mutable: false },
  tag: { type: { key: { type: 'integer', minInteger: 0 }, min: 0, max: 1 } },
  mode: { type: { key: { type: 'string', enum: ['set', ['a', 'b', 'c']] }, min: 0, max: 1 } },
  others: { type: { key: { type: 'uuid', refTable: 'T', refType: 'weak' }, min: 1, max: 'unlimited' } },
  queues: { type: { key: 'integer', value: { type: 'uuid', refTable: 'U' }, min: 0, max: 'unlimited' } },
  more: { type: 'real' },
}
const schema = (columns: Record<string, Json>): Json => ({
  name: 'db',
  tables: { T: { columns: { ...good, ...columns } }, U: { columns: { up: { type: { key: 'boolean' } } } }, More: {} },
})

describe('checkSchema', () => {
  test('accepts a server that has all that is declared, and more', () => {
    expect(checkSchema(Db, schema({}))).toEqual([])
  })

  test('a server may allow changes to what we only insert', () => {
    expect(checkSchema(Db, schema({ name: { type: 'string' } }))).toEqual([])
  })

  test.each<[string, Json, string, string]>([
    ['name', { type: 'integer' }, 'immutable string', 'integer'],
    ['name', { type: { key: 'string', min: 0, max: 1 } }, 'immutable string', 'optional string'],
    ['tag', { type: 'integer' }, 'optional integer', 'integer'],
    [
      'tag',
      { type: { key: 'integer', min: 0, max: 1 }, mutable: false },
      'optional integer',
      'immutable optional integer',
    ],
    ['tag', { type: { key: 'integer', min: 0, max: 2 } }, 'optional integer', 'set of integer (0 to 2)'],
    [
      'mode',
      { type: { key: { type: 'string', enum: 'a' }, min: 0, max: 1 } },
      'optional one of a, b',
      'optional one of a',
    ],
    [
      'others',
      { type: { key: { type: 'uuid', refTable: 'U' }, min: 1, max: 'unlimited' } },
      'set of uuid of T (1 to unlimited)',
      'set of uuid of U (1 to unlimited)',
    ],
    [
      'queues',
      { type: { key: 'integer', value: 'string', min: 0, max: 'unlimited' } },
      'map of integer to uuid of U',
      'map of integer to string',
    ],
    [
      'queues',
      { type: { key: { type: 'integer' }, min: 0, max: 'unlimited' } },
      'map of integer to uuid of U',
      'set of integer',
    ],
    ['tag', {}, 'optional integer', 'nothing'],
    ['tag', { type: { key: 'colour' } }, 'optional integer', '{"key":"colour"}'],
  ])('reports column %s with type %j: expected %s, found %s', (column, type, expected, found) => {
    expect(checkSchema(Db, schema({ [column]: type }))).toEqual([{ table: 'T', column, expected, found }])
  })

  test('reports every missing table and column, in one sentence each', () => {
    const mismatches = checkSchema(Db, { tables: { T: { columns: { tag: good.tag } } } })
    expect(mismatches.map(({ table, column }) => `${table}.${column}`)).toEqual([
      'T.name',
      'T.mode',
      'T.others',
      'T.queues',
      'U.null',
    ])
    expect(new SchemaMismatchError('db', mismatches).message).toContain(
      'T.mode: expected optional one of a, b, found nothing',
    )
  })

  test.each([null, [], 'x', { tables: [] }, { tables: { T: 1 } }, { tables: { T: { columns: 3 } } }])(
    'survives the schema %j',
    (schema) => {
      expect(checkSchema(Db, schema).length).toBeGreaterThan(1)
    },
  )
})

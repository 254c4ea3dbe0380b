import { describe, expect, test } from 'vitest'
import { OpenVSwitch } from './schema/open-vswitch.ts'
import { pick } from './schema/database.ts'
import type { Uuid } from './schema/column.ts'
import { Transaction } from './transaction.ts'
import { transactionErrorClauses } from './transaction-error.ts'

const uuid = '00000000-0000-0000-0000-000000000001'

describe('Transaction', () => {
  test('encodes every operation of RFC 7047 §5.2', () => {
    const tx = new Transaction(OpenVSwitch)
    const port = tx.insert('Port', { name: 'p1', tag: 7, trunks: [1, 2] })
    const bridge = tx.insert('Bridge', { name: 'br0', ports: [port], fail_mode: null }, uuid as Uuid<'Bridge'>)
    tx.select('Bridge', [['name', '!=', 'x']], ['name'])
    tx.update('Bridge', [['_uuid', '==', uuid as Uuid<'Bridge'>]], { other_config: new Map([['a', 'b']]) })
    tx.mutate(
      'Open_vSwitch',
      [],
      [
        ['bridges', 'insert', [bridge]],
        ['next_cfg', '+=', 1],
        ['external_ids', 'delete', ['k']],
        ['external_ids', 'insert', new Map([['k', 'v']])],
      ],
    )
    tx.delete('Port', [
      ['tag', '>', 4],
      ['trunks', 'includes', [1]],
    ])
    tx.wait('Open_vSwitch', { where: [], columns: ['next_cfg'], until: '==', rows: [{ next_cfg: 3 }] })
    tx.commit(true)
    tx.abort()
    tx.comment('why')
    tx.assert('mine')
    expect(tx.params()).toEqual([
      'Open_vSwitch',
      { op: 'insert', table: 'Port', row: { name: 'p1', tag: 7, trunks: ['set', [1, 2]] }, 'uuid-name': 'row0' },
      {
        op: 'insert',
        table: 'Bridge',
        row: { name: 'br0', ports: ['set', [['named-uuid', 'row0']]], fail_mode: ['set', []] },
        'uuid-name': 'row1',
        uuid,
      },
      { op: 'select', table: 'Bridge', where: [['name', '!=', 'x']], columns: ['_uuid', 'name'] },
      {
        op: 'update',
        table: 'Bridge',
        where: [['_uuid', '==', ['uuid', uuid]]],
        row: { other_config: ['map', [['a', 'b']]] },
      },
      {
        op: 'mutate',
        table: 'Open_vSwitch',
        where: [],
        mutations: [
          ['bridges', 'insert', ['set', [['named-uuid', 'row1']]]],
          ['next_cfg', '+=', 1],
          ['external_ids', 'delete', ['set', ['k']]],
          ['external_ids', 'insert', ['map', [['k', 'v']]]],
        ],
      },
      {
        op: 'delete',
        table: 'Port',
        where: [
          ['tag', '>', 4],
          ['trunks', 'includes', ['set', [1]]],
        ],
      },
      {
        op: 'wait',
        table: 'Open_vSwitch',
        where: [],
        columns: ['next_cfg'],
        until: '==',
        rows: [{ next_cfg: 3 }],
        timeout: 0,
      },
      { op: 'commit', durable: true },
      { op: 'abort' },
      { op: 'comment', comment: 'why' },
      { op: 'assert', lock: 'mine' },
    ])
  })

  test('gives each step its own result', () => {
    const tx = new Transaction(OpenVSwitch)
    const port = tx.insert('Port', { name: 'p1' })
    const found = tx.select('Bridge', [], ['name', 'ports'])
    const updated = tx.update('Bridge', [], { fail_mode: 'secure' })
    const rows = [{ _uuid: ['uuid', uuid], name: 'br0', ports: ['uuid', uuid] }]
    const outcome = tx.outcome([{ uuid: ['uuid', uuid] }, { rows }, { count: 1 }])
    if (outcome.kind !== 'committed') throw new Error('not committed')
    expect(outcome.results.get(port)).toBe(uuid)
    expect(outcome.results.get(found)).toEqual([{ _uuid: uuid, name: 'br0', ports: [uuid] }])
    expect(outcome.results.get(updated)).toBe(1)
  })

  test('reports the error of an operation, with its index and clause', () => {
    const tx = new Transaction(OpenVSwitch)
    tx.insert('Port', { name: 'a' })
    tx.wait('Open_vSwitch', { where: [], columns: ['cur_cfg'], until: '==', rows: [] })
    tx.comment('never reached')
    expect(tx.outcome([{ uuid: ['uuid', uuid] }, { error: 'timed out', details: 'why' }, null])).toEqual({
      kind: 'failed',
      error: { kind: 'timed out', operation: 1, details: 'why', clause: 'RFC 7047 §5.2.6' },
    })
  })

  test('reports the error of the commit, which comes after the results of all operations', () => {
    const tx = new Transaction(OpenVSwitch)
    tx.delete('Port', [])
    expect(tx.outcome([{ count: 1 }, { error: 'referential integrity violation', details: 'd' }])).toMatchObject({
      error: { kind: 'referential integrity violation', operation: null, clause: 'RFC 7047 §4.1.3' },
    })
  })

  test('keeps the name of an error that no document lists', () => {
    const tx = new Transaction(OpenVSwitch)
    tx.abort()
    expect(tx.outcome([{ error: 'moon phase' }])).toMatchObject({ error: { kind: 'unknown', error: 'moon phase' } })
    expect(tx.outcome([{ error: '__proto__' }])).toMatchObject({ error: { kind: 'unknown', error: '__proto__' } })
  })

  test('every error cites a clause', () => {
    for (const clause of Object.values(transactionErrorClauses)) expect(clause).toMatch(/§\d|ovsdb\(7\)/)
  })

  test.each([
    ['not an array', {}],
    ['too few results', [{}]],
    ['too many results', [{}, {}, {}, {}]],
    ['an insert without uuid', [{ uuid: ['uuid', 'x'] }, { rows: [] }, { count: 0 }]],
    ['a select without rows', [{ uuid: ['uuid', uuid] }, {}, { count: 0 }]],
    ['a selected row without its uuid', [{ uuid: ['uuid', uuid] }, { rows: [{}] }, { count: 0 }]],
    ['a delete without count', [{ uuid: ['uuid', uuid] }, { rows: [] }, {}]],
  ])('refuses a reply that is %s', (_name, reply) => {
    const tx = new Transaction(OpenVSwitch)
    tx.insert('Port', {})
    tx.select('Port', [])
    tx.delete('Port', [])
    expect(() => tx.outcome(reply)).toThrow()
  })

  test('types and run time both refuse what is not declared', () => {
    const narrow = pick(OpenVSwitch, { Port: ['name', 'tag', 'trunks', 'other_config'] })
    const tx = new Transaction(narrow)
    // @ts-expect-error Bridge is not picked
    expect(() => tx.insert('Bridge', {})).toThrow('declares no table Bridge')
    // @ts-expect-error qos is not picked
    expect(() => tx.insert('Port', { qos: null })).toThrow('declares no column qos')
    // @ts-expect-error name is a string
    expect(() => tx.insert('Port', { name: 5 })).toThrow('not a valid string')
    // @ts-expect-error tag may be null but name may not
    expect(() => tx.insert('Port', { tag: null, name: null })).toThrow('not a valid string')
    // @ts-expect-error text has no order
    expect(tx.select('Port', [['name', '<', 'x']])).toBeDefined()
    // @ts-expect-error name is immutable
    expect(tx.update('Port', [], { name: 'x' })).toBeDefined()
    // @ts-expect-error arithmetic on a map
    expect(() => tx.mutate('Port', [], [['other_config', '+=', 1]])).toThrow('not a valid string')
    const bridge = new Transaction(OpenVSwitch)
    const iface = bridge.insert('Interface', { name: 'i' })
    // @ts-expect-error a Port is wanted, not an Interface
    expect(bridge.insert('Bridge', { ports: [iface] })).toBeDefined()
  })
})

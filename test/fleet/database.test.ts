import { describe, expect, test } from 'vitest'
import { checkSchema, OpenVSwitch, pick, Replica, Transaction, type Json, type Row } from '../../ovsdb/index.ts'
import { DatabaseServer } from './database-server.ts'
import { MemoryDatabase, Schema } from './database.ts'
import { schemaOf } from './schema.ts'

const schema = new Schema(OpenVSwitch, ['Open_vSwitch'])
type OvsTables = (typeof OpenVSwitch)['tables']
const Watched = pick(OpenVSwitch, {
  Open_vSwitch: ['bridges', 'external_ids'],
  Bridge: ['name', 'ports', 'datapath_id'],
  Port: ['name', 'interfaces'],
  Interface: ['name', 'options', 'ofport', 'external_ids'],
})

/** A database, its server, and a replica that a client keeps of it. */
class Bench {
  readonly database = new MemoryDatabase(schema)
  readonly replica = new Replica(Watched)
  readonly said: string[] = []
  readonly server = new DatabaseServer([this.database], (method, params) => {
    this.said.push(method)
    this.replica.applyUpdate(method as 'update3', params)
  })

  transact(build: (tx: Transaction<OvsTables>) => void): Json {
    const tx = new Transaction(OpenVSwitch)
    build(tx)
    const answer = this.server.serve('transact', tx.params())
    return answer !== null && 'result' in answer ? answer.result : null
  }

  monitor(): Json {
    const answer = this.server.serve('monitor_cond_since', this.replica.monitorParams('monitor_cond_since', 'm'))
    if (answer === null || !('result' in answer)) throw new Error(JSON.stringify(answer))
    this.replica.applyReply('monitor_cond_since', answer.result)
    return (answer.result as readonly Json[])[0] ?? null
  }

  /** With one bridge that has `names` as ports. */
  static withPorts(...names: readonly string[]): Bench {
    const bench = new Bench()
    bench.transact((tx) => {
      const ports = names.map((name) => port(tx, name))
      tx.insert('Open_vSwitch', { bridges: [tx.insert('Bridge', { name: 'br-int', ports })] })
    })
    return bench
  }

  /** Names of the rows that the database and the replica have, which must be equal. */
  names(table: 'Bridge' | 'Port' | 'Interface'): string[] {
    const ours = Array.from(this.database.table(table).values(), (row) => row['name'] as string).toSorted()
    const theirs = Array.from<{ readonly name: string }>(this.replica.table(table).values() as never)
    expect(theirs.map(({ name }) => name).toSorted()).toEqual(ours)
    return ours
  }
}

const port = (tx: Transaction<OvsTables>, name: string) =>
  tx.insert('Port', { name, interfaces: [tx.insert('Interface', { name })] })

test('its schema is the one declared', () => {
  expect(checkSchema(OpenVSwitch, schemaOf(schema))).toEqual([])
})

describe('a client’s replica follows', () => {
  test('what is there, what is inserted and what is deleted with all that hangs on it', () => {
    const bench = Bench.withPorts('a', 'b')
    expect(bench.monitor()).toBe(false)
    expect(bench.names('Interface')).toEqual(['a', 'b'])
    bench.transact((tx) => tx.mutate('Bridge', [['name', '==', 'br-int']], [['ports', 'insert', [port(tx, 'c')]]]))
    expect(bench.names('Port')).toEqual(['a', 'b', 'c'])
    const [first] = bench.database.table('Port').keys()
    bench.transact((tx) => tx.mutate('Bridge', [], [['ports', 'delete', [first as never]]]))
    expect(bench.names('Port')).toEqual(['b', 'c'])
    expect(bench.names('Interface')).toEqual(['b', 'c'])
    expect(bench.said).toEqual(['update3', 'update3'])
  })

  test('changes of values, sets and maps', () => {
    const bench = Bench.withPorts('a')
    bench.monitor()
    const options = (...pairs: readonly (readonly [string, string])[]): void =>
      void bench.transact((tx) => tx.update('Interface', [['name', '==', 'a']], { ofport: 7, options: new Map(pairs) }))
    options(['key', 'flow'], ['remote_ip', 'flow'])
    options(['key', '5'], ['local_ip', '192.0.2.1'])
    bench.transact((tx) => tx.mutate('Interface', [], [['external_ids', 'insert', new Map([['iface-id', 'x']])]]))
    const [row] = bench.replica.table('Interface').values() as unknown as Row<OvsTables, 'Interface'>[]
    expect(row).toMatchObject({ ofport: 7, external_ids: new Map([['iface-id', 'x']]) })
    expect(row?.options).toEqual(
      new Map([
        ['key', '5'],
        ['local_ip', '192.0.2.1'],
      ]),
    )
  })

  test('nothing that it did not miss', () => {
    const bench = Bench.withPorts('a')
    bench.monitor()
    bench.server.close()
    expect(bench.monitor()).toBe(true)
    bench.server.close()
    bench.transact((tx) => tx.update('Bridge', [], { datapath_id: '0000000000000001' }))
    expect(bench.said).toEqual([])
    expect(bench.monitor()).toBe(false)
    expect(bench.names('Port')).toEqual(['a'])
  })

  test('not what changes nothing', () => {
    const bench = Bench.withPorts('a')
    bench.monitor()
    bench.transact((tx) => tx.update('Bridge', [['name', '==', 'br-int']], { datapath_id: null }))
    expect(bench.said).toEqual([])
  })
})

describe('a transaction', () => {
  test('gives the results that its maker expects', () => {
    const bench = Bench.withPorts('a', 'b')
    const tx = new Transaction(OpenVSwitch)
    const found = tx.select('Port', [['name', '!=', 'a']], ['name'])
    const count = tx.update('Interface', [['external_ids', 'excludes', new Map([['x', 'y']])]], { ofport: 3 })
    tx.comment('nothing')
    const answer = bench.server.serve('transact', tx.params())
    const outcome = tx.outcome((answer as { result: Json }).result)
    if (outcome.kind !== 'committed') throw new Error(JSON.stringify(outcome))
    expect(outcome.results.get(found)).toMatchObject([{ name: 'b' }])
    expect(outcome.results.get(count)).toBe(2)
  })

  test('of which one operation fails does nothing', () => {
    const bench = Bench.withPorts('a')
    bench.monitor()
    const missing = '00000000-0000-4000-8000-000000000000' as never
    const results = bench.transact((tx) => {
      tx.update('Bridge', [], { datapath_id: '0000000000000001' })
      tx.mutate('Bridge', [], [['ports', 'insert', [missing]]])
    }) as readonly Json[]
    expect(results.at(-1)).toMatchObject({ error: 'referential integrity violation' })
    const [bridge] = bench.database.table('Bridge').values()
    expect(bridge).toMatchObject({ datapath_id: null })
    expect(bench.said).toEqual([])
  })

  test('refuses what the database cannot do', () => {
    const bench = Bench.withPorts('a')
    const operations: [Json, string][] = [
      [{ op: 'wait', table: 'Bridge', where: [] }, 'not supported'],
      [{ op: 'update', table: 'None', where: [], row: {} }, 'unknown table'],
      [{ op: 'update', table: 'Bridge', where: [['none', '==', 1]], row: {} }, 'unknown column'],
      [{ op: 'update', table: 'Bridge', where: [], row: { name: 7 } }, 'constraint violation'],
    ]
    for (const [operation, error] of operations) {
      const answer = bench.server.serve('transact', ['Open_vSwitch', operation])
      expect(answer).toMatchObject({ result: [{ error }] })
    }
    expect(bench.server.serve('steal', ['x'])).toBeNull()
  })
})

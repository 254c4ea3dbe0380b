// The library against a real ovsdb-server, with ovsdb-client and ovs-vsctl as oracles.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  Client,
  database,
  dial,
  integer,
  OpenVSwitch,
  pick,
  Replica,
  scalar,
  SchemaMismatchError,
  string,
  synchronize,
  Transaction,
  type Connection,
  type LockEvent,
  type MonitorMethod,
  type Outcome,
  type RowChange,
  type Uuid,
} from '../../ovsdb/index.ts'
import { Lab, type OvsdbServer } from '../lab/ovsdb.ts'
import { run, until } from '../lab/run.ts'

type OvsTables = (typeof OpenVSwitch)['tables']

let lab: Lab
let server: OvsdbServer
let connection: Connection
beforeAll(async () => {
  lab = await Lab.open()
  server = await lab.vswitch('ovs')
  connection = await dial(server.remote)
})
afterAll(async () => {
  connection?.close()
  await lab.close()
})

/** Builds a transaction, sends it, and returns the outcome. */
async function transact(build: (tx: Transaction<OvsTables>) => void, over = connection): Promise<Outcome> {
  const tx = new Transaction(OpenVSwitch)
  build(tx)
  return over.transact(tx)
}

async function errorOf(build: (tx: Transaction<OvsTables>) => void): Promise<unknown> {
  const outcome = await transact(build)
  return outcome.kind === 'failed' ? { kind: outcome.error.kind, operation: outcome.error.operation } : outcome
}

/** Inserts a bridge with one port and keeps it by the root row. */
function addBridge(tx: Transaction<OvsTables>, name: string) {
  const iface = tx.insert('Interface', { name, type: 'internal' })
  const port = tx.insert('Port', { name, interfaces: [iface] })
  const bridge = tx.insert('Bridge', { name, ports: [port] })
  tx.mutate('Open_vSwitch', [], [['bridges', 'insert', [bridge]]])
  return bridge
}

describe('requests', () => {
  test('the server has the databases and the schema that we declare', async () => {
    expect((await connection.listDatabases()).sort()).toEqual(['Open_vSwitch', '_Server'])
    await connection.checkSchema(OpenVSwitch)
  })

  test('a declaration that the server does not have is refused column by column', async () => {
    const Wrong = database('Open_vSwitch', {
      Bridge: { name: scalar(integer), colour: scalar(string) },
      Tunnel: { key: scalar(string) },
    })
    const error = await connection.checkSchema(Wrong).catch((thrown: unknown) => thrown)
    if (!(error instanceof SchemaMismatchError)) throw error
    expect(error.mismatches).toEqual([
      { table: 'Bridge', column: 'name', expected: 'integer', found: 'immutable string' },
      { table: 'Bridge', column: 'colour', expected: 'string', found: 'nothing' },
      { table: 'Tunnel', column: null, expected: 'a table', found: 'nothing' },
    ])
  })

  test('echo, get_server_id and set_db_change_aware are answered', async () => {
    await connection.echo(['x'])
    expect(await connection.getServerId()).toMatch(/^[0-9a-f-]{36}$/)
    await connection.setDatabaseChangeAware(true)
    await connection.setDatabaseChangeAware(false)
  })

  test('a lock is granted, queued for, stolen and released', async () => {
    const rival = await dial(server.remote)
    const events: [string, LockEvent][] = []
    connection.onLock((event) => events.push(['first', event]))
    rival.onLock((event) => events.push(['rival', event]))
    expect(await connection.lock('l')).toBe(true)
    expect((await transact((tx) => tx.assert('l'))).kind).toBe('committed')
    expect(await rival.lock('l')).toBe(false)
    await connection.unlock('l')
    await until('the lock passes on', () => events.length === 1)
    expect(await connection.steal('l')).toBe(true)
    await until('the theft is known', () => events.length === 2)
    expect(events).toEqual([
      ['rival', { kind: 'locked', lock: 'l' }],
      ['rival', { kind: 'stolen', lock: 'l' }],
    ])
    await connection.unlock('l')
    rival.close()
  })
})

describe('transactions', () => {
  test('rows inserted together refer to each other, and results have their types', async () => {
    const tx = new Transaction(OpenVSwitch)
    const bridge = addBridge(tx, 'br-a')
    tx.update('Bridge', [['name', '==', 'br-a']], {
      fail_mode: 'secure',
      datapath_type: 'netdev',
      other_config: new Map([['hwaddr', '02:00:00:00:00:01']]),
      flood_vlans: [7, 5],
    })
    const found = tx.select('Bridge', [['name', '==', 'br-a']], ['name', 'fail_mode', 'flood_vlans', 'other_config'])
    tx.comment('a test of weft')
    tx.commit(true)
    const outcome = await connection.transact(tx)
    if (outcome.kind === 'failed') throw new Error(outcome.error.details)
    expect(outcome.results.get(found)).toEqual([
      {
        _uuid: outcome.results.get(bridge),
        name: 'br-a',
        fail_mode: 'secure',
        flood_vlans: [5, 7],
        other_config: new Map([['hwaddr', '02:00:00:00:00:01']]),
      },
    ])
    expect((await server.vsctl('get', 'bridge', 'br-a', '_uuid', 'fail_mode')).split('\n').slice(0, 2)).toEqual([
      outcome.results.get(bridge),
      'secure',
    ])
  })

  const nobody = '00000000-0000-4000-8000-000000000000' as Uuid<'Port'>
  const mine = '00000000-0000-4000-8000-000000000001' as Uuid<'QoS'>
  test.each<[string, number | null, (tx: Transaction<OvsTables>) => void]>([
    ['constraint violation', 0, (tx) => tx.insert('Bridge', { name: 'x', flood_vlans: [5000] })],
    [
      'referential integrity violation',
      null,
      (tx) =>
        tx.mutate('Open_vSwitch', [], [['bridges', 'insert', [tx.insert('Bridge', { name: 'x', ports: [nobody] })]]]),
    ],
    [
      'timed out',
      1,
      (tx) => [
        tx.comment('first'),
        tx.wait('Open_vSwitch', { where: [], columns: ['next_cfg'], until: '==', rows: [{ next_cfg: 77 }] }),
      ],
    ],
    ['aborted', 0, (tx) => tx.abort()],
    ['not owner', 0, (tx) => tx.assert('unheld')],
    ['domain error', 0, (tx) => tx.mutate('Open_vSwitch', [], [['next_cfg', '/=', 0]])],
    [
      'range error',
      1,
      (tx) => [
        tx.update('Open_vSwitch', [], { next_cfg: 2 ** 52 }),
        tx.mutate('Open_vSwitch', [], [['next_cfg', '*=', 2 ** 52]]),
      ],
    ],
    ['duplicate uuid', 1, (tx) => [tx.insert('QoS', {}, mine), tx.insert('QoS', {}, mine)]],
  ])('%s is reported at operation %s', async (kind, operation, build) => {
    expect(await errorOf(build)).toEqual({ kind, operation })
  })

  test('an unknown database or table is a failed transaction too', async () => {
    const send = async (Db: ReturnType<typeof database>): Promise<unknown> => {
      const tx = new Transaction(Db)
      tx.select('T', [])
      const outcome = await connection.transact(tx)
      return outcome.kind === 'failed' ? outcome.error.kind : outcome.kind
    }
    expect(await send(database('Nowhere', { T: { a: scalar(string) } }))).toBe('unknown database')
    expect(await send(database('Open_vSwitch', { T: { a: scalar(string) } }))).toBe('syntax error')
  })

  test('a wait holds a transaction back until another one makes it true', async () => {
    const rival = await dial(server.remote)
    const waiting = transact((tx) => {
      tx.wait('Bridge', {
        where: [['name', '==', 'br-w']],
        columns: ['name'],
        until: '==',
        rows: [{ name: 'br-w' }],
        timeoutMilliseconds: 'forever',
      })
      tx.update('Bridge', [['name', '==', 'br-w']], { fail_mode: 'standalone' })
    }, rival)
    await connection.echo()
    expect((await transact((tx) => addBridge(tx, 'br-w'))).kind).toBe('committed')
    expect((await waiting).kind).toBe('committed')
    expect(await server.vsctl('get', 'bridge', 'br-w', 'fail_mode')).toBe('standalone\n')
    rival.close()
  })

  test.each([false, true])('a waiting transaction can be canceled (aware of database changes: %s)', async (aware) => {
    await connection.setDatabaseChangeAware(aware)
    const tx = new Transaction(OpenVSwitch)
    tx.wait('Bridge', {
      where: [['name', '==', 'never']],
      columns: ['name'],
      until: '==',
      rows: [{ name: 'never' }],
      timeoutMilliseconds: 'forever',
    })
    const abort = new AbortController()
    const outcome = connection.transact(tx, abort.signal)
    await connection.echo()
    abort.abort()
    expect(await outcome).toMatchObject({ kind: 'failed', error: { kind: 'canceled' } })
  })
})

describe('replica', () => {
  const Small = pick(OpenVSwitch, { Bridge: ['name', 'ports', 'external_ids'], Port: ['name', 'tag', 'trunks'] })

  test('holds the effects of a transaction before its outcome is known', async () => {
    const client = new Client({ remotes: [server.remote], database: OpenVSwitch })
    await client.connected()
    const tx = new Transaction(OpenVSwitch)
    const bridge = addBridge(tx, 'br-before')
    const outcome = await client.transact(tx)
    if (outcome.kind === 'failed') throw new Error(outcome.error.details)
    expect(client.replica.table('Bridge').get(outcome.results.get(bridge))?.name).toBe('br-before')
    await client.close()
  })

  test('is the same by monitor, monitor_cond and monitor_cond_since, and goes on being so', async () => {
    const methods: MonitorMethod[] = ['monitor', 'monitor_cond', 'monitor_cond_since']
    const replicas = await Promise.all(
      methods.map(async (method) => {
        const over = await dial(server.remote)
        const replica = new Replica(Small)
        await over.monitor(method, method, replica.monitorParams(method, method), {
          onReply: (result) => replica.applyReply(method, result),
          onUpdate: (update, params) => replica.applyUpdate(update, params),
          onCanceled: () => {},
        })
        return { over, replica, method }
      }),
    )
    await transact((tx) => addBridge(tx, 'br-same'))
    await transact((tx) => tx.update('Port', [['name', '==', 'br-same']], { tag: 9, trunks: [4, 5] }))
    await transact((tx) => tx.update('Port', [['name', '==', 'br-same']], { tag: null, trunks: [5, 6] }))
    for (const { over } of replicas) await over.echo()
    const contents = replicas.map(({ replica }) => [new Map(replica.table('Bridge')), new Map(replica.table('Port'))])
    expect(contents[0]?.[1]?.size).toBeGreaterThan(0)
    expect(contents[1]).toEqual(contents[0])
    expect(contents[2]).toEqual(contents[0])
    for (const { over, method } of replicas) {
      await over.monitorCancel(method)
      over.close()
    }
  })

  test('follows its conditions when they change', async () => {
    const changes: string[] = []
    const replica = new Replica(Small, { Bridge: [['name', '==', 'br-c1']], Port: [false] })
    const over = await dial(server.remote)
    await transact((tx) => [addBridge(tx, 'br-c1'), addBridge(tx, 'br-c2')])
    const synchronized = await synchronize(over, replica, {
      onChanges: (list: readonly RowChange<(typeof Small)['tables']>[]) => {
        for (const change of list)
          if (change.table === 'Bridge') changes.push(`${change.before?.name ?? '-'} > ${change.after?.name ?? '-'}`)
      },
    })
    expect(changes).toEqual(['- > br-c1'])
    await synchronized.changeWhere({ Bridge: [['name', '==', 'br-c2']] })
    expect(changes.slice(1).sort()).toEqual(['- > br-c2', 'br-c1 > -'])
    await synchronized.changeWhere({
      Bridge: [
        ['name', '==', 'br-c1'],
        ['name', '==', 'br-c2'],
      ],
    })
    expect(changes.slice(3)).toEqual(['- > br-c1'])
    expect(replica.table('Port').size).toBe(0)
    over.close()
  })

  test('after random changes by several writers equals ovsdb-client dump and a select of everything', async () => {
    const Db = pick(OpenVSwitch, {
      QoS: '*',
      Queue: '*',
      Flow_Sample_Collector_Set: ['id', 'bridge', 'external_ids'],
    })
    const folded = new Map<string, unknown>()
    const client = new Client({
      remotes: [server.remote],
      database: Db,
      onChanges: (changes) => {
        for (const { uuid, before, after } of changes) {
          expect(folded.get(uuid) ?? null).toBe(before)
          if (after) folded.set(uuid, after)
          else folded.delete(uuid)
        }
      },
    })
    await client.connected()
    const writers = await Promise.all([1, 2, 3].map((seed) => randomWriter(seed)))
    for (const writer of writers) writer.close()
    await client.connection?.echo()

    const tx = new Transaction(Db)
    const queues = tx.select('Queue', [])
    const qoses = tx.select('QoS', [])
    const outcome = await client.transact(tx)
    if (outcome.kind === 'failed') throw new Error(outcome.error.details)
    const byUuid = <R extends { _uuid: string }>(rows: readonly R[]): Map<string, R> =>
      new Map(rows.map((row) => [row._uuid, row]))
    expect(outcome.results.get(queues).length).toBeGreaterThan(10)
    expect(new Map(client.replica.table('Queue'))).toEqual(byUuid(outcome.results.get(queues)))
    expect(new Map(client.replica.table('QoS'))).toEqual(byUuid(outcome.results.get(qoses)))
    expect(folded).toEqual(new Map<string, unknown>([...client.replica.table('Queue'), ...client.replica.table('QoS')]))
    expect(await dumpOf('Queue')).toEqual(asDump(client.replica.table('Queue')))
    expect(await dumpOf('QoS')).toEqual(asDump(client.replica.table('QoS')))
    await client.close()
  })

  /** Inserts, changes and deletes queues and QoS rows at random (the seed repeats it). */
  async function randomWriter(seed: number): Promise<Connection> {
    const over = await dial(server.remote)
    let state = seed * 2654435761
    const random = (below: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0
      return (state >>> 8) % below
    }
    const name = (): string => ['a', 'b"\\', 'é€😀', '__proto__', ''][random(5)] as string
    const text = (): ReadonlyMap<string, string> => new Map(Array.from({ length: random(4) }, () => [name(), name()]))
    for (let i = 0; i < 120; i++) {
      await transact((tx) => {
        const where = [['dscp', '==', random(8)]] as const
        switch (random(5)) {
          case 0:
            tx.delete('Queue', where)
            break
          case 1:
            tx.update('Queue', where, { external_ids: text(), dscp: random(2) === 0 ? null : random(8) })
            break
          case 2:
            tx.mutate('Queue', where, [
              ['other_config', 'insert', text()],
              ['external_ids', 'delete', [name()]],
            ])
            break
          case 3: {
            const queue = tx.insert('Queue', { dscp: random(8), external_ids: text() })
            tx.mutate('QoS', [], [['queues', 'insert', new Map([[random(20), queue]])]])
            break
          }
          default:
            tx.insert('QoS', {
              type: name(),
              queues: new Map([[random(20), tx.insert('Queue', { other_config: text() })]]),
            })
        }
      }, over)
    }
    return over
  }

  /** The dump of a table as ovsdb-client prints it: rows of columns in alphabetical order, rows by their text. */
  async function dumpOf(table: string): Promise<string[]> {
    const dump = JSON.parse(
      await run('ovsdb-client', ['--format=json', 'dump', server.remote, 'Open_vSwitch', table]),
    ) as {
      headings: string[]
      data: unknown[][]
    }
    return dump.data
      .map((row) => JSON.stringify(Object.fromEntries(row.map((cell, i) => [dump.headings[i], canonical(cell)]))))
      .sort()
  }

  /** OVSDB JSON with sets and maps in one order. */
  function canonical(cell: unknown): unknown {
    if (!Array.isArray(cell) || (cell[0] !== 'map' && cell[0] !== 'set')) return cell
    const list = (cell[1] as unknown[]).map((element) => JSON.stringify(element)).sort()
    return [cell[0], list]
  }

  /** Our rows written as OVSDB JSON by hand, for these two tables. */
  function asDump(rows: ReadonlyMap<string, object>): string[] {
    return [...rows.values()]
      .map((row) => {
        const cells = Object.entries(row).map(([column, value]): [string, unknown] => {
          if (column === '_uuid') return [column, ['uuid', value]]
          if (value === null) return [column, canonical(['set', []])]
          if (!(value instanceof Map)) return [column, value]
          const pairs = [...(value as Map<unknown, unknown>)]
          return [column, canonical(['map', pairs.map(([k, v]) => [k, column === 'queues' ? ['uuid', v] : v])])]
        })
        return JSON.stringify(Object.fromEntries(cells.sort(([a], [b]) => (a < b ? -1 : 1))))
      })
      .sort()
  }
})

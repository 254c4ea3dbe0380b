// A Connection over a link that only records. What a broken or hostile server says must end this connection with one
// typed error, and nothing may be thrown into whoever feeds it.
import { describe, expect, test } from 'vitest'
import { Connection, RequestError, type Link, type LockEvent } from './connection.ts'
import { Replica } from './replica.ts'
import { scalar, string } from './schema/column.ts'
import { database } from './schema/database.ts'
import { synchronize } from './synchronize.ts'
import { Transaction } from './transaction.ts'

const Db = database('db', { T: { name: scalar(string) } })
const uuid = '00000000-0000-0000-0000-000000000001'

interface Sent {
  readonly id: number
  readonly method: string
  readonly params: readonly unknown[]
}

function setUp(options = {}) {
  const sent: Sent[] = []
  const log: string[] = []
  const link = {
    peer: 'test',
    localAddress: null,
    remoteAddress: null,
    queuedBytes: 0,
    write: (text: string) => sent.push(JSON.parse(text) as Sent),
    pause: () => log.push('pause'),
    resume: () => log.push('resume'),
    close: () => log.push('close'),
  }
  const connection = new Connection(link satisfies Link, 0, options)
  const say = (...messages: unknown[]): void =>
    connection.receive(Buffer.from(messages.map((message) => JSON.stringify(message)).join('')), 0)
  const reply = (result: unknown): void => say({ id: sent.at(-1)?.id, result, error: null })
  return { connection, link, log, sent, say, reply }
}

/** Lets the promises that are settled run on. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('Connection', () => {
  test('a refused request rejects that call only', async () => {
    const { connection, say, sent } = setUp()
    const call = connection.call('nonsense', [])
    say({ id: sent[0]?.id, result: null, error: 'unknown method' })
    await expect(call).rejects.toThrow(new RequestError('nonsense', 'unknown method'))
    expect(connection.failure).toBeNull()
  })

  test('malformed input rejects every open call with one error and closes the link once', async () => {
    const { connection, log } = setUp()
    const calls = [connection.listDatabases(), connection.echo(), connection.transact(new Transaction(Db))]
    connection.receive(Buffer.from('garbage'), 0)
    connection.receive(Buffer.from('more garbage'), 0)
    for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'bad-json' })
    expect(log).toEqual(['close'])
    expect((await connection.closed).code).toBe('bad-json')
    await expect(connection.echo()).rejects.toMatchObject({ code: 'bad-json' })
  })

  test.each<[string, (connection: Connection) => Promise<unknown>, unknown]>([
    ['list_dbs', (c) => c.listDatabases(), [1]],
    ['lock', (c) => c.lock('l'), {}],
    ['steal', (c) => c.steal('l'), null],
    ['get_server_id', (c) => c.getServerId(), {}],
    ['transact', (c) => c.transact(new Transaction(Db)), 'x'],
  ])('a nonsensical reply to %s ends the connection', async (_method, call, result) => {
    const { connection, reply } = setUp()
    const promise = call(connection)
    reply(result)
    await expect(promise).rejects.toMatchObject({ code: 'bad-message' })
    expect(connection.failure?.code).toBe('bad-message')
  })

  test('a request that the server refuses as a whole is a failed transaction', async () => {
    const { connection, say, sent } = setUp()
    const outcome = connection.transact(new Transaction(Db))
    say({ id: sent[0]?.id, result: null, error: { error: 'unknown database', details: 'db' } })
    expect(await outcome).toMatchObject({ kind: 'failed', error: { kind: 'unknown database', operation: null } })
  })

  test('aborting the signal cancels the transaction; its outcome still comes from the server', async () => {
    const { connection, say, sent } = setUp()
    const abort = new AbortController()
    const outcome = connection.transact(new Transaction(Db), abort.signal)
    abort.abort()
    expect(sent[1]).toEqual({ id: null, method: 'cancel', params: [sent[0]?.id] })
    say({ id: sent[0]?.id, result: [], error: null }, { id: sent[2]?.id, result: [], error: null })
    expect((await outcome).kind).toBe('committed')
  })

  test('a server that forgets a canceled transaction without a word is understood', async () => {
    const { connection, say, sent } = setUp()
    const abort = new AbortController()
    const outcome = connection.transact(new Transaction(Db), abort.signal)
    abort.abort()
    say({ id: sent[2]?.id, result: [], error: null })
    expect(await outcome).toMatchObject({ kind: 'failed', error: { kind: 'canceled', clause: 'RFC 7047 §4.1.4' } })
    expect(connection.failure).toBeNull()
  })

  test('tells who listens that a lock was granted or stolen', () => {
    const { connection, say } = setUp()
    const events: LockEvent[] = []
    const stop = connection.onLock((event) => events.push(event))
    say({ id: null, method: 'locked', params: ['a'] }, { id: null, method: 'stolen', params: ['a'] })
    stop()
    say({ id: null, method: 'locked', params: ['b'] })
    expect(events).toEqual([
      { kind: 'locked', lock: 'a' },
      { kind: 'stolen', lock: 'a' },
    ])
  })

  test('a second monitor of the same name is refused here, and the first one lives on', async () => {
    const { connection, say, reply } = setUp()
    const seen: string[] = []
    const handlers = { onReply: () => {}, onUpdate: (method: string) => seen.push(method), onCanceled: () => {} }
    const first = connection.monitor('monitor', 'm', [], handlers)
    reply({})
    await first
    await expect(connection.monitor('monitor', 'm', [], handlers)).rejects.toMatchObject({ code: 'bad-argument' })
    say({ id: null, method: 'update', params: ['m', {}] })
    expect(seen).toEqual(['update'])
  })

  test('an unknown notification is no fault', () => {
    const { connection, say } = setUp()
    say({ id: null, method: 'news', params: [] })
    expect(connection.failure).toBeNull()
  })

  test('a full send queue refuses calls, and goes on reading', async () => {
    const { connection, link, log, say } = setUp({ maxQueuedBytes: 10 })
    const call = connection.echo()
    link.queuedBytes = 11
    await expect(connection.echo()).rejects.toMatchObject({ code: 'send-queue-full' })
    say({ id: 0, result: [], error: null })
    await call
    expect(log).toEqual([])
  })

  test('a peer that asks without reading the answers is not read until it has', () => {
    const { connection, link, log, say } = setUp({ maxQueuedBytes: 100 })
    say({ id: 1, method: 'echo', params: ['x'.repeat(200)] })
    expect(log).toEqual([])
    link.queuedBytes = 1
    say({ id: 2, method: 'echo', params: ['x'.repeat(200)] })
    expect(log).toEqual(['pause'])
    connection.resume()
    expect(log).toEqual(['pause'])
    link.queuedBytes = 0
    connection.drained()
    expect(log).toEqual(['pause', 'resume'])
  })

  test('a handler of ours that throws ends this connection, and its error is the cause', () => {
    const { connection, say } = setUp()
    connection.onLock(() => {
      throw new Error('our bug')
    })
    say({ id: null, method: 'locked', params: ['a'] })
    expect(connection.failure).toMatchObject({ code: 'handler-failed', message: 'our bug' })
  })
})

describe('synchronize', () => {
  const schema = { tables: { T: { columns: { name: { type: 'string' } } } } }

  /** Goes through the handshake up to the monitor request. */
  async function upToMonitor() {
    const at = setUp()
    const replica = new Replica(Db)
    const changes: unknown[] = []
    const done = synchronize(at.connection, replica, { onChanges: (list) => changes.push(...list) })
    done.catch(() => {})
    at.reply(['db'])
    await turn()
    at.reply(schema)
    await turn()
    return { ...at, replica, changes, done }
  }

  test('falls back to the monitors of older servers', async () => {
    const { say, sent, reply, replica, done } = await upToMonitor()
    for (const method of ['monitor_cond_since', 'monitor_cond']) {
      expect(sent.at(-1)?.method).toBe(method)
      say({ id: sent.at(-1)?.id, result: null, error: 'unknown method' })
      await turn()
    }
    expect(sent.at(-1)?.method).toBe('monitor')
    reply({ T: { [uuid]: { new: { name: 'x' } } } })
    await done
    say({ id: null, method: 'update', params: ['db', { T: { [uuid]: { old: { name: 'x' }, new: { name: 'y' } } } }] })
    expect([...replica.table('T').values()]).toEqual([{ _uuid: uuid, name: 'y' }])
  })

  test('an update right behind the reply, in the same bytes, is not lost', async () => {
    const { say, sent, replica, done } = await upToMonitor()
    say(
      { id: sent.at(-1)?.id, result: [false, uuid, { T: { [uuid]: { initial: { name: 'x' } } } }], error: null },
      { id: null, method: 'update3', params: ['db', uuid, { T: { [uuid]: { modify: { name: 'y' } } } }] },
    )
    await done
    expect([...replica.table('T').values()]).toEqual([{ _uuid: uuid, name: 'y' }])
  })

  test.each([
    ['a reply of nonsense', { nonsense: true }],
    ['a row of the wrong type', [false, uuid, { T: { [uuid]: { initial: { name: 4 } } } }]],
    ['an unknown table', [false, uuid, { X: {} }]],
  ])('%s rejects and ends the connection, and the replica is as it was', async (_name, result) => {
    const { reply, connection, replica, done } = await upToMonitor()
    reply(result)
    await expect(done).rejects.toMatchObject({ code: expect.stringMatching(/^bad-/) as string })
    expect(connection.failure).not.toBeNull()
    expect(replica.table('T').size).toBe(0)
  })

  const cid = '00000000-0000-0000-0000-00000000000c'
  test.each<[string, Record<string, unknown>, boolean, string | null]>([
    ['a standalone database', { model: 'standalone' }, true, null],
    ['a follower', {}, true, 'has its leader elsewhere'],
    ['a follower that will do', { index: 7 }, false, null],
    ['the leader', { leader: true, index: 5 }, true, null],
    ['a member without a quorum', { leader: true, connected: false }, true, 'not connected'],
    ['another cluster', { leader: true, index: 9, cid: ['uuid', uuid] }, true, `not ${cid}`],
    ['a member left behind', { leader: true, index: 4 }, true, 'stale: at index 4, behind 5'],
  ])('%s is judged by its row in _Server', async (_name, values, leaderOnly, refusal) => {
    const { connection, reply, sent } = setUp()
    const cluster = { cid, index: 5 }
    const done = synchronize(connection, new Replica(Db), { onChanges: () => {}, leaderOnly, cluster })
    done.catch(() => {})
    reply(['_Server', 'db'])
    await turn()
    reply({})
    await turn()
    const row = { name: 'db', model: 'clustered', connected: true, index: 5, cid: ['uuid', cid], ...values }
    reply({ Database: { [uuid]: { initial: row } } })
    await turn()
    if (refusal !== null) await expect(done).rejects.toThrow(refusal)
    expect(sent.at(-1)?.method).toBe(refusal === null ? 'get_schema' : 'monitor_cond')
    if (refusal === null && row.model === 'clustered') expect(cluster.index).toBe(row.index)
  })

  test('a canceled monitor ends the connection', async () => {
    const { say, reply, connection, done } = await upToMonitor()
    reply([false, uuid, {}])
    await done
    say({ id: null, method: 'monitor_canceled', params: ['db'] })
    expect(connection.failure?.code).toBe('database-unavailable')
  })
})

// What a client sees when servers go away: only what changed meanwhile. A replica that survives a restart, resumes from
// its last transaction, or moves to the new leader of a cluster must never report a row deleted and inserted again.
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  Client,
  database,
  dial,
  OpenVSwitch,
  optional,
  pick,
  Replica,
  scalar,
  string,
  Transaction,
  type ClientStatus,
  type Database,
} from '../../ovsdb/index.ts'
import { Lab, vswitchSchema, type OvsdbServer } from '../lab/ovsdb.ts'
import { run, until } from '../lab/run.ts'

const Db = pick(OpenVSwitch, { QoS: ['type', 'external_ids'] })
type Tables = (typeof Db)['tables']

let lab: Lab
beforeEach(async () => {
  lab = await Lab.open()
})
afterEach(async () => {
  await lab.close()
})

/** A client whose net changes are recorded as "before > after" types. */
function follow(remotes: readonly string[]): { client: Client<Tables>; changes: string[]; statuses: ClientStatus[] } {
  const changes: string[] = []
  const statuses: ClientStatus[] = []
  const client = new Client({
    remotes,
    database: Db,
    backoff: { minMilliseconds: 10, maxMilliseconds: 100 },
    onStatus: (status) => statuses.push(status),
    onChanges: (list) => {
      for (const { before, after } of list) changes.push(`${before?.type ?? '-'} > ${after?.type ?? '-'}`)
    },
  })
  lab.defer(() => client.close())
  return { client, changes, statuses }
}

async function insert(client: Client<Tables>, ...types: readonly string[]): Promise<void> {
  const tx = new Transaction(Db)
  for (const type of types) tx.insert('QoS', { type })
  const outcome = await client.transact(tx)
  if (outcome.kind === 'failed') throw new Error(JSON.stringify(outcome.error))
}

async function update(client: Client<Tables>, from: string, to: string): Promise<void> {
  const tx = new Transaction(Db)
  tx.update('QoS', [['type', '==', from]], { type: to })
  expect((await client.transact(tx)).kind).toBe('committed')
}

const typesOf = (replica: Replica<Tables>): string[] => [...replica.table('QoS').values()].map((row) => row.type).sort()

describe('a standalone database', () => {
  test('restarted unchanged while monitored yields no change at all', async () => {
    const server = await lab.vswitch('ovs')
    const { client, changes } = follow([server.remote])
    await client.connected()
    await insert(client, 'a', 'b', 'c')
    changes.length = 0
    await server.stop()
    await until('the loss is noticed', () => client.connection === null)
    await server.start()
    await client.connected()
    expect(changes).toEqual([])
    expect(typesOf(client.replica)).toEqual(['a', 'b', 'c'])
  })

  test('changed while the server was away yields exactly those changes', async () => {
    const server = await lab.vswitch('ovs')
    const { client, changes } = follow([server.remote])
    await client.connected()
    await insert(client, 'a', 'b', 'c')
    changes.length = 0
    await server.stop('SIGKILL')
    await until('the loss is noticed', () => client.connection === null)
    const operations = [
      'Open_vSwitch',
      { op: 'delete', table: 'QoS', where: [['type', '==', 'a']] },
      { op: 'update', table: 'QoS', where: [['type', '==', 'b']], row: { type: 'B' } },
      { op: 'insert', table: 'QoS', row: { type: 'd' } },
    ]
    await run('ovsdb-tool', ['transact', server.file, JSON.stringify(operations)])
    await server.start()
    await client.connected()
    expect(changes.sort()).toEqual(['- > d', 'a > -', 'b > B'])
    await insert(client, 'e')
    expect(typesOf(client.replica)).toEqual(['B', 'c', 'd', 'e'])
  })

  test('a transaction in flight when the server dies rejects: nobody knows its outcome', async () => {
    const server = await lab.vswitch('ovs')
    const { client } = follow([server.remote])
    await client.connected()
    const tx = new Transaction(Db)
    tx.wait('QoS', {
      where: [],
      columns: ['type'],
      until: '==',
      rows: [{ type: 'never' }],
      timeoutMilliseconds: 'forever',
    })
    const [outcome] = await Promise.allSettled([client.transact(tx), server.stop('SIGKILL')])
    expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'connection-lost' } })
    await expect(client.transact(tx)).rejects.toMatchObject({ code: 'connection-lost' })
  })

  test('converted to another schema is followed: the monitor is canceled, and begins anew', async () => {
    const schema = (...columns: string[]): object => ({
      name: 'small',
      version: '1.0.0',
      tables: {
        T: {
          isRoot: true,
          columns: Object.fromEntries(columns.map((column) => [column, { type: { key: 'string', min: 0, max: 1 } }])),
        },
      },
    })
    await writeFile(lab.path('small.ovsschema'), JSON.stringify(schema('a')))
    await run('ovsdb-tool', ['create', lab.path('small.db'), lab.path('small.ovsschema')])
    const server = await lab.serve('small', lab.path('small.db'))
    const Small = database('small', { T: { a: optional(string) } })
    const changes: unknown[] = []
    const client = new Client({
      remotes: [server.remote],
      database: Small,
      backoff: { minMilliseconds: 10 },
      onChanges: (list) => changes.push(...list),
    })
    lab.defer(() => client.close())
    const first = await client.connected()
    const tx = new Transaction(Small)
    tx.insert('T', { a: 'x' })
    await client.transact(tx)
    changes.length = 0
    await (await dial(server.remote)).convert('small', schema('a', 'b') as never)
    expect((await first.closed).code).toBe('database-unavailable')
    await client.connected()
    expect(changes).toEqual([])
    expect([...client.replica.table('T').values()].map(({ a }) => a)).toEqual(['x'])
  })

  test('the wrong schema and a missing database are reported and tried again, not thrown', async () => {
    const server = await lab.vswitch('ovs')
    const wrongs: [Database, string][] = [
      [database('Open_vSwitch', { QoS: { colour: scalar(string) } }), 'schema-mismatch'],
      [database('Nowhere', { T: { a: scalar(string) } }), 'database-missing'],
    ]
    for (const [wrong, code] of wrongs) {
      const codes: string[] = []
      const client = new Client({
        remotes: [server.remote],
        database: wrong,
        backoff: { minMilliseconds: 1, maxMilliseconds: 1 },
        onStatus: (status) => {
          if (status.kind === 'waiting') codes.push(status.error.code)
        },
      })
      await until('two attempts', () => codes.length >= 2)
      await client.close()
      expect(new Set(codes)).toEqual(new Set([code]))
    }
  })
})

describe('a cluster of three', () => {
  let members: OvsdbServer[]

  /** Three members on loopback ports that the system chose. */
  beforeEach(async () => {
    const ports = await freePorts(3)
    const address = (i: number): string => `tcp:127.0.0.1:${ports[i]}`
    const file = (i: number): string => lab.path(`m${i}.db`)
    await run('ovsdb-tool', ['create-cluster', file(0), vswitchSchema, address(0)])
    members = [await lab.serve('m0', file(0))]
    for (const i of [1, 2]) {
      await run('ovsdb-tool', ['join-cluster', file(i), 'Open_vSwitch', address(i), address(0)])
      members.push(await lab.serve(`m${i}`, file(i)))
      await run('ovsdb-client', ['-t', '30', 'wait', members[i]?.remote ?? '', 'Open_vSwitch', 'connected'])
    }
  })

  async function leader(): Promise<OvsdbServer> {
    let found: OvsdbServer | undefined
    await until('the cluster has a leader', async () => {
      for (const member of members) {
        const status = await member.control('cluster/status', 'Open_vSwitch').catch(() => '')
        if (/^Role: leader$/m.test(status)) found = member
      }
      return found !== undefined
    })
    return found as OvsdbServer
  }

  test('is used through its leader, and through the next one when that is killed, without a spurious change', async () => {
    const first = await leader()
    // The leader last: the client has to be turned away by the followers.
    const remotes = [...members.filter((member) => member !== first), first].map((member) => member.remote)
    const { client, changes, statuses } = follow(remotes)
    await client.connected()
    expect(statuses.at(-1)).toEqual({ kind: 'connected', remote: first.remote })
    expect(statuses.slice(0, -1).map((status) => status.kind === 'waiting' && status.error.code)).toEqual([
      'database-unavailable',
      'database-unavailable',
    ])
    await insert(client, 'a', 'b')
    changes.length = 0

    await first.stop('SIGKILL')
    members = members.filter((member) => member !== first)
    await until('the loss is noticed', () => client.connection === null)
    await client.connected()
    const second = await leader()
    expect(statuses.at(-1)).toEqual({ kind: 'connected', remote: second.remote })
    expect(changes).toEqual([])
    await insert(client, 'c')
    await update(client, 'a', 'A')
    expect(changes).toEqual(['- > c', 'a > A'])
    expect(typesOf(client.replica)).toEqual(['A', 'b', 'c'])
  })

  test('a leader that hands over its leadership is left at once', async () => {
    const first = await leader()
    const { client, changes } = follow(members.map((member) => member.remote))
    const connection = await client.connected()
    await insert(client, 'a')
    changes.length = 0
    // SIGTERM makes a leader transfer its leadership before it ends.
    await first.stop('SIGTERM')
    await connection.closed
    members = members.filter((member) => member !== first)
    await client.connected()
    await insert(client, 'b')
    expect(changes).toEqual(['- > b'])
  })

  test('serves from a follower who does not insist on the leader, and forwards the transactions', async () => {
    const at = await leader()
    const follower = members.find((member) => member !== at) as OvsdbServer
    const { client: elsewhere } = follow([at.remote])
    await elsewhere.connected()
    const client = new Client({ remotes: [follower.remote], database: Db, leaderOnly: false })
    lab.defer(() => client.close())
    await client.connected()
    await insert(client, 'by a follower')
    await elsewhere.connection?.echo()
    expect(typesOf(elsewhere.replica)).toEqual(['by a follower'])
  })

  test('is not left for another cluster with a database of the same name', async () => {
    const other = lab.path('other.db')
    const [port] = await freePorts(1)
    await run('ovsdb-tool', ['create-cluster', other, vswitchSchema, `tcp:127.0.0.1:${port}`])
    const alone = await lab.serve('other', other)
    const at = await leader()
    const { client, statuses } = follow([at.remote, alone.remote, at.remote])
    await client.connected()
    const messages = (): string[] =>
      statuses.flatMap((status) => (status.kind === 'waiting' ? [status.error.message] : []))
    await at.stop('SIGKILL')
    members = members.filter((member) => member !== at)
    await until('the other cluster was tried and refused', () =>
      messages().some((message) => message.includes('is of cluster')),
    )
    expect(typesOf(client.replica)).toEqual([])
  })

  test('sends after a reconnection only what came after the last transaction that the replica holds', async () => {
    const at = await leader()
    const { client } = follow([at.remote])
    await client.connected()
    await insert(client, ...Array.from({ length: 50 }, (_, i) => `t${i}`))
    // The server's history never holds more than its database does, so the transaction to resume from is a small one.
    await insert(client, 'small')

    const replica = new Replica(Db)
    const connect = async () => {
      const connection = await dial(at.remote)
      let reply: unknown
      await connection.monitor('monitor_cond_since', 'm', replica.monitorParams('monitor_cond_since', 'm'), {
        onReply: (result) => {
          reply = result
          replica.applyReply('monitor_cond_since', result)
        },
        onUpdate: (method, params) => replica.applyUpdate(method, params),
        onCanceled: () => {},
      })
      connection.close()
      return reply as [boolean, string, { QoS?: object }]
    }
    const [found, , all] = await connect()
    expect([found, Object.keys(all.QoS ?? {}).length]).toEqual([false, 51])
    await insert(client, 'one more')
    await update(client, 't7', 'seven')
    const [resumed, last, missed] = await connect()
    expect([resumed, last]).toEqual([true, client.replica.lastTransaction])
    expect(Object.values(missed.QoS ?? {})).toHaveLength(2)
    expect(typesOf(replica)).toEqual(typesOf(client.replica))
  })
})

/** Ports free a moment ago. RAFT addresses are written into the database, so the server cannot choose them. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) => {
          server.listen(0, '127.0.0.1', () => {
            const address = server.address()
            resolve(typeof address === 'object' && address ? address.port : 0)
          })
        }),
    ),
  )
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

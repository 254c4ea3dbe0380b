// Every transport in both directions against real ovsdb-servers; probes, back-pressure and peers that mean harm.
import { createServer, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  Client,
  dial,
  listen,
  OpenVSwitch,
  pick,
  Replica,
  synchronize,
  Transaction,
  type Connection,
  type TlsIdentity,
} from '../../ovsdb/index.ts'
import { makeAuthority, readIdentity } from '../lab/certificates.ts'
import { Lab, type OvsdbServer } from '../lab/ovsdb.ts'
import { until } from '../lab/run.ts'

const Db = pick(OpenVSwitch, { Open_vSwitch: ['external_ids', 'manager_options'], Manager: '*', QoS: ['type'] })
type Tables = (typeof Db)['tables']
const managers = '--remote=db:Open_vSwitch,Open_vSwitch,manager_options'

let lab: Lab
beforeEach(async () => {
  lab = await Lab.open()
})
afterEach(async () => {
  await lab.close()
})

/** A certificate authority and one identity signed by it, for both ends. */
async function certify(name: string): Promise<{ tls: TlsIdentity; args: string[] }> {
  const issue = await makeAuthority(lab.folder, `${name}-ca`)
  const files = await issue(name)
  const { key, certificate, authority } = files
  return {
    tls: await readIdentity(files),
    args: [`--private-key=${key}`, `--certificate=${certificate}`, `--ca-cert=${authority}`],
  }
}

/** Commits a row over the connection and sees it arrive in the replica that the connection feeds. */
async function works(connection: Connection, replica = new Replica(Db)): Promise<void> {
  await synchronize(connection, replica, { onChanges: () => {} })
  const tx = new Transaction(Db)
  const row = tx.insert('QoS', { type: 'works' })
  const outcome = await connection.transact(tx)
  if (outcome.kind === 'failed') throw new Error(JSON.stringify(outcome.error))
  expect(replica.table('QoS').get(outcome.results.get(row))?.type).toBe('works')
}

describe('active connections', () => {
  test('over unix and tcp work', async () => {
    const server = await lab.vswitch('ovs', '--remote=ptcp:0:127.0.0.1')
    for (const remote of [server.remote, `tcp:127.0.0.1:${await server.chosenPort()}`]) {
      const connection = await dial(remote)
      await works(connection)
      connection.close()
    }
  })

  test('over ssl work, and a peer that another authority signed is refused both ways', async () => {
    const { tls, args } = await certify('good')
    const stranger = await certify('stranger')
    const server = await lab.vswitch('ovs', '--remote=pssl:0:127.0.0.1', ...args)
    const remote = `ssl:127.0.0.1:${await server.chosenPort()}`
    const connection = await dial(remote, { tls })
    await works(connection)
    connection.close()
    // We do not trust the server.
    await expect(dial(remote, { tls: { ...tls, authority: stranger.tls.authority } })).rejects.toMatchObject({
      code: 'connect-failed',
    })
    // The server does not trust us: in TLS 1.3 that shows after our side of the handshake.
    const distrusted = await dial(remote, { tls: { ...stranger.tls, authority: tls.authority } })
    expect((await distrusted.closed).code).toBe('connection-lost')
    await expect(dial(remote)).rejects.toMatchObject({ code: 'bad-argument' })
  })

  test('to nobody fail with one typed error', async () => {
    await expect(dial(`unix:${lab.path('nobody')}`)).rejects.toMatchObject({ code: 'connect-failed' })
    await expect(dial('tcp:127.0.0.1:1')).rejects.toMatchObject({ code: 'connect-failed' })
  })
})

describe('passive connections', () => {
  /** Waits for a host to come, and replicates it. */
  async function accept(
    server: OvsdbServer,
    passive: string,
    target: (port: number) => string,
    tls?: TlsIdentity,
  ): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<Connection>()
    const listener = await listen(passive, tls ? { tls } : {}, resolve)
    lab.defer(() => listener.close())
    await server.vsctl('set-manager', target(listener.port ?? 0))
    const connection = await promise
    lab.defer(() => connection.close())
    const replica = new Replica(Db)
    await works(connection, replica)
    const connected = (): boolean => [...replica.table('Manager').values()].some((manager) => manager.is_connected)
    await until('the host says that it is connected', connected)
  }

  test('a host comes over tcp as set-manager tells it', async () => {
    const server = await lab.vswitch('ovs', managers)
    await accept(server, 'ptcp:0:127.0.0.1', (port) => `tcp:127.0.0.1:${port}`)
  })

  test('a host comes over a unix socket', async () => {
    const server = await lab.vswitch('ovs', managers)
    const path = lab.path('controller.sock')
    await accept(server, `punix:${path}`, () => `unix:${path}`)
  })

  test('a host comes over ssl', async () => {
    const { tls, args } = await certify('good')
    const server = await lab.vswitch('ovs', managers, ...args)
    await accept(server, 'pssl:0:127.0.0.1', (port) => `ssl:127.0.0.1:${port}`, tls)
  })

  test('closing a listener does not wait for its connections, which live on', async () => {
    const server = await lab.vswitch('ovs', managers)
    const { promise, resolve } = Promise.withResolvers<Connection>()
    const listener = await listen('ptcp:0:127.0.0.1', {}, resolve)
    await server.vsctl('set-manager', `tcp:127.0.0.1:${listener.port}`)
    const connection = await promise
    lab.defer(() => connection.close())
    await listener.close()
    await works(connection, new Replica(Db))
  })

  test('a host that comes back after a restart finds its replica, which yields only what changed', async () => {
    const server = await lab.vswitch('ovs', managers)
    const replica = new Replica(Db)
    const changes: string[] = []
    let synchronized = 0
    const listener = await listen('ptcp:0:127.0.0.1', {}, (connection) => {
      lab.defer(() => connection.close())
      const onChanges = (list: readonly { table: string; before: unknown; after: unknown }[]): void => {
        for (const { table, before, after } of list)
          changes.push(`${table} ${before ? 'old' : '-'} ${after ? 'new' : '-'}`)
      }
      synchronize(connection, replica, { onChanges }).then(
        () => (synchronized += 1),
        () => {},
      )
    })
    lab.defer(() => listener.close())
    await server.vsctl('set-manager', `tcp:127.0.0.1:${listener.port}`)
    await until('the host came', () => synchronized === 1)
    await server.vsctl('--id=@q', 'create', 'qos', 'type=kept')
    await until('the row is there', () => changes.includes('QoS - new'))
    changes.length = 0
    await server.stop()
    await server.start()
    await until('the host came back', () => synchronized === 2)
    // Manager.is_connected and .status are the server's own news.
    expect(changes.filter((change) => !change.startsWith('Manager old new'))).toEqual([])
  })
})

describe('inactivity', () => {
  test('the probes of the server are answered', async () => {
    const server = await lab.vswitch('ovs', managers)
    await server.control('vlog/set', 'jsonrpc:file:dbg')
    const { promise, resolve } = Promise.withResolvers<Connection>()
    const listener = await listen('ptcp:0:127.0.0.1', { probeMilliseconds: 0 }, resolve)
    lab.defer(() => listener.close())
    await server.vsctl(
      'set-manager',
      `tcp:127.0.0.1:${listener.port}`,
      '--',
      'set',
      'manager',
      `tcp:127.0.0.1:${listener.port}`,
      'inactivity_probe=1000',
    )
    const connection = await promise
    lab.defer(() => connection.close())
    const answers = async (): Promise<number> =>
      (await server.log()).match(/received reply, result=\[\], id="echo"/g)?.length ?? 0
    await until('two probes were answered', async () => (await answers()) >= 2)
    expect(connection.failure).toBeNull()
  })

  test('a server that falls silent is given up, and found again when it speaks', async () => {
    const server = await lab.vswitch('ovs')
    const errors: string[] = []
    const client = new Client({
      remotes: [server.remote],
      database: Db,
      probeMilliseconds: 200,
      backoff: { minMilliseconds: 10 },
      onStatus: (status) => {
        if (status.kind === 'waiting') errors.push(status.error.code)
      },
    })
    lab.defer(() => client.close())
    const connection = await client.connected()
    server.signal('SIGSTOP')
    expect((await connection.closed).code).toBe('inactive')
    server.signal('SIGCONT')
    await client.connected()
    expect(errors[0]).toBe('inactive')
  })

  test('an idle server that answers our probes stays connected', async () => {
    const server = await lab.vswitch('ovs')
    await server.control('vlog/set', 'jsonrpc:file:dbg')
    const connection = await dial(server.remote, { probeMilliseconds: 100 })
    const probes = async (): Promise<number> =>
      (await server.log()).match(/received request, method="echo"/g)?.length ?? 0
    await until('three probes', async () => (await probes()) >= 3)
    expect(connection.failure).toBeNull()
    connection.close()
  })
})

describe('back-pressure', () => {
  test('calls to a server that does not read are refused once the queue is full, and the others are answered', async () => {
    const server = await lab.vswitch('ovs')
    const maxQueuedBytes = 1 << 20
    const connection = await dial(server.remote, { maxQueuedBytes, probeMilliseconds: 0 })
    server.signal('SIGSTOP')
    const payload = 'x'.repeat(100_000)
    const calls: Promise<string>[] = []
    let last = 'answered'
    while (last !== 'send-queue-full' && calls.length < 200) {
      const call = connection.echo([payload]).then(
        () => 'answered',
        (error: { code: string }) => error.code,
      )
      calls.push(call)
      // A refused call is settled at once, one that waits for the server is not.
      last = await Promise.race([call, new Promise<string>((resolve) => setImmediate(resolve, 'waiting'))])
    }
    server.signal('SIGCONT')
    const outcomes = await Promise.all(calls)
    expect(outcomes.at(-1)).toBe('send-queue-full')
    expect(new Set(outcomes.slice(0, -1))).toEqual(new Set(['answered']))
    expect(outcomes.length).toBeGreaterThan(10)
    await connection.echo()
    connection.close()
  })

  test('a paused connection takes nothing in, and everything once it goes on', async () => {
    const server = await lab.vswitch('ovs')
    const reader = await dial(server.remote)
    const replica = new Replica(Db)
    let updates = 0
    await synchronize(reader, replica, { onChanges: () => (updates += 1) })
    updates = 0
    reader.pause()
    const writer = await dial(server.remote)
    for (let i = 0; i < 50; i++) {
      const tx = new Transaction(Db)
      for (let j = 0; j < 20; j++) tx.insert('QoS', { type: `${i}.${j} ${'x'.repeat(1000)}` })
      expect((await writer.transact(tx)).kind).toBe('committed')
    }
    expect([updates, replica.table('QoS').size]).toEqual([0, 0])
    reader.resume()
    await reader.echo()
    expect(replica.table('QoS').size).toBe(1000)
    reader.close()
    writer.close()
  })
})

describe('a hostile server', () => {
  /** Listens and does as told with whoever connects. */
  async function hostile(behave: (socket: Socket) => void): Promise<string> {
    const path = lab.path('hostile.sock')
    const sockets = new Set<Socket>()
    const server = createServer((socket) => {
      sockets.add(socket)
      socket.on('error', () => {})
      behave(socket)
    })
    await new Promise<void>((resolve) => server.listen(path, resolve))
    lab.defer(() => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })
    return `unix:${path}`
  }

  test.each<[string, (socket: Socket) => void, string]>([
    ['speaks HTTP', (socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'), 'bad-json'],
    ['nests without end', (socket) => socket.write(`{"a":${'['.repeat(100_000)}`), 'message-too-deep'],
    ['never ends a message', (socket) => flood(socket, '{"a":"', 'x'.repeat(65536)), 'message-too-large'],
    ['answers what nobody asked', (socket) => socket.write('{"id":99,"result":[],"error":null}'), 'unexpected-reply'],
    ['sends broken UTF-8', (socket) => socket.write(Buffer.from('{"method":"\xff"}', 'latin1')), 'bad-utf8'],
    ['hangs up', (socket) => socket.end(), 'connection-lost'],
  ])('that %s ends its own connection with a typed error; another is not disturbed', async (_name, behave, code) => {
    const good = await lab.vswitch('good')
    const other = await dial(good.remote)
    const connection = await dial(await hostile(behave), { limits: { maxBytes: 1 << 20 } })
    expect((await connection.closed).code).toBe(code)
    await works(other)
    other.close()
  })

  test('that asks without reading the answers is not read either', async () => {
    let taken = 0
    let stalled = false
    const remote = await hostile((socket) => {
      const message = `{"id":1,"method":"echo","params":["${'x'.repeat(60_000)}"]}`
      const push = (): void => {
        while (taken < 1 << 28) {
          taken += message.length
          if (!socket.write(message)) {
            const before = taken
            setTimeout(() => (stalled = stalled || taken === before), 500)
            socket.once('drain', push)
            return
          }
        }
      }
      push()
    })
    const connection = await dial(remote, { maxQueuedBytes: 1 << 20, probeMilliseconds: 0 })
    await until('the flood stands still', () => stalled)
    // What fits into our queue and the buffers of the system, and no more.
    expect(taken).toBeLessThan(16 << 20)
    expect(connection.failure).toBeNull()
    connection.close()
  })

  test('a client keeps trying a server that speaks nonsense, and throws nothing', async () => {
    const codes: string[] = []
    const client = new Client<Tables>({
      remotes: [await hostile((socket) => socket.write('nonsense'))],
      database: Db,
      backoff: { minMilliseconds: 1, maxMilliseconds: 2 },
      onStatus: (status) => {
        if (status.kind === 'waiting') codes.push(status.error.code)
      },
    })
    await until('five attempts', () => codes.length >= 5)
    await client.close()
    expect(new Set(codes)).toEqual(new Set(['bad-json']))
  })

  /** Writes `start`, then `more` for as long as it is taken. */
  function flood(socket: Socket, start: string, more: string): void {
    socket.write(start)
    const push = (): void => {
      while (!socket.destroyed && socket.write(more));
      socket.once('drain', push)
    }
    push()
  }
})

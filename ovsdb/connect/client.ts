// A database client that stays connected: tries its remotes in turn until one serves the database (of a cluster: the
// leader), synchronizes the replica over it, and begins again whenever the connection ends. The replica outlives
// connections, so what the caller sees of a reconnection is only what changed meanwhile.
import type { Connection } from '../connection.ts'
import { asOvsdbError, OvsdbError } from '../errors.ts'
import { Replica, type ReplicaOptions, type RowChange, type Where } from '../replica.ts'
import type { Database, Tables } from '../schema/database.ts'
import { synchronize, type ClusterMemory, type Synchronized } from '../synchronize.ts'
import type { Outcome, Transaction } from '../transaction.ts'
import { Backoff, type BackoffOptions } from './backoff.ts'
import { dial, type SocketOptions } from './socket.ts'

export type ClientStatus =
  | { readonly kind: 'connected'; readonly remote: string }
  /** `error` ended the connection or the attempt; the next attempt is `retryMilliseconds` away. */
  | {
      readonly kind: 'waiting'
      readonly remote: string
      readonly error: OvsdbError
      readonly retryMilliseconds: number
    }
  | { readonly kind: 'closed' }

export interface ClientOptions<T extends Tables> extends SocketOptions {
  /** Limits of the replica. */
  readonly replica?: ReplicaOptions
  /** tcp:HOST:PORT, ssl:HOST:PORT, unix:PATH; all members of a cluster. */
  readonly remotes: readonly string[]
  readonly database: Database<T>
  readonly where?: Where<T>
  readonly onChanges?: (changes: readonly RowChange<T>[]) => void
  readonly onStatus?: (status: ClientStatus) => void
  /** Default true: only a leader's answers are current, and its transactions need no extra hop. */
  readonly leaderOnly?: boolean
  readonly backoff?: BackoffOptions
}

export class Client<T extends Tables> {
  readonly replica: Replica<T>
  readonly #options: ClientOptions<T>
  readonly #stop = new AbortController()
  readonly #backoff: Backoff
  readonly #cluster: ClusterMemory = { cid: null, index: 0 }
  #current: { readonly connection: Connection; readonly synchronized: Synchronized<T> } | null = null
  #whenConnected = Promise.withResolvers<Connection>()
  readonly #running: Promise<void>

  constructor(options: ClientOptions<T>) {
    if (options.remotes.length === 0) throw new OvsdbError('bad-argument', 'a client needs a remote')
    this.#options = options
    this.replica = new Replica(options.database, options.where, options.replica)
    this.#backoff = new Backoff(options.backoff ?? {}, Math.random)
    this.#whenConnected.promise.catch(() => {})
    this.#running = this.#run()
  }

  /** The synchronized connection, for everything a Client does not wrap (locks, other databases); null while there is none. */
  get connection(): Connection | null {
    return this.#current?.connection ?? null
  }

  /** Settles when the replica is synchronized, at once if it is; rejects with 'closed' after close(). */
  connected(): Promise<Connection> {
    return this.#whenConnected.promise
  }

  /**
   * Sends the transaction over the present connection. Rejects with OvsdbError 'connection-lost' when there is none
   * (it was not sent) and with what ended the connection when that happens before the reply: it may then have been
   * committed or not, as the replica will show.
   */
  transact(transaction: Transaction<T>, signal?: AbortSignal): Promise<Outcome> {
    if (!this.#current) return Promise.reject(new OvsdbError('connection-lost', 'not connected to the database'))
    return this.#current.connection.transact(transaction, signal)
  }

  /** Replicates other rows from now on; settles when the replica holds them. */
  async changeWhere(where: Where<T>): Promise<void> {
    if (!this.#current) throw new OvsdbError('connection-lost', 'not connected to the database')
    await this.#current.synchronized.changeWhere(where)
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { remotes } = this.#options
    for (let attempt = 0; !this.#stop.signal.aborted; attempt++) {
      const remote = remotes[attempt % remotes.length] as string
      const error = await this.#serve(remote)
      if (this.#stop.signal.aborted) break
      // The other members of a cluster are tried at once; only a whole round without success waits.
      const roundDone = attempt % remotes.length === remotes.length - 1
      const retryMilliseconds = roundDone ? this.#backoff.next() : 0
      this.#options.onStatus?.({ kind: 'waiting', remote, error, retryMilliseconds })
      await sleep(retryMilliseconds, this.#stop.signal)
    }
    this.#whenConnected.reject(new OvsdbError('closed', 'the client was closed'))
    this.#options.onStatus?.({ kind: 'closed' })
  }

  /** One connection from beginning to end; returns why it ended. */
  async #serve(remote: string): Promise<OvsdbError> {
    let connection: Connection | null = null
    const close = (): void => connection?.close()
    try {
      connection = await dial(remote, this.#options, this.#stop.signal)
      this.#stop.signal.addEventListener('abort', close)
      const synchronized = await synchronize(connection, this.replica, {
        leaderOnly: this.#options.leaderOnly ?? true,
        cluster: this.#cluster,
        onChanges: (changes) => this.#options.onChanges?.(changes),
      })
      if (connection.failure) return connection.failure
      this.#current = { connection, synchronized }
      this.#backoff.reset()
      this.#whenConnected.resolve(connection)
      this.#options.onStatus?.({ kind: 'connected', remote })
      return await connection.closed
    } catch (error) {
      return asOvsdbError(error, 'handler-failed')
    } finally {
      connection?.close()
      this.#stop.signal.removeEventListener('abort', close)
      if (this.#current) {
        this.#current = null
        this.#whenConnected = Promise.withResolvers<Connection>()
        this.#whenConnected.promise.catch(() => {})
      }
    }
  }
}

function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (milliseconds === 0 || signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const timer = setTimeout(done, milliseconds)
    signal.addEventListener('abort', done)
    function done(): void {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
  })
}

// One connection to a database server: the methods of RFC 7047 §4.1 and of ovsdb-server(7) §4.1 as promises over a
// Session. It knows nothing of sockets: connect/ gives it a Link to write to and feeds it bytes and time. Whatever the
// peer does wrong ends in fail(): one error, every open call rejected with it, the link closed.
import { asOvsdbError, OvsdbError } from './errors.ts'
import { clip, isArray, isObject, type Json } from './rpc/message.ts'
import { Session, type SessionEvent, type SessionOptions } from './rpc/session.ts'
import { checkSchema, SchemaMismatchError } from './schema/check.ts'
import type { Database, Tables } from './schema/database.ts'
import type { Outcome, Transaction } from './transaction.ts'
import { toTransactionError } from './transaction-error.ts'

/** What a Connection needs of a socket. */
export interface Link {
  /** "tcp:192.0.2.1:6640" or the like, for messages. */
  readonly peer: string
  /** Our end's IP address, which is where the peer can reach us; null on a Unix socket. */
  readonly localAddress: string | null
  /** The peer's IP address; null on a Unix socket. */
  readonly remoteAddress: string | null
  /** Bytes written and not yet taken by the operating system. */
  readonly queuedBytes: number
  write(text: string): void
  /** Stops and restarts the flow of bytes to us. */
  pause(): void
  resume(): void
  close(): void
}

export interface ConnectionOptions extends SessionOptions {
  /**
   * Above this, calls are refused with 'send-queue-full'. A peer that owes us the reading of as much in answers to its own
   * requests is not read either until it has.
   */
  readonly maxQueuedBytes?: number
}

/** Where a notification that names a monitor goes (RFC 7047 §4.1.6). */
export type UpdateHandler = (method: 'update' | 'update2' | 'update3', params: readonly Json[]) => void

export type LockEvent = { readonly kind: 'locked' | 'stolen'; readonly lock: string }

interface Pending {
  readonly resolve: (result: Json) => void
  readonly reject: (error: OvsdbError) => void
  /** Given a reply, runs at once and in order with the updates around it; promises settle later. */
  readonly onResult: ((result: Json) => void) | null
}

/** The server's "error" reply to a request (JSON-RPC 1.0 §1.2). */
export class RequestError extends OvsdbError {
  readonly error: Json

  constructor(method: string, error: Json) {
    super('request-failed', `${method}: ${clip(typeof error === 'string' ? error : JSON.stringify(error))}`)
    this.name = 'RequestError'
    this.error = error
  }
}

const defaultMaxQueuedBytes = 16 * 1024 * 1024

export class Connection {
  readonly peer: string
  readonly localAddress: string | null
  readonly remoteAddress: string | null
  readonly #link: Link
  readonly #session: Session
  readonly #maxQueuedBytes: number
  readonly #calls = new Map<number, Pending & { readonly method: string }>()
  readonly #monitors = new Map<string, { onUpdate: UpdateHandler; onCanceled: () => void }>()
  readonly #lockListeners = new Set<(event: LockEvent) => void>()
  #failure: OvsdbError | null = null
  #pausedByCaller = false
  #answeredWhenEmpty = 0
  readonly closed: Promise<OvsdbError>
  #resolveClosed!: (error: OvsdbError) => void

  constructor(link: Link, now: number, options: ConnectionOptions = {}) {
    this.peer = link.peer
    this.localAddress = link.localAddress
    this.remoteAddress = link.remoteAddress
    this.#link = link
    this.#session = new Session(now, options)
    this.#maxQueuedBytes = options.maxQueuedBytes ?? defaultMaxQueuedBytes
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
  }

  // --- for the shell ---

  receive(bytes: Buffer, now: number): void {
    this.#guard(() => this.#session.receive(bytes, now, (event) => this.#handle(event)))
  }

  /** When tick() wants to be called. */
  get deadline(): number {
    return this.#failure ? Infinity : this.#session.deadline
  }

  tick(now: number): void {
    this.#guard(() => this.#session.tick(now))
  }

  /** The link's queue has emptied. */
  drained(): void {
    this.#answeredWhenEmpty = this.#session.answered
    if (!this.#failure && !this.#pausedByCaller) this.#link.resume()
  }

  /** Ends the connection; the first reason counts. */
  fail(error: OvsdbError): void {
    if (this.#failure) return
    this.#failure = error
    this.#link.close()
    for (const call of this.#calls.values()) call.reject(error)
    this.#calls.clear()
    this.#monitors.clear()
    this.#lockListeners.clear()
    this.#resolveClosed(error)
  }

  // --- for the caller ---

  get failure(): OvsdbError | null {
    return this.#failure
  }

  close(): void {
    this.fail(new OvsdbError('closed', 'the connection was closed by this side'))
  }

  /** Back-pressure by hand: while paused nothing is read, so the server queues (and in the end drops) what it has to say. */
  pause(): void {
    this.#pausedByCaller = true
    this.#link.pause()
  }

  resume(): void {
    this.#pausedByCaller = false
    if (!this.#failure && !this.#owesTooMuch()) this.#link.resume()
  }

  /** Any request. Rejects with RequestError when the server refuses it. */
  call(method: string, params: readonly Json[], onResult: ((result: Json) => void) | null = null): Promise<Json> {
    return this.#send(method, params, onResult).reply
  }

  /** Says something that has no answer, as a server tells of changes (RFC 7047 §4.1.6). */
  notify(method: string, params: readonly Json[]): void {
    if (this.#failure) return
    this.#session.notify(method, params)
    this.#flush()
  }

  /** RFC 7047 §4.1.1. */
  async listDatabases(): Promise<string[]> {
    const result = await this.call('list_dbs', [])
    if (isArray(result) && result.every((name) => typeof name === 'string')) return result as string[]
    throw this.#broken('list_dbs did not reply a list of names')
  }

  /** RFC 7047 §4.1.2. */
  getSchema(database: string): Promise<Json> {
    return this.call('get_schema', [database])
  }

  /** Rejects with SchemaMismatchError unless the server's schema is what `database` declares. */
  async checkSchema(database: Database): Promise<void> {
    const mismatches = checkSchema(database, await this.getSchema(database.name))
    if (mismatches.length > 0) throw new SchemaMismatchError(database.name, mismatches)
  }

  /**
   * RFC 7047 §4.1.3. Resolves to the outcome, failed or committed; rejects only when the reply cannot arrive any more,
   * and then nobody knows whether the transaction was committed. Aborting the signal sends `cancel` (§4.1.4): a waiting
   * transaction then fails with 'canceled'; one that a cluster is replicating may still be committed.
   */
  async transact<T extends Tables>(transaction: Transaction<T>, signal?: AbortSignal): Promise<Outcome> {
    signal?.throwIfAborted()
    const { id, reply } = this.#send('transact', transaction.params(), null)
    const cancel = (): void => this.#cancel(id)
    signal?.addEventListener('abort', cancel)
    try {
      const result = await reply
      try {
        return transaction.outcome(result)
      } catch (error) {
        throw this.#broken(asOvsdbError(error, 'bad-message').message)
      }
    } catch (error) {
      if (error instanceof RequestError) return { kind: 'failed', error: toTransactionError(error.error, null) }
      throw error
    } finally {
      signal?.removeEventListener('abort', cancel)
    }
  }

  /** Starts a monitor (RFC 7047 §4.1.5, ovsdb-server(7) §4.1.12, .15). `onReply` runs before any update. */
  async monitor(
    method: 'monitor' | 'monitor_cond' | 'monitor_cond_since',
    id: Json,
    params: readonly Json[],
    handlers: { onReply: (result: Json) => void; onUpdate: UpdateHandler; onCanceled: () => void },
  ): Promise<void> {
    const key = JSON.stringify(id)
    if (this.#monitors.has(key)) throw new OvsdbError('bad-argument', `this connection already has a monitor ${key}`)
    this.#monitors.set(key, handlers)
    try {
      await this.call(method, params, handlers.onReply)
    } catch (error) {
      this.#monitors.delete(key)
      throw error
    }
  }

  /** RFC 7047 §4.1.7. */
  async monitorCancel(id: Json): Promise<void> {
    await this.call('monitor_cancel', [id])
    this.#monitors.delete(JSON.stringify(id))
  }

  /** RFC 7047 §4.1.8: true when this connection owns the lock at once; otherwise a 'locked' event follows some day. */
  lock(lock: string): Promise<boolean> {
    return this.#lock('lock', lock)
  }

  /** RFC 7047 §4.1.8: takes the lock from its owner. */
  steal(lock: string): Promise<boolean> {
    return this.#lock('steal', lock)
  }

  async unlock(lock: string): Promise<void> {
    await this.call('unlock', [lock])
  }

  /** RFC 7047 §4.1.9, §4.1.10. Returns the function that ends the subscription. */
  onLock(listener: (event: LockEvent) => void): () => void {
    this.#lockListeners.add(listener)
    return () => this.#lockListeners.delete(listener)
  }

  /** RFC 7047 §4.1.11. */
  async echo(params: readonly Json[] = []): Promise<void> {
    await this.call('echo', params)
  }

  /** ovsdb-server(7) §4.1.17. */
  async getServerId(): Promise<string> {
    const result = await this.call('get_server_id', [])
    if (typeof result === 'string') return result
    throw this.#broken('get_server_id did not reply a string')
  }

  /** ovsdb-server(7) §4.1.18. */
  async setDatabaseChangeAware(aware: boolean): Promise<void> {
    await this.call('set_db_change_aware', [aware])
  }

  /** ovsdb-server(7) §4.1.19. */
  async convert(database: string, schema: Json): Promise<void> {
    await this.call('convert', [database, schema])
  }

  async #lock(method: 'lock' | 'steal', lock: string): Promise<boolean> {
    const result = await this.call(method, [lock])
    if (isObject(result) && typeof result['locked'] === 'boolean') return result['locked']
    throw this.#broken(`${method} did not reply whether it is locked`)
  }

  #send(method: string, params: readonly Json[], onResult: Pending['onResult']): { id: number; reply: Promise<Json> } {
    if (this.#failure) return { id: -1, reply: Promise.reject(this.#failure) }
    if (this.#link.queuedBytes > this.#maxQueuedBytes) {
      const why = `${this.#link.queuedBytes} bytes wait for ${this.peer} to read them`
      return { id: -1, reply: Promise.reject(new OvsdbError('send-queue-full', why)) }
    }
    const id = this.#session.request(method, params)
    const reply = new Promise<Json>((resolve, reject) => {
      this.#calls.set(id, { resolve, reject, onResult, method })
    })
    this.#flush()
    return { id, reply }
  }

  #cancel(id: number): void {
    if (!this.#calls.has(id)) return
    this.#session.notify('cancel', [id])
    // ovsdb-server answers a canceled transaction only where set_db_change_aware is on. Requests are handled in order, so
    // once the echo behind it is answered no other answer will come.
    const settled = (): void => this.#takeCall(id)?.reject(new RequestError('transact', 'canceled'))
    this.call('echo', [], settled).catch(() => {})
  }

  #handle(event: SessionEvent): void {
    if (this.#failure) return
    switch (event.kind) {
      case 'result': {
        const call = this.#takeCall(event.id)
        if (call) settle(call, event.result)
        return
      }
      case 'error': {
        const call = this.#takeCall(event.id)
        call?.reject(new RequestError(call.method, event.error))
        return
      }
      case 'notification':
        this.#notified(event.method, event.params)
    }
  }

  #takeCall(id: number): (Pending & { readonly method: string }) | undefined {
    const call = this.#calls.get(id)
    this.#calls.delete(id)
    return call
  }

  /** Methods that we do not know are no error: newer servers may have them. */
  #notified(method: string, params: readonly Json[]): void {
    switch (method) {
      case 'update':
      case 'update2':
      case 'update3':
        // An update that was under way when its monitor was canceled finds none.
        this.#monitors.get(JSON.stringify(params[0]))?.onUpdate(method, params)
        return
      case 'monitor_canceled': {
        const key = JSON.stringify(params[0])
        const monitor = this.#monitors.get(key)
        this.#monitors.delete(key)
        monitor?.onCanceled()
        return
      }
      case 'locked':
      case 'stolen': {
        const lock = params[0]
        if (typeof lock !== 'string') throw new OvsdbError('bad-message', `${method} names no lock`)
        for (const listener of this.#lockListeners) listener({ kind: method, lock })
        return
      }
      default:
    }
  }

  /** Runs what handles the peer's bytes; what it throws ends this connection and nothing else. */
  #guard(work: () => void): void {
    if (this.#failure) return
    try {
      work()
      this.#flush()
    } catch (error) {
      this.fail(asOvsdbError(error, 'handler-failed'))
    }
  }

  #flush(): void {
    if (this.#failure) return
    for (const text of this.#session.takeOutput()) this.#link.write(text)
    if (this.#owesTooMuch()) this.#link.pause()
  }

  /**
   * A peer that asks without reading the answers. Our own calls must not count: ovsdb-server reads no request while
   * replies of its own are queued, so if we then read no replies, both would wait for ever.
   */
  #owesTooMuch(): boolean {
    if (this.#link.queuedBytes === 0) this.#answeredWhenEmpty = this.#session.answered
    return this.#session.answered - this.#answeredWhenEmpty > this.#maxQueuedBytes
  }

  #broken(why: string): OvsdbError {
    const error = new OvsdbError('bad-message', why)
    this.fail(error)
    return error
  }
}

/** A reply that turns out to be malformed rejects its call too, then ends the connection. */
function settle(call: Pending, result: Json): void {
  try {
    call.onResult?.(result)
  } catch (error) {
    call.reject(asOvsdbError(error, 'handler-failed'))
    throw error
  }
  call.resolve(result)
}

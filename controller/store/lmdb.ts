// The embedded store: LMDB in this process. Requests that arrive while a commit is being written to disk share the
// next one (group commit), in the order of their arrival. Watches read the history that every transaction writes
// beside its changes, so a slow watcher costs no memory and a restart loses nothing.
import { type Database, open, type RootDatabase } from 'lmdb'
import { Leases } from './leases.ts'
import {
  checkKey,
  checkTtl,
  checkTransaction,
  CompactedError,
  type Conflict,
  type Entry,
  type Event,
  LeaseNotFoundError,
  type Operation,
  type Outcome,
  type Precondition,
  type Store,
  type Transaction,
  type Watch,
} from './store.ts'
import { WatchCursor } from './watch.ts'

export interface LmdbOptions {
  /** A folder, created if missing. One process at a time: watches hear only of changes made through this store. */
  readonly folder: string
  /** How many revisions a watch can go back. */
  readonly historyRevisions?: number
}

type Stored = Omit<Entry, 'key'>
type Meta = 'format' | 'revision' | 'compacted' | 'lease'

/** A request that waits: `run` does it inside a transaction and returns how to answer once that is on disk. */
interface Job {
  readonly run: () => () => void
  readonly fail: (error: Error) => void
}

const format = 1

export function openLmdbStore(options: LmdbOptions): Store {
  return new LmdbStore(options)
}

class LmdbStore implements Store {
  readonly #root: RootDatabase<unknown, string>
  readonly #entries: Database<Stored, Buffer>
  readonly #history: Database<readonly Event[], number>
  readonly #leaseRows: Database<number, number>
  readonly #leaseKeys: Database<true, [lease: number, key: string]>
  readonly #meta: Database<number, Meta>
  readonly #historyRevisions: number
  readonly #leases: Leases
  readonly #watches = new Set<WatchCursor>()
  #jobs: Job[] = []
  /** The commits in progress and those that follow; undefined when idle. */
  #writing: Promise<void> | undefined
  #closed = false
  /** On disk: watches go no further. */
  #revision: number

  constructor({ folder, historyRevisions = 100_000 }: LmdbOptions) {
    // overlappingSync would resolve before the data is on disk. The default map (virtual space) grows by itself.
    this.#root = open({ path: folder, noSubdir: false, overlappingSync: false, maxDbs: 5 })
    this.#entries = this.#root.openDB<Stored, Buffer>('entries', { keyEncoding: 'binary' })
    this.#history = this.#root.openDB<readonly Event[], number>('history', {})
    this.#leaseRows = this.#root.openDB<number, number>('leases', {})
    this.#leaseKeys = this.#root.openDB<true, [number, string]>('lease keys', {})
    this.#meta = this.#root.openDB<number, Meta>('meta', {})
    this.#historyRevisions = historyRevisions
    this.#checkFormat(folder)
    this.#revision = this.#meta.get('revision') ?? 0
    this.#leases = new Leases((lease) => void this.#write(() => this.#expire(lease)).catch(() => this.#retry(lease)))
    for (const { key, value } of this.#leaseRows.getRange()) this.#leases.start(key, value)
  }

  async get(key: string): Promise<Entry | undefined> {
    checkKey(key)
    return this.#find(key)
  }

  async range(prefix: string): Promise<{ revision: number; entries: readonly Entry[] }> {
    const entries: Entry[] = []
    for (const { key, value } of this.#entries.getRange(bounds(prefix))) entries.push({ key: key.toString(), ...value })
    return { revision: this.#revision, entries }
  }

  async transact(transaction: Transaction): Promise<Outcome> {
    checkTransaction(transaction)
    return this.#write(() => this.#transact(transaction))
  }

  watch(prefix: string, from?: number): Watch {
    const source = { revision: () => this.#revision, read: this.#readHistory.bind(this) }
    const watch = new WatchCursor(source, prefix, from ?? this.#revision + 1, () => this.#watches.delete(watch))
    this.#watches.add(watch)
    return watch
  }

  async grantLease(ttlSeconds: number): Promise<number> {
    checkTtl(ttlSeconds)
    const lease = await this.#write(() => {
      const id = (this.#meta.get('lease') ?? 0) + 1
      this.#meta.putSync('lease', id)
      this.#leaseRows.putSync(id, ttlSeconds)
      return id
    })
    this.#leases.start(lease, ttlSeconds)
    return lease
  }

  async keepAlive(lease: number): Promise<void> {
    if (!this.#leases.renew(lease)) throw new LeaseNotFoundError(lease)
  }

  async revokeLease(lease: number): Promise<void> {
    if (!this.#leases.stop(lease)) throw new LeaseNotFoundError(lease)
    await this.#write(() => this.#expire(lease))
  }

  /** Completes what was asked for, apply ends the watches. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#leases.close()
    await this.#writing
    for (const watch of this.#watches) watch.close()
    await this.#root.close()
  }

  /** An expiry that could not be written (the disk is full) comes again after another lifetime. */
  #retry(lease: number): void {
    const ttlSeconds = this.#leaseRows.get(lease)
    if (!this.#closed && ttlSeconds !== undefined) this.#leases.start(lease, ttlSeconds)
  }

  #checkFormat(folder: string): void {
    const found = this.#meta.get('format')
    if (found === undefined) this.#meta.putSync('format', format)
    else if (found !== format) throw new Error(`${folder} has store format ${found}; this version reads ${format}`)
  }

  #find(key: string): Entry | undefined {
    const stored = this.#entries.get(Buffer.from(key))
    return stored === undefined ? undefined : { key, ...stored }
  }

  /** Runs `run` inside a write transaction; resolves when its result is on disk. */
  #write<T>(run: () => T): Promise<T> {
    if (this.#closed) return Promise.reject(new Error('the store is closed'))
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    this.#jobs.push({ run: () => attempt(run, resolve, reject), fail: reject })
    this.#writing ??= this.#commitAll()
    return promise
  }

  async #commitAll(): Promise<void> {
    while (this.#jobs.length > 0) await this.#commitJobs()
    this.#writing = undefined
  }

  /** All that waits when the transaction begins goes into it; nobody is answered before it is on disk. */
  async #commitJobs(): Promise<void> {
    let taken: Job[] = []
    let answers: (() => void)[] = []
    try {
      const revision = await this.#root.childTransaction(() => {
        taken = this.#jobs
        this.#jobs = []
        answers = taken.map(({ run }) => run())
        return this.#current()
      })
      this.#revision = revision
      for (const answer of answers) answer()
      for (const watch of this.#watches) watch.wake()
    } catch (error) {
      for (const { fail } of taken) fail(error as Error)
    }
  }

  /** The revision as the transaction in progress sees it. */
  #current(): number {
    return this.#meta.get('revision') ?? 0
  }

  #transact({ when = [], apply }: Transaction): Outcome {
    const conflicts = when.flatMap((precondition) => this.#conflict(precondition))
    if (conflicts.length > 0) return { succeeded: false, revision: this.#current(), conflicts }
    for (const operation of apply) {
      if (operation.kind === 'put' && operation.lease !== undefined && !this.#leaseRows.doesExist(operation.lease)) {
        throw new LeaseNotFoundError(operation.lease)
      }
    }
    return { succeeded: true, revision: this.#apply(apply) }
  }

  #conflict({ key, modRevision }: Precondition): readonly Conflict[] {
    const found = this.#find(key)
    return (found?.modRevision ?? 0) === modRevision ? [] : [{ key, found }]
  }

  #apply(operations: readonly Operation[]): number {
    const revision = this.#current() + 1
    const events = operations.flatMap((operation) => this.#perform(operation, revision))
    if (events.length === 0) return revision - 1
    this.#history.putSync(revision, events)
    this.#meta.putSync('revision', revision)
    this.#compact(revision - this.#historyRevisions)
    return revision
  }

  #perform(operation: Operation, modRevision: number): readonly Event[] {
    const { key } = operation
    const id = Buffer.from(key)
    const before = this.#entries.get(id)
    if (before?.lease !== undefined) this.#leaseKeys.removeSync([before.lease, key])
    if (operation.kind === 'delete') {
      if (before === undefined) return []
      this.#entries.removeSync(id)
      return [{ kind: 'delete', key, modRevision }]
    }
    const { value, lease } = operation
    const createRevision = before?.createRevision ?? modRevision
    const version = (before?.version ?? 0) + 1
    const stored: Stored = { value, createRevision, modRevision, version, ...(lease === undefined ? {} : { lease }) }
    this.#entries.putSync(id, stored)
    if (lease !== undefined) this.#leaseKeys.putSync([lease, key], true)
    return [{ kind: 'put', entry: { key, ...stored } }]
  }

  #expire(lease: number): void {
    const held = [...this.#leaseKeys.getKeys({ start: [lease], end: [lease + 1] })]
    this.#apply(held.map(([, key]) => ({ kind: 'delete', key })))
    this.#leaseRows.removeSync(lease)
  }

  /** History up to and including `revision` goes. Usually one record; more after the bound was lowered. */
  #compact(revision: number): void {
    const compacted = this.#meta.get('compacted') ?? 0
    if (revision <= compacted) return
    for (let old = compacted + 1; old <= revision; old++) this.#history.removeSync(old)
    this.#meta.putSync('compacted', revision)
  }

  #readHistory(revision: number): readonly Event[] {
    const events = this.#history.get(revision)
    if (events === undefined) throw new CompactedError(revision, this.#meta.get('compacted') ?? 0)
    return events
  }
}

/** An error that refuses the request is the asker's; any other one aborts the whole transaction. */
function attempt<T>(run: () => T, resolve: (value: T) => void, reject: (error: Error) => void): () => void {
  try {
    const result = run()
    return () => resolve(result)
  } catch (error) {
    if (!(error instanceof LeaseNotFoundError)) throw error
    return () => reject(error)
  }
}

/** The range of all keys that begin with `prefix`: the last byte plus one ends it (UTF-8 has no byte 0xff). */
function bounds(prefix: string): { start?: Buffer; end?: Buffer } {
  if (prefix === '') return {}
  const start = Buffer.from(prefix)
  const end = Buffer.from(start)
  end.writeUInt8(end.readUInt8(end.length - 1) + 1, end.length - 1)
  return { start, end }
}

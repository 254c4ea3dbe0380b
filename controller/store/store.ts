// The store of intent: what every implementation promises. The terms and rules are those of etcd v3, so that a
// cluster can use etcd itself: one revision counts transactions that changed something; an entry knows the revisions
// that created and last changed it; a watch from a revision misses nothing. Values are text, keys are ordered by
// their UTF-8 bytes.

export interface Entry {
  readonly key: string
  readonly value: string
  readonly createRevision: number
  readonly modRevision: number
  /** 1 when created, one more with each put. */
  readonly version: number
  readonly lease?: number
}

/** The key's present `modRevision`; 0: the key must not exist. */
export interface Precondition {
  readonly key: string
  readonly modRevision: number
}

export type Operation =
  | { readonly kind: 'put'; readonly key: string; readonly value: string; readonly lease?: number }
  | { readonly kind: 'delete'; readonly key: string }

export interface Transaction {
  /** All must hold, or nothing is done. */
  readonly when?: readonly Precondition[]
  /** At most one operation for each key, as in etcd. Deleting an absent key does nothing. */
  readonly apply: readonly Operation[]
}

/** `revision` is that of the transaction itself, or the store's present one if nothing changed. */
export type Outcome =
  | { readonly succeeded: true; readonly revision: number }
  | { readonly succeeded: false; readonly revision: number; readonly conflicts: readonly Conflict[] }

/** A precondition that does not hold, and what is there instead. */
export interface Conflict {
  readonly key: string
  readonly found: Entry | undefined
}

export type Event =
  | { readonly kind: 'put'; readonly entry: Entry }
  | { readonly kind: 'delete'; readonly key: string; readonly modRevision: number }

/** The events of one transaction under the watched prefix, in key order of its operations. */
export interface Batch {
  readonly revision: number
  readonly events: readonly Event[]
}

export interface Watch extends AsyncIterableIterator<Batch, undefined> {
  /** Ends the iteration at once, also one that waits. */
  close(): void
}

export interface Store {
  get(key: string): Promise<Entry | undefined>
  /** All entries whose key begins with `prefix` ('' for all), as of `revision`: watch from `revision + 1`. */
  range(prefix: string): Promise<{ readonly revision: number; readonly entries: readonly Entry[] }>
  /** Atomic. When it resolves with success the change is on disk (or on a majority) and survives any crash. */
  transact(transaction: Transaction): Promise<Outcome>
  /** Every change from revision `from` on (default: the next one). The iteration throws CompactedError if it is gone. */
  watch(prefix: string, from?: number): Watch
  /** Keys put with this lease are deleted when it has not been kept alive for `ttlSeconds`. Restarts renew it. */
  grantLease(ttlSeconds: number): Promise<number>
  keepAlive(lease: number): Promise<void>
  /** Deletes the lease and, in one transaction, its keys. */
  revokeLease(lease: number): Promise<void>
  close(): Promise<void>
}

/** The history begins after `compactRevision`: read the present state with `range`, apply watch from there. */
export class CompactedError extends Error {
  override readonly name = 'CompactedError'
  readonly compactRevision: number

  constructor(from: number, compactRevision: number) {
    super(`revision ${from} has been compacted; the history begins at ${compactRevision + 1}`)
    this.compactRevision = compactRevision
  }
}

export class LeaseNotFoundError extends Error {
  override readonly name = 'LeaseNotFoundError'

  constructor(lease: number) {
    super(`lease ${lease} does not exist: it has expired or was revoked`)
  }
}

/** A request that no state of the store could satisfy. */
export class InvalidRequestError extends Error {
  override readonly name = 'InvalidRequestError'
}

/** LMDB's limit (1,978 bytes) is the tighter one; etcd has none of its own. */
export const maxKeyBytes = 1024

export function checkKey(key: string): void {
  const bytes = Buffer.byteLength(key)
  if (bytes === 0) throw new InvalidRequestError('a key must not be empty')
  if (bytes > maxKeyBytes) throw new InvalidRequestError(`a key has at most ${maxKeyBytes} bytes, not ${bytes}`)
  if (!key.isWellFormed()) throw new InvalidRequestError('a key must be well-formed Unicode')
}

export function checkTransaction({ when = [], apply }: Transaction): void {
  for (const { key } of when) checkKey(key)
  const written = new Set<string>()
  for (const { key } of apply) {
    checkKey(key)
    if (written.has(key)) throw new InvalidRequestError(`the transaction has two operations on '${key}'`)
    written.add(key)
  }
}

/** The bounds are etcd's smallest unit and what a timer can count (2^31 ms). */
export function checkTtl(ttlSeconds: number): void {
  if (ttlSeconds >= 1 && ttlSeconds <= 24 * 86_400) return
  throw new InvalidRequestError(`a lease lives between 1 second and 24 days, not ${ttlSeconds} s`)
}

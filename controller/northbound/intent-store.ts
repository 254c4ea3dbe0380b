// What the API needs of a store, with etcd's semantics: one revision number for the whole store, raised by each
// transaction; each key knows the revision that wrote it last; a transaction is applied wholly or not at all.

export interface StoredEntry {
  readonly key: string
  readonly value: string
  readonly modRevision: number
}

/** `modRevision: 0` demands that the key is absent. */
export interface Precondition {
  readonly key: string
  readonly modRevision: number
}

export interface StoreTransaction {
  readonly preconditions: readonly Precondition[]
  readonly puts: readonly { readonly key: string; readonly value: string }[]
  readonly deletes: readonly string[]
}

/** `revision` is the one written, or the store's current one when a precondition failed and nothing was written. */
export interface TransactionOutcome {
  readonly committed: boolean
  readonly revision: number
}

/** All changes of one transaction; `value: null` is a deletion. */
export interface ChangeBatch {
  readonly revision: number
  readonly changes: readonly { readonly key: string; readonly value: string | null }[]
}

export interface IntentStore {
  get(key: string): Promise<StoredEntry | null>
  range(prefix: string): Promise<{ readonly entries: readonly StoredEntry[]; readonly revision: number }>
  /** Resolves when the outcome is durable. */
  transact(transaction: StoreTransaction): Promise<TransactionOutcome>
  /**
   * Calls `onBatch` for every transaction after `fromRevision`, in order, each once. Throws (or rejects) a
   * CompactedError when that history is gone. The function returned ends the watch.
   */
  watch(fromRevision: number, onBatch: (batch: ChangeBatch) => void): Promise<() => void>
}

export class CompactedError extends Error {}

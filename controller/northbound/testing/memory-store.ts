// A store in memory with the semantics that the API relies on, for tests only. It counts what it is asked to write.
import {
  type ChangeBatch,
  CompactedError,
  type IntentStore,
  type StoredEntry,
  type StoreTransaction,
} from '../intent-store.ts'

export class MemoryStore implements IntentStore {
  readonly entries = new Map<string, StoredEntry>()
  readonly history: ChangeBatch[] = []
  readonly #watchers = new Set<(batch: ChangeBatch) => void>()
  revision = 0
  /** History up to here is forgotten. */
  compacted = 0

  async get(key: string): Promise<StoredEntry | null> {
    return this.entries.get(key) ?? null
  }

  async range(prefix: string): Promise<{ entries: StoredEntry[]; revision: number }> {
    const entries = [...this.entries.values()].filter(({ key }) => key.startsWith(prefix))
    return { entries, revision: this.revision }
  }

  async transact({
    preconditions,
    puts,
    deletes,
  }: StoreTransaction): Promise<{ committed: boolean; revision: number }> {
    const holds = preconditions.every(
      ({ key, modRevision }) => (this.entries.get(key)?.modRevision ?? 0) === modRevision,
    )
    if (!holds) return { committed: false, revision: this.revision }
    const revision = ++this.revision
    for (const { key, value } of puts) this.entries.set(key, { key, value, modRevision: revision })
    for (const key of deletes) this.entries.delete(key)
    const changes = [...puts, ...deletes.map((key) => ({ key, value: null }))]
    this.history.push({ revision, changes })
    for (const watcher of this.#watchers) queueMicrotask(() => watcher({ revision, changes }))
    return { committed: true, revision }
  }

  async watch(fromRevision: number, onBatch: (batch: ChangeBatch) => void): Promise<() => void> {
    if (fromRevision < this.compacted) throw new CompactedError(`compacted up to ${this.compacted}`)
    for (const batch of this.history) if (batch.revision > fromRevision) onBatch(batch)
    this.#watchers.add(onBatch)
    return () => this.#watchers.delete(onBatch)
  }
}

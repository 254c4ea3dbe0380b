// A store in memory for tests of the API, in microseconds; what it promises is what `controller/store` promises, without
// leases. The system tests run on LMDB.
import {
  type Batch,
  CompactedError,
  type Entry,
  type Outcome,
  type Store,
  type Transaction,
  type Watch,
} from '../../store/index.ts'

export class MemoryStore implements Store {
  readonly entries = new Map<string, Entry>()
  readonly #history: Batch[] = []
  readonly #wakers = new Set<() => void>()
  #revision = 0
  /** History up to here is forgotten. */
  compacted = 0

  async get(key: string): Promise<Entry | undefined> {
    return this.entries.get(key)
  }

  async range(prefix: string): Promise<{ entries: Entry[]; revision: number }> {
    return { entries: [...this.entries.values()].filter(({ key }) => key.startsWith(prefix)), revision: this.#revision }
  }

  async transact({ when = [], apply }: Transaction): Promise<Outcome> {
    const conflicts = when
      .filter(({ key, modRevision }) => (this.entries.get(key)?.modRevision ?? 0) !== modRevision)
      .map(({ key }) => ({ key, found: this.entries.get(key) }))
    if (conflicts.length > 0) return { succeeded: false, revision: this.#revision, conflicts }
    const modRevision = ++this.#revision
    const events = apply.flatMap((operation): Batch['events'][number][] => {
      const { key } = operation
      const before = this.entries.get(key)
      if (operation.kind === 'delete') return this.entries.delete(key) ? [{ kind: 'delete', key, modRevision }] : []
      const createRevision = before?.createRevision ?? modRevision
      const entry = { key, value: operation.value, createRevision, modRevision, version: (before?.version ?? 0) + 1 }
      this.entries.set(key, entry)
      return [{ kind: 'put', entry }]
    })
    this.#history.push({ revision: modRevision, events })
    for (const wake of this.#wakers) wake()
    return { succeeded: true, revision: modRevision }
  }

  watch(prefix: string, from = this.#revision + 1): Watch {
    const keyOf = (event: Batch['events'][number]): string => (event.kind === 'put' ? event.entry.key : event.key)
    let next = from
    let closed = false
    let wake = (): void => undefined
    const advance = async (): Promise<IteratorResult<Batch, undefined>> => {
      for (;;) {
        if (closed) return { done: true, value: undefined }
        if (next <= this.compacted) throw new CompactedError(next, this.compacted)
        const batch = this.#history.find(({ revision }) => revision >= next)
        if (batch) {
          next = batch.revision + 1
          const events = batch.events.filter((event) => keyOf(event).startsWith(prefix))
          if (events.length > 0) return { done: false, value: { ...batch, events } }
          continue
        }
        await new Promise<void>((resolve) => {
          wake = resolve
          this.#wakers.add(resolve)
        })
        this.#wakers.delete(wake)
      }
    }
    const close = (): void => {
      closed = true
      wake()
    }
    const iterator: Watch = { next: advance, close, [Symbol.asyncIterator]: () => iterator }
    return iterator
  }

  grantLease(): Promise<number> {
    return Promise.reject(new Error('no leases here'))
  }

  keepAlive(): Promise<void> {
    return Promise.reject(new Error('no leases here'))
  }

  revokeLease(): Promise<void> {
    return Promise.reject(new Error('no leases here'))
  }

  async close(): Promise<void> {
    for (const wake of this.#wakers) wake()
  }
}

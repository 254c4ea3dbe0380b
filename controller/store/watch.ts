// A watch is a cursor in the history: it reads on when asked and sleeps at the end. It holds one batch at a time,
// whatever the reader's speed.
import type { Batch, Event, Watch } from './store.ts'

/** The history as a watch sees it. */
export interface History {
  /** The last revision that is safe on disk. */
  revision(): number
  /** Events of one revision. Throws CompactedError if it is gone. */
  read(revision: number): readonly Event[]
}

export class WatchCursor implements Watch {
  readonly #history: History
  readonly #prefix: string
  readonly #closed: () => void
  #next: number
  #open = true
  #wake: (() => void) | undefined

  constructor(history: History, prefix: string, from: number, closed: () => void) {
    this.#history = history
    this.#prefix = prefix
    this.#next = from
    this.#closed = closed
  }

  async next(): Promise<IteratorResult<Batch, undefined>> {
    while (this.#open) {
      const batch = this.#advance()
      if (batch !== undefined) return { done: false, value: batch }
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    return { done: true, value: undefined }
  }

  /** There is more to read. */
  wake(): void {
    this.#wake?.()
    this.#wake = undefined
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    this.#closed()
    this.wake()
  }

  async return(): Promise<IteratorResult<Batch, undefined>> {
    this.close()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }

  #advance(): Batch | undefined {
    while (this.#next <= this.#history.revision()) {
      const revision = this.#next
      const events = this.#read(revision).filter((event) => keyOf(event).startsWith(this.#prefix))
      this.#next += 1
      if (events.length > 0) return { revision, events }
    }
    return undefined
  }

  #read(revision: number): readonly Event[] {
    try {
      return this.#history.read(revision)
    } catch (error) {
      this.close()
      throw error
    }
  }
}

function keyOf(event: Event): string {
  return event.kind === 'put' ? event.entry.key : event.key
}

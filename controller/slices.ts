// Long work in slices. A generator yields after each small step; when a slice's time is up the event loop goes on, so
// that echo requests, the API and other switches are answered while very much changes at once.

const SLICE_MILLISECONDS = 10

/** Does all of it now. */
export function finish<T>(steps: Generator<void, T>): T {
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return value
  }
}

/** One piece of work that is done again and again: once more when it is asked for while it is under way. */
export class Slices {
  readonly #work: () => Generator<void, void>
  #steps: Generator<void, void> | null = null
  #wanted = false
  #scheduled = false
  /** Those who wait for work that begins from now on, and for what is under way. */
  #asked: (() => void)[] = []
  #served: (() => void)[] = []

  constructor(work: () => Generator<void, void>) {
    this.#work = work
  }

  /** Something is asked for, or under way. */
  get busy(): boolean {
    return this.#scheduled
  }

  /** Soon, and once for all who ask until then. */
  schedule(): void {
    this.#wanted = true
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => this.#run())
  }

  /** Settles when work that began after this call has been done. */
  done(): Promise<void> {
    this.schedule()
    return new Promise((resolve) => this.#asked.push(resolve))
  }

  #run(): void {
    const end = performance.now() + SLICE_MILLISECONDS
    const steps = (this.#steps ??= this.#begin())
    do {
      if (steps.next().done !== true) continue
      this.#steps = null
      for (const resolve of this.#served) resolve()
      break
    } while (performance.now() < end)
    this.#scheduled = this.#steps !== null || this.#wanted
    if (this.#scheduled) setImmediate(() => this.#run())
  }

  #begin(): Generator<void, void> {
    this.#wanted = false
    this.#served = this.#asked
    this.#asked = []
    return this.#work()
  }
}

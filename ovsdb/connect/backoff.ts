// Waiting times between attempts to connect: doubled from attempt to attempt up to a maximum, with jitter, so that the
// clients of a server that restarts do not all come back in the same instant.

export interface BackoffOptions {
  readonly minMilliseconds?: number
  readonly maxMilliseconds?: number
}

export class Backoff {
  readonly #min: number
  readonly #max: number
  readonly #random: () => number
  #next: number

  /** `random` as Math.random. */
  constructor({ minMilliseconds = 100, maxMilliseconds = 8000 }: BackoffOptions, random: () => number) {
    this.#min = minMilliseconds
    this.#max = maxMilliseconds
    this.#random = random
    this.#next = minMilliseconds
  }

  /** The time to wait before the next attempt: between half of the current step and all of it. */
  next(): number {
    const step = this.#next
    this.#next = Math.min(step * 2, this.#max)
    return step * (0.5 + this.#random() / 2)
  }

  /** To be called when an attempt has come to something. */
  reset(): void {
    this.#next = this.#min
  }
}

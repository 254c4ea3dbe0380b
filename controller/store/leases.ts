// The clocks of the embedded store's leases. What a lease holds is in the store; here is only when each one ends.

interface Running {
  readonly ttlSeconds: number
  timer: NodeJS.Timeout
}

export class Leases {
  readonly #running = new Map<number, Running>()
  readonly #expired: (lease: number) => void

  constructor(expired: (lease: number) => void) {
    this.#expired = expired
  }

  start(lease: number, ttlSeconds: number): void {
    this.#running.set(lease, { ttlSeconds, timer: this.#timer(lease, ttlSeconds) })
  }

  /** False if there is no such lease. */
  renew(lease: number): boolean {
    const running = this.#running.get(lease)
    if (running === undefined) return false
    clearTimeout(running.timer)
    running.timer = this.#timer(lease, running.ttlSeconds)
    return true
  }

  stop(lease: number): boolean {
    clearTimeout(this.#running.get(lease)?.timer)
    return this.#running.delete(lease)
  }

  close(): void {
    for (const lease of this.#running.keys()) this.stop(lease)
  }

  #timer(lease: number, ttlSeconds: number): NodeJS.Timeout {
    const end = (): void => {
      this.#running.delete(lease)
      this.#expired(lease)
    }
    return setTimeout(end, ttlSeconds * 1000).unref()
  }
}

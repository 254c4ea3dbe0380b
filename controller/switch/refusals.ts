// Items that a switch refused, each with the switch's error and when it is tried again.
import type { ErrorFrame } from './flight.ts'
import type { Verb, Held } from './wire.ts'

const FIRST_DELAY_MS = 1_000
const LONGEST_DELAY_MS = 60_000

export interface Refusal {
  readonly verb: Verb
  readonly held: Held
  /** The OFPT_ERROR that answered it. */
  readonly error: ErrorFrame
  /** How often it was refused. */
  readonly times: number
  readonly retryAtMs: number
  /** Due at once when the epoch has passed. */
  readonly epoch: number
}

export class Refusals {
  private readonly byKey = new Map<string, Refusal>()
  /** No refusal is due before this. */
  private nextAtMs = Infinity
  private epoch = 0

  get all(): ReadonlyMap<string, Refusal> {
    return this.byKey
  }

  add(verb: Verb, held: Held, error: ErrorFrame, nowMs: number): Refusal {
    const times = (this.byKey.get(held.key)?.times ?? 0) + 1
    const retryAtMs = nowMs + Math.min(FIRST_DELAY_MS * 2 ** (times - 1), LONGEST_DELAY_MS)
    const refusal = { verb, held, error, times, retryAtMs, epoch: this.epoch }
    this.byKey.set(held.key, refusal)
    this.nextAtMs = Math.min(this.nextAtMs, retryAtMs)
    return refusal
  }

  /** Whether it was refused before. */
  delete(key: string): boolean {
    return this.byKey.delete(key)
  }

  /** What stood in the way may be gone: all are due. */
  hasten(): void {
    this.epoch += 1
    this.nextAtMs = 0
  }

  /** At most `count` keys that are due. */
  due(nowMs: number, count: number): string[] {
    const out: string[] = []
    if (nowMs < this.nextAtMs || this.byKey.size === 0) return out
    this.nextAtMs = Infinity
    for (const [key, { retryAtMs, epoch }] of this.byKey) {
      const atMs = epoch < this.epoch ? 0 : retryAtMs
      if (atMs <= nowMs && out.length < count) out.push(key)
      else this.nextAtMs = Math.min(this.nextAtMs, atMs)
    }
    return out
  }
}

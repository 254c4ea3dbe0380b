// From what a session was told to what it sends: the last word on each key, beside what the switch has there.
import { sameItem } from '../pipeline/value.ts'
import type { Delta, Index } from './desired.ts'
import { ownerOf, type Ownership } from './dump.ts'
import { Plan } from './plan.ts'
import type { Held } from './wire.ts'

/** Where a switch is known to have something else than it was told last; null: nothing. */
export type Odd = Map<string, Held | null>

export interface Draft {
  readonly plan: Plan
  /** What stands where the plan replaces or removes something, unless it is odd. */
  readonly before: ReadonlyMap<string, Held>
}

interface Pair {
  have: Held | undefined
  want: Held | undefined
}

export class Drafting {
  private readonly plan = new Plan()
  private readonly before = new Map<string, Held>()
  private readonly odd: Odd
  private readonly owns: Ownership
  /** By key, where there is more to it than putting something where nothing is; null: not come to yet. */
  private readonly pairs = new Map<string, Pair | null>()

  constructor(odd: Odd, owns: Ownership) {
    this.odd = odd
    this.owns = owns
  }

  /** What is desired instead of what is odd. */
  mend(keys: Iterable<string>, desired: Index): this {
    for (const key of keys) {
      const odd = this.odd.get(key)
      if (odd !== undefined) this.pairs.set(key, { have: odd ?? undefined, want: desired.all.get(key) })
    }
    return this
  }

  /** What was told, in this order. */
  follow(deltas: readonly Delta[]): this {
    for (const { removed } of deltas) {
      for (const list of removed) for (const { key } of list) if (!this.pairs.has(key)) this.pairs.set(key, null)
    }
    for (const { removed, added } of deltas) {
      for (const list of removed) for (const item of list) this.pairOf(item.key, item).want = undefined
      for (const list of added) for (const item of list) this.put(item)
    }
    return this
  }

  finish(): Draft {
    for (const [key, pair] of this.pairs) if (pair !== null) this.settle(key, pair)
    return { plan: this.plan, before: this.before }
  }

  private put(item: Held): void {
    const { key } = item
    if (this.pairs.has(key) || this.odd.has(key)) this.pairOf(key, undefined).want = item
    else this.plan.add(item, undefined)
  }

  /** `have`: what stands there, if nothing else is known. */
  private pairOf(key: string, have: Held | undefined): Pair {
    let pair = this.pairs.get(key)
    if (pair) return pair
    const odd = this.odd.get(key)
    pair = { have: odd === undefined ? have : (odd ?? undefined), want: undefined }
    this.pairs.set(key, pair)
    return pair
  }

  private settle(key: string, { have, want }: Pair): void {
    // Something foreign in a place that Weft no longer wants is not Weft's to remove.
    const isTheirs = want === undefined && have !== undefined && ownerOf(this.owns, have) !== 'weft'
    if (isTheirs || (want === undefined ? have === undefined : have !== undefined && sameItem(want, have))) {
      this.odd.delete(key)
      return
    }
    if (have !== undefined && !this.odd.has(key)) this.before.set(key, have)
    this.plan.add(want, have)
  }
}

// What a switch is known to have. Nearly always that is what is desired, so only where the two differ is anything kept:
// a switch of 20,000 flows costs one map of references, that of the desired Items.
import type { Item } from '../pipeline/value.ts'
import type { Held } from './wire.ts'

export class Installed {
  private readonly desired: ReadonlyMap<string, Item>
  /** What the switch has instead of what is desired; null for nothing. */
  private readonly odd = new Map<string, Held | null>()
  /** Nothing is known to be there but what is in `odd`. */
  private unread = true

  constructor(desired: ReadonlyMap<string, Item>) {
    this.desired = desired
  }

  get(key: string): Held | undefined {
    const odd = this.odd.get(key)
    if (odd !== undefined) return odd ?? undefined
    return this.unread ? undefined : this.desired.get(key)
  }

  set(key: string, held: Held | null): void {
    if (!this.unread && held === (this.desired.get(key) ?? null)) this.odd.delete(key)
    else this.odd.set(key, held)
  }

  /** To be called before `desired` changes under the key. */
  keep(key: string): void {
    if (!this.unread && !this.odd.has(key)) this.odd.set(key, this.desired.get(key) ?? null)
  }

  /** Nothing is known any more. */
  clear(): void {
    this.odd.clear()
    this.unread = true
  }

  /** The switch has been read: what is desired and not in `found` is not there. */
  read(found: ReadonlyMap<string, Held>): void {
    this.clear()
    this.unread = false
    for (const [key, item] of this.desired) if (found.get(key) !== item) this.odd.set(key, found.get(key) ?? null)
    for (const [key, held] of found) if (!this.desired.has(key)) this.odd.set(key, held)
  }

  *entries(): Generator<[string, Held]> {
    for (const [key, item] of this.desired) {
      if (!this.unread && !this.odd.has(key)) yield [key, item]
    }
    for (const [key, held] of this.odd) if (held !== null) yield [key, held]
  }
}

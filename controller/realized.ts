// What of each object the switches have not confirmed yet: the hosts that a commit told something because of it, until
// they confirm the commit's revision. What is confirmed leaves nothing behind.
import type { UnitChange } from './deployment.ts'

/** The hosts of one scope that a commit told something and that have not confirmed; objects of that scope share it. */
interface Touch {
  readonly revision: number
  readonly waiting: Set<string>
  readonly objects: Set<string>
}

const NONE: ReadonlySet<string> = new Set()

export class Realized {
  readonly #touchesOf = new Map<string, Set<Touch>>()
  /** By host, the oldest revision first. */
  readonly #waitingFor = new Map<string, Set<Touch>>()

  /** Hosts that have not confirmed what the object causes there. */
  unconfirmed(object: string): ReadonlySet<string> {
    const touches = this.#touchesOf.get(object)
    return touches === undefined ? NONE : new Set(Array.from(touches, ({ waiting }) => [...waiting]).flat())
  }

  /** In small steps. `hostsOf`: the hosts of a scope that the commit tells something. Revisions only grow. */
  *touch(
    units: readonly UnitChange[],
    revision: number,
    hostsOf: (scope: string) => readonly string[],
  ): Generator<void, void> {
    const byScope = new Map<string, Touch>()
    for (const { scope, object } of units) {
      let touch = byScope.get(scope)
      if (touch === undefined) {
        touch = { revision, waiting: new Set(hostsOf(scope)), objects: new Set() }
        byScope.set(scope, touch)
      }
      if (touch.waiting.size > 0) this.#add(object, touch)
      yield
    }
  }

  /** The host has all up to the revision; gives the objects that no host has to confirm any more. */
  confirm(host: string, revision: number): readonly string[] {
    const touches = this.#waitingFor.get(host) ?? new Set()
    const realized: string[] = []
    for (const touch of touches) {
      if (touch.revision > revision) break
      touches.delete(touch)
      touch.waiting.delete(host)
      if (touch.waiting.size === 0) realized.push(...this.#finish(touch))
    }
    if (touches.size === 0) this.#waitingFor.delete(host)
    return realized
  }

  #finish(touch: Touch): readonly string[] {
    return [...touch.objects].filter((object) => {
      const touches = this.#touchesOf.get(object)
      touches?.delete(touch)
      return touches?.size === 0 && this.#touchesOf.delete(object)
    })
  }

  #add(object: string, touch: Touch): void {
    const touches = entry(this.#touchesOf, object)
    // Whoever confirms this has confirmed what it was told before: else a host that is away for long would add up.
    for (const older of touches) {
      if (older !== touch && isSubset(older.waiting, touch.waiting)) this.#drop(object, older)
    }
    if (touch.objects.size === 0) for (const host of touch.waiting) entry(this.#waitingFor, host).add(touch)
    touches.add(touch)
    touch.objects.add(object)
  }

  #drop(object: string, touch: Touch): void {
    this.#touchesOf.get(object)?.delete(touch)
    touch.objects.delete(object)
    if (touch.objects.size > 0) return
    for (const host of touch.waiting) this.#waitingFor.get(host)?.delete(touch)
  }
}

function isSubset<T>(part: ReadonlySet<T>, whole: ReadonlySet<T>): boolean {
  if (part.size > whole.size) return false
  for (const each of part) if (!whole.has(each)) return false
  return true
}

function entry<K, V>(map: Map<K, Set<V>>, key: K): Set<V> {
  let set = map.get(key)
  if (set === undefined) map.set(key, (set = new Set()))
  return set
}

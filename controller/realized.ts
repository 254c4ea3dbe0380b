// What of each object the switches have not confirmed yet: at every commit the hosts that were told something because of
// it, and the commit's revision.
import type { UnitChange } from './deployment.ts'

/** So many objects are remembered before those that all hosts have confirmed are forgotten. */
const REMEMBERED = 10_000
/** So many commits that touched one object are remembered before those that are confirmed are forgotten. */
const TOUCHES = 8

/** The hosts of one scope that a commit told something; objects of that scope share it. */
interface Touch {
  readonly revision: number
  readonly hosts: readonly string[]
}

export class Realized {
  readonly #touches = new Map<string, Touch[]>()
  readonly #isConfirmed: (host: string, revision: number) => boolean
  #limit = REMEMBERED

  constructor(isConfirmed: (host: string, revision: number) => boolean) {
    this.#isConfirmed = isConfirmed
  }

  /** Hosts that have not confirmed what the object causes there. */
  unconfirmed(object: string): ReadonlySet<string> {
    return new Set(this.#touches.get(object)?.flatMap((touch) => this.#waiting(touch)))
  }

  /** In small steps. `hostsOf`: the hosts of a scope that the commit told something. */
  *touch(
    units: readonly UnitChange[],
    revision: number,
    hostsOf: (scope: string) => readonly string[],
  ): Generator<void, void> {
    const byScope = new Map<string, Touch>()
    for (const { scope, object } of units) {
      let touch = byScope.get(scope)
      if (touch === undefined) byScope.set(scope, (touch = { revision, hosts: hostsOf(scope) }))
      if (touch.hosts.length > 0) this.#add(object, touch)
      yield
    }
  }

  /** Forgets what is confirmed when there is much of it. */
  tidy(): void {
    if (this.#touches.size <= this.#limit) return
    for (const [object, touches] of this.#touches) {
      if (touches.every((touch) => this.#waiting(touch).length === 0)) this.#touches.delete(object)
    }
    // Twice what stays, so that what is long unconfirmed is not looked through again and again.
    this.#limit = Math.max(REMEMBERED, 2 * this.#touches.size)
  }

  #waiting({ hosts, revision }: Touch): readonly string[] {
    return hosts.filter((host) => !this.#isConfirmed(host, revision))
  }

  #add(object: string, touch: Touch): void {
    const touches = this.#touches.get(object)
    if (touches === undefined) this.#touches.set(object, [touch])
    else if (touches.at(-1) !== touch) {
      touches.push(touch)
      if (touches.length <= TOUCHES) return
      const waiting = touches.filter((each) => this.#waiting(each).length > 0)
      this.#touches.set(object, waiting)
    }
  }
}

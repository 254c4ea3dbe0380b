// From what a commit changed to what each host is told, and back: who has not confirmed yet what an object causes.
import { Deployment, type ScopeChange, type UnitChange } from './deployment.ts'
import type { Item } from './pipeline/value.ts'
import { objectBits, objectIn } from './pipeline/cookie.ts'
import { Realized } from './realized.ts'
import { NO_CHANGE, type Delta, type Desired, type Extent } from './switch/desired.ts'

type Tell = (host: string, revision: number, delta: Delta) => void

export class Rollout {
  readonly #deployment = new Deployment()
  readonly #realized = new Realized()
  #revision = 0
  /** From the first change of a commit until all hosts have been told of it. */
  #telling = false

  /** What the host is to have, as it changes. */
  desired(host: string): Desired {
    const lists = (extent: Extent): Iterable<readonly Item[]> => this.#deployment.listsOf(host, extent)
    const isSettled = (): boolean => !this.#telling
    return {
      lists,
      get settled() {
        return isSettled()
      },
    }
  }

  /** Hosts that have not confirmed what the object causes there. */
  unconfirmed(object: string): ReadonlySet<string> {
    return this.#realized.unconfirmed(object)
  }

  /** In small steps: works out who is to be told what, then tells them. */
  *steps(units: readonly UnitChange[], scopes: readonly ScopeChange[], tell: Tell): Generator<void, void> {
    this.#revision += 1
    const revision = this.#revision
    this.#telling = true
    const leaving = this.#leaving(scopes)
    yield* this.#deployment.steps(units, scopes)
    const told = this.#deployment.take()
    yield* this.#realized.touch(units, revision, (scope) => {
      const hosts = [...this.#deployment.hostsOf(scope), ...(leaving.get(scope) ?? [])]
      return hosts.filter((host) => told.has(host))
    })
    for (const [host, delta] of told) yield tell(host, revision, delta)
    this.#telling = false
  }

  /** That the host is to have what it has, if there is anything, to one that has forgotten it. */
  repeat(host: string, tell: Tell): void {
    for (const _ of this.#deployment.listsOf(host)) return tell(host, this.#revision, NO_CHANGE)
  }

  /** By scope, the hosts that have it and shall not. */
  #leaving(scopes: readonly ScopeChange[]): ReadonlyMap<string, readonly string[]> {
    const leaving = new Map<string, string[]>()
    for (const [host, after] of scopes) {
      for (const scope of this.#deployment.scopesOf(host)) {
        if (after?.has(scope) !== true) leaving.set(scope, [...(leaving.get(scope) ?? []), host])
      }
    }
    return leaving
  }

  /** The host has all up to the revision; gives the objects that no host has to confirm any more. */
  confirm(host: string, revision: number): readonly string[] {
    return this.#realized.confirm(host, revision)
  }

  /** Nothing is expected of the host any more; gives the same. */
  forget(host: string): readonly string[] {
    return this.#realized.confirm(host, this.#revision)
  }

  /** What hosts are to have because of the objects, which are told by what a cookie holds of their ids. */
  causedBy(objects: ReadonlySet<string>): ReturnType<Deployment['select']> {
    const cookies = new Set(Array.from(objects, objectBits))
    return this.#deployment.select((item) => item.kind === 'flow' && cookies.has(objectIn(item.cookie)))
  }
}

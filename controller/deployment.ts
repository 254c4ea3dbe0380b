// Which host gets what. Rules contribute items to scopes; hosts subscribe to scopes; a change of a contribution is
// worked out once and then handed, by reference, to every host of its scope.
import type { Scope } from './app.ts'
import type { Item } from './pipeline/value.ts'

/** What a host has to put in place (an item replaces the one with its key) and to remove. */
export interface Delta {
  readonly put: Map<string, Item>
  readonly remove: Set<string>
}

/** The items of one rule for one key. */
export interface Unit {
  readonly scope: string
  /** The objects that caused it. */
  readonly objects: readonly string[]
  /** Of different keys. A list, since there are as many units as rules times objects: a map takes 130 bytes more. */
  readonly items: readonly Item[]
}

export function scopeKey(scope: Scope): string {
  switch (scope.kind) {
    case 'all':
      return 'all'
    case 'host':
      return `host ${scope.host}`
    case 'network':
      return `network ${scope.network}`
    case 'group':
      return `group ${scope.group}`
    case 'set':
      return `set ${scope.set}`
  }
}

const add = <K, V>(map: Map<K, Set<V>>, key: K, value: V): void => {
  const set = map.get(key)
  if (set === undefined) map.set(key, new Set([value]))
  else set.add(value)
}

function drop<K, V>(map: Map<K, Set<V>>, key: K, value: V): void {
  const set = map.get(key)
  set?.delete(value)
  if (set?.size === 0) map.delete(key)
}

const keysOf = ({ items }: Unit): string[] => items.map(({ key }) => key)

const NONE: ReadonlySet<string> = new Set()

export class Deployment {
  readonly #units = new Map<string, Unit>()
  readonly #unitsOf = new Map<string, Set<string>>()
  readonly #hostsOf = new Map<string, Set<string>>()
  readonly #scopesOf = new Map<string, ReadonlySet<string>>()
  #deltas = new Map<string, Delta>()

  /**
   * Takes new units and host scopes together; null removes one. All removals come before what is put, so that a key
   * that moves from one unit or scope to another stays.
   */
  update(
    units: readonly (readonly [string, Unit | null])[],
    scopes: readonly (readonly [string, ReadonlySet<string> | null])[],
  ): void {
    for (const [host, after] of scopes) this.#leave(host, after ?? NONE)
    for (const [key, unit] of units) this.#retract(key, unit)
    for (const [key, unit] of units) this.#replace(key, unit)
    for (const [host, after] of scopes) this.#enter(host, after)
  }

  #leave(host: string, after: ReadonlySet<string>): void {
    for (const scope of this.#scopesOf.get(host) ?? NONE) {
      if (after.has(scope)) continue
      drop(this.#hostsOf, scope, host)
      for (const unit of this.#unitsIn(scope)) this.#remove(keysOf(unit), host)
    }
  }

  #enter(host: string, after: ReadonlySet<string> | null): void {
    const before = this.#scopesOf.get(host) ?? NONE
    for (const scope of after ?? NONE) {
      if (before.has(scope)) continue
      add(this.#hostsOf, scope, host)
      for (const unit of this.#unitsIn(scope)) this.#put(unit.items, host)
    }
    if (after === null) {
      this.#scopesOf.delete(host)
      this.#deltas.delete(host)
    } else this.#scopesOf.set(host, after)
  }

  #retract(key: string, after: Unit | null): void {
    const before = this.#units.get(key)
    if (before === undefined) return
    const moved = before.scope !== after?.scope
    const kept = new Set(moved || after === null ? [] : keysOf(after))
    const gone = keysOf(before).filter((item) => !kept.has(item))
    for (const host of this.#hostsOf.get(before.scope) ?? NONE) this.#remove(gone, host)
    if (moved) drop(this.#unitsOf, before.scope, key)
  }

  #replace(key: string, after: Unit | null): void {
    const before = this.#units.get(key)
    if (after === null) {
      this.#units.delete(key)
      return
    }
    this.#units.set(key, after)
    add(this.#unitsOf, after.scope, key)
    if (!this.#hostsOf.has(after.scope)) return
    const same = new Map(before?.scope === after.scope ? before.items.map((item) => [item.key, item]) : [])
    const changed = after.items.filter((item) => !sameItem(same.get(item.key), item))
    for (const host of this.#hostsOf.get(after.scope) ?? NONE) this.#put(changed, host)
  }

  /** What has changed for each host since the last call. */
  take(): ReadonlyMap<string, Delta> {
    const deltas = this.#deltas
    this.#deltas = new Map()
    return deltas
  }

  /** The objects that caused a unit, and the hosts that have it. */
  concerns(unit: string): { readonly objects: readonly string[]; readonly hosts: readonly string[] } {
    const { objects = [], scope = '' } = this.#units.get(unit) ?? {}
    return { objects, hosts: [...(this.#hostsOf.get(scope) ?? NONE)] }
  }

  /** What some objects caused, with the hosts that have it; by looking at all units. */
  causedBy(
    wanted: ReadonlySet<string>,
  ): readonly { readonly items: readonly Item[]; readonly hosts: readonly string[] }[] {
    const found = Array.from(this.#units.values()).filter(({ objects }) => objects.some((each) => wanted.has(each)))
    return found.map(({ scope, items }) => ({ items, hosts: [...(this.#hostsOf.get(scope) ?? NONE)] }))
  }

  /** Everything that a host is to have. */
  itemsOf(host: string): Map<string, Item> {
    const items = new Map<string, Item>()
    for (const scope of this.#scopesOf.get(host) ?? NONE) {
      for (const unit of this.#unitsIn(scope)) for (const item of unit.items) items.set(item.key, item)
    }
    return items
  }

  *#unitsIn(scope: string): Generator<Unit> {
    for (const key of this.#unitsOf.get(scope) ?? NONE) yield this.#units.get(key) as Unit
  }

  #put(items: Iterable<Item>, host: string): void {
    const { put, remove } = this.#deltaOf(host)
    for (const item of items) {
      if (remove.size > 0) remove.delete(item.key)
      put.set(item.key, item)
    }
  }

  #remove(keys: Iterable<string>, host: string): void {
    const { put, remove } = this.#deltaOf(host)
    for (const key of keys) {
      put.delete(key)
      remove.add(key)
    }
  }

  #deltaOf(host: string): Delta {
    let delta = this.#deltas.get(host)
    if (delta === undefined) this.#deltas.set(host, (delta = { put: new Map(), remove: new Set() }))
    return delta
  }
}

/** Equal on the wire. */
export function sameItem(a: Item | undefined, b: Item): boolean {
  return a === b || (a !== undefined && Buffer.compare(a.frame, b.frame) === 0)
}

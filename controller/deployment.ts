// Which host gets what. Rules contribute items to scopes; hosts subscribe to scopes; a change of a contribution is
// worked out once and then handed, by reference, to every host of its scope.
import type { Scope } from './app.ts'
import { sameItem, type Item } from './pipeline/value.ts'
import { finish } from './slices.ts'
import { byKey, type Delta, type Extent } from './switch/desired.ts'

/** The items of one rule for one key, because of one object and for one scope. Units of one host share no key. */
export interface Unit {
  readonly scope: string
  /** The object that caused it. */
  readonly object: string
  /** Of different keys. A list, since there are as many units as rules times objects: a map takes 130 bytes more. */
  readonly items: readonly Item[]
}

/** A unit whose items change: `before` is the very list that was given as `after` last, null where there was none. */
export interface UnitChange {
  readonly scope: string
  readonly object: string
  readonly before: readonly Item[] | null
  readonly after: readonly Item[] | null
}

/** The scopes that a host has from now on; null for none and no host any more. */
export type ScopeChange = readonly [host: string, after: ReadonlySet<string> | null]

export function scopeKey(scope: Scope): string {
  switch (scope.kind) {
    case 'all':
      return 'all'
    case 'host':
      return named('host', scope.host)
    case 'network':
      return named('network', scope.network)
    case 'group':
      return named('group', scope.group)
    case 'set':
      return named('set', scope.set)
    case 'external':
      return named('external', scope.network)
  }
}

// Each scope's name is one string, as hundreds of thousands of units have it. Forgotten once there are too many.
const MOST_NAMES = 100_000
const names = new Map<string, Map<string, string>>()

function named(kind: Scope['kind'], id: string): string {
  let known = names.get(kind)
  if (known === undefined || known.size > MOST_NAMES) names.set(kind, (known = new Map()))
  let name = known.get(id)
  if (name === undefined) known.set(id, (name = `${kind} ${id}`))
  return name
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

/** Neither hosts nor scopes. */
const NONE: ReadonlySet<string> = new Set()
const NO_LISTS: ReadonlySet<readonly Item[]> = new Set()
const NO_ITEMS: readonly Item[] = []

/** A Delta that is being written. */
interface Growing {
  readonly removed: (readonly Item[])[]
  readonly added: (readonly Item[])[]
}

export class Deployment {
  /** By scope: a list of items for each unit. */
  readonly #listsOf = new Map<string, Set<readonly Item[]>>()
  /** Those of them in which there is anything but flows. */
  readonly #fewOf = new Map<string, Set<readonly Item[]>>()
  readonly #hostsOf = new Map<string, Set<string>>()
  readonly #scopesOf = new Map<string, ReadonlySet<string>>()
  #deltas = new Map<string, Growing>()

  /**
   * Takes new units and host scopes together; null removes one. In a host's delta all removals come before what is
   * added, so that a key that moves from one unit or scope to another stays.
   */
  update(units: readonly UnitChange[], scopes: readonly ScopeChange[]): void {
    finish(this.steps(units, scopes))
  }

  /** The same in small steps; what hosts have, and are to be told, is whole after the last one only. */
  *steps(units: readonly UnitChange[], scopes: readonly ScopeChange[]): Generator<void, void> {
    for (const [host, after] of scopes) yield this.#leave(host, after ?? NONE)
    for (const change of units) yield this.#change(change)
    for (const [host, after] of scopes) yield this.#enter(host, after)
  }

  #leave(host: string, after: ReadonlySet<string>): void {
    for (const scope of this.scopesOf(host)) {
      if (after.has(scope)) continue
      drop(this.#hostsOf, scope, host)
      for (const list of this.#listsIn(scope)) this.#deltaOf(host).removed.push(list)
    }
  }

  #enter(host: string, after: ReadonlySet<string> | null): void {
    const before = this.scopesOf(host)
    for (const scope of after ?? NONE) {
      if (before.has(scope)) continue
      add(this.#hostsOf, scope, host)
      for (const list of this.#listsIn(scope)) this.#deltaOf(host).added.push(list)
    }
    if (after === null) {
      this.#scopesOf.delete(host)
      this.#deltas.delete(host)
    } else this.#scopesOf.set(host, after)
  }

  #change({ scope, before, after }: UnitChange): void {
    if (before !== null) {
      drop(this.#listsOf, scope, before)
      drop(this.#fewOf, scope, before)
    }
    if (after !== null) {
      add(this.#listsOf, scope, after)
      if (after.some(({ kind }) => kind !== 'flow')) add(this.#fewOf, scope, after)
    }
    const hosts = this.hostsOf(scope)
    if (hosts.size === 0) return
    const { removed, added } = difference(before ?? NO_ITEMS, after ?? NO_ITEMS)
    if (removed.length + added.length === 0) return
    for (const host of hosts) {
      const delta = this.#deltaOf(host)
      if (removed.length > 0) delta.removed.push(removed)
      if (added.length > 0) delta.added.push(added)
    }
  }

  /** What the last update has changed for each host. */
  take(): ReadonlyMap<string, Delta> {
    const deltas = this.#deltas
    this.#deltas = new Map()
    return deltas
  }

  /** The hosts that have the units of a scope. */
  hostsOf(scope: string): ReadonlySet<string> {
    return this.#hostsOf.get(scope) ?? NONE
  }

  scopesOf(host: string): ReadonlySet<string> {
    return this.#scopesOf.get(host) ?? NONE
  }

  /** Items of a kind, with the hosts that have them; by looking at all. */
  select(wanted: (item: Item) => boolean): readonly { readonly item: Item; readonly hosts: ReadonlySet<string> }[] {
    return Array.from(this.#listsOf).flatMap(([scope, lists]) =>
      [...lists].flatMap((items) => items.filter(wanted).map((item) => ({ item, hosts: this.hostsOf(scope) }))),
    )
  }

  /** Everything that a host is to have: a list of each unit, for `few` of those in which there is anything but flows. */
  *listsOf(host: string, extent: Extent = 'all'): Generator<readonly Item[]> {
    const lists = extent === 'all' ? this.#listsOf : this.#fewOf
    for (const scope of this.scopesOf(host)) yield* lists.get(scope) ?? NO_LISTS
  }

  /** The same by key. */
  itemsOf(host: string): Map<string, Item> {
    return byKey(this.listsOf(host))
  }

  #listsIn(scope: string): ReadonlySet<readonly Item[]> {
    return this.#listsOf.get(scope) ?? NO_LISTS
  }

  #deltaOf(host: string): Growing {
    let delta = this.#deltas.get(host)
    if (delta === undefined) this.#deltas.set(host, (delta = { removed: [], added: [] }))
    return delta
  }
}

/** What is in one list only; where an item is replaced, both. */
function difference(
  before: readonly Item[],
  after: readonly Item[],
): { removed: readonly Item[]; added: readonly Item[] } {
  if (before.length === 0 || after.length === 0) return { removed: before, added: after }
  const old = new Map(before.map((item) => [item.key, item]))
  const added: Item[] = []
  for (const item of after) {
    const had = old.get(item.key)
    if (had !== undefined && sameItem(had, item)) old.delete(item.key)
    else added.push(item)
  }
  return { removed: [...old.values()], added }
}

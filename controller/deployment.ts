// Which host gets what. Rules contribute items to scopes; hosts subscribe to scopes; a change of a contribution is
// worked out once and then handed, by reference, to every host of its scope.
import type { Scope } from './app.ts'
import type { Item } from './pipeline/value.ts'
import { finish } from './slices.ts'

/** What a host has to put in place (an item replaces the one with its key) and, as null, to remove. */
export type Delta = ReadonlyMap<string, Item | null>

/** The items of one rule for one key, because of one object and for one scope. */
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
      return `host ${scope.host}`
    case 'network':
      return `network ${scope.network}`
    case 'group':
      return `group ${scope.group}`
    case 'set':
      return `set ${scope.set}`
    case 'external':
      return `external ${scope.network}`
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

const NO_HOSTS: ReadonlySet<string> = new Set()
const NO_ITEMS: ReadonlySet<readonly Item[]> = new Set()

export class Deployment {
  /** By scope: a list of items for each unit. */
  readonly #itemsIn = new Map<string, Set<readonly Item[]>>()
  readonly #hostsOf = new Map<string, Set<string>>()
  readonly #scopesOf = new Map<string, ReadonlySet<string>>()
  #deltas = new Map<string, Map<string, Item | null>>()

  /**
   * Takes new units and host scopes together; null removes one. All removals come before what is put, so that a key
   * that moves from one unit or scope to another stays.
   */
  update(units: readonly UnitChange[], scopes: readonly ScopeChange[]): void {
    finish(this.steps(units, scopes))
  }

  /** The same in small steps; what hosts are to be told is whole after the last one only. */
  *steps(units: readonly UnitChange[], scopes: readonly ScopeChange[]): Generator<void, void> {
    for (const [host, after] of scopes) yield this.#leave(host, after ?? NO_HOSTS)
    for (const change of units) yield this.#retract(change)
    for (const change of units) yield this.#place(change)
    for (const [host, after] of scopes) yield this.#enter(host, after)
  }

  #leave(host: string, after: ReadonlySet<string>): void {
    for (const scope of this.#scopesOf.get(host) ?? NO_HOSTS) {
      if (after.has(scope)) continue
      drop(this.#hostsOf, scope, host)
      for (const items of this.#listsOf(scope)) remove(items, this.#deltaOf(host))
    }
  }

  #enter(host: string, after: ReadonlySet<string> | null): void {
    const before = this.#scopesOf.get(host) ?? NO_HOSTS
    for (const scope of after ?? NO_HOSTS) {
      if (before.has(scope)) continue
      add(this.#hostsOf, scope, host)
      for (const items of this.#listsOf(scope)) put(items, this.#deltaOf(host))
    }
    if (after === null) {
      this.#scopesOf.delete(host)
      this.#deltas.delete(host)
    } else this.#scopesOf.set(host, after)
  }

  #retract({ scope, before, after }: UnitChange): void {
    if (before === null) return
    drop(this.#itemsIn, scope, before)
    const hosts = this.hostsOf(scope)
    if (hosts.size === 0) return
    const kept = new Set(after?.map(({ key }) => key))
    const gone = before.filter(({ key }) => !kept.has(key))
    for (const host of gone.length === 0 ? NO_HOSTS : hosts) remove(gone, this.#deltaOf(host))
  }

  #place({ scope, before, after }: UnitChange): void {
    if (after === null) return
    add(this.#itemsIn, scope, after)
    const hosts = this.hostsOf(scope)
    if (hosts.size === 0) return
    const old = new Map(before?.map((item) => [item.key, item]))
    const changed = after.filter((item) => !sameItem(old.get(item.key), item))
    for (const host of changed.length === 0 ? NO_HOSTS : hosts) put(changed, this.#deltaOf(host))
  }

  /** What has changed for each host since the last call. */
  take(): ReadonlyMap<string, Delta> {
    const deltas = this.#deltas
    this.#deltas = new Map()
    return deltas
  }

  /** The hosts that have the units of a scope. */
  hostsOf(scope: string): ReadonlySet<string> {
    return this.#hostsOf.get(scope) ?? NO_HOSTS
  }

  /** Items of a kind, with the hosts that have them; by looking at all. */
  select(wanted: (item: Item) => boolean): readonly { readonly item: Item; readonly hosts: ReadonlySet<string> }[] {
    return Array.from(this.#itemsIn).flatMap(([scope, lists]) =>
      [...lists].flatMap((items) => items.filter(wanted).map((item) => ({ item, hosts: this.hostsOf(scope) }))),
    )
  }

  /** Everything that a host is to have. */
  itemsOf(host: string): Map<string, Item> {
    const items = new Map<string, Item>()
    for (const scope of this.#scopesOf.get(host) ?? NO_HOSTS) {
      for (const list of this.#listsOf(scope)) put(list, items)
    }
    return items
  }

  #listsOf(scope: string): ReadonlySet<readonly Item[]> {
    return this.#itemsIn.get(scope) ?? NO_ITEMS
  }

  #deltaOf(host: string): Map<string, Item | null> {
    let delta = this.#deltas.get(host)
    if (delta === undefined) this.#deltas.set(host, (delta = new Map()))
    return delta
  }
}

function put(items: readonly Item[], into: Map<string, Item | null>): void {
  for (const item of items) into.set(item.key, item)
}

function remove(items: readonly Item[], from: Map<string, Item | null>): void {
  for (const { key } of items) from.set(key, null)
}

/** Equal on the wire. */
export function sameItem(a: Item | undefined, b: Item): boolean {
  return a === b || (a !== undefined && Buffer.compare(a.frame, b.frame) === 0)
}

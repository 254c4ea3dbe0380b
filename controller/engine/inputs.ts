// What queries stand on: tables, whose rows are written from outside, and groupings, indexes over a table that are
// kept by difference. Writes are staged; a commit applies them together, so that every query sees one moment.
import { SortedKeys } from './sorted-keys.ts'
import { type Graph, type Key, Node, type Owner, reasonOf } from './graph.ts'

/** Keys that an output can be kept alive over: told of each key that comes (true) or goes (false). */
export interface KeySource<K extends Key> {
  readonly name: string
  follow(follower: (key: K, present: boolean) => void): void
}

/** One row that changed, as followers of a table see it. */
export type RowFollower<K, R> = (key: K, before: R | undefined, after: R | undefined) => void

/** Rows that a grouping can stand on. */
export interface RowSource<K extends Key, R extends {}> {
  readonly name: string
  followRows(follower: RowFollower<K, R>): void
}

export type Equality<V> = (a: V, b: V) => boolean

/** Keyed rows. A row is an immutable value; `undefined` means that there is none. */
export class Table<K extends Key, R extends {}> implements KeySource<K>, RowSource<K, R> {
  readonly name: string
  readonly #graph: Graph
  readonly #owner: Owner
  #staged = new Map<K, R | undefined>()
  /** What the commit in progress applies. */
  #taken: ReadonlyMap<K, R | undefined> = new Map()
  readonly #rowFollowers: RowFollower<K, R>[] = []
  readonly #keyFollowers: ((key: K, present: boolean) => void)[] = []
  #keys: KeyCell<K> | undefined

  constructor(graph: Graph, name: string, equals: Equality<R>) {
    this.#graph = graph
    this.name = name
    this.#owner = {
      kind: 'table',
      name,
      nodes: new Map(),
      equals: equals as Equality<unknown>,
      vacant: (node) => node.value === undefined,
    }
  }

  /** Visible from the next commit on. The last write to a key wins; one equal to the row changes nothing. */
  set(key: K, row: R): void {
    this.#stage(key, row)
  }

  delete(key: K): void {
    this.#stage(key, undefined)
  }

  /** Makes these the only rows, as after a reconnect that brings everything anew. */
  replace(rows: Iterable<readonly [K, R]>): void {
    this.#staged.clear()
    for (const key of this.#owner.nodes.keys()) this.delete(key as K)
    for (const key of this.#taken.keys()) this.delete(key)
    for (const [key, row] of rows) this.set(key, row)
  }

  get(key: K): R | undefined {
    const node = this.#graph.find(this.#owner, key)
    if (this.#graph.reader === undefined) return node?.value as R | undefined
    return this.#graph.read(node ?? new Node(this.#owner, key, undefined)) as R | undefined
  }

  /** All keys, sorted. The array is never changed afterwards. */
  keys(): readonly K[] {
    const { kind, equals } = this.#owner
    this.#keys ??= new KeyCell(this.#graph, { kind, name: `${this.name}.keys`, nodes: new Map(), equals }, this)
    return this.#keys.read('all')
  }

  follow(follower: (key: K, present: boolean) => void): void {
    this.#keyFollowers.push(follower)
    for (const node of this.#owner.nodes.values()) if (node.value !== undefined) follower(node.key as K, true)
  }

  followRows(follower: RowFollower<K, R>): void {
    this.#rowFollowers.push(follower)
    for (const node of this.#owner.nodes.values()) {
      if (node.value !== undefined) follower(node.key as K, undefined, node.value as R)
    }
  }

  get staged(): number {
    return this.#staged.size
  }

  /** What is written from now on waits for the next commit. */
  take(): void {
    if (this.#staged.size === 0) return
    this.#taken = this.#staged
    this.#staged = new Map()
  }

  /** Applies what was taken, row by row. */
  *apply(): Generator<void> {
    for (const [key, row] of this.#taken) {
      this.#write(key, row)
      yield
    }
    this.#taken = new Map()
  }

  #stage(key: K, row: R | undefined): void {
    const { reader } = this.#graph
    if (reader !== undefined) throw new Error(`queries are pure: ${reader.label} may not write ${this.name}(${key})`)
    this.#staged.set(key, row)
  }

  #write(key: K, row: R | undefined): void {
    const found = this.#owner.nodes.get(key)
    const before = found?.value as R | undefined
    if (before === row) return
    if (before !== undefined && row !== undefined && this.#owner.equals(before, row)) return
    const node = found ?? new Node(this.#owner, key, undefined)
    node.value = row
    this.#graph.changed(node)
    if (row === undefined) this.#graph.releaseIfUnread(node)
    for (const follower of this.#rowFollowers) follower(key, before, row)
    if ((before === undefined) === (row === undefined)) return
    for (const follower of this.#keyFollowers) follower(key, row !== undefined)
  }
}

/**
 * An index over rows: group → keys of the rows that belong to it. A row may belong to any number of groups. Its groups
 * are in turn rows (that are all `true`) for other groupings.
 */
export class Grouping<K extends Key, R extends {}, G extends Key> implements KeySource<G>, RowSource<G, true> {
  readonly name: string
  /** Rows whose groups could not be told, by key: they belong to none. */
  readonly failures = new Map<K, string>()
  readonly #groupsOf: (row: R, key: K) => readonly G[]
  readonly #cell: KeyCell<K>
  readonly #sizes = new Map<G, number>()
  readonly #followers: ((group: G, present: boolean) => void)[] = []

  constructor(graph: Graph, name: string, rows: RowSource<K, R>, groupsOf: (row: R, key: K) => readonly G[]) {
    this.name = name
    this.#groupsOf = groupsOf
    const owner: Owner = { kind: 'grouping', name, nodes: new Map(), equals: Object.is }
    this.#cell = new KeyCell(graph, owner)
    rows.followRows((key, before, after) => this.#move(key, before, after))
  }

  /** Keys of the group's rows, sorted. The array is never changed afterwards. */
  get(group: G): readonly K[] {
    return this.#cell.read(group)
  }

  follow(follower: (group: G, present: boolean) => void): void {
    this.#followers.push(follower)
    for (const group of this.#sizes.keys()) follower(group, true)
  }

  followRows(follower: RowFollower<G, true>): void {
    this.follow((group, present) => (present ? follower(group, undefined, true) : follower(group, true, undefined)))
  }

  #move(key: K, before: R | undefined, after: R | undefined): void {
    const left = before === undefined ? [] : this.#classify(key, before)
    this.failures.delete(key)
    const joined = after === undefined ? [] : this.#classify(key, after)
    for (const group of left) if (!joined.includes(group)) this.#edit(group, key, -1)
    for (const group of joined) if (!left.includes(group)) this.#edit(group, key, 1)
  }

  #classify(key: K, row: R): readonly G[] {
    try {
      const groups = this.#groupsOf(row, key)
      return groups.length > 1 ? [...new Set(groups)] : groups
    } catch (error) {
      this.failures.set(key, reasonOf(error))
      return []
    }
  }

  #edit(group: G, key: K, difference: 1 | -1): void {
    this.#cell.edit(group, key, difference === 1)
    const before = this.#sizes.get(group) ?? 0
    const after = before + difference
    if (after === 0) this.#sizes.delete(group)
    else this.#sizes.set(group, after)
    if (before === 0 || after === 0) for (const follower of this.#followers) follower(group, after > 0)
  }
}

/** Nodes that each hold sorted keys, made into an array when somebody reads them. */
class KeyCell<K extends Key> {
  readonly #graph: Graph
  readonly #owner: Owner
  readonly #keys = new Map<Key, SortedKeys>()

  constructor(graph: Graph, owner: Owner, all?: KeySource<K>) {
    this.#graph = graph
    this.#owner = owner
    all?.follow((key, present) => this.edit('all', key, present))
  }

  edit(group: Key, key: K, present: boolean): void {
    let keys = this.#keys.get(group)
    if (keys === undefined) this.#keys.set(group, (keys = new SortedKeys()))
    if (present) keys.add(key)
    else keys.delete(key)
    if (keys.size === 0) this.#keys.delete(group)
    const node = this.#owner.nodes.get(group)
    if (node !== undefined) this.#graph.changed(node)
  }

  read(group: Key): readonly K[] {
    const keys = (this.#keys.get(group)?.read() ?? []) as readonly K[]
    if (this.#graph.reader === undefined) return keys
    const node = this.#owner.nodes.get(group) ?? new Node(this.#owner, group, undefined)
    this.#graph.read(node)
    // Stored for `explain`.
    node.value = keys
    return keys
  }
}

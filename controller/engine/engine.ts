// The incremental engine. Declare tables, groupings, queries and outputs; write rows; `commit` tells which outputs
// changed. Queries must be pure: what they compute may depend only on what they read here.
import { equal } from './equal.ts'
import { type Step, walk } from './explain.ts'
import { Graph, type Key, Node, none, type Owner, QueryError, reasonOf } from './graph.ts'
import { type Equality, Grouping, type KeySource, type RowFollower, type RowSource, Table } from './inputs.ts'

/** An output's value that changed in a commit; `undefined` where there is none (key new or gone, never computed). */
export interface Change<K extends Key = Key, V = unknown> {
  readonly name: string
  readonly key: K
  readonly before: V | undefined
  readonly after: V | undefined
}

/** A function that throws now. It keeps its last good value; `culprit` is where the error arose. */
export interface Problem {
  readonly name: string
  readonly key: Key
  readonly reason: string
  readonly culprit: string
}

export interface Options<V> {
  /** Default: structural equality of plain data (equal.ts). */
  readonly equals?: Equality<V>
}

/** A keyed pure function, remembered as long as something reads it. */
export class Query<K extends Key, V> {
  readonly name: string
  protected readonly graph: Graph
  protected readonly owner: Owner

  constructor(graph: Graph, name: string, run: (key: K) => V, options: Options<V>, owned: Partial<Owner> = {}) {
    this.name = name
    this.graph = graph
    const equals = (options.equals ?? equal) as Equality<unknown>
    this.owner = { kind: 'query', name, nodes: new Map(), equals, run: run as (key: Key) => unknown, ...owned }
  }

  /** Tracked inside a query. Throws QueryError if the function throws and has never succeeded for this key. */
  get(key: K): V {
    return this.graph.read(this.node(key)) as V
  }

  protected node(key: K): Node {
    return this.graph.find(this.owner, key) ?? new Node(this.owner, key, none)
  }
}

/** A query that is kept alive for every key of a source and whose changes each commit returns. */
export class Output<K extends Key, V> extends Query<K, V> {
  /** Nodes that may have changed since the last commit, with what they were then. */
  readonly marked: Map<Node, unknown>

  constructor(graph: Graph, name: string, keys: KeySource<K>, run: (key: K) => V, options: Options<V>) {
    const marked = new Map<Node, unknown>()
    super(graph, name, run, options, { kind: 'output', marked })
    this.marked = marked
    keys.follow((key, present) => (present ? graph.keep(this.node(key)) : graph.drop(this.node(key))))
  }

  /** The value as of the last completed commit, whatever has been written or half computed since. */
  committed(key: K): V | undefined {
    const node = this.owner.nodes.get(key)
    if (node === undefined) return undefined
    const value = this.marked.has(node) ? this.marked.get(node) : node.kept ? node.value : none
    return value === none ? undefined : (value as V)
  }

  /** This output's own changes, typed, out of what a commit returned. */
  of(changes: readonly Change[]): readonly Change<K, V>[] {
    return changes.filter((change): change is Change<K, V> => change.name === this.name)
  }

  /** The nodes behind the value: itself first, then everything it read, directly or not. */
  explain(key: K): readonly Step[] {
    const node = this.node(key)
    this.graph.releaseIfUnread(node)
    this.graph.refresh(node)
    return walk(node, this.graph)
  }
}

/**
 * A query that is kept for every key of a source, and is a table for groupings: its rows are what is not undefined. Brought
 * up to date, in the order of declaration, before the outputs of a commit; so it may read only what was declared before it.
 */
export class DerivedTable<K extends Key, R extends {}> extends Query<K, R | undefined> implements RowSource<K, R> {
  readonly #marked: Map<Node, unknown>
  readonly #followers: RowFollower<K, R>[] = []

  constructor(
    graph: Graph,
    name: string,
    keys: KeySource<K>,
    run: (key: K) => R | undefined,
    options: Options<R | undefined>,
  ) {
    const marked = new Map<Node, unknown>()
    super(graph, name, run, options, { kind: 'derived', marked })
    this.#marked = marked
    keys.follow((key, present) => (present ? graph.keep(this.node(key)) : graph.drop(this.node(key))))
  }

  /** To be called before the first commit. */
  followRows(follower: RowFollower<K, R>): void {
    this.#followers.push(follower)
  }

  get isStale(): boolean {
    return this.#marked.size > 0
  }

  /** In small steps. */
  *refresh(): Generator<void> {
    // What a follower makes stale here waits: commit() refuses it.
    const stale = new Map(this.#marked)
    for (const [node, published] of stale) {
      if (node.kept) this.graph.refresh(node)
      const before = rowOf(published) as R | undefined
      const after = (node.kept ? rowOf(node.value) : undefined) as R | undefined
      this.#marked.delete(node)
      if (!node.kept) this.graph.releaseIfUnread(node)
      if (before !== after) for (const follower of this.#followers) follower(node.key as K, before, after)
      yield
    }
  }
}

const rowOf = (value: unknown): unknown => (value === none ? undefined : value)

/** Keys that a function computes from tracked reads; brought up to date before the outputs of a commit. */
class DerivedKeys<K extends Key> implements KeySource<K> {
  readonly name: string
  readonly #graph: Graph
  readonly #node: Node
  readonly #followers: ((key: K, present: boolean) => void)[] = []
  #keys: ReadonlySet<K> = new Set()

  constructor(graph: Graph, name: string, run: () => Iterable<K>) {
    this.name = name
    this.#graph = graph
    const owner: Owner = { kind: 'query', name, nodes: new Map(), equals: equal, run: () => new Set(run()) }
    this.#node = new Node(owner, 'all', none)
  }

  follow(follower: (key: K, present: boolean) => void): void {
    this.#followers.push(follower)
    for (const key of this.#keys) follower(key, true)
  }

  refresh(): void {
    this.#graph.refresh(this.#node)
    if (this.#node.value === none || this.#node.value === this.#keys) return
    const before = this.#keys
    this.#keys = this.#node.value as ReadonlySet<K>
    for (const follower of this.#followers) {
      for (const key of before) if (!this.#keys.has(key)) follower(key, false)
      for (const key of this.#keys) if (!before.has(key)) follower(key, true)
    }
  }
}

type AnyTable = Pick<Table<Key, {}>, 'name' | 'staged' | 'take' | 'apply'>
type AnyGrouping = { readonly name: string; readonly failures: ReadonlyMap<Key, string> }

export class Engine {
  readonly #graph = new Graph()
  readonly #names = new Set<string>()
  readonly #tables: AnyTable[] = []
  readonly #groupings: AnyGrouping[] = []
  readonly #derivedKeys: { refresh(): void }[] = []
  readonly #outputs: Pick<Output<Key, unknown>, 'marked'>[] = []
  readonly #derivedTables: Pick<DerivedTable<Key, {}>, 'name' | 'isStale' | 'refresh'>[] = []
  /** Where the commit in progress stands; undefined between commits. */
  #progress: Iterator<void, readonly Change[]> | undefined

  table<K extends Key, R extends {}>(name: string, options: Options<R> = {}): Table<K, R> {
    const table = new Table<K, R>(this.#graph, this.#claim(name), options.equals ?? equal)
    this.#tables.push(table)
    return table
  }

  grouping<K extends Key, R extends {}, G extends Key>(
    name: string,
    rows: RowSource<K, R>,
    groupsOf: (row: R, key: K) => readonly G[],
  ): Grouping<K, R, G> {
    const grouping = new Grouping(this.#graph, this.#claim(name), rows, groupsOf)
    this.#groupings.push(grouping)
    return grouping
  }

  query<K extends Key, V>(name: string, run: (key: K) => V, options: Options<V> = {}): Query<K, V> {
    return new Query(this.#graph, this.#claim(name), run, options)
  }

  /** Rows that `run` computes for each key of a source, for groupings to stand on; undefined for none. */
  derivedTable<K extends Key, R extends {}>(
    name: string,
    keys: KeySource<K>,
    run: (key: K) => R | undefined,
    options: Options<R | undefined> = {},
  ): DerivedTable<K, R> {
    const table = new DerivedTable(this.#graph, this.#claim(name), keys, run, options)
    this.#derivedTables.push(table)
    return table
  }

  /** `keys`: a table (one value per row), a grouping (one per group that is not empty), or `derivedKeys`. */
  output<K extends Key, V>(
    name: string,
    keys: KeySource<K>,
    run: (key: K) => V,
    options: Options<V> = {},
  ): Output<K, V> {
    const output = new Output(this.#graph, this.#claim(name), keys, run, options)
    this.#outputs.push(output)
    return output
  }

  /** A key set computed from tracked reads. Compared as a whole: for large sets prefer a table or a grouping. */
  derivedKeys<K extends Key>(name: string, run: () => Iterable<K>): KeySource<K> {
    const keys = new DerivedKeys(this.#graph, this.#claim(name), run)
    this.#derivedKeys.push(keys)
    return keys
  }

  /** Applies what was written and computes to the end. If a sliced commit is in progress, completes that one only. */
  commit(): readonly Change[] {
    return this.commitSlice(() => false) ?? []
  }

  /**
   * Begins or continues a commit; asks `pause` after each row and key and returns undefined when told to stop. Nothing
   * is visible in `committed` until the last slice returns the changes; who reads anything else in between may find some
   * rows as they were, and some as they will be. Writes made in between wait for the next commit, so one that is fed
   * without end still completes.
   */
  commitSlice(pause: () => boolean): readonly Change[] | undefined {
    const { reader } = this.#graph
    if (reader !== undefined) throw new Error(`queries are pure: ${reader.label} may not commit`)
    this.#progress ??= this.#steps()
    // Whoever has read since the last slice has seen less than what is applied in this one.
    this.#graph.revision += 1
    for (;;) {
      const { done, value } = this.#progress.next()
      if (done === true) {
        this.#progress = undefined
        return value
      }
      if (pause()) return undefined
    }
  }

  /** True if a commit would have something to do. */
  get pending(): boolean {
    if (this.#progress !== undefined || this.#tables.some(({ staged }) => staged > 0)) return true
    return this.#outputs.some(({ marked }) => marked.size > 0)
  }

  problems(): readonly Problem[] {
    const failed = Array.from(this.#graph.failing, ([{ owner, key }, failure]) => problem(owner.name, key, failure))
    const ungrouped = this.#groupings.flatMap(({ name, failures }) =>
      [...failures].map(([key, reason]) => ({ name, key, reason, culprit: `${name}(${key})` })),
    )
    return [...failed, ...ungrouped]
  }

  /** `runs` counts function runs since the beginning, `edges` the reads that are remembered now. */
  get stats(): { readonly revision: number; readonly runs: number; readonly edges: number } {
    const { revision, runs, links } = this.#graph
    return { revision, runs, edges: links.count }
  }

  #claim(name: string): string {
    if (this.#names.has(name)) throw new Error(`the name '${name}' is taken`)
    this.#names.add(name)
    return name
  }

  *#steps(): Generator<void, readonly Change[]> {
    for (const table of this.#tables) table.take()
    for (const table of this.#tables) yield* table.apply()
    this.#graph.retryCycles()
    for (const table of this.#derivedTables) yield* table.refresh()
    const late = this.#derivedTables.find(({ isStale }) => isStale)
    if (late !== undefined) throw new Error(`the derived table '${late.name}' reads what was declared after it`)
    for (const keys of this.#derivedKeys) keys.refresh()
    for (const { marked } of this.#outputs) {
      for (const node of marked.keys()) {
        if (node.kept) this.#graph.refresh(node)
        yield
      }
    }
    while (this.#graph.sweepOne()) yield
    const changes: Change[] = []
    const dropped: Node[] = []
    for (const { marked } of this.#outputs) {
      for (const [node, published] of marked) {
        const change = changeOf(node, published)
        if (change !== null) changes.push(change)
        if (!node.kept) dropped.push(node)
        yield
      }
    }
    for (const { marked } of this.#outputs) marked.clear()
    for (const node of dropped) this.#graph.releaseIfUnread(node)
    return changes
  }
}

function changeOf(node: Node, published: unknown): Change | null {
  const value = node.kept ? node.value : none
  if (value === published) return null
  if (value !== none && published !== none && node.owner.equals(published, value)) return null
  const before = published === none ? undefined : published
  const after = value === none ? undefined : value
  return { name: node.owner.name, key: node.key, before, after }
}

function problem(name: string, key: Key, failure: QueryError): Problem {
  let culprit = failure
  while (culprit.cause instanceof QueryError) culprit = culprit.cause
  return { name, key, reason: reasonOf(culprit.cause), culprit: `${culprit.query}(${culprit.key})` }
}

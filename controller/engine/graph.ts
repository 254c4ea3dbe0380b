// The engine's core: nodes that remember what they read. A change marks everything downstream as stale (push); reading
// brings a stale node up to date (pull), and runs it again only if something that it read has really changed, checked
// in the order of its reads. Tables, groupings, queries and outputs (engine.ts) are names for sets of such nodes.
//
// Why not `alien-signals/system`, which it resembles: its dirty check takes a node that is being computed for an
// unchanged one, so a circle closed by an edit goes unseen and leaves values that contradict each other (tried with
// 3.2.1: a = 1 + b, b = a + 1 gives a 1, b 2). Here it is a named problem.

import { type Link, Links } from './links.ts'

export type Key = string | number

/** What nodes of one table, grouping, query or output share. */
export interface Owner {
  readonly kind: 'table' | 'grouping' | 'query' | 'derived' | 'output'
  readonly name: string
  readonly nodes: Map<Key, Node>
  readonly equals: (a: unknown, b: unknown) => boolean
  /** Absent on inputs: their value is set, not computed. */
  readonly run?: (key: Key) => unknown
  /** False for an input that holds something and so stays when nobody reads it. */
  readonly vacant?: (node: Node) => boolean
  /** Its kept nodes that may have changed since the last publication, with the value published then. */
  readonly marked?: Map<Node, unknown>
}

/** The value of a node that has never been computed without an error. */
export const none: unique symbol = Symbol('none')

const fresh = 0
const stale = 1
const busy = 2

export class Node {
  readonly owner: Owner
  readonly key: Key
  value: unknown
  state: typeof fresh | typeof stale | typeof busy
  /** Stays alive without readers; its changes are collected in `marked` of its owner. */
  kept = false
  /** Waits in `Graph.released` for a second look. */
  released = false
  changedAt = 0
  verifiedAt = -1
  /** The last run that read this node: one edge per run is enough. */
  readBy = 0
  /** Where `Links` has it; 0 while it has no links. */
  number = 0
  firstDep: Link = 0
  firstSub: Link = 0

  constructor(owner: Owner, key: Key, value: unknown) {
    this.owner = owner
    this.key = key
    this.value = value
    this.state = value === none ? stale : fresh
    owner.nodes.set(key, this)
  }

  get label(): string {
    return `${this.owner.name}(${this.key})`
  }
}

/** A query that threw. `cause` is what it threw: for a query that failed because of another one, that one's QueryError. */
export class QueryError extends Error {
  override readonly name: string = 'QueryError'
  readonly query: string
  readonly key: Key

  constructor(node: Node, cause: unknown) {
    const culprit = cause instanceof QueryError ? cause.message : `${node.label}: ${reasonOf(cause)}`
    super(culprit, { cause })
    this.query = node.owner.name
    this.key = node.key
  }
}

/** Queries that read each other in a circle; each of them fails with this as the cause. */
export class CycleError extends Error {
  override readonly name = 'CycleError'
  readonly path: readonly string[]

  constructor(path: readonly string[]) {
    super(`cycle: ${path.join(' -> ')}`)
    this.path = path
  }
}

export function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}

export class Graph {
  /** Counts applied changes; a node is up to date if it was verified since what it read last changed. */
  revision = 0
  /** Function runs since the beginning. */
  runs = 0
  readonly links = new Links()
  readonly failing = new Map<Node, QueryError>()

  readonly #released: Node[] = []
  readonly #path: Node[] = []
  readonly #cyclic = new Map<Node, CycleError>()
  /** Nodes whose latest run closed a circle. */
  readonly #closers = new Set<Node>()
  // The run in progress: who reads, the last link confirmed, and its number.
  #reader: Node | undefined
  #cursor: Link = 0
  #run = 0

  /** The query being computed, if any. */
  get reader(): Node | undefined {
    return this.#reader
  }

  /** The node, if there is one. A run mostly repeats the reads of the run before: that saves the look-up in the map. */
  find(owner: Owner, key: Key): Node | undefined {
    const reader = this.#reader
    const link = reader === undefined ? 0 : this.links.after(reader, this.#cursor)
    if (link !== 0) {
      const dep = this.links.dep(link)
      if (dep.key === key && dep.owner === owner) return dep
    }
    return owner.nodes.get(key)
  }

  /** The node's value, tracked if a query is reading. Throws the node's error if it has no good value. */
  read(node: Node): unknown {
    const reader = this.#reader
    if (reader === undefined) this.releaseIfUnread(node)
    // The read that closes a circle leaves no link (nodes that read each other would live for ever): it is retried.
    else if (node.state === busy) this.#closers.add(reader)
    else this.#link(node, reader)
    if (node.state !== fresh) this.refresh(node)
    if (node.value === none) throw this.failing.get(node)
    return node.value
  }

  /** An input node has a new value (already stored): everything downstream becomes stale. */
  changed(input: Node): void {
    input.changedAt = this.revision
    this.#spread(input)
  }

  /** To be called after the inputs of a revision: something may have opened a circle. */
  retryCycles(): void {
    for (const node of this.#closers) if (this.#expire(node)) this.#spread(node)
    this.#closers.clear()
  }

  #spread(from: Node): void {
    const { links } = this
    const stack: Node[] = [from]
    for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
      for (let link = node.firstSub; link !== 0; link = links.nextSub(link)) {
        const sub = links.sub(link)
        if (this.#expire(sub)) stack.push(sub)
      }
    }
  }

  /** False if the node was stale already, and with it everything downstream. */
  #expire(node: Node): boolean {
    if (node.state !== fresh) return false
    node.state = stale
    if (node.kept) this.#mark(node, node.value)
    return true
  }

  /** Kept nodes are computed by every commit, and survive losing their readers. */
  keep(node: Node): void {
    if (node.kept) return
    node.kept = true
    this.#mark(node, none)
  }

  drop(node: Node): void {
    if (!node.kept) return
    this.#mark(node, node.value)
    node.kept = false
    this.releaseIfUnread(node)
  }

  /** Keeps the value of the first mark: a later reader may refresh the node before the change is published. */
  #mark(node: Node, published: unknown): void {
    const { marked } = node.owner
    if (marked !== undefined && !marked.has(node)) marked.set(node, published)
  }

  refresh(node: Node): void {
    if (node.state === fresh) return
    if (node.state === busy) throw this.#closeCycle(node)
    node.state = busy
    this.#path.push(node)
    let next: typeof fresh | typeof stale = stale
    try {
      if (this.#mustRun(node)) this.#compute(node)
      node.verifiedAt = this.revision
      next = fresh
    } finally {
      node.state = next
      this.#path.pop()
    }
  }

  #mustRun(node: Node): boolean {
    if (node.verifiedAt < 0 || this.#fails(node)) return true
    for (let link = node.firstDep; link !== 0; link = this.links.nextDep(link)) {
      const dep = this.links.dep(link)
      // All earlier reads are unchanged, so the function would read `dep` again: running it names the cycle.
      if (dep.state === busy) return true
      if (dep.state === stale) this.refresh(dep)
      if (dep.changedAt > node.verifiedAt) return true
    }
    return this.#cyclic.has(node)
  }

  #compute(node: Node): void {
    const reader = this.#reader
    const cursor = this.#cursor
    const run = this.#run
    this.#reader = node
    this.#cursor = 0
    this.#run = ++this.runs
    try {
      const value = node.owner.run?.(node.key)
      const cycle = this.#cyclic.get(node)
      if (cycle !== undefined) this.#fail(node, cycle)
      else this.#succeed(node, value)
    } catch (error) {
      this.#fail(node, this.#cyclic.get(node) ?? error)
    } finally {
      this.#cyclic.delete(node)
      this.#unlinkAfter(node, this.#cursor)
      this.#reader = reader
      this.#cursor = cursor
      this.#run = run
    }
  }

  #fails(node: Node): boolean {
    return this.failing.size > 0 && this.failing.has(node)
  }

  #succeed(node: Node, value: unknown): void {
    // An equal result leaves the old object in place, so that what others share with it stays shared.
    if (node.value === none || !node.owner.equals(node.value, value)) {
      node.value = value
      node.changedAt = this.revision
    }
    if (this.#fails(node)) this.failing.delete(node)
  }

  /** The last good value stays; readers notice only a node that never had one. */
  #fail(node: Node, error: unknown): void {
    this.failing.set(node, new QueryError(node, error))
    if (node.value === none) node.changedAt = this.revision
  }

  /** Every node of the circle fails, wherever it was entered: what fails must not depend on who reads first. */
  #closeCycle(node: Node): CycleError {
    const circle = this.#path.slice(this.#path.indexOf(node))
    const error = new CycleError([...circle, node].map(({ label }) => label))
    for (const member of circle) this.#cyclic.set(member, error)
    return error
  }

  #link(dep: Node, sub: Node): void {
    if (dep.readBy === this.#run) return
    dep.readBy = this.#run
    const next = this.links.after(sub, this.#cursor)
    if (next !== 0 && this.links.dep(next) === dep) this.#cursor = next
    else this.#cursor = this.links.insert(dep, sub, this.#cursor)
  }

  /** Removes the reads after `last` (all of them if there is none): the latest run did not repeat them. */
  #unlinkAfter(node: Node, last: Link): void {
    if (this.links.after(node, last) === 0) return
    for (const dep of this.links.removeAfter(node, last)) this.releaseIfUnread(dep)
  }

  /** Puts the node up for `sweepOne`. */
  releaseIfUnread(node: Node): void {
    if (node.released || node.kept || node.firstSub !== 0) return
    node.released = true
    this.#released.push(node)
  }

  /**
   * Forgets one node that nobody reads any more; false if there is none left. Deferred to the end of a commit, so that
   * a query that one reader gives up and another takes over is not computed twice.
   */
  sweepOne(): boolean {
    const node = this.#released.pop()
    if (node === undefined) return false
    node.released = false
    if (node.kept || node.firstSub !== 0) return true
    if (node.owner.run === undefined && node.owner.vacant?.(node) === false) return true
    this.failing.delete(node)
    this.#closers.delete(node)
    this.#unlinkAfter(node, 0)
    this.links.forget(node)
    // If its removal is not published yet, it must still be found: whoever publishes puts it up again.
    if (node.owner.marked?.has(node) === true) this.#reset(node)
    else node.owner.nodes.delete(node.key)
    return true
  }

  #reset(node: Node): void {
    node.state = stale
    node.verifiedAt = -1
  }
}

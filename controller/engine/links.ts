// Who has read what: links from a reader to what it read, each in two lists, the reader's reads in order and the readers of
// what was read. There are dozens for each port, so they are numbers in pages of memory: 20 bytes each where an object takes
// 64, and nothing for the garbage collector to look at.
import type { Node } from './graph.ts'

/** A link; 0 is none. */
export type Link = number

const PAGE_BITS = 12
const PAGE = 1 << PAGE_BITS
const WORDS = 5
const [DEP, SUB, NEXT_DEP, PREVIOUS_SUB, NEXT_SUB] = [0, 1, 2, 3, 4] as const

export class Links {
  count = 0
  readonly #pages: Int32Array[] = []
  /** Link 0 is not used. */
  #end = 1
  /** Given back, linked by NEXT_DEP. */
  #free: Link = 0
  /** By number, which is given to a node with its first link. */
  readonly #nodes: (Node | undefined)[] = [undefined]
  readonly #freeNumbers: number[] = []

  dep(link: Link): Node {
    return this.#nodes[this.#get(link, DEP)] as Node
  }

  sub(link: Link): Node {
    return this.#nodes[this.#get(link, SUB)] as Node
  }

  nextDep(link: Link): Link {
    return this.#get(link, NEXT_DEP)
  }

  nextSub(link: Link): Link {
    return this.#get(link, NEXT_SUB)
  }

  /** The read that follows, or the first one. */
  after(sub: Node, previous: Link): Link {
    return previous === 0 ? sub.firstDep : this.nextDep(previous)
  }

  /** `sub` has read `dep`, after the read `previous` or as the first. */
  insert(dep: Node, sub: Node, previous: Link): Link {
    const link = this.#take()
    const next = this.after(sub, previous)
    this.#set(link, DEP, this.#numberOf(dep))
    this.#set(link, SUB, this.#numberOf(sub))
    this.#set(link, NEXT_DEP, next)
    this.#set(link, PREVIOUS_SUB, 0)
    this.#set(link, NEXT_SUB, dep.firstSub)
    if (dep.firstSub !== 0) this.#set(dep.firstSub, PREVIOUS_SUB, link)
    dep.firstSub = link
    if (previous === 0) sub.firstDep = link
    else this.#set(previous, NEXT_DEP, link)
    this.count += 1
    return link
  }

  /** Removes the reads of `sub` after `last`, or all; gives what was read. */
  *removeAfter(sub: Node, last: Link): Generator<Node> {
    let link = this.after(sub, last)
    if (last === 0) sub.firstDep = 0
    else this.#set(last, NEXT_DEP, 0)
    while (link !== 0) {
      const dep = this.dep(link)
      const next = this.nextDep(link)
      this.#unsubscribe(link, dep)
      this.#set(link, NEXT_DEP, this.#free)
      this.#free = link
      this.count -= 1
      link = next
      yield dep
    }
  }

  /** Of a node without links: its number is free for others. */
  forget(node: Node): void {
    if (node.number === 0) return
    this.#nodes[node.number] = undefined
    this.#freeNumbers.push(node.number)
    node.number = 0
  }

  #unsubscribe(link: Link, dep: Node): void {
    const previous = this.#get(link, PREVIOUS_SUB)
    const next = this.nextSub(link)
    if (next !== 0) this.#set(next, PREVIOUS_SUB, previous)
    if (previous !== 0) this.#set(previous, NEXT_SUB, next)
    else dep.firstSub = next
  }

  #numberOf(node: Node): number {
    if (node.number === 0) {
      node.number = this.#freeNumbers.pop() ?? this.#nodes.length
      this.#nodes[node.number] = node
    }
    return node.number
  }

  #take(): Link {
    const link = this.#free
    if (link !== 0) {
      this.#free = this.nextDep(link)
      return link
    }
    if (this.#end >> PAGE_BITS >= this.#pages.length) this.#pages.push(new Int32Array(PAGE * WORDS))
    this.#end += 1
    return this.#end - 1
  }

  #get(link: Link, word: number): number {
    return (this.#pages[link >> PAGE_BITS] as Int32Array)[(link & (PAGE - 1)) * WORDS + word] as number
  }

  #set(link: Link, word: number, value: number): void {
    ;(this.#pages[link >> PAGE_BITS] as Int32Array)[(link & (PAGE - 1)) * WORDS + word] = value
  }
}

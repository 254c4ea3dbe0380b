// What a switch shall have. It is not the session's own: the lists are shared with all hosts that have them (deployment.ts),
// so a host costs no entry for a flow that is as it should be.
import type { Item } from '../pipeline/value.ts'

/** All of `removed` is gone and then all of `added` is there: an item in both lists, by key, is replaced. */
export interface Delta {
  readonly removed: readonly (readonly Item[])[]
  readonly added: readonly (readonly Item[])[]
}

export const NO_CHANGE: Delta = { removed: [], added: [] }

/** What is spoken of: groups and meters, which are few, or flows too. */
export type Extent = 'few' | 'all'

export interface Desired {
  /** Everything, each key once; for `few` at least all groups and meters. */
  lists(extent: Extent): Iterable<readonly Item[]>
  /** False while changes are being made of which the session will only be told. */
  readonly settled: boolean
}

export function byKey(lists: Iterable<readonly Item[]>): Map<string, Item> {
  const items = new Map<string, Item>()
  for (const list of lists) for (const item of list) items.set(item.key, item)
  return items
}

/** The same by key, for as long as somebody looks things up: a map for each host at once would be most of all memory. */
export class Index {
  private readonly desired: Desired
  private madeAll: ReadonlyMap<string, Item> | null = null
  private madeFew: ReadonlyMap<string, Item> | null = null

  constructor(desired: Desired) {
    this.desired = desired
  }

  get all(): ReadonlyMap<string, Item> {
    return (this.madeAll ??= byKey(this.desired.lists('all')))
  }

  /** Groups and meters only. */
  get few(): ReadonlyMap<string, Item> {
    return (this.madeFew ??= byKey(this.desired.lists('few')))
  }

  /** What is desired has changed, or nobody looks for now. */
  drop(): void {
    this.madeAll = this.madeFew = null
  }
}

/** What becomes of each key; null: it goes. */
export function changesOf({ removed, added }: Delta): Map<string, Item | null> {
  const changes = new Map<string, Item | null>()
  for (const list of removed) for (const { key } of list) changes.set(key, null)
  for (const list of added) for (const item of list) changes.set(item.key, item)
  return changes
}

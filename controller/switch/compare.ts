// What a reading tells: how the switch differs from what it shall have and, after the first one, from what it was
// confirmed to have.
import { sameItem, type Item } from '../pipeline/value.ts'
import type { Desired } from './desired.ts'
import type { Odd } from './draft.ts'
import type { Dump } from './dump.ts'
import type { Held } from './wire.ts'

export interface Difference {
  /** Confirmed, and gone. */
  readonly missing: readonly Held[]
  /** Confirmed, and now otherwise: `found` is what stands there. */
  readonly changed: readonly { readonly held: Held; readonly found: Held }[]
  /** Not confirmed, and neither foreign nor what is wanted. */
  readonly unexpected: readonly Held[]
}

export interface Start {
  readonly kept: number
  readonly missing: readonly Item[]
  /** What stands instead of what is wanted, and what is not wanted. */
  readonly changed: readonly Held[]
  readonly unexpected: readonly Held[]
}

/** By key. */
function present({ matched, other }: Dump): Map<string, Held> {
  const all = new Map<string, Held>()
  for (const item of matched) all.set(item.key, item)
  for (const held of other) all.set(held.key, held)
  return all
}

function countOf(dump: Dump, desired: Desired): number {
  let count = 0
  for (const list of desired.lists(dump.extent)) {
    if (dump.extent === 'all') count += list.length
    else for (const { kind } of list) if (dump.covers(kind)) count += 1
  }
  return count
}

/** The first reading of a connection, before which nothing is known. */
export function start(dump: Dump, desired: Desired): Start {
  const found = present(dump)
  const missing: Item[] = []
  const changed: Held[] = []
  let kept = 0
  for (const list of desired.lists('all')) {
    for (const item of list) {
      const held = found.size === 0 ? undefined : found.get(item.key)
      if (held === undefined) missing.push(item)
      else if (sameItem(held, item)) kept += 1
      else changed.push(held)
      if (held !== undefined) found.delete(item.key)
    }
  }
  return { kept, missing, changed, unexpected: [...found.values()] }
}

/**
 * Any other reading: of all, or of groups and meters only. `odd` is brought up to it; what is in `unsettled` was perhaps on its way while the switch was
 * read, and counts in the next one.
 */
export function compare(dump: Dump, desired: Desired, odd: Odd, unsettled: ReadonlySet<string>): Difference {
  const missing: Held[] = []
  const changed: { held: Held; found: Held }[] = []
  const unexpected: Held[] = []
  const isPlain = dump.other.length + odd.size + unsettled.size === 0
  if (isPlain && dump.matched.length === countOf(dump, desired)) return { missing, changed, unexpected }
  const found = present(dump)
  const rest = new Set<string>()
  for (const [key, held] of odd) if (dump.extent === 'all' || (held !== null && dump.covers(held.kind))) rest.add(key)
  const judge = (key: string, want: Item | null): void => {
    const held = found.get(key)
    found.delete(key)
    rest.delete(key)
    if (unsettled.has(key)) return
    const known = odd.has(key) ? (odd.get(key) ?? null) : want
    if (held === undefined ? known === null : known !== null && sameItem(held, known)) return
    if (held === undefined && want === null) odd.delete(key)
    else if (held !== undefined && want !== null && sameItem(held, want)) odd.delete(key)
    else {
      odd.set(key, held ?? null)
      if (held === undefined) missing.push(known as Held)
      else if (known === null) unexpected.push(held)
      else changed.push({ held: known, found: held })
    }
  }
  for (const list of desired.lists(dump.extent))
    for (const item of list) if (dump.covers(item.kind)) judge(item.key, item)
  for (const key of [...found.keys(), ...rest]) judge(key, null)
  return { missing, changed, unexpected }
}

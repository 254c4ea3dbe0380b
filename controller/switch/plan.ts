// From what differs to what is sent, in an order in which nothing is used before it exists or removed while in use:
// meters up; groups up, flows up, flows down, groups down in bundles; meters down. Meters cannot be in bundles
// (OFPBFC_MSG_UNSUP), and deleting a meter or a group deletes the flows that use it.
import { tableOf } from '../pipeline/key.ts'
import { sameItem } from '../pipeline/value.ts'
import type { Held, Verb } from './wire.ts'

export interface Operation {
  readonly verb: Verb
  readonly held: Held
}

/** Sent together and closed by one barrier; the next step waits for it. */
export interface Step {
  /** All or none of it, at one moment; else message by message. */
  readonly bundled: boolean
  readonly operations: readonly Operation[]
}

export interface Holdings {
  get(key: string): Held | undefined
}

/** What makes the switch have `want` where it has `have`; null when nothing is to be done. */
function operation(want: Held | undefined, have: Held | undefined): Operation | null {
  if (want === undefined) return have === undefined ? null : { verb: 'remove', held: have }
  if (have === undefined) return { verb: 'put', held: want }
  return sameItem(want, have) ? null : { verb: 'modify', held: want }
}

function cut(operations: readonly Operation[], bundled: boolean, size: number): Step[] {
  const out: Step[] = []
  for (let i = 0; i < operations.length; i += size) out.push({ bundled, operations: operations.slice(i, i + size) })
  return out
}

const lastFirst = (flows: readonly Operation[]): Operation[] =>
  flows.toSorted((a, b) => tableOf(b.held.key) - tableOf(a.held.key))

/** The steps that bring the `keys` of `installed` to `desired`; each step is of at most `size` messages. */
export function plan(
  keys: Iterable<string>,
  desired: Holdings,
  installed: Holdings,
  size: number,
  bundled = true,
): Step[] {
  // A later table before those that lead to it, so that nothing passes while only a part is there: a port's traffic
  // comes in when all that decides about it stands, and ends first.
  const up = { meter: [] as Operation[], group: [] as Operation[], flow: [] as Operation[] }
  const down = { meter: [] as Operation[], group: [] as Operation[], flow: [] as Operation[] }
  for (const key of keys) {
    const next = operation(desired.get(key), installed.get(key))
    if (next !== null) (next.verb === 'remove' ? down : up)[next.held.kind].push(next)
  }
  return [
    ...cut(up.meter, false, size),
    ...cut([...up.group, ...lastFirst(up.flow), ...lastFirst(down.flow).toReversed(), ...down.group], bundled, size),
    ...cut(down.meter, false, size),
  ]
}

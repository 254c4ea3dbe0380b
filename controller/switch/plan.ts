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

/** What is done alike with several; not an object for each of them, as a fresh switch has ten thousand. */
export interface Part {
  readonly verb: Verb
  readonly held: readonly Held[]
}

/** Sent together and closed by one barrier; the next step waits for it. */
export interface Step {
  /** All or none of it, at one moment; else message by message. */
  readonly bundled: boolean
  readonly parts: readonly Part[]
}

export const countOf = ({ parts }: Step): number => parts.reduce((sum, { held }) => sum + held.length, 0)

export class Plan {
  private readonly meters = { put: [] as Held[], modify: [] as Held[], remove: [] as Held[] }
  private readonly groups = { put: [] as Held[], remove: [] as Held[] }
  /** By table. */
  private readonly up: Held[][] = []
  private readonly down: Held[][] = []

  /** Makes the switch have `want` where it has `have`. */
  add(want: Held | undefined, have: Held | undefined): void {
    if (want === undefined) {
      if (have !== undefined) this.remove(have)
    } else if (have === undefined || !sameItem(want, have)) this.put(want, have !== undefined)
  }

  private put(held: Held, replaces: boolean): void {
    if (held.kind === 'flow') push(this.up, tableOf(held.key), held)
    else if (held.kind === 'group') this.groups.put.push(held)
    else this.meters[replaces ? 'modify' : 'put'].push(held)
  }

  private remove(held: Held): void {
    if (held.kind === 'flow') push(this.down, tableOf(held.key), held)
    else if (held.kind === 'group') this.groups.remove.push(held)
    else this.meters.remove.push(held)
  }

  /** Everything that it puts, changes or removes. */
  *held(): Generator<Held> {
    for (const { parts } of this.stages(true)) for (const { held } of parts) yield* held
  }

  /** Each step is of at most `size` messages. */
  *steps(size: number, bundled: boolean): Generator<Step> {
    for (const stage of this.stages(bundled)) yield* cut(stage, size)
  }

  private stages(bundled: boolean): readonly Step[] {
    const { meters, groups, up, down } = this
    // A later table before those that lead to it, so that nothing passes while only a part is there: a port's traffic
    // comes in when all that decides about it stands, and ends first.
    const flows = [
      ...Object.values(up)
        .map((held): Part => ({ verb: 'put', held }))
        .toReversed(),
      ...Object.values(down).map((held): Part => ({ verb: 'remove', held })),
    ]
    const before: readonly Part[] = [
      { verb: 'put', held: meters.put },
      { verb: 'modify', held: meters.modify },
    ]
    return [
      { bundled: false, parts: before },
      { bundled, parts: [{ verb: 'put', held: groups.put }, ...flows, { verb: 'remove', held: groups.remove }] },
      { bundled: false, parts: [{ verb: 'remove', held: meters.remove }] },
    ]
  }
}

function push(lists: Held[][], at: number, held: Held): void {
  const list = lists[at]
  if (list === undefined) lists[at] = [held]
  else list.push(held)
}

function* cut({ bundled, parts }: Step, size: number): Generator<Step> {
  let step: Part[] = []
  let room = size
  for (const { verb, held } of parts) {
    for (let at = 0; at < held.length;) {
      const part = { verb, held: held.slice(at, at + room) }
      step.push(part)
      at += part.held.length
      room -= part.held.length
      if (room > 0) continue
      yield { bundled, parts: step }
      step = []
      room = size
    }
  }
  if (step.length > 0) yield { bundled, parts: step }
}

// What Weft wants on a switch: flows, groups and meters as immutable values, made once and shared by every host that carries
// them.
import type { Flow } from './packed-flow.ts'

export interface Group {
  readonly kind: 'group'
  /** `group:N` */
  readonly key: string
  readonly id: number
  /** The OFPT_GROUP_MOD that adds it, xid 0. */
  readonly frame: Uint8Array
}

export interface Meter {
  readonly kind: 'meter'
  /** `meter:N` */
  readonly key: string
  readonly id: number
  /** The OFPT_METER_MOD that adds it, xid 0. */
  readonly frame: Uint8Array
}

/** One thing on a switch, told apart by `key`. */
export type Item = Flow | Group | Meter

/** Whether two of one key are the same on a switch. */
export function sameItem(a: Item, b: Item): boolean {
  if (a === b) return true
  if (a.kind === 'flow') return b.kind === 'flow' && a.rest === b.rest && a.cookie === b.cookie
  return Buffer.compare(a.frame, b.frame) === 0
}

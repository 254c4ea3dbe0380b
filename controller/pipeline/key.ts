// What a flow is told apart by on a switch, as a string: equal for what Weft wants and for what a switch lists.
import { copyInto } from '../../ofproto/wire/copy.ts'

/** Table and priority stand before the match. */
export const KEY_HEAD = 3
let scratch = Buffer.alloc(1024)

/** `bytes` from `from` to `to` is the flow's struct ofp_match, padding included. */
export function flowKey(table: number, priority: number, bytes: Uint8Array, from: number, to: number): string {
  const length = KEY_HEAD + to - from
  if (length > scratch.length) scratch = Buffer.alloc(length)
  scratch[0] = table
  scratch[1] = priority >> 8
  scratch[2] = priority
  copyInto.call(bytes, scratch, KEY_HEAD, from, to)
  // Made at once, as V8 keeps strings that are joined in pieces: half as much again for each flow.
  return scratch.toString('latin1', 0, length)
}

export const tableOf = (key: string): number => key.charCodeAt(0)
export const priorityOf = (key: string): number => (key.charCodeAt(1) << 8) | key.charCodeAt(2)

// One flow table. Flows that mask the same bits are one tuple: a hash by the masked values finds the flow (tuple space
// search, Srinivasan et al. 1999). Tuples are tried by their highest priority, so most are never looked at.
import { FlowMatch } from '../../ofproto/fields/flow-match.ts'
import type { Instruction } from '../../ofproto/actions/index.ts'
import { formatMatch } from '../../ofproto/fields/match-text.ts'
import type { Match } from '../../ofproto/fields/match.ts'

/** A flow as far as packets see it: a decoded flow_mod is one. */
export interface ModelFlow {
  readonly table: number
  readonly priority: number
  readonly match: Match
  readonly cookie: bigint
  readonly instructions: readonly Instruction[]
  /** Of the item that it was read from. */
  readonly key?: string
}

type Mask = readonly (readonly [slot: string, mask: bigint])[]
export type ReadSlot = (slot: string) => bigint

interface Tuple {
  readonly mask: Mask
  /** By masked values, the highest priority first. */
  readonly flows: Map<string, ModelFlow[]>
  highest: number
}

/** Bits of the slot `ip_frag`: a fragment. Transport ports of fragments are taken for zero (OFPC_FRAG_NORMAL). */
const FRAGMENT = 1n
const PORTS: ReadonlySet<string> = new Set(['tp_src', 'tp_dst'])

/** The packet as the tables compare it. */
export function asSeen(read: ReadSlot): ReadSlot {
  const isFragment = (read('ip_frag') & FRAGMENT) !== 0n
  return isFragment ? (slot) => (PORTS.has(slot) ? 0n : read(slot)) : read
}

const keyOf = (mask: Mask, read: ReadSlot): string =>
  mask.map(([slot, bits]) => (read(slot) & bits).toString(36)).join()

/** What a match looks at, in an order that equal masks share. */
function maskOf(flow: FlowMatch): Mask {
  return Array.from(flow.entries(), ([slot, { mask }]) => [slot, mask] as const)
    .filter(([, mask]) => mask !== 0n)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
}

export class Classifier {
  readonly #tuples = new Map<string, Tuple>()
  #order: readonly Tuple[] | null = []

  /** Takes the place of the flow with the same priority and match. */
  add(flow: ModelFlow): void {
    const match = FlowMatch.from(flow.match)
    if (flow.match.some(({ kind }) => kind === 'unknown')) {
      throw new RangeError(`the model does not know all fields of ${formatMatch(flow.match)}`)
    }
    const mask = maskOf(match)
    const name = mask.map(([slot, bits]) => `${slot}/${bits.toString(16)}`).join()
    let tuple = this.#tuples.get(name)
    if (tuple === undefined) this.#tuples.set(name, (tuple = { mask, flows: new Map(), highest: -1 }))
    const key = keyOf(mask, (slot) => match.get(slot).value)
    const others = (tuple.flows.get(key) ?? []).filter(({ priority }) => priority !== flow.priority)
    tuple.flows.set(
      key,
      [...others, flow].toSorted((a, b) => b.priority - a.priority),
    )
    tuple.highest = Math.max(tuple.highest, flow.priority)
    this.#order = null
  }

  remove(flow: ModelFlow): void {
    const match = FlowMatch.from(flow.match)
    const mask = maskOf(match)
    const name = mask.map(([slot, bits]) => `${slot}/${bits.toString(16)}`).join()
    const tuple = this.#tuples.get(name)
    const key = keyOf(mask, (slot) => match.get(slot).value)
    const left = (tuple?.flows.get(key) ?? []).filter(({ priority }) => priority !== flow.priority)
    if (left.length > 0) tuple?.flows.set(key, left)
    else tuple?.flows.delete(key)
    if (tuple?.flows.size === 0) this.#tuples.delete(name)
    this.#order = null
  }

  lookup(read: ReadSlot): ModelFlow | null {
    const seen = asSeen(read)
    let best: ModelFlow | null = null
    this.#order ??= [...this.#tuples.values()].toSorted((a, b) => b.highest - a.highest)
    for (const { mask, flows, highest } of this.#order) {
      if (best !== null && best.priority >= highest) break
      const found = flows.get(keyOf(mask, seen))?.[0]
      if (found !== undefined && (best === null || found.priority > best.priority)) best = found
    }
    return best
  }
}

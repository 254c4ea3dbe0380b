// One flow table. Flows that mask the same bits are one tuple: a hash by the masked values finds the flow (tuple space
// search, Srinivasan et al. 1999). Tuples are tried by their highest priority, so most are never looked at.
import { FlowMatch } from '../../ofproto/fields/flow-match.ts'
import type { Action, Instruction } from '../../ofproto/actions/index.ts'
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

type Clause = Extract<Action, { readonly kind: 'conjunction' }>

const clauses = new WeakMap<ModelFlow, readonly Clause[]>()
/** Which clauses of which conjunctions a flow stands for (ovs-fields(7)); none as a rule. */
function clausesOf(flow: ModelFlow): readonly Clause[] {
  let found = clauses.get(flow)
  if (found === undefined) {
    const actions = flow.instructions.flatMap((each) => (each.kind === 'apply_actions' ? each.actions : []))
    found = actions.filter((action) => action.kind === 'conjunction')
    clauses.set(flow, found)
  }
  return found
}

/** The conjunctions of which a flow of each clause is there. */
function satisfied(flows: readonly ModelFlow[]): number[] {
  const met = new Map<number, Set<number>>()
  const complete: number[] = []
  for (const { id, clause, clauses: count } of flows.flatMap(clausesOf)) {
    const of = met.get(id) ?? new Set()
    met.set(id, of.add(clause))
    if (of.size === count && !complete.includes(id)) complete.push(id)
  }
  return complete
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
    const { hard, soft } = this.#find(read)
    for (const priority of new Set(soft.map((flow) => flow.priority))) {
      for (const id of satisfied(soft.filter((flow) => flow.priority === priority))) {
        const found = this.#find((slot) => (slot === 'conj_id' ? BigInt(id) : read(slot))).hard
        if (found !== null) return found
      }
    }
    return hard
  }

  /** The best flow that matches for sure, and better ones that are clauses of conjunctions, the best first. */
  #find(read: ReadSlot): { hard: ModelFlow | null; soft: readonly ModelFlow[] } {
    let hard: ModelFlow | null = null
    const soft: ModelFlow[] = []
    this.#order ??= [...this.#tuples.values()].toSorted((a, b) => b.highest - a.highest)
    for (const { mask, flows, highest } of this.#order) {
      if (hard !== null && hard.priority >= highest) break
      for (const flow of flows.get(keyOf(mask, read)) ?? []) {
        if (hard !== null && flow.priority <= hard.priority) break
        if (clausesOf(flow).length > 0) soft.push(flow)
        else hard = flow
      }
    }
    const least = hard?.priority ?? -1
    const better = soft.length === 0 ? soft : soft.filter(({ priority }) => priority > least)
    return { hard, soft: better.toSorted((a, b) => b.priority - a.priority) }
  }
}

// Matches as programs write them: `match({ eth_type: 0x0800, ip_dst: [0x0a000000, 0xff000000], xreg0: 7n })`, in the
// order and form in which OVS would send them, so that what is installed compares equal to what was meant.
import { fullMask, toBits } from './bits.ts'
import { checkPrerequisites } from './check.ts'
import { FlowMatch } from './flow-match.ts'
import type { Match } from './match.ts'
import { toMatch } from './match-order.ts'
import { fieldOf, type AnyValue, type FieldName, type ValueOf } from './table.ts'

/** A value to be equal to, or a value and a mask. */
export type MatchSpec = {
  readonly [N in FieldName]?: ValueOf<N> | readonly [value: ValueOf<N>, mask: ValueOf<N>]
}

/** Throws RangeError for a field whose prerequisites are not in the same match. */
export function match(spec: MatchSpec): Match {
  const flow = new FlowMatch()
  for (const [name, wanted] of Object.entries(spec) as [FieldName, AnyValue | readonly [AnyValue, AnyValue]][]) {
    const field = fieldOf(name)
    const [value, mask] = Array.isArray(wanted) ? (wanted as readonly [AnyValue, AnyValue]) : [wanted as AnyValue, null]
    const bits = mask === null ? fullMask(field) : toBits(mask)
    flow.set(field, toBits(value) & bits, bits)
  }
  const entries = toMatch(flow)
  const problem = checkPrerequisites(entries)
  if (problem !== null) throw new RangeError(`match on ${problem.entry.kind}: ${problem.error.name}`)
  return entries
}

// Ranks of a group's numbered rules: their order on switches, with gaps. A rule that comes, goes or moves gets a rank between
// its neighbours', and the others keep theirs and their flows, though their numbers change.

/** Of 65,536 OpenFlow priorities a rule takes two, and some are for the rules without a number. */
const LAST = 31_800
export const maximumNumbered = 30_000
const WIDEST_GAP = 64

/** Between rules that are ranked anew: these take a quarter of the room, so that there is some at both ends. */
const gapFor = (count: number): number => Math.max(1, Math.min(WIDEST_GAP, Math.floor(LAST / (4 * count))))

function anew(count: number): number[] {
  const gap = gapFor(count)
  const first = Math.ceil((LAST - gap * (count - 1)) / 2)
  return Array.from({ length: count }, (_, i) => first + i * gap)
}

/** The ranks of rules in their order, of which those without one (null) get one; all get new ones where there is no room. */
export function ranksOf(order: readonly (number | null)[]): number[] {
  const gap = gapFor(order.length)
  const ranks: number[] = []
  let start = 0
  while (start < order.length) {
    const known = order.findIndex((rank, i) => i >= start && rank !== null)
    const end = known < 0 ? order.length : known
    const steps = end - start + 1
    const next = order[end] ?? null
    const before = ranks.at(-1) ?? (next === null ? null : Math.max(0, next - gap * steps))
    // No rule of the group has a rank.
    if (before === null) return anew(order.length)
    const after = next ?? Math.min(LAST + 1, before + gap * steps)
    if (after - before < steps) return anew(order.length)
    for (let i = 1; i < steps; i += 1) ranks.push(before + Math.floor(((after - before) * i) / steps))
    if (next !== null) ranks.push(next)
    start = end + 1
  }
  return ranks
}

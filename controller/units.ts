// What a rule contributes, as units of items: how they are built, told apart and paired with those that they replace.
import type { Contribution, FlowSpec } from './app.ts'
import { scopeKey, type Unit, type UnitChange } from './deployment.ts'
import type { Change } from './engine/index.ts'
import { type flowMaker, limitingMeter } from './pipeline/flow.ts'
import { sameItem, type Item } from './pipeline/value.ts'

const NONE: readonly Unit[] = []
/** So many are compared with each other faster than a map of them is made. */
const FEW = 16

/** Contributions as units. In a scope, an item of several objects counts as the first says it. */
export function unitsOf(
  app: string,
  key: string,
  contributions: readonly Contribution[],
  make: ReturnType<typeof flowMaker>,
): readonly Unit[] {
  if (contributions.length === 0) return NONE
  const takenIn = new Map<string, Set<string>>()
  return contributions.map(({ scope, object = key, flows, limits }) => {
    const name = scopeKey(scope)
    const items = itemsOf(flows, limits, make({ app, object }))
    if (contributions.length === 1 && items.length <= FEW && areDistinct(items)) return { scope: name, object, items }
    let taken = takenIn.get(name)
    if (taken === undefined) takenIn.set(name, (taken = new Set()))
    return { scope: name, object, items: without(taken, items) }
  })
}

// Arrays are made in their final size: pushed to, they have room for 17 items from the start.
function itemsOf(
  flows: readonly FlowSpec[],
  limits: Contribution['limits'],
  flowOf: (spec: FlowSpec) => Item,
): readonly Item[] {
  if (limits === undefined || limits.length === 0) return flows.map(flowOf)
  return [...limits.map(limitingMeter), ...flows.map(flowOf)]
}

function areDistinct(items: readonly Item[]): boolean {
  for (let i = 1; i < items.length; i += 1) {
    const { key } = items[i] as Item
    for (let j = 0; j < i; j += 1) if ((items[j] as Item).key === key) return false
  }
  return true
}

/** Those whose keys are not taken, which they are then. */
function without(taken: Set<string>, items: readonly Item[]): readonly Item[] {
  const left = items.filter(({ key }) => !taken.has(key) && taken.add(key))
  return left.length === items.length ? items : left
}

export function sameUnits(a: readonly Unit[], b: readonly Unit[]): boolean {
  return a.length === b.length && b.every((unit, i) => sameUnit(a[i], unit))
}

function sameUnit(a: Unit | undefined, b: Unit): boolean {
  if (a === undefined || a.scope !== b.scope || a.object !== b.object || a.items.length !== b.items.length) return false
  return a.items.every((item, i) => {
    const other = b.items[i] as Item
    return item.key === other.key && sameItem(item, other)
  })
}

/** Units of one scope and object replace one another. */
export function pairUnits({ before = NONE, after = NONE }: Change<string, readonly Unit[]>, into: UnitChange[]): void {
  const old = before.length === 0 ? null : new Map(before.map((unit) => [idOf(unit), unit]))
  for (const unit of after) {
    const { scope, object, items } = unit
    const replaced = old?.get(idOf(unit))
    into.push({ scope, object, before: replaced?.items ?? null, after: items })
    if (replaced !== undefined) old?.delete(idOf(unit))
  }
  for (const { scope, object, items } of old?.values() ?? []) into.push({ scope, object, before: items, after: null })
}

const idOf = ({ scope, object }: Unit): string => `${scope} ${object}`

// What a rule contributes, as units of items: how they are built, told apart and paired with those that they replace.
import type { Contribution, FlowSpec } from './app.ts'
import { sameItem, scopeKey, type Unit, type UnitChange } from './deployment.ts'
import type { Change } from './engine/index.ts'
import { type flowMaker, limitingMeter } from './pipeline/flow.ts'
import type { Item } from './pipeline/value.ts'

/** Contributions by scope and object: one unit for each. An item of several objects counts as the first says it. */
export function unitsOf(
  app: string,
  key: string,
  contributions: readonly Contribution[],
  make: ReturnType<typeof flowMaker>,
): readonly Unit[] {
  if (contributions.length === 1) {
    const [{ scope, object = key, flows, limits }] = contributions as readonly [Contribution]
    return [{ scope: scopeKey(scope), object, items: firstOfEach(itemsOf(flows, limits, make({ app, object }))) }]
  }
  const units = new Map<string, { scope: string; object: string; items: Item[] }>()
  const taken = new Set<string>()
  for (const { scope, object = key, flows, limits } of contributions) {
    const name = scopeKey(scope)
    const id = `${name} ${object}`
    let unit = units.get(id)
    if (unit === undefined) units.set(id, (unit = { scope: name, object, items: [] }))
    for (const item of itemsOf(flows, limits, make({ app, object }))) {
      const where = `${name} ${item.key}`
      if (!taken.has(where)) unit.items.push(item)
      taken.add(where)
    }
  }
  return [...units.values()]
}

function itemsOf(flows: readonly FlowSpec[], limits: Contribution['limits'], flowOf: (spec: FlowSpec) => Item): Item[] {
  const items: Item[] = (limits ?? []).map(limitingMeter)
  for (const spec of flows) items.push(flowOf(spec))
  return items
}

const FEW = 8

function firstOfEach(items: readonly Item[]): readonly Item[] {
  // Comparing a few costs less than a map of them, and repetitions are rare.
  const differ = (item: Item, at: number): boolean => !items.some(({ key }, i) => i < at && key === item.key)
  if (items.length <= FEW && items.every(differ)) return items
  const taken = new Set<string>()
  return items.filter(({ key }) => !taken.has(key) && taken.add(key))
}

export function sameUnits(a: readonly Unit[], b: readonly Unit[]): boolean {
  return a.length === b.length && b.every((unit, i) => sameUnit(a[i], unit))
}

function sameUnit(a: Unit | undefined, b: Unit): boolean {
  if (a === undefined || a.scope !== b.scope || a.object !== b.object || a.items.length !== b.items.length) return false
  return a.items.every((item, i) => sameItem(b.items[i], item))
}

/** Units of one scope and object replace one another. */
export function pairUnits({ before = [], after = [] }: Change<string, readonly Unit[]>, into: UnitChange[]): void {
  const old = new Map(before.map((unit) => [`${unit.scope} ${unit.object}`, unit]))
  for (const { scope, object, items } of after) {
    const id = `${scope} ${object}`
    into.push({ scope, object, before: old.get(id)?.items ?? null, after: items })
    old.delete(id)
  }
  for (const { scope, object, items } of old.values()) into.push({ scope, object, before: items, after: null })
}

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Deployment, type UnitChange } from './deployment.ts'
import type { Item } from './pipeline/value.ts'
import { changesOf, NO_CHANGE } from './switch/desired.ts'

const item = (key: string, version: number): Item => ({ kind: 'group', key, id: 0, frame: Uint8Array.of(version) })

interface Edit {
  /** A unit by name: its scope and items, if it has any from now on. */
  readonly unit: readonly [name: string, content: Content | null]
  readonly scopes: readonly (readonly [string, ReadonlySet<string> | null])[]
}
interface Content {
  readonly scope: string
  readonly items: readonly Item[]
}
const scope = fc.constantFrom('all', 'network a', 'network b')
const versions = fc.dictionary(fc.constantFrom('x', 'y'), fc.nat(1))
// Items of different units never share a key: `name` goes into it.
const unit = (name: string) =>
  fc.option(
    fc.tuple(scope, versions).map(([where, content]): Content => ({
      scope: where,
      items: Object.entries(content).map(([key, version]) => item(`${name}${key}`, version)),
    })),
  )
const edit: fc.Arbitrary<Edit> = fc.record({
  unit: fc.constantFrom('u', 'v', 'w').chain((name) => unit(name).map((value) => [name, value] as const)),
  scopes: fc
    .tuple(fc.constantFrom('h1', 'h2'), fc.option(fc.uniqueArray(scope).map((list) => new Set(list))))
    .map((pair) => [pair]),
})

/** From one content of a unit to the next: one change, or two if its scope is another. */
function changes(before: Content | null, after: Content | null): UnitChange[] {
  if (before !== null && after !== null && before.scope === after.scope) {
    return [{ scope: after.scope, object: '', before: before.items, after: after.items }]
  }
  return [
    ...(after === null ? [] : [{ scope: after.scope, object: '', before: null, after: after.items }]),
    ...(before === null ? [] : [{ scope: before.scope, object: '', before: before.items, after: null }]),
  ]
}

const image = (items: ReadonlyMap<string, Item>) =>
  Object.fromEntries(Array.from(items, ([key, { frame }]) => [key, frame[0]] as const).toSorted())

test('the deltas of any edits add up to what each host is to have', () => {
  fc.assert(
    fc.property(fc.array(edit, { maxLength: 20 }), (edits) => {
      const deployment = new Deployment()
      const hosts = new Map<string, Map<string, Item>>()
      const units = new Map<string, Content | null>()
      for (const { unit, scopes } of edits) {
        const [name, content] = unit
        deployment.update(changes(units.get(name) ?? null, content), scopes)
        units.set(name, content)
        for (const [host, after] of scopes) if (after === null) hosts.delete(host)
        for (const [host, delta] of deployment.take()) {
          const have = hosts.get(host) ?? new Map<string, Item>()
          for (const [key, value] of changesOf(delta)) {
            if (value === null) have.delete(key)
            else have.set(key, value)
          }
          hosts.set(host, have)
        }
      }
      for (const host of ['h1', 'h2']) {
        expect(image(hosts.get(host) ?? new Map())).toEqual(image(deployment.itemsOf(host)))
      }
    }),
  )
})

const all = (before: readonly Item[] | null, after: readonly Item[] | null): UnitChange => ({
  scope: 'all',
  object: '',
  before,
  after,
})

test('a key that moves between units in one update stays in place', () => {
  const deployment = new Deployment()
  const old = [item('k', 1)]
  deployment.update([all(null, old)], [['h', new Set(['all'])]])
  deployment.take()
  deployment.update([all(null, [item('k', 2)]), all(old, null)], [])
  expect(changesOf(deployment.take().get('h') ?? NO_CHANGE)).toEqual(new Map([['k', item('k', 2)]]))
})

test('an equal contribution touches no host', () => {
  const deployment = new Deployment()
  const old = [item('k', 1)]
  deployment.update([all(null, old)], [['h', new Set(['all'])]])
  deployment.take()
  deployment.update([all(old, [item('k', 1)])], [])
  expect(deployment.take().has('h')).toBe(false)
})

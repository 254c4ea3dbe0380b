import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { UnitChange } from './deployment.ts'
import { Realized } from './realized.ts'
import { finish } from './slices.ts'

const unit = (scope: string, object: string): UnitChange => ({ scope, object, before: null, after: [] })

const waiting = (realized: Realized, object: string): string[] => [...realized.unconfirmed(object)].toSorted()

test('an object waits for each host that was told something because of it, until that host has confirmed', () => {
  const realized = new Realized()
  const hosts: Record<string, string[]> = { here: ['a'], everywhere: ['a', 'b'] }
  finish(
    realized.touch([unit('here', 'x'), unit('everywhere', 'x'), unit('here', 'y')], 1, (scope) => hosts[scope] ?? []),
  )
  expect(['x', 'y', 'z'].map((object) => waiting(realized, object))).toEqual([['a', 'b'], ['a'], []])
  expect(realized.confirm('a', 1)).toEqual(['y'])
  expect(['x', 'y'].map((object) => waiting(realized, object))).toEqual([['b'], []])
  finish(realized.touch([unit('here', 'x')], 2, () => ['a']))
  expect(waiting(realized, 'x')).toEqual(['a', 'b'])
  expect(realized.confirm('a', 2)).toEqual([])
  expect(realized.confirm('b', 2)).toEqual(['x'])
})

const objects = ['x', 'y', 'z']
const hosts = ['a', 'b', 'c']
const step = fc.oneof(
  fc.record({
    units: fc.uniqueArray(fc.constantFrom(...objects), { minLength: 1 }),
    told: fc.uniqueArray(fc.constantFrom(...hosts)),
  }),
  fc.record({ host: fc.constantFrom(...hosts), lag: fc.nat(2) }),
)

test('whatever is told and confirmed in whatever order, who waits for whom is as if all were remembered', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const realized = new Realized()
      const told: { readonly object: string; readonly host: string; readonly revision: number }[] = []
      const confirmed = new Map<string, number>()
      const expected = (object: string): string[] => {
        const open = told.filter((each) => each.object === object && (confirmed.get(each.host) ?? 0) < each.revision)
        return [...new Set(open.map(({ host }) => host))].toSorted()
      }
      let revision = 0
      for (const each of steps) {
        const before = objects.filter((object) => expected(object).length > 0)
        if ('units' in each) {
          revision += 1
          for (const object of each.units) for (const host of each.told) told.push({ object, host, revision })
          finish(
            realized.touch(
              each.units.map((object) => unit('s', object)),
              revision,
              () => each.told,
            ),
          )
        } else {
          const upTo = Math.max(confirmed.get(each.host) ?? 0, revision - each.lag)
          confirmed.set(each.host, upTo)
          const done = realized.confirm(each.host, upTo)
          expect([...done].toSorted()).toEqual(before.filter((object) => expected(object).length === 0))
        }
        for (const object of objects) expect(waiting(realized, object)).toEqual(expected(object))
      }
    }),
  )
})

import { expect, test } from 'vitest'
import type { Contribution } from './app.ts'
import { flowMaker } from './pipeline/flow.ts'
import { layout } from './pipeline/layout.ts'
import { uuid } from './testing.ts'
import { pairUnits, unitsOf } from './units.ts'
import type { UnitChange } from './deployment.ts'

const make = flowMaker(layout([{ name: 'l2', phase: 'switch', miss: 'drop', matches: ['eth_dst'] }]), ['test'])
const [a, b] = [uuid('a', 1), uuid('b', 1)]
const flows = (...macs: number[]): Contribution['flows'] =>
  macs.map((eth_dst) => ({ stage: 'l2', priority: 1, match: { eth_dst }, actions: [] }))
const all = { kind: 'all' } as const
const here = { kind: 'host', host: 'h' } as const

test('contributions of one scope and object are one unit; what a scope gets twice counts as the first says it', () => {
  const contributions: readonly Contribution[] = [
    { scope: all, flows: flows(1, 2) },
    { scope: here, flows: flows(2) },
    { scope: all, object: b, flows: flows(2, 3) },
    { scope: all, flows: flows(3, 4, 4) },
  ]
  const units = unitsOf('test', a, contributions, make)
  expect(units.map(({ scope, object, items }) => [scope, object, items.length])).toEqual([
    ['all', a, 3],
    ['host h', a, 1],
    ['all', b, 1],
  ])
  const changes: UnitChange[] = []
  pairUnits({ name: '', key: a, before: units, after: unitsOf('test', a, contributions.slice(2), make) }, changes)
  expect(changes.map(({ scope, object, before, after }) => [scope, object, before?.length, after?.length])).toEqual([
    ['all', b, 1, 2],
    ['all', a, 3, 1],
    ['host h', a, 1, undefined],
  ])
})

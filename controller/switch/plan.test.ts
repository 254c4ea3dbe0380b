import { expect, test } from 'vitest'
import { tableOf } from '../pipeline/key.ts'
import { plan } from './plan.ts'
import { flow } from './samples.ts'

const flows = [2, 0, 1].map((table) => flow({ table }))
const keys = flows.map(({ key }) => key)
const held = new Map(flows.map((item) => [item.key, item]))
const none = new Map<string, never>()
const tables = (steps: ReturnType<typeof plan>): number[] =>
  steps.flatMap(({ operations }) => operations.map((each) => tableOf(each.held.key)))

test('what packets meet first comes last and goes first, so that a port has traffic only while all its flows stand', () => {
  expect(tables(plan(keys, held, none, 1))).toEqual([2, 1, 0])
  expect(tables(plan(keys, none, held, 1))).toEqual([0, 1, 2])
})

import { expect, test } from 'vitest'
import { tableOf } from '../pipeline/key.ts'
import { Plan } from './plan.ts'
import { flow } from './samples.ts'

const flows = [2, 0, 1].map((table) => flow({ table }))
const tables = (plan: Plan): number[] =>
  [...plan.steps(1, true)].flatMap(({ parts }) => parts).flatMap(({ held }) => held.map(({ key }) => tableOf(key)))

test('what packets meet first comes last and goes first, so that a port has traffic only while all its flows stand', () => {
  const [up, down] = [new Plan(), new Plan()]
  for (const each of flows) {
    up.add(each, undefined)
    down.add(undefined, each)
  }
  expect(tables(up)).toEqual([2, 1, 0])
  expect(tables(down)).toEqual([0, 1, 2])
})

import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { maximumNumbered, ranksOf } from './rule-ranks.ts'

const isRising = (ranks: readonly number[]): boolean =>
  ranks.every((rank, i) => i === 0 || rank > (ranks[i - 1] as number))
const LAST = 31_800
const isInRange = (ranks: readonly number[]): boolean => ranks.every((rank) => rank >= 1 && rank <= LAST)

test('ranks rise and are in range, and those that fit stay, whatever comes, goes or moves', () => {
  const step = fc.record({ kind: fc.constantFrom('insert', 'remove', 'move'), at: fc.nat(), to: fc.nat() })
  let kept = 0
  let all = 0
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      let ranks: number[] = []
      for (const { kind, at, to } of steps) {
        const order: (number | null)[] = [...ranks]
        if (kind !== 'insert' && order.length > 0) order.splice(at % order.length, 1)
        const known = new Set(order)
        if (kind !== 'remove') order.splice(to % (order.length + 1), 0, null)
        ranks = ranksOf(order)
        expect(ranks).toHaveLength(order.length)
        expect(isRising(ranks) && isInRange(ranks)).toBe(true)
        all += known.size
        kept += ranks.filter((rank) => known.has(rank)).length
      }
    }),
    { seed: 1, numRuns: 200 },
  )
  expect(kept / all).toBeGreaterThan(0.98)
})

test.each([
  ['at the end', (count: number) => count],
  ['at the beginning', () => 0],
])('a thousand rules that come one by one %s are ranked anew a few times only', (_, place) => {
  let ranks: number[] = []
  let moved = 0
  for (let count = 0; count < 1_000; count += 1) {
    const next = ranksOf([...ranks].toSpliced(place(count), 0, Number.NaN).map((rank) => (rank >= 0 ? rank : null)))
    const kept = new Set(next)
    moved += ranks.filter((rank) => !kept.has(rank)).length
    ranks = next
  }
  expect(moved).toBeLessThan(2_000)
})

test('rules that are numbered from 1 without gaps, and as many as there may be, have room for one more', () => {
  for (const count of [1, 96, maximumNumbered - 1]) {
    const dense = Array.from({ length: count }, (_, i) => i + 1)
    for (const at of [0, count >> 1, count]) {
      const ranks = ranksOf([...dense.slice(0, at), null, ...dense.slice(at)])
      expect(isRising(ranks) && isInRange(ranks)).toBe(true)
    }
  }
})

test('ranks that do not rise are given anew', () => {
  expect(isRising(ranksOf([20, 10, null, 30]))).toBe(true)
  expect(isRising(ranksOf([5, 5]))).toBe(true)
  expect(ranksOf([])).toEqual([])
})

import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { finish, Slices } from './slices.ts'

/** Each step takes longer than a slice. */
function* slow(steps: number, done: () => void): Generator<void, void> {
  for (let i = 0; i < steps; i += 1) {
    const end = performance.now() + 11
    while (performance.now() < end);
    yield
  }
  done()
}

test('long work lets the event loop turn, and who waits for it hears when it is done', async () => {
  let runs = 0
  let turns = 0
  const slices = new Slices(() => slow(3, () => (runs += 1)))
  const done = slices.done().then(() => true)
  while (!(await Promise.race([done, turn(false)]))) turns += 1
  expect(runs).toBe(1)
  expect(turns).toBeGreaterThanOrEqual(3)
})

test('what is asked for while work is under way is done once more afterwards, once for all who ask', async () => {
  const seen: number[] = []
  let rows = 1
  const slices = new Slices(() => {
    const begun = rows
    return slow(2, () => seen.push(begun))
  })
  const first = slices.done()
  await turn()
  rows = 2
  const others = [slices.done(), slices.done()]
  slices.schedule()
  await first
  expect(seen).toEqual([1])
  await Promise.all(others)
  expect(seen).toEqual([1, 2])
  await turn()
  await turn()
  expect(seen).toEqual([1, 2])
})

test('finish does everything at once and gives the result', () => {
  expect(
    finish(
      (function* () {
        yield
        return 7
      })(),
    ),
  ).toBe(7)
})

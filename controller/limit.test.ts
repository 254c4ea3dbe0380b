import { expect, test } from 'vitest'
import { Limit } from './limit.ts'

test('so much work is under way at a time, in the order in which it came, whatever becomes of it', async () => {
  const limit = new Limit(2)
  const begun: number[] = []
  const ends = Array.from({ length: 4 }, () => Promise.withResolvers<void>())
  const all = ends.map(({ promise }, i) =>
    limit.run(() => {
      begun.push(i)
      return promise
    }),
  )
  expect(begun).toEqual([0, 1])
  ends[1]?.reject(new Error('lost'))
  await expect(all[1]).rejects.toThrow('lost')
  expect(begun).toEqual([0, 1, 2])
  for (const { resolve } of ends) resolve()
  await Promise.all([all[0], all[2], all[3]])
  expect(begun).toEqual([0, 1, 2, 3])
})

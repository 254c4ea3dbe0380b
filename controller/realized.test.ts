import { expect, test } from 'vitest'
import type { UnitChange } from './deployment.ts'
import { Realized } from './realized.ts'
import { finish } from './slices.ts'

const unit = (scope: string, object: string): UnitChange => ({ scope, object, before: null, after: [] })

function world() {
  const confirmed = new Map<string, number>()
  const realized = new Realized((host, revision) => (confirmed.get(host) ?? 0) >= revision)
  const tell = (...args: Parameters<Realized['touch']>): void => finish(realized.touch(...args))
  return { confirmed, realized, tell, waiting: (object: string) => [...realized.unconfirmed(object)].toSorted() }
}

test('an object waits for each host that was told something because of it, until that host has confirmed', () => {
  const { confirmed, tell, waiting } = world()
  const hosts: Record<string, string[]> = { here: ['a'], everywhere: ['a', 'b'] }
  tell([unit('here', 'x'), unit('everywhere', 'x'), unit('here', 'y')], 1, (scope) => hosts[scope] ?? [])
  expect([waiting('x'), waiting('y'), waiting('z')]).toEqual([['a', 'b'], ['a'], []])
  confirmed.set('a', 1)
  expect([waiting('x'), waiting('y')]).toEqual([['b'], []])
  tell([unit('here', 'x')], 2, () => ['a'])
  expect(waiting('x')).toEqual(['a', 'b'])
  confirmed.set('a', 2).set('b', 2)
  expect(waiting('x')).toEqual([])
})

test('many commits that touch one object, and many objects, are forgotten once confirmed, and not before', () => {
  const { confirmed, realized, tell, waiting } = world()
  for (let revision = 1; revision <= 100; revision += 1) {
    tell([unit('s', 'x')], revision, () => ['a'])
    if (revision === 50) confirmed.set('a', 50)
  }
  expect(waiting('x')).toEqual(['a'])
  const objects = Array.from({ length: 20_001 }, (_, i) => `o${i}`)
  tell(
    objects.map((object) => unit('s', object)),
    101,
    () => ['a'],
  )
  realized.tidy()
  expect(objects.every((object) => waiting(object).length === 1)).toBe(true)
  confirmed.set('a', 101)
  realized.tidy()
  expect(objects.concat('x').every((object) => waiting(object).length === 0)).toBe(true)
})

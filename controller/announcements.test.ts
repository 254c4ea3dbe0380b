import { expect, test } from 'vitest'
import { Announcements } from './announcements.ts'

const packet = (outPort: number, ...data: number[]) => ({ outPort, data: Uint8Array.from(data) })

test('what is to be said is said at once and again two seconds later', () => {
  const announcements = new Announcements()
  announcements.add('10.0.0.1', packet(1, 7))
  announcements.add('10.0.0.1', packet(2, 7))
  expect(announcements.due(5000)).toEqual([packet(1, 7), packet(2, 7)])
  expect(announcements.due(6999)).toEqual([])
  expect(announcements.due(7000)).toEqual([packet(1, 7), packet(2, 7)])
  expect(announcements.due(99_999)).toEqual([])
})

test('what is newer about an address is said in its place', () => {
  const announcements = new Announcements()
  announcements.add('10.0.0.1', packet(1, 7))
  announcements.due(0)
  announcements.add('10.0.0.1', packet(1, 8))
  announcements.add('10.0.0.2', packet(1, 9))
  expect(announcements.due(1)).toEqual([packet(1, 8), packet(1, 9)])
})

import { expect, test } from 'vitest'
import { longestDue } from './turns.ts'

test('of many that are due those go first that have waited longest, so that everybody has a turn', () => {
  const sessions = Array.from({ length: 10 }, (_, i) => ({ id: i, dueMs: 100 + i }))
  const dueMs = (each: { readonly dueMs: number }): number => each.dueMs
  const turns: number[] = []
  for (let nowMs = 100; turns.length < 20; nowMs += 5) {
    for (const session of longestDue(sessions, dueMs, nowMs, 2)) {
      turns.push(session.id)
      session.dueMs = nowMs + 15
    }
  }
  expect(turns.slice(0, 11)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0])
  expect(longestDue([{ dueMs: Infinity }, { dueMs: 11 }], dueMs, 10, 2).size).toBe(0)
})

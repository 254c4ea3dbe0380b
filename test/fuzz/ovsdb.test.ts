import { expect, test } from 'vitest'
import { fuzz } from './ovsdb.ts'

test('a second of fuzzing the OVSDB client finds nothing', () => {
  expect(fuzz({ seconds: 1, seed: Date.now() }).cases).toBeGreaterThan(100)
})

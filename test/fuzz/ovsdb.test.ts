import { expect, test } from 'vitest'
import { fuzz } from './ovsdb.ts'
import { seed } from '../seed.ts'

test('half a second of fuzzing the OVSDB client finds nothing', () => {
  expect(fuzz({ seconds: 0.5, seed }).cases).toBeGreaterThan(100)
})

import { expect, test } from 'vitest'
import { fuzz } from './ofproto.ts'

test('two seconds of broken messages, streams and texts give values, DecodeErrors and TextErrors, and nothing else', () => {
  const seed = Date.now() >>> 0
  console.log(`ofproto fuzzing: seed ${seed}`)
  expect(fuzz({ seconds: 2, seed }).cases).toBeGreaterThan(100)
})

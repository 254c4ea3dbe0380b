import { expect, test } from 'vitest'
import { checkFrame, fuzz } from './ofproto.ts'
import { seed } from '../seed.ts'

test('a second of broken messages, streams and texts give values, DecodeErrors and TextErrors, and nothing else', () => {
  console.log(`ofproto fuzzing: seed ${seed}`)
  expect(fuzz({ seconds: 1, seed }).cases).toBeGreaterThan(100)
})

// What was found once, as it came.
const findings: readonly (readonly [string, string])[] = [
  [
    'a learn spec of no bits encoded as the end of the list',
    '040e00f000000000000000000000000000000000000000000000000000008000ffffffffffffffffffffffff000000000001' +
      '000f80000a020800800014010600000400a80000000000150008d9e1e670000000100000771effff000000000000ffff0010' +
      '000023200005000000000000ffff001000002320000e191aff000000ffff006800002320002d000050c03096000000000000' +
      '0075000764001e0c84d8612b8ccc0013000000010e0400400001da100002800104080000101000010c04000a101000010204' +
      '0003003000000406000000000206000080000001e21000150001e210001500000005000800000000',
  ],
]

test.each(findings)('found before: %s', (_, hex) => {
  checkFrame(new Uint8Array(Buffer.from(hex, 'hex')))
})

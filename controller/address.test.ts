import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ipv4, mac } from './address.ts'
import { hexBits } from './pipeline/hex.ts'
import { tag } from './pipeline/registers.ts'

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

test('addresses as text are the numbers on the wire', () => {
  fc.assert(
    fc.property(bytes(4), bytes(6), ([a, b, c, d], hardware) => {
      expect(ipv4([a, b, c, d].join('.'))).toBe(Buffer.from([a ?? 0, b ?? 0, c ?? 0, d ?? 0]).readUInt32BE())
      const digits = Array.from(hardware, (byte) => byte.toString(16).padStart(2, '0'))
      expect(mac(digits.join(':'))).toBe(Buffer.from(hardware).readUIntBE(0, 6))
      expect(mac(digits.join(':').toUpperCase())).toBe(Buffer.from(hardware).readUIntBE(0, 6))
    }),
  )
  expect(ipv4('fd00::1')).toBeNull()
})

test('a tag is the first 64 bits of a UUID, and hexBits any digits of it', () => {
  fc.assert(
    fc.property(fc.uuid(), fc.nat(12), (id, count) => {
      const digits = id.replaceAll('-', '')
      expect(tag(id)).toBe(BigInt(`0x${digits.slice(0, 16)}`))
      expect(hexBits(id, 0, count)).toBe(Number.parseInt(digits.slice(0, count) || '0', 16))
    }),
  )
})

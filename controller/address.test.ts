import fc from 'fast-check'
import ipaddr from 'ipaddr.js'
import { expect, test } from 'vitest'
import { ipv4, ipv6Prefix, linkLocal, mac } from './address.ts'
import { ipv6Bytes, ipv6Text } from './ipv6.ts'
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

/** Sixteen bytes, zeros among them. */
const ipv6 = fc
  .array(fc.oneof(fc.constant(0), fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 })
  .map((groups) => Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 255])))

test('IPv6 addresses are written and read as by ipaddr.js, prefixes too', () => {
  fc.assert(
    fc.property(ipv6, fc.nat(128), fc.boolean(), (address, length, whole) => {
      const known = new ipaddr.IPv6([...address])
      expect(ipv6Text(address)).toBe(known.toString())
      const text = whole ? known.toNormalizedString() : known.toString()
      expect(ipv6Bytes(text)).toEqual(address)
      expect(ipv6Bytes(text.toUpperCase())).toEqual(address)
      const mask = Uint8Array.from(ipaddr.IPv6.subnetMaskFromPrefixLength(length).toByteArray())
      const network = address.map((byte, i) => byte & (mask[i] ?? 0))
      expect(ipv6Prefix(`${text}/${length}`)).toEqual({ network, mask, length })
    }),
  )
  expect(ipv6Text(ipv6Bytes('::ffff:192.0.2.1'))).toBe('::ffff:c000:201')
  expect(ipv6Text(linkLocal(mac('02:00:5e:10:00:ff')))).toBe('fe80::5eff:fe10:ff')
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

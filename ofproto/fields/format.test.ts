import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatEthernet, formatIpv6, parseIpv6 } from './addresses.ts'
import { ones } from './bits.ts'
import { formatBits, formatValue, parseBits, parseValue } from './format.ts'
import { formatPort, parsePort } from './ports.ts'
import { formatSubfield, parseSubfield } from './subfield.ts'
import { fields } from './table.ts'

describe('the value of a field', () => {
  test('is the same after printing and reading it, for every field', () => {
    for (const field of fields) {
      const usable = field.format === 'tunnel flags' ? 1 : field.bits
      fc.assert(
        fc.property(fc.bigInt({ min: 0n, max: ones(usable) }), (value) => {
          // Ports that no 16-bit number stands for all print as ANY; ct states and fragments beyond the known have no name.
          const named = field.format === 'ct state' ? value & 0xffn : field.format === 'frag' ? value & 1n : value
          fc.pre(!field.format.startsWith('OpenFlow') || value < 0xff00n)
          fc.pre(field.name !== 'packet_type' || value !== 0n)
          // An exact ct_state has bits without names, as nothing but bytes can ask for.
          const mask = ones(field.format === 'ct state' ? 8 : field.bytes * 8)
          const text = formatBits(field, { value: named, mask })
          const read = parseBits(field, text.replace('packet_type=', ''))
          expect([text, read.value]).toEqual([text, named])
        }),
        { numRuns: 20 },
      )
    }
  })

  test.each([
    ['ip_dst', '10.0.0.0/8', '10.0.0.0/8'],
    ['ip_dst', '10.0.0.0/255.0.255.0', '10.0.0.0/255.0.255.0'],
    ['ipv6_dst', '2001:db8::/32', '2001:db8::/32'],
    ['eth_src', '01:00:00:00:00:00/01:00:00:00:00:00', '01:00:00:00:00:00/01:00:00:00:00:00'],
    ['reg0', '5/255', '0x5/0xff'],
    ['reg0', '*', 'ANY'],
    ['tcp_dst', '017', '15'],
    ['metadata', '-1', '0xffffffffffffffff'],
    ['in_port_oxm', 'local', 'LOCAL'],
    ['in_port', '65533', 'CONTROLLER'],
    ['tcp_flags', 'syn|ack', 'syn|ack'],
    ['tcp_flags', '+syn-ack', '+syn-ack'],
    ['tcp_flags', '0x2/0x12', '+syn-ack'],
    ['ct_state', '+trk+new', '+new+trk'],
    ['tun_flags', 'oam', 'oam'],
    ['ip_frag', 'first', 'first'],
    ['packet_type', '(1,0x894f)', 'packet_type=(1,0x894f)'],
    ['ct_label', '0x123456789abcdef0123', '0x123456789abcdef0123'],
  ] as const)('%s=%s prints as %s', (name, text, printed) => {
    const { value, mask } = parseValue(name, text)
    expect(formatValue(name, value, mask)).toBe(printed)
  })
})

describe('addresses', () => {
  test.each<[bigint, string]>([
    [0n, '::'],
    [1n, '::1'],
    [0x0102_0304n, '::1.2.3.4'],
    [0xffff_0102_0304n, '::ffff:1.2.3.4'],
    [0x1_0000_0000_0000n, '::1:0:0:0'],
    [0xfe80n << 112n, 'fe80::'],
    [(0x20010db8n << 96n) | 1n, '2001:db8::1'],
    [(1n << 112n) | (2n << 64n) | 3n, '1:0:0:2::3'],
    [ones(128), 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ])('%i is %s, as inet_ntop() has it', (address, text) => {
    expect(formatIpv6(address)).toBe(text)
  })

  test('are read as they are printed', () => {
    const sparse = fc.array(fc.constantFrom<bigint[]>(0n, 0n, 1n, 0xffffn), { minLength: 8, maxLength: 8 })
    fc.assert(
      fc.property(sparse, (groups) => {
        const address = groups.reduce<bigint>((sum, group) => (sum << 16n) | group, 0n)
        expect(parseIpv6(formatIpv6(address))).toBe(address)
      }),
    )
  })

  test.each(['1::2::3', '1:2:3', ':1', '1:2:3:4:5:6:7:8:9', '::g', '1.2.3.4', '::1.2.3', '1:2:3:4:5:6:7::8:9', ''])(
    '%s is no IPv6 address',
    (text) => {
      expect(() => parseIpv6(text)).toThrow(/invalid/)
    },
  )

  test('of Ethernet keep their leading zeros', () => {
    expect(formatEthernet(0x0102n)).toBe('00:00:00:00:01:02')
  })
})

describe('ports', () => {
  test('are 32 bits on the wire and know the names of both numberings', () => {
    expect(parsePort('LOCAL')).toBe(0xffff_fffe)
    expect(parsePort('65534')).toBe(0xffff_fffe)
    expect(parsePort('4294967294')).toBe(0xffff_fffe)
    expect(parsePort('NONE')).toBe(0xffff_ffff)
    expect(formatPort(0xffff_fffd)).toBe('CONTROLLER')
    expect(formatPort(7)).toBe('7')
    expect(() => parsePort('65536')).toThrow(/not a valid/)
    expect(() => parsePort('-1')).toThrow(/not a valid/)
  })
})

describe('subfields', () => {
  test.each([
    ['reg0', 'NXM_NX_REG0[]'],
    ['NXM_NX_REG0[0..15]', 'NXM_NX_REG0[0..15]'],
    ['nw_src[3]', 'NXM_OF_IP_SRC[3]'],
    ['OXM_OF_IPV4_SRC[]', 'NXM_OF_IP_SRC[]'],
    ['metadata[0..63]', 'OXM_OF_METADATA[]'],
  ])('%s prints as %s', (text, printed) => {
    expect(formatSubfield(parseSubfield(text))).toBe(printed)
  })

  test.each(['reg0[5..3]', 'reg0[32]', 'reg0[0..32]', 'reg0[x]', 'reg99', 'reg0[]x'])('%s is refused', (text) => {
    expect(() => parseSubfield(text)).toThrow(text)
  })
})

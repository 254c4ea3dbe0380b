import fc from 'fast-check'
import { expect, test } from 'vitest'
import { composeDhcp, parseDhcp, type DhcpMessage } from './dhcp.ts'
import {
  checksum,
  composeFrame,
  composeIpv4,
  composeUdp,
  ETHERTYPE_IPV4,
  parseFrame,
  parseIpv4,
  parseUdp,
  PROTOCOL_ICMP,
  PROTOCOL_UDP,
} from './frame.ts'
import { fragmentationNeeded, timeExceeded } from './icmp.ts'

const u16 = fc.nat(0xffff)
const u32 = fc.nat(0xffff_ffff)
const mac = fc.nat({ max: 0xffff_ffff_ffff })
const bytes = (maxLength: number) => fc.uint8Array({ maxLength })
const option = fc.tuple(
  fc.integer({ min: 1, max: 254 }).filter((tag) => tag !== 52),
  bytes(600),
)

const message: fc.Arbitrary<DhcpMessage> = fc.record({
  op: fc.constantFrom(1, 2),
  xid: u32,
  seconds: u16,
  broadcast: fc.boolean(),
  clientAddress: u32,
  yourAddress: u32,
  serverAddress: u32,
  relayAddress: u32,
  clientMac: mac,
  serverName: fc.constantFrom('', 'boot.example'),
  bootFile: fc.constantFrom('', 'pxelinux.0'),
  options: fc.array(option, { maxLength: 8 }).map((entries) => new Map(entries)),
})

test('a DHCP message survives composing and parsing, options longer than 255 bytes included', () => {
  fc.assert(
    fc.property(message, (m) => {
      expect(parseDhcp(composeDhcp(m))).toEqual(m)
    }),
  )
})

test('options in the boot file and server name areas are read when overload says so', () => {
  const packet = composeDhcp({
    op: 1,
    xid: 1,
    seconds: 0,
    broadcast: false,
    clientAddress: 0,
    yourAddress: 0,
    serverAddress: 0,
    relayAddress: 0,
    clientMac: 0x0200_0000_0001,
    serverName: '',
    bootFile: '',
    options: new Map([
      [52, Uint8Array.of(3)],
      [12, Uint8Array.of(0x61)],
    ]),
  })
  packet.set([12, 1, 0x62, 255], 108)
  packet.set([12, 1, 0x63, 50, 1, 9, 255], 44)
  const parsed = parseDhcp(packet)
  expect(parsed?.options.get(12)).toEqual(Uint8Array.of(0x61, 0x62, 0x63))
  expect(parsed?.options.get(50)).toEqual(Uint8Array.of(9))
})

test('no bytes make a parser throw', () => {
  fc.assert(
    fc.property(bytes(400), (junk) => {
      parseDhcp(junk)
      const packet = parseIpv4(parseFrame(junk)?.payload ?? junk)
      if (packet) parseUdp(packet)
      timeExceeded(junk, { mac: 1, address: 1 })
    }),
  )
})

test('a mutated DHCP message is refused or parsed, never thrown on', () => {
  fc.assert(
    fc.property(message, fc.nat(), fc.nat(255), (m, at, value) => {
      const packet = composeDhcp(m)
      packet[at % packet.length] = value
      parseDhcp(packet)
    }),
  )
})

test('Ethernet, IPv4 and UDP survive composing and parsing', () => {
  fc.assert(
    fc.property(
      mac,
      mac,
      u32,
      u32,
      u16,
      u16,
      bytes(100),
      (destination, source, from, to, sourcePort, destinationPort, payload) => {
        const udp = { sourcePort, destinationPort, payload }
        const ip = {
          source: from,
          destination: to,
          protocol: PROTOCOL_UDP,
          ttl: 64,
          dscp: 0,
          payload: composeUdp(udp, { source: from, destination: to }),
        }
        const frame = { destination, source, etherType: ETHERTYPE_IPV4, payload: composeIpv4(ip) }
        const parsed = parseFrame(composeFrame(frame))
        expect(parsed).toEqual(frame)
        const packet = parseIpv4(parsed?.payload ?? new Uint8Array())
        expect(packet).toEqual(ip)
        expect(packet && parseUdp(packet)).toEqual(udp)
      },
    ),
  )
})

test('a flipped bit in an IPv4 header or a UDP datagram is noticed', () => {
  const datagram = composeUdp(
    { sourcePort: 68, destinationPort: 67, payload: Uint8Array.of(1, 2, 3) },
    { source: 1, destination: 2 },
  )
  const ip = { source: 1, destination: 2, protocol: PROTOCOL_UDP, ttl: 64, dscp: 0, payload: datagram }
  for (let bit = 0; bit < (20 + datagram.length) * 8; bit += 1) {
    const flipped = composeIpv4(ip)
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
    const packet = parseIpv4(flipped)
    expect(packet === null || parseUdp(packet) === null, `bit ${bit}`).toBe(true)
  }
})

const original = (protocol: number, payload: Uint8Array, destination = 0x0a00_0202) =>
  composeFrame({
    destination: 0x0200_0000_00fe,
    source: 0x0200_0000_0001,
    etherType: ETHERTYPE_IPV4,
    payload: composeIpv4({ source: 0x0a00_0102, destination, protocol, ttl: 1, dscp: 0, payload }),
  })
const router = { mac: 0x0200_0000_00fe, address: 0x0a00_0101 }

test('time exceeded quotes the packet and goes from the router to its sender', () => {
  const answer = timeExceeded(original(PROTOCOL_UDP, new Uint8Array(16)), router)
  const frame = parseFrame(answer ?? new Uint8Array())
  const packet = parseIpv4(frame?.payload ?? new Uint8Array())
  expect(frame).toMatchObject({ destination: 0x0200_0000_0001, source: router.mac })
  expect(packet).toMatchObject({ source: router.address, destination: 0x0a00_0102, protocol: PROTOCOL_ICMP })
  expect(packet?.payload.subarray(0, 2)).toEqual(Uint8Array.of(11, 0))
  expect(checksum(packet?.payload ?? new Uint8Array())).toBe(0)
  expect(parseIpv4(packet?.payload.subarray(8) ?? new Uint8Array())).toMatchObject({ ttl: 1, destination: 0x0a00_0202 })
})

test('fragmentation needed carries the MTU of the next hop', () => {
  const packet = parseIpv4(
    parseFrame(fragmentationNeeded(original(PROTOCOL_UDP, new Uint8Array(1400)), router, 1450) ?? new Uint8Array())
      ?.payload ?? new Uint8Array(),
  )
  expect(packet?.payload.subarray(0, 2)).toEqual(Uint8Array.of(3, 4))
  expect(packet?.payload.subarray(6, 8)).toEqual(Uint8Array.of(1450 >> 8, 1450 & 0xff))
  expect((packet?.payload.length ?? 0) + 20).toBe(576)
})

test.each([
  ['an ICMP error', original(PROTOCOL_ICMP, Uint8Array.of(3, 1, 0, 0, 0, 0, 0, 0))],
  ['a multicast', original(PROTOCOL_UDP, new Uint8Array(8), 0xe000_0001)],
])('no ICMP error is sent about %s', (_, frame) => {
  expect(timeExceeded(frame, router)).toBeNull()
})

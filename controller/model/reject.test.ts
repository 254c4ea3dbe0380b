// Rejected packets on modelled hosts: who is told, and what.
import { expect, test } from 'vitest'
import { apps } from '../../apps/index.ts'
import { checksum, parseFrame, parseIpv4, pseudoHeader } from '../../packet/frame.ts'
import { parseIpv6, pseudoHeader6 } from '../../packet/ipv6.ts'
import { formatPacket } from '../../ofproto/packet/index.ts'
import { linkLocal, mac } from '../address.ts'
import { ipv6Text } from '../ipv6.ts'
import { packetHandler } from '../packet-in.ts'
import { gateway, groupRule, host, network, port, router, securityGroup, subnet, uuid, vif } from '../testing.ts'
import { simulate, type Rows } from './testing.ts'
import { icmpFrame, TCP_FLAGS, tcpFrame, udpFrame, type Ends } from './testing-packets.ts'

const open = uuid('g', 1)
const rejecting = uuid('g', 2)
const at = (n: number, i: number): string => `10.0.${n}.${i}`
const macOf = (n: number, i: number): number => mac(port(n, i).mac_address)
/** Host 1 has 1.2, which may all, and 1.3 and 2.2; host 2 has 1.4 and 2.3. The others reject all that comes to them, and what they send to port 7. */
const stations = [
  [1, 1, 2],
  [1, 1, 3],
  [2, 1, 4],
  [1, 2, 2],
  [2, 2, 3],
] as const
const everything = (['ingress', 'egress'] as const).flatMap((direction, d) =>
  (['IPv4', 'IPv6'] as const).map((ethertype, f) => groupRule(1, 2 * d + f, { direction, ethertype })),
)
const rows: Rows = {
  hosts: [host(1), host(2)],
  networks: [network(1), network(2)],
  subnets: [subnet(1), subnet(2)],
  ports: [
    ...stations.map(([, n, i]) => port(n, i, { security_groups: [n === 1 && i === 2 ? open : rejecting] })),
    gateway(1, 1),
    gateway(2, 1),
  ],
  routers: [router(1)],
  vifs: stations.map(([h, n, i]) => vif(h, n, i)),
  securityGroups: [securityGroup(1), securityGroup(2)],
  securityGroupRules: [
    ...everything,
    groupRule(2, 1, { action: 'reject', log: true }),
    groupRule(2, 2, { action: 'reject', ethertype: 'IPv6' }),
    groupRule(2, 3, { direction: 'egress', action: 'reject', protocol: 'tcp', port_range_min: 7, port_range_max: 7 }),
  ],
}
const { fabric, derivation } = simulate(rows)

/** What 1.2 hears when it sends. */
function answers(bytes: Uint8Array, h = 1, n = 1, i = 2): readonly Uint8Array[] {
  const deliveries = fabric.send(`host${h}`, n * 256 + i, bytes)
  expect(deliveries.map((each) => `${each.host}/${each.ofport}`)).toEqual(
    deliveries.map(() => `host${h}/${n * 256 + i}`),
  )
  return deliveries.map((each) => each.bytes)
}

const targets = [
  ['on its host', 1, 3],
  ['on another host', 1, 4],
  ['behind the router on its host', 2, 2],
  ['behind the router on another host', 2, 3],
] as const
const ends = (n: number, i: number): Ends => ({
  fromMac: macOf(1, 2),
  toMac: n === 1 ? macOf(1, i) : macOf(1, 1),
  from: at(1, 2),
  to: at(n, i),
})

test.each(targets)(
  'a SYN to a port %s is answered by a reset from there, from the MAC that it was sent to',
  (_, n, i) => {
    const { toMac } = ends(n, i)
    const [answer, ...others] = answers(tcpFrame(ends(n, i), [4000, 80], TCP_FLAGS.syn, { sequence: 0xffff_ffff }))
    expect(others).toEqual([])
    const frame = parseFrame(answer ?? new Uint8Array())
    const packet = frame && parseIpv4(frame.payload)
    if (!frame || !packet) throw new Error('no IPv4 packet')
    expect([frame.destination, frame.source]).toEqual([macOf(1, 2), toMac])
    expect(formatPacket(answer ?? new Uint8Array())).toContain(`nw_src=${at(n, i)},nw_dst=${at(1, 2)}`)
    const segment = new DataView(packet.payload.buffer, packet.payload.byteOffset)
    expect([segment.getUint16(0), segment.getUint16(2)]).toEqual([80, 4000])
    // RFC 9293 §3.5.2: sequence 0, and the acknowledgement of the SYN, which counts as one.
    expect([segment.getUint32(4), segment.getUint32(8), segment.getUint8(13)]).toEqual([0, 0, 0x14])
    expect(checksum(pseudoHeader(packet, packet.payload.length), packet.payload)).toBe(0)
  },
)

test.each(targets)('a datagram to a port %s is answered by an ICMP error that quotes it', (_, n, i) => {
  const sent = udpFrame(ends(n, i), [4000, 53])
  const [answer] = answers(sent)
  const packet = parseIpv4(parseFrame(answer ?? new Uint8Array())?.payload ?? new Uint8Array())
  expect([...(packet?.payload.subarray(0, 2) ?? [])]).toEqual([3, 13])
  expect(checksum(packet?.payload ?? new Uint8Array(1))).toBe(0)
  // Ports and length, behind the quoted header.
  expect(packet?.payload.subarray(28, 34)).toEqual(sent.subarray(34, 40))
})

test('IPv6 is answered as well: TCP by a reset, the rest by an ICMPv6 error', () => {
  const lla = (n: number, i: number): string => ipv6Text(linkLocal(macOf(n, i)))
  for (const i of [3, 4]) {
    const six = { fromMac: macOf(1, 2), toMac: macOf(1, i), from: lla(1, 2), to: lla(1, i) }
    for (const [frame, protocol] of [
      [tcpFrame(six, [4000, 80], TCP_FLAGS.syn), 6],
      [udpFrame(six, [4000, 53]), 58],
    ] as const) {
      const [answer] = answers(frame)
      const packet = parseIpv6(parseFrame(answer ?? new Uint8Array())?.payload ?? new Uint8Array())
      if (packet === null) throw new Error('no IPv6 packet')
      expect(packet.protocol).toBe(protocol)
      expect(checksum(pseudoHeader6(packet, packet.payload.length), packet.payload)).toBe(0)
      expect(packet.payload.subarray(0, 2)).toEqual(protocol === 58 ? Uint8Array.of(1, 1) : Uint8Array.of(0, 80))
    }
  }
})

test('what a port may not send is answered on the spot', () => {
  const out = { fromMac: macOf(1, 4), toMac: macOf(1, 1), from: at(1, 4), to: at(2, 2) }
  const [answer, ...others] = answers(tcpFrame(out, [4000, 7], TCP_FLAGS.syn), 2, 1, 4)
  expect(others).toEqual([])
  expect(formatPacket(answer ?? new Uint8Array())).toContain(`nw_src=${at(2, 2)},nw_dst=${at(1, 4)}`)
  expect(answers(tcpFrame(out, [4000, 8], TCP_FLAGS.syn), 2, 1, 4)).toEqual([])
})

test('nobody is told about a reset or a broadcast', () => {
  expect(answers(tcpFrame(ends(1, 3), [4000, 80], TCP_FLAGS.rst))).toEqual([])
  const everyone = { ...ends(1, 3), toMac: 0xffff_ffff_ffff, to: '10.0.1.255' }
  expect(answers(udpFrame(everyone, [4000, 53]))).toEqual([])
  expect(answers(icmpFrame(ends(1, 3), 8, 0, new Uint8Array(8)))).toHaveLength(1)
})

test('a rule with a log is reported with the port and the packet that it decided about', () => {
  const handle = packetHandler(apps, derivation.reads)
  const reports = fabric
    .follow('host1', { inPort: 256 + 2, bytes: tcpFrame(ends(2, 3), [4000, 80], TCP_FLAGS.syn) })
    .visits.flatMap((visit) =>
      visit.trace.packetIns.flatMap(({ cookie, metadata, bytes: data }) => {
        const handled = handle({ host: visit.host, cookie, metadata, data })
        return handled?.report ?? []
      }),
    )
  expect(reports).toEqual([
    {
      kind: 'security_group_rule',
      id: groupRule(2, 1).id,
      security_group_id: rejecting,
      direction: 'ingress',
      action: 'reject',
      port: port(2, 3).id,
      protocol: 6,
      source: at(1, 2),
      destination: at(2, 3),
      source_port: 4000,
      destination_port: 80,
    },
  ])
})

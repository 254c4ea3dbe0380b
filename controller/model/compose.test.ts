// Packets made from flow texts: what is found in them is what the texts say, and their checksums are right.
import { expect, test } from 'vitest'
import { parseMatch } from '../../ofproto/fields/match-text.ts'
import { extractFlow, formatPacket } from '../../ofproto/packet/index.ts'
import { checksum, parseFrame, parseIpv4, parseUdp } from '../../packet/frame.ts'
import { ComposeError, composeArrival, type Content } from './compose.ts'

const macs = 'dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02'
const made = (text: string, content?: Content) => composeArrival(parseMatch(`in_port=5,${text}`), content)

test.each([
  `tcp,${macs},nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_tos=184,nw_ecn=1,nw_ttl=9,tp_src=4000,tp_dst=443,tcp_flags=syn`,
  `udp6,${macs},ipv6_src=fe80::1,ipv6_dst=fe80::2,nw_tos=8,nw_ttl=3,tp_dst=53`,
  `sctp,${macs},nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=9,tp_dst=10`,
  `icmp,nw_dst=10.0.0.2,icmp_type=3,icmp_code=1`,
  `icmp6,ipv6_dst=ff02::1,icmp_type=135,icmp_code=0,nd_target=fe80::5,nd_sll=02:00:00:00:00:09`,
  `arp,${macs},arp_op=2,arp_spa=10.0.0.1,arp_tpa=10.0.0.2,arp_sha=02:00:00:00:00:01,arp_tha=02:00:00:00:00:02`,
  `udp,dl_vlan=7,dl_vlan_pcp=3,nw_dst=10.0.0.2,tp_dst=4`,
  `udp,nw_dst=10.0.0.2,nw_frag=first,tp_dst=9`,
  `udp,nw_dst=10.0.0.2,nw_frag=later`,
  `udp6,ipv6_dst=fe80::2,nw_frag=first,tp_dst=9`,
  `ip,nw_proto=47,nw_dst=10.0.0.2`,
  `dl_type=0x88cc,${macs}`,
])('%s', (text) => {
  const { bytes, inPort, tunnel } = made(text)
  const found = new Set(formatPacket(bytes).split(/[ ,]/))
  expect(text.split(',').filter((item) => !found.has(item))).toEqual([])
  expect({ inPort, tunnel }).toEqual({ inPort: 5, tunnel: null })
})

test.each([
  `tcp,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_tos=184,nw_ttl=9,tp_src=4000,tp_dst=443`,
  `udp,nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_dst=53`,
  `icmp,nw_src=10.0.0.1,nw_dst=10.0.0.2,icmp_type=8`,
  `tcp6,ipv6_src=fe80::1,ipv6_dst=fe80::2,tp_dst=443`,
  `icmp6,ipv6_src=fe80::1,ipv6_dst=fe80::2,icmp_type=136,icmp_code=0,nd_target=fe80::1,nd_tll=02:00:00:00:00:09`,
])('checksums cover addresses and fields: %s', (text) => {
  const { bytes } = made(text)
  const key = extractFlow(bytes)
  const isIpv4 = key.ethType === 0x0800
  if (isIpv4) expect(checksum(bytes.subarray(14, 34))).toBe(0)
  const addresses = isIpv4 ? bytes.subarray(26, 34) : bytes.subarray(22, 54)
  const segment = bytes.subarray(key.transportOffset)
  const pseudoHeader = key.protocol === 1 ? [] : [addresses, Uint8Array.of(0, segment.length, 0, key.protocol)]
  expect(checksum(...pseudoHeader, segment)).toBe(0)
})

test('a size and a payload make the packet longer', () => {
  expect(made('udp,nw_dst=10.0.0.2', { size: 1000 }).bytes).toHaveLength(1000)
  expect(made('arp', { size: 10 }).bytes).toHaveLength(42)
  const payload = Uint8Array.of(1, 2, 3)
  const frame = parseFrame(made('udp,nw_dst=10.0.0.2,tp_dst=7', { payload }).bytes)
  const packet = frame && parseIpv4(frame.payload)
  expect(packet && parseUdp(packet)).toEqual({ sourcePort: 0, destinationPort: 7, payload })
})

test('a packet from a tunnel has its outer header', () => {
  const { tunnel } = made('tun_id=7,tun_src=192.0.2.1,tun_dst=192.0.2.2,ip')
  expect(tunnel).toEqual({ id: 7n, source: 0xc000_0201, destination: 0xc000_0202 })
})

test.each([
  ['ip', 'in_port'],
  ['in_port=5,reg0=1', 'reg0'],
  ['in_port=5,metadata=1', 'metadata'],
  ['in_port=5,dl_type=0x894f,nsh_ttl=3', 'nsh_ttl'],
])('%s is refused', (text, field) => {
  expect(() => composeArrival(parseMatch(text))).toThrow(ComposeError)
  expect(() => composeArrival(parseMatch(text))).toThrow(field)
})

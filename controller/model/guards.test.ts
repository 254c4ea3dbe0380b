// What port security lets no port say, whatever its groups allow: another's addresses in neighbour discovery, and what only
// the network itself says.
import { expect, test } from 'vitest'
import { bitsToBytes } from '../../ofproto/fields/bits.ts'
import { linkLocal, mac } from '../address.ts'
import { ipv6Text } from '../ipv6.ts'
import { groupRule, host, network, port, securityGroup, subnet, uuid, vif } from '../testing.ts'
import { simulate } from './testing.ts'
import { ipFrame, udpFrame, type Ends } from './testing-packets.ts'

const ICMPV6 = 58
const macOf = (i: number): number => mac(port(1, i).mac_address)
const lla = (i: number): string => ipv6Text(linkLocal(macOf(i)))
const group = uuid('g', 1)

/** Ports 2 and 3 of network 1 on one host, which may all; `open`: port 2 is without port security. */
function world(open: boolean) {
  const rest = open ? { port_security_enabled: false } : { security_groups: [group] }
  return simulate({
    hosts: [host(1)],
    networks: [network(1)],
    subnets: [subnet(1)],
    ports: [port(1, 2, rest), port(1, 3, { security_groups: [group] })],
    vifs: [vif(1, 1, 2), vif(1, 1, 3)],
    securityGroups: [securityGroup(1)],
    securityGroupRules: (['ingress', 'egress'] as const).flatMap((direction, d) =>
      (['IPv4', 'IPv6'] as const).map((ethertype, f) => groupRule(1, 2 * d + f, { direction, ethertype })),
    ),
  }).fabric
}
const [guarded, unguarded] = [world(false), world(true)]

const six: Ends = { fromMac: macOf(2), toMac: macOf(3), from: lla(2), to: lla(3), ttl: 255 }
const four: Ends = { fromMac: macOf(2), toMac: macOf(3), from: '10.0.1.2', to: '10.0.1.3' }

/** A message of RFC 4861 about a target, with a link-layer address as option 1 or 2. */
function discovery(type: number, target: string, option: number, address: number | null): Uint8Array {
  const hardware = address === null ? [] : [option, 1, ...bitsToBytes(BigInt(address), 6)]
  const content = target === '' ? new Uint8Array(4) : Uint8Array.of(0, 0, 0, 0, ...linkLocalOf(target))
  return ipFrame(six, ICMPV6, Uint8Array.of(type, 0, 0, 0, ...content, ...hardware), 2)
}
const linkLocalOf = (text: string): Uint8Array => linkLocal(text === lla(2) ? macOf(2) : macOf(3))

/** Duplicate address detection (RFC 4862 §5.4). */
const unspecified = (fromMac: number): Uint8Array =>
  ipFrame({ ...six, fromMac, from: '::' }, ICMPV6, Uint8Array.of(135, 0, 0, 0, 0, 0, 0, 0, ...linkLocalOf(lla(2))), 2)

const passes = (fabric: typeof guarded, frame: Uint8Array): boolean => fabric.send('host1', 256 + 2, frame).length > 0

test.each([
  ['a solicitation with its own link-layer address', discovery(135, lla(3), 1, macOf(2)), true],
  ['a solicitation without one', discovery(135, lla(3), 1, null), true],
  ["a solicitation with another's", discovery(135, lla(3), 1, macOf(3)), false],
  ['an advertisement of its own address', discovery(136, lla(2), 2, macOf(2)), true],
  ["an advertisement of another's address", discovery(136, lla(3), 2, macOf(2)), false],
  ["an advertisement of its own address at another's MAC", discovery(136, lla(2), 2, macOf(3)), false],
  ['a solicitation from the unspecified address', unspecified(macOf(2)), true],
  ["the same from another's MAC", unspecified(macOf(3)), false],
  ['a router solicitation', discovery(133, '', 1, null), true],
  ['a router advertisement', ipFrame(six, ICMPV6, Uint8Array.of(134, ...Array<number>(15).fill(0)), 2), false],
  ['a redirect', ipFrame(six, ICMPV6, Uint8Array.of(137, ...Array<number>(39).fill(0)), 2), false],
  ['an answer of a DHCP server', udpFrame(four, [67, 68]), false],
  ['an answer of a DHCPv6 server', udpFrame(six, [547, 546]), false],
])('whether a port that may all may send %s', (_, frame, allowed) => {
  expect(passes(guarded, frame)).toBe(allowed)
  expect(passes(unguarded, frame)).toBe(true)
})

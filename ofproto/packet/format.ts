// A packet as one line, as OVS prints what is in a packet-in (ofp_packet_to_string): everything that a flow could match
// on, then the transport checksum.
import { bytesToBits, ones } from '../fields/bits.ts'
import { FlowMatch } from '../fields/flow-match.ts'
import { formatFlowMatch } from '../fields/match-format.ts'
import { ETH_TYPE, IP_PROTO, ND } from '../fields/protocols.ts'
import { extractFlow } from './extract.ts'
import type { FlowKey } from './key.ts'

const put = (flow: FlowMatch, slot: string, value: number | Uint8Array, bits: number): void =>
  flow.put(slot, value instanceof Uint8Array ? bytesToBits(value) : BigInt(value), ones(bits))

function putEthernet(flow: FlowMatch, key: FlowKey): void {
  put(flow, 'eth_dst', key.ethDst, 48)
  put(flow, 'eth_src', key.ethSrc, 48)
  put(flow, 'eth_type', key.ethType, 16)
  // One tag more than there are, which shows that there are no more.
  put(flow, 'tci', key.vlans[0] ?? 0, 16)
  if (key.vlans.length > 0) put(flow, 'tci1', key.vlans[1] ?? 0, 16)
}

function putArp(flow: FlowMatch, key: FlowKey): void {
  put(flow, 'ip_src', key.ipSrc, 32)
  put(flow, 'ip_dst', key.ipDst, 32)
  put(flow, 'nw_proto', key.protocol, 8)
  put(flow, 'arp_sha', key.arpSha, 48)
  put(flow, 'arp_tha', key.arpTha, 48)
}

/** Entries up to the bottom of the stack, all three where there is none. */
function putMpls(flow: FlowMatch, key: FlowKey): void {
  const [first = 0, second = 0, third = 0] = key.mpls
  put(flow, 'mpls_label', first >>> 12, 20)
  put(flow, 'mpls_tc', (first >>> 9) & 7, 3)
  put(flow, 'mpls_ttl', first & 0xff, 8)
  put(flow, 'mpls_bos', (first >>> 8) & 1, 1)
  if ((first & 0x100) !== 0) return
  put(flow, 'mpls_lse1', second, 32)
  if ((second & 0x100) === 0) put(flow, 'mpls_lse2', third, 32)
}

function putNsh(flow: FlowMatch, { nsh }: FlowKey): void {
  put(flow, 'nsh_flags', nsh?.flags ?? 0, 8)
  put(flow, 'nsh_ttl', nsh?.ttl ?? 0, 8)
  put(flow, 'nsh_mdtype', nsh?.mdtype ?? 0, 8)
  put(flow, 'nsh_np', nsh?.np ?? 0, 8)
  put(flow, 'nsh_spi', nsh?.spi ?? 0, 32)
  put(flow, 'nsh_si', nsh?.si ?? 0, 8)
  for (let i = 0; i < 4; i += 1) put(flow, `nsh_c${i + 1}`, nsh?.context[i] ?? 0, 32)
}

const isDiscovery = (key: FlowKey): boolean =>
  key.ethType === ETH_TYPE.ipv6 &&
  key.protocol === IP_PROTO.icmpv6 &&
  key.tpDst === 0 &&
  (key.tpSrc === ND.solicit || key.tpSrc === ND.advert)

/** False if what follows is not IP. */
function putNetwork(flow: FlowMatch, key: FlowKey): boolean {
  switch (key.ethType) {
    case ETH_TYPE.ip:
      put(flow, 'ip_src', key.ipSrc, 32)
      put(flow, 'ip_dst', key.ipDst, 32)
      return true
    case ETH_TYPE.ipv6:
      put(flow, 'ipv6_src', key.ipv6Src, 128)
      put(flow, 'ipv6_dst', key.ipv6Dst, 128)
      put(flow, 'ipv6_label', key.ipv6Label, 32)
      return true
    case ETH_TYPE.nsh:
      // OVS goes on to the IP fields behind NSH, which are all zero.
      putNsh(flow, key)
      return true
    case ETH_TYPE.arp:
    case ETH_TYPE.rarp:
      putArp(flow, key)
      return false
    case ETH_TYPE.mpls:
    case ETH_TYPE.mplsMulticast:
      putMpls(flow, key)
      return false
    default:
      return false
  }
}

const withPorts: ReadonlySet<number> = new Set([
  IP_PROTO.icmp,
  IP_PROTO.icmpv6,
  IP_PROTO.tcp,
  IP_PROTO.udp,
  IP_PROTO.sctp,
  IP_PROTO.igmp,
])

function putIp(flow: FlowMatch, key: FlowKey): void {
  put(flow, 'ip_frag', key.fragment, 2)
  put(flow, 'nw_tos', key.tos & 0xfc, 8)
  put(flow, 'nw_ecn', key.tos & 3, 8)
  put(flow, 'nw_ttl', key.ttl, 8)
  put(flow, 'nw_proto', key.protocol, 8)
  if (isDiscovery(key)) {
    put(flow, 'arp_sha', key.arpSha, 48)
    put(flow, 'arp_tha', key.arpTha, 48)
    put(flow, 'nd_target', key.ndTarget, 128)
  }
  if ((key.fragment & 2) !== 0 || !withPorts.has(key.protocol)) return
  put(flow, 'tp_src', key.tpSrc, 16)
  put(flow, 'tp_dst', key.tpDst, 16)
  if (key.protocol === IP_PROTO.tcp) put(flow, 'tcp_flags', key.tcpFlags, 16)
}

/** A match on everything in a flow key; context (ports, registers, conntrack) is left out. */
export function keyMatch(key: FlowKey): FlowMatch {
  const flow = new FlowMatch()
  put(flow, 'packet_type', key.packetType, 32)
  if (key.packetType === 0) putEthernet(flow, key)
  if (putNetwork(flow, key)) putIp(flow, key)
  return flow
}

/** Protocol to name, header size, offset and size in bytes of its checksum. */
const checksums: ReadonlyMap<number, readonly [string, number, number, 2 | 4]> = new Map([
  [IP_PROTO.tcp, ['tcp', 20, 16, 2]],
  [IP_PROTO.udp, ['udp', 8, 6, 2]],
  [IP_PROTO.sctp, ['sctp', 12, 8, 4]],
  [IP_PROTO.icmp, ['icmp', 8, 2, 2]],
  [IP_PROTO.icmpv6, ['icmp6', 4, 2, 2]],
])

function formatChecksum(bytes: Uint8Array, key: FlowKey): string {
  const found = checksums.get(key.protocol)
  if (found === undefined || key.transportOffset < 0) return ''
  const [name, headerSize, offset, size] = found
  if (key.transportEnd - key.transportOffset < headerSize) return ''
  const at = key.transportOffset + offset
  const checksum = bytesToBits(bytes.subarray(at, at + size))
  return ` ${name}_csum:${checksum.toString(16)}`
}

/** One line, without the newline. `packetType` as in extractFlow(). */
export function formatPacket(bytes: Uint8Array, packetType = 0): string {
  const key = extractFlow(bytes, packetType)
  return formatFlowMatch(keyMatch(key), key.ethType) + formatChecksum(bytes, key)
}

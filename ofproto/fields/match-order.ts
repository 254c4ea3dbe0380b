// From what a match looks at to entries in the order, and with the fields, that OVS sends on a 1.3 connection (nx_put_raw).
import { maskedValue, ones } from './bits.ts'
import type { FlowMatch } from './flow-match.ts'
import type { Match, MatchEntry } from './match.ts'
import { port11 } from './ports.ts'
import { ETH_TYPE, IP_PROTO, ND } from './protocols.ts'
import { slotBits, slotOf } from './slots.ts'
import { fieldOf, type FieldName } from './table.ts'
import { indexes } from './row.ts'

const VID_AND_CFI = 0x1fffn

const beforeNetwork = [
  'dp_hash',
  'recirc_id',
  'conj_id',
  'in_port_oxm',
  'actset_output',
  'eth_src',
  'eth_dst',
  'eth_type',
] as const
const mpls = ['mpls_tc', 'mpls_bos', 'mpls_ttl', 'mpls_label'] as const
const arp = ['arp_op', 'arp_spa', 'arp_tpa', 'arp_sha', 'arp_tha'] as const
const ip = ['ip_frag', 'ip_dscp', 'nw_ecn', 'nw_ttl', 'ipv6_label', 'nw_proto'] as const
const tunnel = [
  'tun_id',
  'tun_flags',
  'tun_src',
  'tun_dst',
  'tun_ipv6_src',
  'tun_ipv6_dst',
  'tun_gbp_id',
  'tun_gbp_flags',
] as const
const tunnelOptions = indexes[64].map((n): FieldName => `tun_metadata${n}`)
const tunnelKinds = [
  'tun_erspan_idx',
  'tun_erspan_ver',
  'tun_erspan_dir',
  'tun_erspan_hwid',
  'tun_gtpu_flags',
  'tun_gtpu_msgtype',
] as const
const nsh = [
  'nsh_flags',
  'nsh_ttl',
  'nsh_mdtype',
  'nsh_np',
  'nsh_spi',
  'nsh_si',
  'nsh_c1',
  'nsh_c2',
  'nsh_c3',
  'nsh_c4',
] as const
const registers = indexes[16].map((n): FieldName => `reg${n}`)
const conntrack = [
  'pkt_mark',
  'ct_state',
  'ct_zone',
  'ct_mark',
  'ct_label',
  'ct_nw_src',
  'ct_ipv6_src',
  'ct_nw_dst',
  'ct_ipv6_dst',
] as const
const conntrackTransport = ['ct_nw_proto', 'ct_tp_src', 'ct_tp_dst'] as const

/** The entry of `name` for what its slot holds. */
function entryOf(flow: FlowMatch, name: FieldName): MatchEntry {
  const field = fieldOf(name)
  const { value, mask } = flow.get(slotOf(name))
  const slotFull = ones(slotBits(slotOf(name), field.bytes * 8))
  if (name === 'in_port_oxm' || name === 'actset_output') {
    return { kind: name, value: port11(Number(value)), mask: null }
  }
  if (name === 'ip_dscp') return { kind: name, value: Number(value >> 2n), mask: null }
  // Both fragment bits are all that the field has: OVS sends that without a mask.
  const exact = mask === slotFull || !field.maskable || (name === 'ip_frag' && mask === 3n)
  const bits = { value, mask: exact ? ones(field.bytes * 8) : mask }
  return { kind: name, ...maskedValue(field, bits, flow.optionSizes.get(name)) } as MatchEntry
}

/** The transport fields after nw_proto. */
function transport(flow: FlowMatch): readonly FieldName[] {
  switch (flow.protocol) {
    case IP_PROTO.tcp:
      return ['tcp_src', 'tcp_dst', 'tcp_flags']
    case IP_PROTO.udp:
      return ['udp_src', 'udp_dst']
    case IP_PROTO.sctp:
      return ['sctp_src', 'sctp_dst']
    case IP_PROTO.icmp:
      return flow.ethType === ETH_TYPE.ip ? ['icmp_type', 'icmp_code'] : []
    case IP_PROTO.icmpv6:
      return flow.ethType === ETH_TYPE.ipv6 ? ['icmpv6_type', 'icmpv6_code', ...discovery(flow)] : []
    default:
      return []
  }
}

function discovery(flow: FlowMatch): readonly FieldName[] {
  const type = Number(flow.get('tp_src').value)
  if (flow.get('tp_dst').value !== 0n || (type !== ND.solicit && type !== ND.advert)) return []
  return ['nd_reserved', 'nd_target', 'nd_options_type', type === ND.solicit ? 'nd_sll' : 'nd_tll']
}

function network(flow: FlowMatch): readonly FieldName[] {
  switch (flow.ethType) {
    case ETH_TYPE.mpls:
    case ETH_TYPE.mplsMulticast:
      return mpls
    case ETH_TYPE.ip:
      return ['ip_src', 'ip_dst', ...ip, ...transport(flow)]
    case ETH_TYPE.ipv6:
      return ['ipv6_src', 'ipv6_dst', ...ip, ...transport(flow)]
    case ETH_TYPE.arp:
    case ETH_TYPE.rarp:
      return arp
    default:
      return []
  }
}

/** vlan_vid and vlan_pcp; a priority counts only beside a VLAN. */
function vlan(flow: FlowMatch): MatchEntry[] {
  const { value, mask } = flow.get('tci')
  const out: MatchEntry[] = []
  const vidMask = mask & VID_AND_CFI
  const vid = Number(value & VID_AND_CFI)
  if (vidMask !== 0n) out.push({ kind: 'vlan_vid', value: vid, mask: vidMask === VID_AND_CFI ? null : Number(vidMask) })
  if (vid !== 0 && mask >> 13n !== 0n) out.push({ kind: 'vlan_pcp', value: Number(value >> 13n), mask: null })
  return out
}

/** Entries in canonical order. What no packet of this match can have is left out, as OVS does. */
export function toMatch(flow: FlowMatch): Match {
  const out: MatchEntry[] = []
  const add = (names: readonly FieldName[]): void => {
    for (const name of names) if (flow.has(slotOf(name))) out.push(entryOf(flow, name))
  }
  if (!flow.isEthernet) add(['packet_type'])
  add(beforeNetwork)
  out.push(...vlan(flow))
  add(network(flow))
  add(tunnel)
  if (flow.optionSizes.size > 0) add(tunnelOptions)
  add(tunnelKinds)
  add(nsh)
  add(registers)
  add(conntrack)
  if (flow.get('ct_nw_proto').value !== 0n) add(conntrackTransport)
  add(['metadata'])
  // A match on Ethernet packets says so itself unless a field that only they have does.
  const implied = out.some((entry) => entry.kind !== 'unknown' && fieldOf(entry.kind).prerequisite !== 'none')
  if (flow.isEthernet && !implied) out.unshift(entryOf(flow, 'packet_type'))
  return out
}

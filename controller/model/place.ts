// Where a field lies in the bytes of a packet, so that the model can rewrite it: the inverse of ofproto/packet's
// extraction. A field that the packet does not have is nowhere.
import { ETH_TYPE, IP_PROTO, ND } from '../../ofproto/fields/protocols.ts'
import type { FieldName } from '../../ofproto/fields/table.ts'
import type { FlowKey } from '../../ofproto/packet/index.ts'

/** Bits `shift` and up of the big-endian number of `size` bytes at `at`. */
export interface Place {
  readonly at: number
  readonly size: number
  readonly shift: number
  readonly bits: number
}

/** Where the network header starts. */
export function networkOffset(bytes: Uint8Array, key: FlowKey): number {
  const type = 12 + 4 * key.vlans.length
  const value = ((bytes[type] ?? 0) << 8) | (bytes[type + 1] ?? 0)
  // Behind a length (802.3) OVS looks into LLC and SNAP, 8 bytes.
  return type + (value < 0x0600 && key.ethType >= 0x0600 ? 10 : 2)
}

type Spot = readonly [at: number, size: number, shift?: number, bits?: number]
type Spots = { readonly [N in FieldName]?: Spot }

const ethernet: Spots = { eth_dst: [0, 6], eth_src: [6, 6] }
const mpls: Spots = { mpls_label: [0, 4, 12, 20], mpls_tc: [2, 1, 1, 3], mpls_ttl: [3, 1] }
const ipv4: Spots = {
  ip_src: [12, 4],
  ip_dst: [16, 4],
  ip_dscp: [1, 1, 2, 6],
  nw_ecn: [1, 1, 0, 2],
  nw_ttl: [8, 1],
}
const ipv6: Spots = {
  ipv6_src: [8, 16],
  ipv6_dst: [24, 16],
  ipv6_label: [0, 4, 0, 20],
  // The traffic class stands 4 bits from the start.
  ip_dscp: [0, 2, 6, 6],
  nw_ecn: [0, 2, 4, 2],
  nw_ttl: [7, 1],
}
const arp: Spots = { arp_op: [6, 2], arp_sha: [8, 6], arp_spa: [14, 4], arp_tha: [18, 6], arp_tpa: [24, 4] }
const transports: ReadonlyMap<number, Spots> = new Map<number, Spots>([
  [IP_PROTO.tcp, { tcp_src: [0, 2], tcp_dst: [2, 2] }],
  [IP_PROTO.udp, { udp_src: [0, 2], udp_dst: [2, 2] }],
  [IP_PROTO.sctp, { sctp_src: [0, 2], sctp_dst: [2, 2] }],
  [IP_PROTO.icmp, { icmp_type: [0, 1], icmp_code: [1, 1] }],
  [IP_PROTO.icmpv6, { icmpv6_type: [0, 1], icmpv6_code: [1, 1] }],
])
/** Header sizes below which OVS sees no ports. */
const transportSizes: ReadonlyMap<number, number> = new Map<number, number>([
  [IP_PROTO.tcp, 20],
  [IP_PROTO.sctp, 12],
])

const isIp = (key: FlowKey): boolean => key.ethType === ETH_TYPE.ip || key.ethType === ETH_TYPE.ipv6
const isMpls = (key: FlowKey): boolean => key.ethType === ETH_TYPE.mpls || key.ethType === ETH_TYPE.mplsMulticast

/** The fields of the network header and where it starts. */
function network(bytes: Uint8Array, key: FlowKey): readonly [Spots, number] | null {
  const start = networkOffset(bytes, key)
  if (isIp(key)) return key.transportOffset < 0 ? null : [key.ethType === ETH_TYPE.ip ? ipv4 : ipv6, start]
  if (key.ethType === ETH_TYPE.arp || key.ethType === ETH_TYPE.rarp)
    return bytes.length < start + 28 ? null : [arp, start]
  return isMpls(key) && key.mpls.length > 0 ? [mpls, start] : null
}

function transport(key: FlowKey): readonly [Spots, number] | null {
  const spots = transports.get(key.protocol)
  const family = key.protocol === IP_PROTO.icmp ? ETH_TYPE.ip : key.protocol === IP_PROTO.icmpv6 ? ETH_TYPE.ipv6 : null
  if (spots === undefined || key.transportOffset < 0 || (key.fragment & 2) !== 0) return null
  if (family !== null && family !== key.ethType) return null
  const size = key.transportEnd - key.transportOffset
  return size < (transportSizes.get(key.protocol) ?? 8) ? null : [spots, key.transportOffset]
}

const [SOURCE_LINK_ADDRESS, TARGET_LINK_ADDRESS] = [1, 2]

/** The fields of a neighbour solicitation or advertisement; an option's address only where the option is. */
function discovery(bytes: Uint8Array, key: FlowKey): readonly [Spots, number] | null {
  const found = transport(key)
  const isDiscovery = key.protocol === IP_PROTO.icmpv6 && key.tpDst === 0
  if (found === null || !isDiscovery || (key.tpSrc !== ND.solicit && key.tpSrc !== ND.advert)) return null
  if (key.transportEnd - key.transportOffset < 24) return null
  const spots: { -readonly [N in FieldName]?: Spot } = { nd_target: [8, 16], nd_reserved: [4, 4] }
  for (let at = 24; key.transportOffset + at + 8 <= key.transportEnd;) {
    const type = bytes[key.transportOffset + at]
    const size = (bytes[key.transportOffset + at + 1] ?? 0) * 8
    if (size === 0) break
    if (type === SOURCE_LINK_ADDRESS && key.tpSrc === ND.solicit) spots.nd_sll ??= [at + 2, 6]
    if (type === TARGET_LINK_ADDRESS && key.tpSrc === ND.advert) spots.nd_tll ??= [at + 2, 6]
    if (type === SOURCE_LINK_ADDRESS || type === TARGET_LINK_ADDRESS) spots.nd_options_type ??= [at, 1]
    at += size
  }
  return [spots, key.transportOffset]
}

/** Null where the packet has no such field, or the field is none of a packet's bytes. */
export function placeOf(field: FieldName, bytes: Uint8Array, key: FlowKey): Place | null {
  // Anything shorter than an Ethernet header has no fields at all.
  if (bytes.length < 14) return null
  const layers = [[ethernet, 0] as const, network(bytes, key), transport(key), discovery(bytes, key)]
  for (const layer of layers) {
    const spot = layer?.[0][field]
    if (!layer || spot === undefined) continue
    const [at, size, shift = 0, bits = size * 8] = spot
    return { at: layer[1] + at, size, shift, bits }
  }
  return null
}

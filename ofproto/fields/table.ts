// The match fields of OVS 3.1, one row each, in the order of its enum mf_field_id (include/openvswitch/meta-flow.h): names,
// sizes, how a value prints, what must be matched before it, and the OXM/NXM headers it has. Everything else in this
// folder works from these rows. A row's order matters where OVS prints fields in their order.
import { family, field, indexes, type Header } from './row.ts'

/** Every field, as rows whose static types carry name, other name and width. */
export const fields = [
  field('dp_hash', null, 4, 32, 'masked', 'hexadecimal', 'none', 'r', 'NXOXM_ET_DP_HASH:0 NXM_NX_DP_HASH:35'),
  field('recirc_id', null, 4, 32, 'exact', 'decimal', 'none', 'r', 'NXM_NX_RECIRC_ID:36'),
  field('packet_type', null, 4, 32, 'exact', 'packet type', 'none', 'r', 'OXM_OF_PACKET_TYPE:44@6'),
  field('conj_id', null, 4, 32, 'exact', 'decimal', 'none', 'r', 'NXM_NX_CONJ_ID:37'),

  // Tunnels.
  field('tun_id', 'tunnel_id', 8, 64, 'masked', 'hexadecimal', 'none', 'rw', 'NXM_NX_TUN_ID:16 OXM_OF_TUNNEL_ID:38@4'),
  field('tun_src', null, 4, 32, 'masked', 'IPv4', 'none', 'rw', 'NXM_NX_TUN_IPV4_SRC:31'),
  field('tun_dst', null, 4, 32, 'masked', 'IPv4', 'none', 'rw', 'NXM_NX_TUN_IPV4_DST:32'),
  field('tun_ipv6_src', null, 16, 128, 'masked', 'IPv6', 'none', 'rw', 'NXM_NX_TUN_IPV6_SRC:109'),
  field('tun_ipv6_dst', null, 16, 128, 'masked', 'IPv6', 'none', 'rw', 'NXM_NX_TUN_IPV6_DST:110'),
  field('tun_flags', null, 2, 1, 'masked', 'tunnel flags', 'none', 'rw', 'NXM_NX_TUN_FLAGS:104'),
  field('tun_ttl', null, 1, 8, 'exact', 'decimal', 'none', 'r', ''),
  field('tun_tos', null, 1, 8, 'exact', 'decimal', 'none', 'r', ''),
  field('tun_gbp_id', null, 2, 16, 'masked', 'decimal', 'none', 'rw', 'NXM_NX_TUN_GBP_ID:38'),
  field('tun_gbp_flags', null, 1, 8, 'masked', 'hexadecimal', 'none', 'rw', 'NXM_NX_TUN_GBP_FLAGS:39'),
  field('tun_erspan_idx', null, 4, 20, 'masked', 'hexadecimal', 'none', 'rw', 'NXOXM_ET_ERSPAN_IDX:11'),
  field('tun_erspan_ver', null, 1, 4, 'masked', 'decimal', 'none', 'rw', 'NXOXM_ET_ERSPAN_VER:12'),
  field('tun_erspan_dir', null, 1, 1, 'masked', 'decimal', 'none', 'rw', 'NXOXM_ET_ERSPAN_DIR:13'),
  field('tun_erspan_hwid', null, 1, 6, 'masked', 'hexadecimal', 'none', 'rw', 'NXOXM_ET_ERSPAN_HWID:14'),
  field('tun_gtpu_flags', null, 1, 8, 'masked', 'hexadecimal', 'none', 'r', 'NXOXM_ET_GTPU_FLAGS:15'),
  field('tun_gtpu_msgtype', null, 1, 8, 'masked', 'decimal', 'none', 'r', 'NXOXM_ET_GTPU_MSGTYPE:16'),
  // Geneve options, mapped by the TLV table: 4 to 124 bytes on the wire.
  ...family('tun_metadata', indexes[64], 124, 'NXM_NX_TUN_METADATA', 40),

  // Metadata of the pipeline.
  field('metadata', null, 8, 64, 'masked', 'hexadecimal', 'none', 'rw', 'OXM_OF_METADATA:2@3'),
  field('in_port', null, 2, 16, 'exact', 'OpenFlow 1.0 port', 'none', 'rw', 'NXM_OF_IN_PORT:0'),
  field('in_port_oxm', null, 4, 32, 'exact', 'OpenFlow 1.1+ port', 'none', 'rw', 'OXM_OF_IN_PORT:0@3'),
  field(
    'actset_output',
    null,
    4,
    32,
    'exact',
    'OpenFlow 1.1+ port',
    'none',
    'r',
    'ONFOXM_ET_ACTSET_OUTPUT:43@4 OXM_OF_ACTSET_OUTPUT:43@6',
  ),
  field('skb_priority', null, 4, 32, 'exact', 'hexadecimal', 'none', 'r', ''),
  field('pkt_mark', null, 4, 32, 'masked', 'hexadecimal', 'none', 'rw', 'NXM_NX_PKT_MARK:33'),

  // Connection tracking.
  field('ct_state', null, 4, 32, 'masked', 'ct state', 'none', 'r', 'NXM_NX_CT_STATE:105'),
  field('ct_zone', null, 2, 16, 'exact', 'hexadecimal', 'none', 'r', 'NXM_NX_CT_ZONE:106'),
  field('ct_mark', null, 4, 32, 'masked', 'hexadecimal', 'none', 'rw', 'NXM_NX_CT_MARK:107'),
  field('ct_label', null, 16, 128, 'masked', 'hexadecimal', 'none', 'rw', 'NXM_NX_CT_LABEL:108'),
  field('ct_nw_proto', null, 1, 8, 'exact', 'decimal', 'CT', 'r', 'NXM_NX_CT_NW_PROTO:119'),
  field('ct_nw_src', null, 4, 32, 'masked', 'IPv4', 'CT', 'r', 'NXM_NX_CT_NW_SRC:120'),
  field('ct_nw_dst', null, 4, 32, 'masked', 'IPv4', 'CT', 'r', 'NXM_NX_CT_NW_DST:121'),
  field('ct_ipv6_src', null, 16, 128, 'masked', 'IPv6', 'CT', 'r', 'NXM_NX_CT_IPV6_SRC:122'),
  field('ct_ipv6_dst', null, 16, 128, 'masked', 'IPv6', 'CT', 'r', 'NXM_NX_CT_IPV6_DST:123'),
  field('ct_tp_src', null, 2, 16, 'masked', 'decimal', 'CT', 'r', 'NXM_NX_CT_TP_SRC:124'),
  field('ct_tp_dst', null, 2, 16, 'masked', 'decimal', 'CT', 'r', 'NXM_NX_CT_TP_DST:125'),

  // Registers; xregN is reg2N and reg2N+1, xxregN four of them, the most significant first.
  ...family('reg', indexes[16], 4, 'NXM_NX_REG', 0),
  ...family('xreg', indexes[8], 8, 'OXM_OF_PKT_REG', 0, '@4'),
  ...family('xxreg', indexes[4], 16, 'NXM_NX_XXREG', 111),

  // Ethernet, VLAN.
  field('eth_src', 'dl_src', 6, 48, 'masked', 'Ethernet', 'Ethernet', 'rw', 'NXM_OF_ETH_SRC:2 OXM_OF_ETH_SRC:4@3'),
  field('eth_dst', 'dl_dst', 6, 48, 'masked', 'Ethernet', 'Ethernet', 'rw', 'NXM_OF_ETH_DST:1 OXM_OF_ETH_DST:3@3'),
  field('eth_type', 'dl_type', 2, 16, 'exact', 'hexadecimal', 'Ethernet', 'r', 'NXM_OF_ETH_TYPE:3 OXM_OF_ETH_TYPE:5@3'),
  field('vlan_tci', null, 2, 16, 'masked', 'hexadecimal', 'Ethernet', 'rw', 'NXM_OF_VLAN_TCI:4'),
  field('dl_vlan', null, 2, 12, 'exact', 'decimal', 'Ethernet', 'rw', ''),
  field('vlan_vid', null, 2, 12, 'masked', 'decimal', 'Ethernet', 'rw', 'OXM_OF_VLAN_VID:6@3'),
  field('dl_vlan_pcp', null, 1, 3, 'exact', 'decimal', 'Ethernet', 'rw', ''),
  field('vlan_pcp', null, 1, 3, 'exact', 'decimal', 'VLAN VID', 'rw', 'OXM_OF_VLAN_PCP:7@3'),

  // MPLS.
  field('mpls_label', null, 4, 20, 'exact', 'decimal', 'MPLS', 'rw', 'OXM_OF_MPLS_LABEL:34@3'),
  field('mpls_tc', null, 1, 3, 'exact', 'decimal', 'MPLS', 'rw', 'OXM_OF_MPLS_TC:35@3'),
  field('mpls_bos', null, 1, 1, 'exact', 'decimal', 'MPLS', 'r', 'OXM_OF_MPLS_BOS:36@4'),
  field('mpls_ttl', null, 1, 8, 'exact', 'decimal', 'MPLS', 'rw', 'NXM_NX_MPLS_TTL:30'),

  // IP.
  field('ip_src', 'nw_src', 4, 32, 'masked', 'IPv4', 'IPv4', 'rw', 'NXM_OF_IP_SRC:7 OXM_OF_IPV4_SRC:11@3'),
  field('ip_dst', 'nw_dst', 4, 32, 'masked', 'IPv4', 'IPv4', 'rw', 'NXM_OF_IP_DST:8 OXM_OF_IPV4_DST:12@3'),
  field('ipv6_src', null, 16, 128, 'masked', 'IPv6', 'IPv6', 'rw', 'NXM_NX_IPV6_SRC:19 OXM_OF_IPV6_SRC:26@3'),
  field('ipv6_dst', null, 16, 128, 'masked', 'IPv6', 'IPv6', 'rw', 'NXM_NX_IPV6_DST:20 OXM_OF_IPV6_DST:27@3'),
  field(
    'ipv6_label',
    null,
    4,
    20,
    'masked',
    'hexadecimal',
    'IPv6',
    'rw',
    'NXM_NX_IPV6_LABEL:27 OXM_OF_IPV6_FLABEL:28@3',
  ),
  field('nw_proto', 'ip_proto', 1, 8, 'exact', 'decimal', 'IPv4/IPv6', 'r', 'NXM_OF_IP_PROTO:6 OXM_OF_IP_PROTO:10@3'),
  field('nw_tos', null, 1, 8, 'exact', 'decimal', 'IPv4/IPv6', 'rw', 'NXM_OF_IP_TOS:5'),
  field('ip_dscp', null, 1, 6, 'exact', 'decimal', 'IPv4/IPv6', 'rw', 'OXM_OF_IP_DSCP:8@3'),
  field('nw_ecn', 'ip_ecn', 1, 2, 'exact', 'decimal', 'IPv4/IPv6', 'rw', 'NXM_NX_IP_ECN:28 OXM_OF_IP_ECN:9@3'),
  field('nw_ttl', null, 1, 8, 'exact', 'decimal', 'IPv4/IPv6', 'rw', 'NXM_NX_IP_TTL:29'),
  field('ip_frag', 'nw_frag', 1, 2, 'masked', 'frag', 'IPv4/IPv6', 'r', 'NXM_NX_IP_FRAG:26'),

  // ARP.
  field('arp_op', null, 2, 16, 'exact', 'decimal', 'ARP', 'rw', 'NXM_OF_ARP_OP:15 OXM_OF_ARP_OP:21@3'),
  field('arp_spa', null, 4, 32, 'masked', 'IPv4', 'ARP', 'rw', 'NXM_OF_ARP_SPA:16 OXM_OF_ARP_SPA:22@3'),
  field('arp_tpa', null, 4, 32, 'masked', 'IPv4', 'ARP', 'rw', 'NXM_OF_ARP_TPA:17 OXM_OF_ARP_TPA:23@3'),
  field('arp_sha', null, 6, 48, 'masked', 'Ethernet', 'ARP', 'rw', 'NXM_NX_ARP_SHA:17 OXM_OF_ARP_SHA:24@3'),
  field('arp_tha', null, 6, 48, 'masked', 'Ethernet', 'ARP', 'rw', 'NXM_NX_ARP_THA:18 OXM_OF_ARP_THA:25@3'),

  // Transport.
  field('tcp_src', 'tp_src', 2, 16, 'masked', 'decimal', 'TCP', 'rw', 'NXM_OF_TCP_SRC:9 OXM_OF_TCP_SRC:13@3'),
  field('tcp_dst', 'tp_dst', 2, 16, 'masked', 'decimal', 'TCP', 'rw', 'NXM_OF_TCP_DST:10 OXM_OF_TCP_DST:14@3'),
  field(
    'tcp_flags',
    null,
    2,
    12,
    'masked',
    'TCP flags',
    'TCP',
    'r',
    'NXM_NX_TCP_FLAGS:34 ONFOXM_ET_TCP_FLAGS:42@4 OXM_OF_TCP_FLAGS:42@6',
  ),
  field('udp_src', null, 2, 16, 'masked', 'decimal', 'UDP', 'rw', 'NXM_OF_UDP_SRC:11 OXM_OF_UDP_SRC:15@3'),
  field('udp_dst', null, 2, 16, 'masked', 'decimal', 'UDP', 'rw', 'NXM_OF_UDP_DST:12 OXM_OF_UDP_DST:16@3'),
  field('sctp_src', null, 2, 16, 'masked', 'decimal', 'SCTP', 'rw', 'OXM_OF_SCTP_SRC:17@3'),
  field('sctp_dst', null, 2, 16, 'masked', 'decimal', 'SCTP', 'rw', 'OXM_OF_SCTP_DST:18@3'),
  field('icmp_type', null, 1, 8, 'exact', 'decimal', 'ICMPv4', 'rw', 'NXM_OF_ICMP_TYPE:13 OXM_OF_ICMPV4_TYPE:19@3'),
  field('icmp_code', null, 1, 8, 'exact', 'decimal', 'ICMPv4', 'rw', 'NXM_OF_ICMP_CODE:14 OXM_OF_ICMPV4_CODE:20@3'),
  field('icmpv6_type', null, 1, 8, 'exact', 'decimal', 'ICMPv6', 'rw', 'NXM_NX_ICMPV6_TYPE:21 OXM_OF_ICMPV6_TYPE:29@3'),
  field('icmpv6_code', null, 1, 8, 'exact', 'decimal', 'ICMPv6', 'rw', 'NXM_NX_ICMPV6_CODE:22 OXM_OF_ICMPV6_CODE:30@3'),
  field('nd_target', null, 16, 128, 'masked', 'IPv6', 'ND', 'rw', 'NXM_NX_ND_TARGET:23 OXM_OF_IPV6_ND_TARGET:31@3'),
  field('nd_sll', null, 6, 48, 'masked', 'Ethernet', 'ND solicit', 'rw', 'NXM_NX_ND_SLL:24 OXM_OF_IPV6_ND_SLL:32@3'),
  field('nd_tll', null, 6, 48, 'masked', 'Ethernet', 'ND advert', 'rw', 'NXM_NX_ND_TLL:25 OXM_OF_IPV6_ND_TLL:33@3'),
  field('nd_reserved', null, 4, 32, 'exact', 'decimal', 'ND', 'rw', 'ERICOXM_OF_ICMPV6_ND_RESERVED:1'),
  field('nd_options_type', null, 1, 8, 'exact', 'decimal', 'ND', 'rw', 'ERICOXM_OF_ICMPV6_ND_OPTIONS_TYPE:2'),

  // Network Service Header.
  field('nsh_flags', null, 1, 8, 'masked', 'decimal', 'NSH', 'rw', 'NXOXM_NSH_FLAGS:1'),
  field('nsh_mdtype', null, 1, 8, 'exact', 'decimal', 'NSH', 'r', 'NXOXM_NSH_MDTYPE:2'),
  field('nsh_np', null, 1, 8, 'exact', 'decimal', 'NSH', 'r', 'NXOXM_NSH_NP:3'),
  field('nsh_spi', 'nsp', 4, 24, 'exact', 'hexadecimal', 'NSH', 'rw', 'NXOXM_NSH_SPI:4'),
  field('nsh_si', 'nsi', 1, 8, 'exact', 'decimal', 'NSH', 'rw', 'NXOXM_NSH_SI:5'),
  field('nsh_c1', 'nshc1', 4, 32, 'masked', 'hexadecimal', 'NSH', 'rw', 'NXOXM_NSH_C1:6'),
  field('nsh_c2', 'nshc2', 4, 32, 'masked', 'hexadecimal', 'NSH', 'rw', 'NXOXM_NSH_C2:7'),
  field('nsh_c3', 'nshc3', 4, 32, 'masked', 'hexadecimal', 'NSH', 'rw', 'NXOXM_NSH_C3:8'),
  field('nsh_c4', 'nshc4', 4, 32, 'masked', 'hexadecimal', 'NSH', 'rw', 'NXOXM_NSH_C4:9'),
  field('nsh_ttl', null, 1, 8, 'exact', 'decimal', 'NSH', 'rw', 'NXOXM_NSH_TTL:10'),
] as const

type Rows = (typeof fields)[number]
/** A row, whichever. */
export type Field = Rows
export type FieldName = Rows['name']
/** The other name of a field that has one (`nw_src` of `ip_src`). */
export type FieldAlias = Exclude<Rows['aka'], null>

type Value<Bytes> = Bytes extends 8 ? bigint : Bytes extends 16 | 124 ? Uint8Array : number
/** The value of field `N`: up to 48 bits a number, 64 bits a bigint, wider (IPv6, xxreg, ct_label, tun_metadata) bytes. */
export type ValueOf<N extends FieldName> = Value<WidthOf<N, Rows>>
/** The row of a family has the names of all its members, so it does not extend the row of one of them. */
type WidthOf<N, R> = R extends { readonly name: infer Names; readonly bytes: infer Bytes }
  ? N extends Names
    ? Bytes
    : never
  : never
export type AnyValue = number | bigint | Uint8Array

const byName: ReadonlyMap<string, Field> = new Map(fields.map((row) => [row.name, row]))
const byAnyName: ReadonlyMap<string, Field> = new Map(
  fields.flatMap(
    (row) =>
      (row.aka === null
        ? [[row.name, row]]
        : [
            [row.name, row],
            [row.aka, row],
          ]) as [string, Field][],
  ),
)
const byHeaderName: ReadonlyMap<string, Field> = new Map(
  fields.flatMap((row) => row.headers.map((header): [string, Field] => [header.name, row])),
)

/** Class and field number, without mask bit and length, of a header that has no experimenter. */
const plainKey = (word: number): number => word >>> 9
const plain = new Map<number, Field>()
/** The same for the experimenter class, keyed by experimenter and field number together. */
const experimental = new Map<number, Field>()
const experimentalKey = (word: number, experimenter: number): number => experimenter * 128 + ((word >>> 9) & 0x7f)
for (const row of fields) {
  for (const { word, experimenter } of row.headers) {
    if (experimenter === 0) plain.set(plainKey(word), row)
    else experimental.set(experimentalKey(word, experimenter), row)
  }
}

/** The row of a known name. */
export const fieldOf = (name: FieldName): Field => byName.get(name) as Field
/** The row that `name` names in text: its name or its other name. */
export const fieldByName = (name: string): Field | undefined => byAnyName.get(name)
/** The row with the OXM or NXM name `name`, such as NXM_NX_REG0. */
export const fieldByHeaderName = (name: string): Field | undefined => byHeaderName.get(name)
/** The row of an OXM/NXM header word (mask bit and length are ignored); `experimenter` is 0 outside that class. */
export const fieldByHeader = (word: number, experimenter: number): Field | undefined =>
  experimenter === 0 ? plain.get(plainKey(word)) : experimental.get(experimentalKey(word, experimenter))

export type { Header }

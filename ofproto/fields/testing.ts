// Random matches as text for tests: what an operator may write, with the prerequisites that OVS wants, in any order.
import * as fc from 'fast-check'
import { formatEthernet, formatIpv4, formatIpv6 } from './addresses.ts'
import { ones } from './bits.ts'
import { fieldOf, type Field, type FieldName } from './table.ts'

/** Numbers that sit at edges as often as anywhere. */
const bits = (width: number): fc.Arbitrary<bigint> =>
  fc.oneof(
    fc.bigInt({ min: 0n, max: ones(width) }),
    fc.bigInt({ min: 0n, max: 15n & ones(width) }),
    fc.constantFrom(0n, ones(width)),
    fc.nat(width - 1).map((bit) => 1n << BigInt(bit)),
  )
const hexOrDecimal = (value: bigint, hex: boolean): string => (hex ? `0x${value.toString(16)}` : `${value}`)

/** A prefix, or any mask but zero. OVS reads an IPv6 mask that starts with a digit as a prefix length: none does. */
const mask = (width: number): fc.Arbitrary<bigint> =>
  width === 128 ? anyMask(width).map((m) => m | (0xfn << 124n)) : anyMask(width)
const anyMask = (width: number): fc.Arbitrary<bigint> =>
  fc.oneof(
    fc.integer({ min: 1, max: width }).map((length) => ones(length) << BigInt(width - length)),
    bits(width).map((value) => (value === 0n ? 1n : value)),
  )

const withMask = (width: number, text: (value: bigint) => string, maskable: boolean): fc.Arbitrary<string> =>
  maskable
    ? fc
        .tuple(bits(width), fc.option(mask(width), { freq: 2 }))
        .map(([value, m]) => text(value) + (m ? `/${text(m)}` : ''))
    : bits(width).map(text)

/** A 4-byte address, also with a prefix length. */
const address = (width: number, text: (value: bigint) => string): fc.Arbitrary<string> =>
  fc.oneof(
    withMask(width, text, true),
    fc.tuple(bits(width), fc.integer({ min: 0, max: width })).map(([value, length]) => `${text(value)}/${length}`),
  )

const flagText = (names: readonly string[], all: boolean): fc.Arbitrary<string> => {
  const signed = fc
    .uniqueArray(fc.constantFrom(...names), { minLength: 1 })
    .chain((chosen) => fc.tuple(...chosen.map((name) => fc.constantFrom(`+${name}`, `-${name}`))))
    .map((parts) => parts.join(''))
  const listed = fc.uniqueArray(fc.constantFrom(...names), { minLength: 1 }).map((parts) => parts.join('|'))
  return all ? fc.oneof(signed, listed) : signed
}

const numeric = (field: Field, width = field.bits): fc.Arbitrary<string> =>
  fc.boolean().chain((hex) => withMask(width, (value) => hexOrDecimal(value, hex || width > 64), field.maskable))

const special: Partial<Record<FieldName, fc.Arbitrary<string>>> = {
  vlan_vid: fc.tuple(bits(12), fc.boolean()).map(([vid, any]) => (any ? '0x1000/0x1000' : `${vid + 0x1000n}`)),
  vlan_tci: fc
    .tuple(bits(16), mask(16))
    .map(([tci, m]) => `0x${(tci | 0x1000n).toString(16)}/0x${(m | 0x1000n).toString(16)}`),
  nw_tos: bits(6).map((dscp) => `${dscp << 2n}`),
  arp_op: bits(8).map(String),
  nsh_mdtype: fc.constantFrom('1', '2'),
  nsh_ttl: bits(6).map(String),
  nsh_spi: bits(24).map((spi) => `0x${spi.toString(16)}`),
  tun_flags: fc.constantFrom('oam', '+oam', '-oam', '0'),
  ip_frag: fc.constantFrom('no', 'yes', 'first', 'later', 'not_later'),
  in_port: fc.oneof(
    fc.nat(0xfeff).map(String),
    fc.constantFrom('LOCAL', 'controller', 'ANY', 'IN_PORT', '4294967294', '65534'),
  ),
  // OVS 3.1 takes the value for the mask in these, so that a mask may leave nothing to match.
  tun_erspan_ver: bits(4).map(String),
  tun_erspan_dir: bits(1).map(String),
  tun_erspan_hwid: bits(6).map(String),
  tun_gtpu_flags: bits(8).map(String),
  tun_gtpu_msgtype: bits(8).map(String),
}

/** Text for `field=`. */
function valueText(name: FieldName): fc.Arbitrary<string> {
  const field = fieldOf(name)
  const own = special[name]
  if (own !== undefined) return own
  switch (field.format) {
    case 'Ethernet':
      return withMask(48, formatEthernet, true)
    case 'IPv4':
      return address(32, formatIpv4)
    case 'IPv6':
      return address(128, formatIpv6)
    case 'OpenFlow 1.1+ port':
      return fc.constantFrom('1', '65279', 'LOCAL', 'CONTROLLER', 'UNSET')
    case 'ct state':
      return flagText(['new', 'est', 'rel', 'rpl', 'inv', 'trk', 'snat', 'dnat'], true)
    case 'TCP flags':
      return flagText(['fin', 'syn', 'rst', 'psh', 'ack', 'urg', 'ece', 'cwr', 'ns', '[200]'], true)
    default:
      return field.variable ? fc.oneof(numeric(field, 60), numeric(field, 200)) : numeric(field)
  }
}

const item = (name: FieldName): fc.Arbitrary<string> =>
  fc.tuple(fc.constantFrom(name, fieldOf(name).aka ?? name), valueText(name)).map(([key, value]) => `${key}=${value}`)

/** Some of `names`, each at most once. */
const some = (...names: readonly FieldName[]): fc.Arbitrary<string[]> =>
  fc.subarray([...names]).chain((chosen) => fc.tuple(...chosen.map(item)))
const few = (...names: readonly FieldName[]): fc.Arbitrary<string[]> =>
  fc.subarray([...names], { maxLength: Math.min(3, names.length) }).chain((chosen) => fc.tuple(...chosen.map(item)))
const fixed = (...texts: readonly string[]): fc.Arbitrary<string[]> => fc.constant([...texts])
const all = (...parts: readonly fc.Arbitrary<string[]>[]): fc.Arbitrary<string[]> =>
  fc.tuple(...parts).map((lists) => lists.flat())

/** What conntrack fields need beside them. */
const TRACKED = 'ct_state=+trk+est'

/** The original tuple of a tracked connection, of the family that the packet is of. */
const ct = (family: 'ct_nw' | 'ct_ipv6'): fc.Arbitrary<string[]> =>
  fc.oneof(
    { weight: 4, arbitrary: fixed() },
    {
      weight: 1,
      arbitrary: all(
        fixed(TRACKED),
        fc.integer({ min: 1, max: 255 }).map((protocol) => [`ct_nw_proto=${protocol}`]),
        some(`${family}_src`, `${family}_dst`, 'ct_tp_src', 'ct_tp_dst'),
      ),
    },
  )

const ip = some('nw_tos', 'nw_ecn', 'nw_ttl', 'ip_frag')
const notLater = some('nw_tos', 'nw_ecn', 'nw_ttl')
const ip4 = all(some('ip_src', 'ip_dst'), ct('ct_nw'))
const ip6 = all(some('ipv6_src', 'ipv6_dst', 'ipv6_label'), ct('ct_ipv6'))
const transport = (suffix: '' | '6'): fc.Arbitrary<string[]> =>
  fc.oneof(
    all(fixed(`tcp${suffix}`), some('tcp_src', 'tcp_dst', 'tcp_flags')),
    all(fixed(`udp${suffix}`), fc.oneof(some('udp_src', 'udp_dst'), some('tcp_src', 'tcp_dst'))),
    all(fixed(`sctp${suffix}`), some('sctp_src', 'sctp_dst')),
  )
const discovery = fc.oneof(
  all(fixed('icmp6', 'icmp_type=135', 'icmp_code=0'), some('nd_target', 'nd_sll', 'nd_options_type', 'nd_reserved')),
  all(fixed('icmp6', 'icmpv6_type=136', 'icmpv6_code=0'), some('nd_target', 'nd_tll')),
)
const network = fc.oneof(
  fixed(),
  fixed('dl_type=0x1234'),
  all(fixed('ip'), ip, ip4, some('nw_proto')),
  all(notLater, ip4, transport('')),
  all(fixed('icmp'), ip, ip4, some('icmp_type', 'icmp_code')),
  all(fixed('ipv6'), ip, ip6, some('nw_proto')),
  all(notLater, ip6, transport('6')),
  all(notLater, ip6, fixed('icmp6'), some('icmpv6_type', 'icmpv6_code')),
  all(notLater, ip6, discovery),
  all(fixed('arp'), some('arp_op', 'arp_spa', 'arp_tpa', 'arp_sha', 'arp_tha')),
  all(fixed('rarp'), some('arp_op', 'arp_spa', 'arp_tpa', 'arp_sha', 'arp_tha')),
  all(fc.constantFrom(['mpls'], ['mplsm']), some('mpls_label', 'mpls_tc', 'mpls_bos', 'mpls_ttl')),
  all(fixed('dl_type=0x894f'), some('nsh_flags', 'nsh_ttl', 'nsh_np', 'nsh_spi', 'nsh_si')),
  all(fixed('dl_type=0x894f', 'nsh_mdtype=1'), some('nsh_c1', 'nsh_c2', 'nsh_c3', 'nsh_c4')),
)
const vlan = fc.oneof(
  { weight: 4, arbitrary: fixed() },
  { weight: 1, arbitrary: some('dl_vlan', 'dl_vlan_pcp') },
  { weight: 1, arbitrary: some('vlan_tci') },
  {
    weight: 1,
    arbitrary: all(
      item('vlan_vid').map((text) => [text]),
      some('vlan_pcp'),
    ),
  },
)
const tunnel = few(
  'tun_id',
  'tun_src',
  'tun_dst',
  'tun_ipv6_src',
  'tun_ipv6_dst',
  'tun_flags',
  'tun_gbp_id',
  'tun_gbp_flags',
  'tun_erspan_idx',
  'tun_erspan_ver',
  'tun_erspan_dir',
  'tun_erspan_hwid',
  'tun_gtpu_flags',
  'tun_gtpu_msgtype',
  'tun_metadata0',
  'tun_metadata7',
  'tun_metadata63',
)
const state = few(
  'pkt_mark',
  'recirc_id',
  'dp_hash',
  'conj_id',
  'metadata',
  'in_port',
  'actset_output',
  'ct_zone',
  'ct_mark',
  'ct_label',
)
const registers = fc.oneof(few('reg0', 'reg3', 'reg15'), few('xreg0', 'xreg7'), few('xxreg0', 'xxreg2', 'reg15'))
const conntrack = fc.oneof({ weight: 3, arbitrary: fixed() }, { weight: 1, arbitrary: some('ct_state') })
const ethernet = some('eth_src', 'eth_dst')

/** A match as text that ovs-ofctl accepts without dropping anything. */
export const matchText: fc.Arbitrary<string> = all(state, conntrack, registers, tunnel, ethernet, vlan, network)
  .map((parts) => (parts.includes(TRACKED) ? parts.filter((p) => p === TRACKED || !p.startsWith('ct_state')) : parts))
  .chain((parts) => fc.shuffledSubarray(parts, { minLength: parts.length }))
  .map((parts) => parts.join(','))

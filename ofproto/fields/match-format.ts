// A match as OVS prints it (match_format): fields in that order, protocols as words, VLAN tags folded.
import { formatFragment, formatEthernetMasked, formatIpv4Masked, formatIpv6Masked, formatPacketType } from './format.ts'
import { hex } from '../text/numbers.ts'
import { ones, significantBytes } from './bits.ts'
import { ctStates, formatFlags, formatMaskedFlags, tcpFlags, tunnelFlags } from './flags.ts'
import type { FlowMatch } from './flow-match.ts'
import { formatPort10 } from './ports.ts'
import { ETH_TYPE, IP_PROTO, wordFor } from './protocols.ts'
import { indexes } from './row.ts'

type Format = (value: bigint, mask: bigint) => string

/** `0x5`, `0x5/0xff`: registers, marks, metadata. */
const hexadecimal =
  (bits: number): Format =>
  (value, mask) =>
    mask === ones(bits) ? hex(value) : `${hex(value)}/${hex(mask)}`
const paddedHex = (value: bigint, digits: number): string => `0x${value.toString(16).padStart(digits, '0')}`
/** `80`, `0x50/0xfff0`: numbers whose masks are rare, with masks in hexadecimal of at least so many digits. */
const decimal =
  (bits: number, digits = 1): Format =>
  (value, mask) =>
    mask === ones(bits) ? `${value}` : `${paddedHex(value, digits)}/${paddedHex(mask, digits)}`
const plain: Format = (value) => `${value}`
const plainHex: Format = (value) => hex(value)
const port: Format = (value) => formatPort10(Number(value))
/** 0x0 rather than 0, unlike other hexadecimal. */
const zeroedHex: Format = (value, mask) =>
  mask === ones(32) ? paddedHex(value, 1) : `${paddedHex(value, 1)}/${paddedHex(mask, 1)}`

const ctState: Format = (value, mask) =>
  mask === 0xffn ? formatFlags(ctStates, Number(value)) : formatMaskedFlags(ctStates, Number(value), Number(mask))
const label: Format = (value, mask) =>
  mask === ones(32) ? paddedHex(value, 5) : `${paddedHex(value, 5)}/${paddedHex(mask, 5)}`

const registerNames = indexes[16].map((n) => `reg${n}`)

/** Collects `name=value` items from one flow. */
class Printer {
  readonly flow: FlowMatch
  readonly items: string[] = []

  constructor(flow: FlowMatch) {
    this.flow = flow
  }

  /** Prints slot `slot` under `name`, if it is matched. */
  field(name: string, format: Format, slot = name): void {
    if (!this.flow.has(slot)) return
    const { value, mask } = this.flow.get(slot)
    this.items.push(`${name}=${format(value, mask)}`)
  }

  metadata(): void {
    this.field('pkt_mark', hexadecimal(32))
    this.field('recirc_id', hexadecimal(32))
    this.field('dp_hash', hexadecimal(32))
    this.field('conj_id', plain)
    this.field('skb_priority', plainHex)
    this.field('actset_output', port)
    this.field('ct_state', ctState)
    this.field('ct_zone', decimal(16))
    this.field('ct_mark', hexadecimal(32))
    this.field('ct_label', hexadecimal(128))
    this.field('ct_nw_src', formatIpv4Masked)
    this.field('ct_ipv6_src', formatIpv6Masked)
    this.field('ct_nw_dst', formatIpv4Masked)
    this.field('ct_ipv6_dst', formatIpv6Masked)
    if (!this.flow.has('ct_nw_proto')) return
    this.field('ct_nw_proto', plain)
    this.field('ct_tp_src', decimal(16))
    this.field('ct_tp_dst', decimal(16))
  }

  tunnel(): void {
    this.field('tun_id', hexadecimal(64))
    this.field('tun_src', formatIpv4Masked)
    this.field('tun_dst', formatIpv4Masked)
    this.field('tun_ipv6_src', formatIpv6Masked)
    this.field('tun_ipv6_dst', formatIpv6Masked)
    this.field('tun_gbp_id', decimal(16))
    this.field('tun_gbp_flags', plainHex)
    this.field('tun_tos', (value) => value.toString(16))
    this.field('tun_ttl', plain)
    this.field('tun_erspan_ver', plain)
    const version = this.flow.get('tun_erspan_ver').value
    if (version === 1n) this.field('tun_erspan_idx', plainHex)
    if (version === 2n) {
      this.field('tun_erspan_dir', plain)
      this.field('tun_erspan_hwid', plainHex)
    }
    this.field('gtpu_flags', plainHex, 'tun_gtpu_flags')
    this.field('gtpu_msgtype', plain, 'tun_gtpu_msgtype')
    // Of the flags only `oam` can be matched, never all four: the masked form.
    this.field('tun_flags', (value, mask) =>
      formatMaskedFlags({ ...tunnelFlags, all: 0xf }, Number(value), Number(mask)),
    )
    if (this.flow.optionSizes.size > 0) for (const n of indexes[64]) this.tunnelOption(`tun_metadata${n}`)
  }

  /** A Geneve option: present, with a value, or with some bits of it. */
  private tunnelOption(name: string): void {
    if (!this.flow.has(name)) return
    const { value, mask } = this.flow.get(name)
    const exact = mask === ones(992)
    const covered = ones(8 * Math.max(significantBytes(value), exact ? 0 : significantBytes(mask)))
    if (exact || (mask !== 0n && mask === covered)) this.items.push(`${name}=${hex(value)}`)
    else this.items.push(mask === 0n ? name : `${name}=${hex(value)}/${hex(mask)}`)
  }

  /** A tag as VID and priority where these are all that is matched of it; `n` numbers inner tags. */
  vlan(n: '' | '1'): void {
    if (!this.flow.has(`tci${n}`)) return
    const { value, mask } = this.flow.get(`tci${n}`)
    const [vid, pcp, cfi] = [mask & 0xfffn, mask & 0xe000n, mask & value & 0x1000n]
    const whole = (vid === 0n || vid === 0xfffn) && (pcp === 0n || pcp === 0xe000n) && (vid !== 0n || pcp !== 0n)
    if (cfi !== 0n && whole) {
      if (vid !== 0n) this.items.push(`dl_vlan${n}=${value & 0xfffn}`)
      if (pcp !== 0n) this.items.push(`dl_vlan_pcp${n}=${value >> 13n}`)
    } else {
      this.items.push(`vlan_tci${n}=${paddedHex(value, 4)}${mask === 0xffffn ? '' : `/${paddedHex(mask, 4)}`}`)
    }
  }

  nsh(): void {
    const byte = decimal(8, 2)
    this.field('nsh_flags', byte)
    this.field('nsh_ttl', byte)
    this.field('nsh_mdtype', byte)
    this.field('nsh_np', byte)
    this.field('nsh_spi', zeroedHex)
    this.field('nsh_si', byte)
    if (this.flow.get('nsh_mdtype').value !== 1n) return
    for (const name of ['nsh_c1', 'nsh_c2', 'nsh_c3', 'nsh_c4']) this.field(name, zeroedHex)
  }

  addresses(type: number): void {
    if (type === ETH_TYPE.ipv6) {
      this.field('ipv6_src', formatIpv6Masked)
      this.field('ipv6_dst', formatIpv6Masked)
      this.field('ipv6_label', label)
    } else if (isArp(type)) {
      this.field('arp_spa', formatIpv4Masked, 'ip_src')
      this.field('arp_tpa', formatIpv4Masked, 'ip_dst')
    } else if (type === ETH_TYPE.nsh) {
      this.nsh()
    } else {
      this.field('nw_src', formatIpv4Masked, 'ip_src')
      this.field('nw_dst', formatIpv4Masked, 'ip_dst')
    }
  }

  /** Addresses and the rest of the network header; `protocol` says that no word has told the protocol yet. */
  network(type: number, protocol: boolean): void {
    this.addresses(type)
    if (protocol) this.field(isArp(type) ? 'arp_op' : 'nw_proto', plain, 'nw_proto')
    if (isArp(type)) {
      this.field('arp_sha', formatEthernetMasked)
      this.field('arp_tha', formatEthernetMasked)
    }
    this.field('nw_tos', (value) => `${value & 0xfcn}`)
    this.field('nw_ecn', plain)
    this.field('nw_ttl', plain)
    this.field('mpls_label', plain)
    this.field('mpls_tc', plain)
    this.field('mpls_ttl', plain)
    this.field('mpls_bos', plain)
    this.field('mpls_lse1', decimal(32, 8))
    this.field('mpls_lse2', decimal(32, 8))
    this.field('nw_frag', formatFragment, 'ip_frag')
  }

  transport(type: number): void {
    const protocol = this.flow.protocol
    const number = decimal(16)
    const icmp6 = type === ETH_TYPE.ipv6 && protocol === IP_PROTO.icmpv6
    const icmp = icmp6 || (type === ETH_TYPE.ip && protocol === IP_PROTO.icmp)
    this.field(icmp ? 'icmp_type' : 'tp_src', number, 'tp_src')
    this.field(icmp ? 'icmp_code' : 'tp_dst', number, 'tp_dst')
    if (icmp6) {
      this.field('nd_target', formatIpv6Masked)
      this.field('nd_sll', formatEthernetMasked, 'arp_sha')
      this.field('nd_tll', formatEthernetMasked, 'arp_tha')
      this.field('nd_reserved', decimal(32, 8))
      this.field('nd_options_type', number, 'tcp_flags')
    }
    const isIp = this.flow.ethType === ETH_TYPE.ip || this.flow.ethType === ETH_TYPE.ipv6
    if (isIp && protocol === IP_PROTO.tcp) {
      this.field('tcp_flags', (value, mask) => formatMaskedFlags(tcpFlags, Number(value), Number(mask & 0xfffn)))
    }
  }
}

const isArp = (type: number): boolean => type === ETH_TYPE.arp || type === ETH_TYPE.rarp

/** `ethType` differs from what is matched only for packets whose type the packet type says. */
export function formatFlowMatch(flow: FlowMatch, ethType = Number(flow.get('eth_type').value)): string {
  const out = new Printer(flow)
  out.metadata()
  let type = ethType
  // Recirculation ids occur in datapath flows only, which name the packet type always.
  if (flow.has('packet_type') && (!flow.isEthernet || flow.has('recirc_id'))) {
    const { value, mask } = flow.get('packet_type')
    out.items.push(formatPacketType(value, mask))
    if (value >> 16n === 1n) type = Number(value & 0xffffn)
  }
  const isIp = type === ETH_TYPE.ip || type === ETH_TYPE.ipv6
  const matched = flow.has('eth_type')
  const specific = isIp && flow.has('nw_proto') ? wordFor(type, flow.protocol) : undefined
  const told = matched && specific !== undefined && flow.protocol !== 0
  const word = told ? specific : wordFor(type, 0)
  if (matched && word !== undefined) out.items.push(word)
  for (const name of registerNames) out.field(name, hexadecimal(32))
  out.tunnel()
  out.field('metadata', hexadecimal(64))
  out.field('in_port', port)
  out.vlan('')
  out.vlan('1')
  out.field('dl_src', formatEthernetMasked, 'eth_src')
  out.field('dl_dst', formatEthernetMasked, 'eth_dst')
  if (matched && word === undefined) out.items.push(`dl_type=${paddedHex(BigInt(type), 4)}`)
  out.network(type, !told)
  out.transport(type)
  return out.items.join(',')
}

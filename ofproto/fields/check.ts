// What OVS insists on while it reads a match, entry by entry (nx_pull_raw): each thing matched once, prerequisites
// before what needs them, masks and values that the field can have. Unknown fields pass here: they are kept.
import { errorCodes, type ErrorCode } from '../wire/errors.ts'
import type { Match, MatchEntry, FieldEntry } from './match.ts'
import { ETH_TYPE, IP_PROTO, ND } from './protocols.ts'
import { partsOf, partCount } from './slots.ts'
import { fields, fieldOf, type AnyValue, type Field } from './table.ts'

/** Bits that a valid value of the field has clear, where the field's width allows more than OVS does. */
const forbiddenBits: Readonly<Record<string, number>> = {
  tun_flags: 0xfffe,
  ct_state: 0xffff_ff00,
  dl_vlan: 0xf000,
  vlan_vid: 0xe000,
  dl_vlan_pcp: 0xf8,
  vlan_pcp: 0xf8,
  mpls_label: 0xfff0_0000,
  mpls_tc: 0xf8,
  mpls_bos: 0xfe,
  ipv6_label: 0xfff0_0000,
  nw_tos: 0x03,
  ip_dscp: 0xc0,
  nw_ecn: 0xfc,
  ip_frag: 0xfc,
  arp_op: 0xff00,
  tcp_flags: 0xf000,
  nsh_spi: 0xff00_0000,
  nsh_ttl: 0xc0,
}
/** Stands for a rule that is not about single bits. */
const SPECIAL = -1
const forbidden: readonly number[] = fields.map((row) =>
  row.format === 'OpenFlow 1.1+ port' || row.name === 'nsh_mdtype' ? SPECIAL : (forbiddenBits[row.name] ?? 0),
)

const parts: readonly (readonly number[])[] = fields.map((row) => partsOf(row.name))

/** OpenFlow 1.1+ ports: below OFPP_MAX of 1.0, or reserved. */
const isPort = (port: number): boolean => port < 0xff00 || port >= 0xffff_ff00

/** Whether `field` can have `value` (mf_is_value_valid). */
export function isValid(field: Field, value: AnyValue): boolean {
  const bits = forbidden[field.id] as number
  if (bits === 0) return true
  if (bits !== SPECIAL) return ((value as number) & bits) === 0
  return field.name === 'nsh_mdtype' ? value === 1 || value === 2 : isPort(value as number)
}

/** All ones in so many bytes, where a number holds them. */
export const numericOnes: readonly number[] = [0, 0xff, 0xffff, 0, 0xffff_ffff, 0, 0xffff_ffff_ffff]

/** -1 for all ones, 0 for all zeros, otherwise 1. */
export function maskKind(mask: AnyValue, bytes: number): -1 | 0 | 1 {
  if (typeof mask === 'number') return mask === 0 ? 0 : mask === numericOnes[bytes] ? -1 : 1
  if (typeof mask === 'bigint') return mask === 0n ? 0 : mask === 0xffff_ffff_ffff_ffffn ? -1 : 1
  if (mask.every((byte) => byte === 0)) return 0
  return mask.every((byte) => byte === 0xff) ? -1 : 1
}

// Which parts the match at hand has claimed: those stamped with its generation. One array for all matches, since
// checking never overlaps and allocating 140 flags for each match would dominate its cost.
const stamps = new Float64Array(partCount)
let generation = 0

const ETHERNET = 0
const { ip: IP, ipv6: IPV6, arp: ARP, rarp: RARP, mpls: MPLS, mplsMulticast: MPLS_MULTICAST, nsh: NSH } = ETH_TYPE
/** Conntrack states that imply a valid entry: new, est, rel, rpl, snat, dnat. */
const CT_VALID = 0xcf
const [CT_INVALID, CT_TRACKED] = [0x10, 0x20]

/** Fields on whose values it depends what else may be matched. */
export const decisive: ReadonlySet<string> = new Set([
  'packet_type',
  'eth_type',
  'vlan_tci',
  'vlan_vid',
  'dl_vlan',
  'nw_proto',
  'ip_frag',
  'icmpv6_type',
  'icmpv6_code',
  'ct_state',
  'ct_nw_proto',
])
const remembered: readonly boolean[] = fields.map(({ name }) => decisive.has(name))

/** Takes the entries of one match in order and says what is wrong with each. */
export class MatchChecker {
  readonly strict: boolean
  private readonly generation: number
  private packetType = ETHERNET
  private ethType = 0
  private vlan = false
  private protocol = 0
  private laterFragment = false
  private icmpType = 0
  private icmpCode = 0
  private ctState = 0
  private ctMask = 0

  /** Prerequisites count only if `strict`. */
  constructor(strict: boolean) {
    this.strict = strict
    generation += 1
    this.generation = generation
  }

  /** `field` is the entry's row: the reader has it at hand. */
  add(entry: FieldEntry, field: Field): ErrorCode | null {
    const mask = entry.mask === null ? -1 : maskKind(entry.mask, field.bytes)
    if (mask === 1 && !field.maskable) return errorCodes.badMatchMask
    if (!isValid(field, entry.value)) return errorCodes.badMatchValue
    if (this.strict && field.prerequisite !== 'none' && !this.met(field)) return errorCodes.badMatchPrerequisite
    const fresh = this.claim(field, mask !== 0 || field.variable)
    if (!fresh) return errorCodes.duplicateMatchField
    if (mask !== 0 && remembered[field.id] === true) this.remember(entry)
    return null
  }

  /** False if something that `field` covers has been matched before. */
  private claim(field: Field, claims: boolean): boolean {
    const own = parts[field.id] as readonly number[]
    for (let i = 0; i < own.length; i += 1) {
      if (stamps[own[i] as number] === this.generation) return false
    }
    if (claims) for (let i = 0; i < own.length; i += 1) stamps[own[i] as number] = this.generation
    return true
  }

  private remember(entry: FieldEntry): void {
    switch (entry.kind) {
      case 'packet_type':
        this.packetType = entry.value
        break
      case 'eth_type':
        this.ethType = entry.value
        break
      case 'vlan_tci':
      case 'vlan_vid':
        this.vlan = (entry.value & 0x1000) !== 0
        break
      case 'dl_vlan':
        this.vlan = true
        break
      case 'nw_proto':
        this.protocol = entry.value
        break
      case 'ip_frag':
        this.laterFragment = (entry.value & 2) !== 0
        break
      case 'icmpv6_type':
        this.icmpType = entry.value
        break
      case 'icmpv6_code':
        this.icmpCode = entry.value
        break
      case 'ct_state':
        this.ctState = entry.value
        this.ctMask = entry.mask ?? 0xff
        break
      default:
    }
  }

  private met(field: Field): boolean {
    switch (field.prerequisite) {
      case 'none':
        return true
      case 'Ethernet':
        return this.packetType === ETHERNET
      case 'VLAN VID':
        return this.packetType === ETHERNET && this.vlan
      case 'ARP':
        return this.type() === ARP || this.type() === RARP
      case 'IPv4':
        return this.type() === IP
      case 'IPv6':
        return this.type() === IPV6
      case 'IPv4/IPv6':
        return this.type() === IP || this.type() === IPV6
      case 'MPLS':
        return this.type() === MPLS || this.type() === MPLS_MULTICAST
      case 'NSH':
        return this.type() === NSH
      case 'CT':
        return this.conntrackValid()
      case 'TCP':
        return this.transport(IP_PROTO.tcp)
      case 'UDP':
        return this.transport(IP_PROTO.udp)
      case 'SCTP':
        return this.transport(IP_PROTO.sctp)
      case 'ICMPv4':
        return this.type() === IP && this.protocol === IP_PROTO.icmp
      case 'ICMPv6':
        return this.type() === IPV6 && this.protocol === IP_PROTO.icmpv6
      case 'ND':
        return this.discovery(ND.solicit) || this.discovery(ND.advert)
      default:
        return this.discovery(field.prerequisite === 'ND solicit' ? ND.solicit : ND.advert)
    }
  }

  /** The Ethernet type, which a packet without an Ethernet header has in its packet type (namespace 1). */
  private type(): number {
    if (this.packetType === ETHERNET) return this.ethType
    return this.packetType >>> 16 === 1 ? this.packetType & 0xffff : 0
  }

  private transport(protocol: number): boolean {
    return (this.type() === IP || this.type() === IPV6) && this.protocol === protocol && !this.laterFragment
  }

  private discovery(type: number): boolean {
    return this.type() === IPV6 && this.protocol === IP_PROTO.icmpv6 && this.icmpType === type && this.icmpCode === 0
  }

  private conntrackValid(): boolean {
    if ((this.ctState & CT_VALID) !== 0) return true
    return (this.ctState & CT_TRACKED) !== 0 && (this.ctMask & CT_INVALID) !== 0 && (this.ctState & CT_INVALID) === 0
  }
}

/** What is wrong with a match and with which entry, or null. Unknown fields are no problem here. */
export function checkPrerequisites(match: Match): { readonly error: ErrorCode; readonly entry: MatchEntry } | null {
  const checker = new MatchChecker(true)
  for (const entry of match) {
    const error = entry.kind === 'unknown' ? null : checker.add(entry, fieldOf(entry.kind))
    if (error !== null) return { error, entry }
  }
  return null
}

/** OVS refuses a flow whose conntrack tuple is of another family than its packets, after it has read all of the match. */
export function inconsistentTuple(match: Match): MatchEntry | null {
  const ethType = match.find((entry) => entry.kind === 'eth_type')?.value
  const misfit = (entry: MatchEntry): boolean =>
    ((entry.kind === 'ct_nw_src' || entry.kind === 'ct_nw_dst') && ethType !== IP) ||
    ((entry.kind === 'ct_ipv6_src' || entry.kind === 'ct_ipv6_dst') && ethType !== IPV6)
  return match.find(misfit) ?? null
}

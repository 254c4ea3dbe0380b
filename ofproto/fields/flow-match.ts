// A match by what it looks at rather than by the fields that say so: OVS's struct match. Text and the wire both go through
// this form, since that is where OVS folds fields into each other (dl_vlan and vlan_pcp into one tag, xreg0 into reg0 and
// reg1) and decides what to print and to send.
import { fullMask, ones, toBits, wireSize, type Masked } from './bits.ts'
import type { Match } from './match.ts'
import { port10 } from './ports.ts'
import { ETH_TYPE, IP_PROTO, ND } from './protocols.ts'
import { registersOf, slotBits, slotOf } from './slots.ts'
import { fieldOf, type Field } from './table.ts'

const VID = 0x0fffn
const CFI = 0x1000n
const PCP = 0xe000n
/** In dl_vlan: packets without a VLAN tag. */
const NO_VLAN = 0xffffn

/** OVS 3.1 takes the value for the mask in these, whatever mask is asked for: so does what it sends and prints. */
const maskIsValue = new Set([
  'tun_erspan_ver',
  'tun_erspan_dir',
  'tun_erspan_hwid',
  'tun_gtpu_flags',
  'tun_gtpu_msgtype',
])

export class FlowMatch {
  private readonly slots = new Map<string, Masked>()

  /** Bytes of the tun_metadata fields that are matched. */
  readonly optionSizes = new Map<string, number>()

  /** What a match on the wire looks at; unknown fields are left out. */
  static from(match: Match): FlowMatch {
    const flow = new FlowMatch()
    for (const entry of match) {
      if (entry.kind === 'unknown') continue
      const field = fieldOf(entry.kind)
      flow.set(field, toBits(entry.value), entry.mask === null ? fullMask(field) : toBits(entry.mask))
    }
    return flow
  }

  get(slot: string): Masked {
    return this.slots.get(slot) ?? { value: 0n, mask: 0n }
  }

  entries(): Iterable<readonly [slot: string, bits: Masked]> {
    return this.slots.entries()
  }

  has(slot: string): boolean {
    return this.slots.has(slot)
  }

  put(slot: string, value: bigint, mask: bigint): void {
    this.slots.set(slot, { value: value & mask, mask })
  }

  remove(...slots: readonly string[]): void {
    for (const slot of slots) this.slots.delete(slot)
  }

  /** The Ethernet type that decides about headers: a packet type of namespace 1 has it, other packet types have none. */
  get ethType(): number {
    const packetType = Number(this.get('packet_type').value)
    if (packetType === 0) return Number(this.get('eth_type').value)
    return packetType >>> 16 === 1 ? packetType & 0xffff : 0
  }

  get protocol(): number {
    return Number(this.get('nw_proto').value)
  }

  get isEthernet(): boolean {
    return this.has('packet_type') && this.get('packet_type').value === 0n
  }

  /** Matches `field`, as mf_set() does; a field that only Ethernet packets have makes it a match on those. */
  set(field: Field, value: bigint, mask: bigint): void {
    if (mask === 0n && !field.variable) this.wildcard(field)
    else if (mask === fullMask(field) || field.maskable) this.setBits(field, value, mask)
    if (field.prerequisite !== 'none' && !this.has('packet_type')) this.put('packet_type', 0n, ones(32))
  }

  private setBits(field: Field, value: bigint, mask: bigint): void {
    const slot = slotOf(field.name)
    switch (field.name) {
      case 'vlan_tci':
        this.put('tci', value, mask)
        break
      case 'dl_vlan':
        if (value === NO_VLAN) this.put('tci', 0n, ones(16))
        else this.setTag((value & VID) | CFI, VID, VID | CFI)
        break
      case 'vlan_vid':
        this.setTag(value & mask & (VID | CFI), VID | CFI, 0n)
        this.put('tci', this.get('tci').value, (mask & (VID | CFI)) | (this.get('tci').mask & PCP))
        break
      case 'dl_vlan_pcp':
      case 'vlan_pcp':
        this.setTag(((value << 13n) & PCP) | CFI, PCP, PCP | CFI)
        break
      case 'in_port_oxm':
      case 'actset_output':
        this.put(slot, BigInt(port10(Number(value)) ?? 0xffff), ones(16))
        break
      case 'ip_dscp':
        this.put(slot, value << 2n, ones(8))
        break
      case 'nw_tos':
        this.put(slot, value & 0xfcn, ones(8))
        break
      case 'ip_frag':
        this.putUnlessEmpty(slot, value, mask & 3n)
        break
      case 'ct_state':
        this.putUnlessEmpty(slot, value, mask & 0xffn)
        break
      case 'tun_flags':
        this.putUnlessEmpty(slot, value, mask & 1n)
        break
      case 'ipv6_label':
        this.put(slot, value, (mask & 0xf_ffffn) === 0xf_ffffn ? ones(32) : mask)
        break
      default:
        this.setPlain(field, slot, value, mask)
    }
  }

  private setPlain(field: Field, slot: string, value: bigint, mask: bigint): void {
    const registers = registersOf(field.name)
    if (registers !== null) this.setRegisters(registers, value, mask)
    else if (field.variable) this.setOption(field, value, mask)
    else if (maskIsValue.has(field.name)) this.putUnlessEmpty(slot, value & mask, value)
    else if (mask === fullMask(field)) this.put(slot, value, ones(slotBits(slot, field.bytes * 8)))
    else this.put(slot, value, mask)
  }

  /** A Geneve option's length counts too, and comes from the value before its mask is applied. */
  private setOption(field: Field, value: bigint, mask: bigint): void {
    this.optionSizes.set(field.name, wireSize(field, { value, mask }))
    this.put(field.name, value, mask)
  }

  private putUnlessEmpty(slot: string, value: bigint, mask: bigint): void {
    if (mask === 0n) this.remove(slot)
    else this.put(slot, value, mask)
  }

  private setRegisters(registers: readonly string[], value: bigint, mask: bigint): void {
    registers.forEach((register, i) => {
      const shift = BigInt(32 * (registers.length - 1 - i))
      this.putUnlessEmpty(register, (value >> shift) & ones(32), (mask >> shift) & ones(32))
    })
  }

  /** Replaces `part` of the VLAN tag's value, keeps CFI bits it had, and adds to the mask. */
  private setTag(value: bigint, part: bigint, addedMask: bigint): void {
    const tci = this.get('tci')
    this.slots.set('tci', { value: (tci.value & ~part) | value, mask: tci.mask | addedMask })
  }

  private wildcard(field: Field): void {
    const tci = this.get('tci')
    switch (field.name) {
      case 'dl_vlan':
      case 'vlan_vid':
        if ((tci.mask & PCP) === 0n) this.remove('tci')
        else this.slots.set('tci', { value: tci.value & ~VID, mask: tci.mask & ~VID })
        break
      case 'dl_vlan_pcp':
      case 'vlan_pcp':
        if ((tci.mask & VID) === 0n) this.remove('tci')
        else this.slots.set('tci', { value: tci.value & ~PCP, mask: tci.mask & ~PCP })
        break
      default:
        this.remove(...(registersOf(field.name) ?? [slotOf(field.name)]))
    }
  }

  /** Forgets what packets of this match cannot have, as ofputil_normalize_match(). */
  normalize(): void {
    const type = this.packetTypeKnown ? this.ethType : 0
    const isIp = type === ETH_TYPE.ip
    const isIpv6 = type === ETH_TYPE.ipv6
    const isArp = type === ETH_TYPE.arp || type === ETH_TYPE.rarp
    const protocol = this.protocol
    const ported = protocol === IP_PROTO.tcp || protocol === IP_PROTO.udp || protocol === IP_PROTO.sctp
    const icmp6 = isIpv6 && protocol === IP_PROTO.icmpv6
    const icmpType = icmp6 ? Number(this.get('tp_src').value) : 0
    const discovery = icmpType === ND.solicit || icmpType === ND.advert
    if (this.has('packet_type') && !this.isEthernet) this.remove('eth_src', 'eth_dst')
    if (!isIp && !isArp) this.remove('ip_src', 'ip_dst')
    if (!((isIp && (ported || protocol === IP_PROTO.icmp)) || (isIpv6 && ported) || icmp6)) {
      this.remove('tp_src', 'tp_dst')
    }
    if (!isIp && !isIpv6 && !isArp) this.remove('nw_proto')
    if (!isIp && !isIpv6) this.remove('nw_tos', 'nw_ecn', 'nw_ttl')
    if (!isArp && icmpType !== ND.solicit) this.remove('arp_sha')
    if (!isArp && icmpType !== ND.advert) this.remove('arp_tha')
    if (!isIpv6) this.remove('ipv6_src', 'ipv6_dst', 'ipv6_label')
    if (!discovery) this.remove('nd_target')
    if (type !== ETH_TYPE.mpls && type !== ETH_TYPE.mplsMulticast) {
      this.remove('mpls_label', 'mpls_tc', 'mpls_bos', 'mpls_ttl')
    }
  }

  /** Whether the headers of packets that match are known to be of `ethType`. */
  private get packetTypeKnown(): boolean {
    return !this.has('packet_type') || this.isEthernet || this.get('packet_type').value >> 16n === 1n
  }
}

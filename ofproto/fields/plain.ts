// Matches on fields that stand for themselves: most of what applications ask for. Their entries only have to be put into
// OVS's order, which is a seventh of the work by way of FlowMatch, where fields fold into each other.
import { inconsistentTuple, maskKind, MatchChecker, numericOnes } from './check.ts'
import type { FieldEntry, Match } from './match.ts'
import { indexes } from './row.ts'
import { fields, type AnyValue, type Field, type FieldName } from './table.ts'

/** In the order of toMatch(). Wide registers are sent as two narrow ones. */
const order: readonly FieldName[] = [
  ...(['in_port_oxm', 'eth_src', 'eth_dst', 'eth_type', 'ip_src', 'ip_dst', 'ipv6_src', 'ipv6_dst'] as const),
  ...(['nw_ttl', 'nw_proto', 'tcp_src', 'tcp_dst', 'udp_src', 'udp_dst', 'icmp_type', 'icmp_code'] as const),
  ...([
    'icmpv6_type',
    'icmpv6_code',
    'nd_target',
    'nd_sll',
    'nd_tll',
    'arp_op',
    'arp_spa',
    'arp_tpa',
    'arp_sha',
    'arp_tha',
  ] as const),
  ...(['tun_id', 'tun_src', 'tun_dst'] as const),
  ...indexes[16].map((n) => `reg${n}` as const),
  ...(['pkt_mark', 'ct_state', 'ct_zone', 'ct_mark', 'ct_nw_src', 'ct_ipv6_src', 'ct_nw_dst', 'ct_ipv6_dst'] as const),
  ...(['ct_nw_proto', 'ct_tp_src', 'ct_tp_dst', 'metadata'] as const),
]

/** The register that a wide one begins with; another field itself. */
export function firstHalf(name: FieldName): FieldName {
  const [, number] = /^xreg(\d)$/.exec(name) ?? []
  return number === undefined ? name : (`reg${2 * Number(number)}` as FieldName)
}

/** Its rank in the order; for a wide register that of its first half; absent for a field that folds. By field id. */
const ranks: readonly number[] = fields.map(({ name }) => order.indexOf(firstHalf(name)))
const isWide: readonly boolean[] = fields.map(({ name }) => firstHalf(name) !== name)
const byRank: readonly Field[] = order.map((name) => fields.find((field) => field.name === name) as Field)

/** The bits of ct_state that there are. */
const CT_STATE = 0xff
const U32 = 0xffff_ffffn
const U64 = 0xffff_ffff_ffff_ffffn

/** Of the type and width of the field. */
export function fits(field: Field, value: AnyValue): boolean {
  if (typeof value === 'number') {
    return field.bytes < 8 && Number.isInteger(value) && value >= 0 && value <= (numericOnes[field.bytes] as number)
  }
  if (typeof value === 'bigint') return field.bytes === 8 && value >= 0n && value <= U64
  return field.bytes === 16 && value instanceof Uint8Array && value.length === 16
}

export function masked(value: AnyValue, mask: AnyValue): AnyValue {
  if (typeof value === 'bigint') return value & (mask as bigint)
  if (typeof value !== 'number') return value.map((byte, i) => byte & ((mask as Uint8Array)[i] as number))
  // The operators of numbers take 32 bits.
  const high = Math.floor(value / 2 ** 32) & Math.floor((mask as number) / 2 ** 32)
  return high * 2 ** 32 + ((value & (mask as number)) >>> 0)
}

/** Entries that are added one after another and come out in OVS's order. */
export class PlainMatch {
  // Parallel arrays, sorted by insertion: a match has few entries.
  private readonly ranks: number[] = []
  private readonly entries: FieldEntry[] = []
  private hasTuple = false

  has(name: FieldName): boolean {
    return this.entries.some(({ kind }) => kind === name)
  }

  /** False for what has to go by way of FlowMatch: a field that folds, a wrong value, an empty mask. */
  add(field: Field, value: AnyValue, mask: AnyValue | null): boolean {
    const rank = ranks[field.id] as number
    if (rank < 0 || !fits(field, value) || (mask !== null && !fits(field, mask))) return false
    if (field.name === 'ct_state' && (mask === null || (mask as number) > CT_STATE || (value as number) > CT_STATE)) {
      return false
    }
    if (field.prerequisite === 'CT') this.hasTuple = true
    if (isWide[field.id] !== true) return this.put(rank, value, mask)
    const bits = value as bigint
    const maskBits = mask === null ? U64 : (mask as bigint)
    return maskBits !== 0n && this.putHalf(rank, bits >> 32n, maskBits >> 32n) && this.putHalf(rank + 1, bits, maskBits)
  }

  /** One register of a wide one; nothing where its part of the mask is empty. */
  private putHalf(rank: number, value: bigint, mask: bigint): boolean {
    return (mask & U32) === 0n || this.put(rank, Number(value & U32), Number(mask & U32))
  }

  private put(rank: number, value: AnyValue, mask: AnyValue | null): boolean {
    const field = byRank[rank] as Field
    const kind = mask === null ? -1 : maskKind(mask, field.bytes)
    if (kind === 0 || (kind === 1 && !field.maskable)) return false
    const entry = (
      kind === -1
        ? { kind: field.name, value, mask: null }
        : { kind: field.name, value: masked(value, mask as AnyValue), mask }
    ) as FieldEntry
    const { ranks: sorted, entries } = this
    let at = sorted.push(rank) - 1
    entries.push(entry)
    for (; at > 0 && (sorted[at - 1] as number) > rank; at -= 1) {
      sorted[at] = sorted[at - 1] as number
      entries[at] = entries[at - 1] as FieldEntry
    }
    sorted[at] = rank
    entries[at] = entry
    return true
  }

  /** Null where OVS would refuse it, or drop a part. */
  checked(): Match | null {
    const checker = new MatchChecker(true)
    for (let i = 0; i < this.entries.length; i += 1) {
      const field = byRank[this.ranks[i] as number] as Field
      if (checker.add(this.entries[i] as FieldEntry, field) !== null) return null
    }
    return this.hasTuple && !this.isTupleWhole() ? null : this.entries
  }

  /** Of the family of the packets, and with the protocol that its ports are of. */
  private isTupleWhole(): boolean {
    const ported = this.has('ct_tp_src') || this.has('ct_tp_dst') || this.has('ct_nw_proto')
    const protocol = this.entries.find(({ kind }) => kind === 'ct_nw_proto')
    return inconsistentTuple(this.entries) === null && (!ported || (protocol !== undefined && protocol.value !== 0))
  }
}

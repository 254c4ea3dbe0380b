// Several fields may stand for the same bits of a packet or of the pipeline's state: in_port and in_port_oxm, ip_src and
// arp_spa, tcp_src and icmp_type. A slot is such a thing, named after the member of OVS's struct flow that holds it.
import { fields, type FieldName } from './table.ts'

const shared: Readonly<Record<string, string>> = {
  in_port_oxm: 'in_port',
  vlan_tci: 'tci',
  dl_vlan: 'tci',
  vlan_vid: 'tci',
  dl_vlan_pcp: 'tci',
  vlan_pcp: 'tci',
  ip_dscp: 'nw_tos',
  arp_op: 'nw_proto',
  arp_spa: 'ip_src',
  arp_tpa: 'ip_dst',
  nd_sll: 'arp_sha',
  nd_tll: 'arp_tha',
  nd_options_type: 'tcp_flags',
  tcp_src: 'tp_src',
  udp_src: 'tp_src',
  sctp_src: 'tp_src',
  icmp_type: 'tp_src',
  icmpv6_type: 'tp_src',
  tcp_dst: 'tp_dst',
  udp_dst: 'tp_dst',
  sctp_dst: 'tp_dst',
  icmp_code: 'tp_dst',
  icmpv6_code: 'tp_dst',
}

/** Slots that differ in width from the field, in bits. */
const widths: Readonly<Record<string, number>> = { tp_src: 16, tp_dst: 16, tcp_flags: 16, nw_proto: 8 }

const slots: ReadonlyMap<FieldName, string> = new Map(fields.map(({ name }) => [name, shared[name] ?? name]))
/** The slot of a field that has one of its own size (all but the VLAN fields and the wide registers). */
export const slotOf = (name: FieldName): string => slots.get(name) as string

/** Bits of a slot, given the bits of the field. */
export const slotBits = (slot: string, fieldBits: number): number => widths[slot] ?? fieldBits

function registersUnder(name: string): readonly string[] | null {
  const [, x, number] = /^(x+)reg(\d)$/.exec(name) ?? []
  if (x === undefined) return null
  const size = x.length * 2
  return Array.from({ length: size }, (_, i) => `reg${Number(number) * size + i}`)
}
const registers: ReadonlyMap<FieldName, readonly string[] | null> = new Map(
  fields.map(({ name }) => [name, registersUnder(name)]),
)
/** The registers under `xreg3` or `xxreg1`, the most significant first; null for other fields. */
export const registersOf = (name: FieldName): readonly string[] | null => registers.get(name) ?? null

/** VLAN fields cover parts of one slot: two of them clash only if they share a part. */
const vlanParts: Readonly<Record<string, readonly string[]>> = {
  vlan_tci: ['vid', 'pcp'],
  dl_vlan: ['vid'],
  vlan_vid: ['vid'],
  dl_vlan_pcp: ['pcp'],
  vlan_pcp: ['pcp'],
}

const numbers = new Map<string, number>()
function numberOf(part: string): number {
  const number = numbers.get(part) ?? numbers.size
  numbers.set(part, number)
  return number
}
const parts: ReadonlyMap<FieldName, readonly number[]> = new Map(
  fields.map(({ name }) => [name, (vlanParts[name] ?? registersOf(name) ?? [slotOf(name)]).map(numberOf)]),
)

/** Numbers of what a field covers: matching two fields that share one is a duplicate. */
export const partsOf = (name: FieldName): readonly number[] => parts.get(name) as readonly number[]
export const partCount = numbers.size

// Several fields may stand for the same bits of a packet or of the pipeline's state: in_port and in_port_oxm, ip_src and
// arp_spa, a register and the xreg over it. A slot is such a thing, numbered; matching two fields on one slot is a duplicate.
import { fields, type FieldName } from './table.ts'

/** Fields whose bits have another name in OVS's struct flow, as the parts they cover. */
const shared: Readonly<Record<string, readonly string[]>> = {
  in_port_oxm: ['in_port'],
  vlan_tci: ['vid', 'pcp'],
  dl_vlan: ['vid'],
  vlan_vid: ['vid'],
  dl_vlan_pcp: ['pcp'],
  vlan_pcp: ['pcp'],
  ip_dscp: ['nw_tos'],
  arp_op: ['nw_proto'],
  arp_spa: ['ip_src'],
  arp_tpa: ['ip_dst'],
  nd_sll: ['arp_sha'],
  nd_tll: ['arp_tha'],
  nd_options_type: ['tcp_flags'],
  tcp_src: ['tp_src'],
  udp_src: ['tp_src'],
  sctp_src: ['tp_src'],
  icmp_type: ['tp_src'],
  icmpv6_type: ['tp_src'],
  tcp_dst: ['tp_dst'],
  udp_dst: ['tp_dst'],
  sctp_dst: ['tp_dst'],
  icmp_code: ['tp_dst'],
  icmpv6_code: ['tp_dst'],
}

/** The registers that `xreg3` or `xxreg1` lies over. */
function registers(name: string): string[] | null {
  const [, x, number] = /^(x+)reg(\d)$/.exec(name) ?? []
  if (x === undefined) return null
  const size = x.length * 2
  return Array.from({ length: size }, (_, i) => `reg${Number(number) * size + i}`)
}

const numbers = new Map<string, number>()
const numberOf = (slot: string): number => {
  const known = numbers.get(slot)
  if (known !== undefined) return known
  numbers.set(slot, numbers.size)
  return numbers.size - 1
}

const slots: ReadonlyMap<FieldName, readonly number[]> = new Map(
  fields.map((row) => [row.name, (shared[row.name] ?? registers(row.name) ?? [row.name]).map(numberOf)]),
)

/** The slots that a field covers. */
export const slotsOf = (name: FieldName): readonly number[] => slots.get(name) as readonly number[]
export const slotCount = numbers.size

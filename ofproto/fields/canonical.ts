// The last step of making a match, from text or from values: canonical order, and a reason where OVS would drop or refuse
// what was asked for.
import { checkPrerequisites, inconsistentTuple } from './check.ts'
import { FlowMatch } from './flow-match.ts'
import type { Match } from './match.ts'
import { toMatch } from './match-order.ts'
import type { Prerequisite } from './row.ts'
import { registersOf, slotOf } from './slots.ts'
import { fieldOf, type Field } from './table.ts'

/** What to match beside a field that needs it. */
const needs: Readonly<Record<Prerequisite, string>> = {
  none: '',
  Ethernet: 'an Ethernet packet type',
  ARP: 'arp or rarp',
  'VLAN VID': 'vlan_vid or dl_vlan',
  IPv4: 'ip',
  IPv6: 'ipv6',
  'IPv4/IPv6': 'ip or ipv6',
  NSH: 'dl_type=0x894f',
  CT: 'a ct_state that is tracked and not invalid, such as +est',
  MPLS: 'mpls or mplsm',
  TCP: 'tcp or tcp6',
  UDP: 'udp or udp6',
  SCTP: 'sctp or sctp6',
  ICMPv4: 'icmp',
  ICMPv6: 'icmp6',
  ND: 'icmp6,icmp_type=135,icmp_code=0 (or 136)',
  'ND solicit': 'icmp6,icmp_type=135,icmp_code=0',
  'ND advert': 'icmp6,icmp_type=136,icmp_code=0',
}

const reason = (field: Field): string =>
  field.prerequisite === 'none'
    ? 'cannot be matched so in OpenFlow 1.3'
    : `needs ${needs[field.prerequisite]} in the same match`

const slotsOf = (field: Field): readonly string[] => registersOf(field.name) ?? [slotOf(field.name)]

/** A field that was asked for, under the name it was asked by. */
export interface Asked {
  readonly key: string
  readonly field: Field
}

/** As ovs-ofctl does it: what packets of this match cannot have is dropped in silence. `flow` is changed. */
export function normalizedMatch(flow: FlowMatch): Match {
  flow.normalize()
  return toMatch(flow)
}

/** The match, or what is wrong: a field that would be dropped, or one that OVS would refuse. `flow` is changed. */
export function canonicalMatch(flow: FlowMatch, asked: readonly Asked[]): Match | string {
  const matched = asked.filter(({ field }) => slotsOf(field).some((slot) => flow.has(slot)))
  const match = normalizedMatch(flow)
  const kept = FlowMatch.from(match)
  const lost = matched.find(({ field }) => !slotsOf(field).some((slot) => kept.has(slot)))
  if (lost !== undefined) return `${lost.key}: ${reason(lost.field)}`
  const problem = checkPrerequisites(match)
  if (problem !== null && problem.entry.kind !== 'unknown') {
    return `${problem.entry.kind}: ${reason(fieldOf(problem.entry.kind))} (${problem.error.name})`
  }
  const misfit = inconsistentTuple(match)
  return misfit === null
    ? match
    : `${misfit.kind}: needs ${misfit.kind.includes('nw') ? 'ip' : 'ipv6'} in the same match`
}

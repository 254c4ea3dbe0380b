// What one rule matches. With a state it is about the connection's first packet, as conntrack remembers it, so that one
// flow judges both directions, errors about the connection and all its fragments. Without one, and for protocols that
// conntrack cannot follow, it is about the packet itself.
import { remoteSetOf, type SecurityGroupRule } from '../../controller/app.ts'
import { protocolNumber } from '../../packet/protocols.ts'
import {
  ct,
  ETHER_TYPES,
  ICMP,
  masks,
  SCTP,
  TCP,
  trackedProtocols,
  UDP,
  valid,
  within,
  type Match,
  type Of,
} from './fields.ts'

/** A fragment but the first. */
const LATER = { ip_frag: [3, 3] } as const
/** What IPv6 says for the protocol of such a fragment: that it is one (RFC 8200 §4.5). */
const FRAGMENT_HEADER = 44

/**
 * Later fragments have no ports, and the userspace datapath shows none of their connection's either (miniflow_extract()).
 * They pass where all else lets them: whether the packet does is decided about the first, without which they are nothing.
 */
const later = (rule: SecurityGroupRule, match: Match): Match[] =>
  rule.action === 'allow' ? [{ ...match, ...LATER }] : []

type Ports = readonly (readonly [value: number, mask: number])[]

/** The destination ports of a rule; null for all. */
function portsOf({ port_range_min: min, port_range_max: max }: SecurityGroupRule): Ports | null {
  const [first, last] = [min ?? 0, max ?? 0xffff]
  return first === 0 && last === 0xffff ? null : masks(first, last)
}

/** ICMP type and code stand where other protocols have ports; null for all. */
function icmpOf(
  { port_range_min: type, port_range_max: code }: SecurityGroupRule,
  names: readonly [string, string],
): Match | null {
  const narrowed = { ...(type !== null && { [names[0]]: type }), ...(code !== null && { [names[1]]: code }) }
  return Object.keys(narrowed).length === 0 ? null : narrowed
}

function remoteOf(rule: SecurityGroupRule, of: Of): Match {
  if (remoteSetOf(rule) !== null || rule.remote_ip_prefix === null) return {}
  return within(of, rule.direction === 'ingress' ? 'src' : 'dst', rule.remote_ip_prefix)
}

/** By the connection, of a protocol that conntrack follows. */
function tracked(rule: SecurityGroupRule, protocol: number): Match[] {
  const any = { ...valid(), eth_type: ETHER_TYPES[rule.ethertype], ...remoteOf(rule, 'connection') }
  const on = { ...any, ct_nw_proto: protocol }
  if (protocol === ICMP[rule.ethertype]) {
    const icmp = icmpOf(rule, ['ct_tp_src', 'ct_tp_dst'])
    return icmp === null ? [on] : [{ ...on, ...icmp }, ...later(rule, on)]
  }
  const ports = portsOf(rule)
  if (ports === null) return [on]
  const byPort = ports.flatMap((range): Match[] => [
    { ...on, ct_tp_dst: [...range] },
    ...(protocol === SCTP ? sctp(any, range) : []),
  ])
  return [...byPort, ...later(rule, on)]
}

/** The userspace datapath follows SCTP without its ports (lib/conntrack.c, extract_l4()): those of the packet decide. */
function sctp(on: Match, range: readonly [number, number]): Match[] {
  const packet = { ...on, nw_proto: SCTP }
  return [
    { ...packet, ...valid({ reply: false }), sctp_dst: [...range] },
    { ...packet, ...valid({ reply: true }), sctp_src: [...range] },
  ]
}

const portField: ReadonlyMap<number, 'tcp_dst' | 'udp_dst' | 'sctp_dst'> = new Map([
  [TCP, 'tcp_dst'],
  [UDP, 'udp_dst'],
  [SCTP, 'sctp_dst'],
])

/** By the packet. */
function byPacket(rule: SecurityGroupRule, protocol: number | null): Match[] {
  const on = { eth_type: ETHER_TYPES[rule.ethertype], ...remoteOf(rule, 'packet') }
  if (protocol === null) return [on]
  const all = { ...on, nw_proto: protocol }
  const narrowed = narrow(rule, protocol)
  const matches = narrowed?.map((ports) => ({ ...all, ...ports })) ?? [all]
  if (rule.ethertype === 'IPv6') return [...matches, ...later(rule, { ...on, nw_proto: FRAGMENT_HEADER })]
  return narrowed === null ? matches : [...matches, ...later(rule, all)]
}

/** The packet's ports, or type and code; null for all. */
function narrow(rule: SecurityGroupRule, protocol: number): Match[] | null {
  if (protocol === ICMP[rule.ethertype]) {
    const icmp = icmpOf(rule, rule.ethertype === 'IPv4' ? ['icmp_type', 'icmp_code'] : ['icmpv6_type', 'icmpv6_code'])
    return icmp === null ? null : [icmp]
  }
  const field = portField.get(protocol)
  return field === undefined ? null : (portsOf(rule)?.map((range) => ({ [field]: [...range] })) ?? null)
}

/** The matches of a rule, each of them enough. */
export function matchesOf(rule: SecurityGroupRule, stateful: boolean): readonly Match[] {
  const protocol = rule.protocol === null ? null : protocolNumber(rule.protocol)
  if (!stateful) return byPacket(rule, protocol)
  if (protocol !== null) {
    return trackedProtocols(rule.ethertype).includes(protocol) ? tracked(rule, protocol) : byPacket(rule, protocol)
  }
  const remote = remoteOf(rule, 'connection')
  // Nothing that the two kinds see in different fields.
  if (Object.keys(remote).length === 0) return byPacket(rule, null)
  const on = { eth_type: ETHER_TYPES[rule.ethertype] }
  return [
    { ...on, ...valid(), ...remote },
    { ...on, ct_state: [0, ct.tracked], ...remoteOf(rule, 'packet') },
  ]
}

/**
 * The same for the first packet of a session only; null where no connection has it. A connection that is remembered has
 * its mark: `new` alone would be all that comes before a reply.
 */
export function newSession(match: Match): Match | null {
  const { ct_state } = match
  const [value, mask] = Array.isArray(ct_state) ? (ct_state as unknown as [number, number]) : [ct.tracked, ct.tracked]
  if (
    (value & ct.tracked) === 0 ||
    (value & ct.reply) !== 0 ||
    (match.nw_proto !== undefined && match.sctp_dst === undefined) ||
    match.ip_frag !== undefined
  )
    return null
  return { ...match, ct_state: [value | ct.new, mask | ct.new], ct_mark: 0 }
}

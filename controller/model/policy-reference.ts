// For tests: what security groups mean, packet by packet, said as plainly as possible and without a look at any table.
// Whoever changes the meaning of a rule changes this first.
import type { AddressGroup, Port, RuleAction, SecurityGroup, SecurityGroupRule } from '../app.ts'
import { parseIpv4, parseIpv6 } from '../../ofproto/fields/addresses.ts'

export type Direction = 'ingress' | 'egress'

/** Ends of a packet, or of the first packet of its connection. */
export interface Facts {
  readonly protocol: number
  readonly from: string
  readonly to: string
  /** Ports; null where the protocol has none. Of ICMP type and code. */
  readonly ports: readonly [source: number, destination: number] | null
}

/** A packet, and what it is about if it is an ICMP error. */
export interface Packet extends Facts {
  /** May open a connection: not a SYN+ACK, nor an echo reply. */
  readonly opens: boolean
  readonly about: Packet | null
}

/** A port and where it is; zones are named by what they are of. */
export interface Place {
  readonly port: Port
  readonly host: string
}

export interface Rules {
  readonly groups: ReadonlyMap<string, SecurityGroup>
  readonly rules: readonly SecurityGroupRule[]
  readonly addressGroups: ReadonlyMap<string, AddressGroup>
  readonly ports: readonly Port[]
}

const numbers: Readonly<Record<string, number>> = { icmp: 1, tcp: 6, udp: 17, 'ipv6-icmp': 58, sctp: 132 }
const [ICMP, TCP, UDP, ICMPV6, SCTP] = [1, 6, 17, 58, 132]
const isIcmp = (protocol: number): boolean => protocol === ICMP || protocol === ICMPV6
/** What conntrack follows. */
const isTracked = ({ protocol }: Facts): boolean => isIcmp(protocol) || [TCP, UDP, SCTP].includes(protocol)

const bits = (address: string): bigint => (address.includes(':') ? parseIpv6(address) : parseIpv4(address))

function isWithin(address: string, range: string): boolean {
  const [network = '', length] = range.split('/')
  if (network.includes(':') !== address.includes(':')) return false
  const size = address.includes(':') ? 128 : 32
  const rest = BigInt(size - (length === undefined ? size : Number(length)))
  return bits(address) >> rest === bits(network) >> rest
}

/** fe80::/64 with the MAC's identifier (RFC 4291, appendix A). */
export function linkLocalOf({ mac_address }: Port): string {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = mac_address.split(':').map((part) => Number.parseInt(part, 16))
  const group = (high: number, low: number): string => (high * 256 + low).toString(16)
  return `fe80::${group(a ^ 2, b)}:${group(c, 0xff)}:${group(0xfe, d)}:${group(e, f)}`
}

const addressesOf = (port: Port): readonly string[] =>
  [...port.fixed_ips, ...port.allowed_address_pairs].map(({ ip_address }) => ip_address)

const isOwn = (port: Port, address: string): boolean =>
  [...addressesOf(port), linkLocalOf(port)].some((own) => isWithin(address, own))

/** A member with an IPv6 address is one with its link-local address as well. */
function isMember({ ports }: Rules, group: string, address: string): boolean {
  return ports.some((port) => {
    if (!port.port_security_enabled || port.security_groups?.includes(group) !== true) return false
    const own = addressesOf(port)
    const isIpv6 = own.some((each) => each.includes(':'))
    return [...own, ...(isIpv6 ? [linkLocalOf(port)] : [])].some((range) => isWithin(address, range))
  })
}

function isRemote(rules: Rules, rule: SecurityGroupRule, remote: string): boolean {
  if (rule.remote_ip_prefix !== null) return isWithin(remote, rule.remote_ip_prefix)
  if (rule.remote_group_id !== null) return isMember(rules, rule.remote_group_id, remote)
  if (rule.remote_address_group_id === null) return true
  const addresses = rules.addressGroups.get(rule.remote_address_group_id)?.addresses ?? []
  return addresses.some((range) => isWithin(remote, range))
}

function matches(rules: Rules, rule: SecurityGroupRule, facts: Facts): boolean {
  const { port_range_min: min, port_range_max: max } = rule
  if ((rule.ethertype === 'IPv6') !== facts.from.includes(':')) return false
  if (!isRemote(rules, rule, rule.direction === 'egress' ? facts.to : facts.from)) return false
  if (rule.protocol === null) return true
  if ((numbers[rule.protocol] ?? Number(rule.protocol)) !== facts.protocol) return false
  if (facts.ports === null) return true
  const [source, destination] = facts.ports
  if (isIcmp(facts.protocol)) return (min ?? source) === source && (max ?? destination) === destination
  return (min ?? 0) <= destination && destination <= (max ?? 0xffff)
}

/** Numbered rules by their number, then the others: deny, reject, allow. */
const rankOf = ({ priority, action }: SecurityGroupRule): number =>
  priority ?? 1e6 + ['deny', 'reject', 'allow'].indexOf(action)

/** A verdict, and the rule that says so; the group for traffic inside of it, null for a port's default. */
interface Decision {
  readonly action: RuleAction
  readonly by: string | null
}

function judgeGroup(rules: Rules, group: SecurityGroup, direction: Direction, facts: Facts): Decision | null {
  const remote = direction === 'egress' ? facts.to : facts.from
  if (!group.intra_group && isMember(rules, group.id, remote)) return { action: 'deny', by: group.id }
  const asked = rules.rules
    .filter((rule) => rule.enabled && rule.security_group_id === group.id && rule.direction === direction)
    .toSorted((a, b) => rankOf(a) - rankOf(b))
  const rule = asked.find((each) => matches(rules, each, facts))
  return rule === undefined ? null : { action: rule.action, by: rule.id }
}

/** What conntrack of a host says. */
interface State {
  readonly facts: Facts
  readonly isReply: boolean
  readonly isRelated: boolean
}

const opposite: Readonly<Record<Direction, Direction>> = { ingress: 'egress', egress: 'ingress' }

/** `state`: null for a packet that is judged by itself, as one that opens a connection may be. */
export function judge(
  rules: Rules,
  port: Port,
  towards: Direction,
  packet: Facts,
  state: State | null = null,
): Decision {
  let direction = towards
  if (state !== null && state.isRelated) direction = isOwn(port, state.facts.from) ? 'egress' : 'ingress'
  else if (state?.isReply) direction = opposite[towards]
  for (const id of port.security_groups ?? []) {
    const group = rules.groups.get(id)
    if (group === undefined) continue
    const verdict =
      group.stateful && state !== null
        ? judgeGroup(rules, group, direction, state.facts)
        : judgeGroup(rules, group, towards, packet)
    if (verdict !== null) return verdict
  }
  const fallback = direction === 'egress' ? port.default_egress_action : port.default_ingress_action
  return { action: fallback ?? 'deny', by: null }
}

export const isFiltered = ({ port_security_enabled, security_groups }: Port): boolean =>
  port_security_enabled && security_groups !== undefined

export const isStateful = (rules: Rules, port: Port): boolean =>
  isFiltered(port) && (port.security_groups ?? []).some((id) => rules.groups.get(id)?.stateful === true)

/** Userspace conntrack does not look at the ports of SCTP; of ICMP it pairs requests with replies. */
const nameOf = ({ protocol, from, to, ports }: Facts): string =>
  [protocol, from, to, ...(protocol === SCTP || ports === null || isIcmp(protocol) ? [] : ports)].join()
const reversed = ({ protocol, from, to, ports }: Facts): Facts => ({
  protocol,
  from: to,
  to: from,
  ports: ports === null ? null : [ports[1], ports[0]],
})

export class Reference {
  /** The first packets of connections, by host, zone and name. */
  readonly #known = new Map<string, Facts>()

  /** A zone that nobody on the host wants is forgotten. */
  forget(wanted: (host: string, zone: string) => boolean): void {
    for (const key of this.#known.keys()) {
      const [host = '', zone = ''] = key.split(' ')
      if (!wanted(host, zone)) this.#known.delete(key)
    }
  }

  /** Whether a packet gets from a port to another; connections that it opens on the way are remembered. */
  passes(rules: Rules, zone: string, packet: Packet, source: Place, target: Place): boolean {
    if (source.port.port_security_enabled && !isOwn(source.port, packet.from)) return false
    const hosts = source.host === target.host ? [source.host] : [source.host, target.host]
    return hosts.every((host) =>
      this.#passesHost(rules, `${host} ${zone}`, packet, [
        ...(host === source.host ? [[source.port, 'egress'] as const] : []),
        ...(host === target.host ? [[target.port, 'ingress'] as const] : []),
      ]),
    )
  }

  #passesHost(rules: Rules, where: string, packet: Packet, subjects: readonly (readonly [Port, Direction])[]): boolean {
    const tracks = isTracked(packet) && subjects.some(([port]) => isStateful(rules, port))
    const state = tracks ? this.#track(where, packet) : null
    for (const [port, towards] of subjects) {
      const known = isStateful(rules, port) ? state : null
      if (known === 'invalid') return false
      if (isFiltered(port) && judge(rules, port, towards, packet, known).action !== 'allow') return false
    }
    if (state === null || state === 'invalid' || state.isReply || state.isRelated) return true
    const key = `${where} ${nameOf(packet)}`
    if (!this.#known.has(key)) this.#known.set(key, packet)
    return true
  }

  #track(where: string, packet: Packet): State | 'invalid' {
    const { about } = packet
    if (about !== null) {
      const found = this.#find(where, about)
      if (found === null) return 'invalid'
      // The ports of SCTP are not known, and an ICMP error has none itself.
      const facts = found.facts.protocol === SCTP ? { ...found.facts, ports: [0, 0] as const } : found.facts
      return { facts, isReply: false, isRelated: true }
    }
    const found = this.#find(where, packet)
    if (found === null) return packet.opens ? { facts: packet, isReply: false, isRelated: false } : 'invalid'
    const { facts, isReply } = found
    const own = isReply ? reversed(packet) : packet
    return { facts: packet.protocol === SCTP ? own : facts, isReply, isRelated: false }
  }

  /** The connection of a packet; an echo request never is the answer to one. */
  #find(where: string, packet: Packet): { facts: Facts; isReply: boolean } | null {
    const forth = this.#known.get(`${where} ${nameOf(packet)}`)
    const back = this.#known.get(`${where} ${nameOf(reversed(packet))}`)
    const answers = isIcmp(packet.protocol) ? !packet.opens : forth === undefined
    const facts = answers ? back : forth
    return facts === undefined ? null : { facts, isReply: answers }
  }
}

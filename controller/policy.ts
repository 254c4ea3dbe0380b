// What security groups depend on: who is in which group, which sets of addresses a group's rules refer to, and what each
// host needs of it. Part of the dataflow (derivation.ts).
import { asPrefix, canonicalPrefix, linkLocal, mac } from './address.ts'
import { ipv6Text } from './ipv6.ts'
import type { AddressGroup, Policy, Port, Reads, SecurityGroup, SecurityGroupRule, Zone } from './app.ts'
import { objectDigits } from './pipeline/cookie.ts'
import type { Engine, Grouping, Table } from './engine/index.ts'

const NONE: readonly string[] = []

export interface PolicyInputs {
  readonly security_group: Table<string, SecurityGroup>
  readonly security_group_rule: Table<string, SecurityGroupRule>
  readonly address_group: Table<string, AddressGroup>
  /** Keyed `host/object`. */
  readonly zone: Table<string, Zone>
}

type PolicyReads = Pick<Reads, 'policy' | 'securityGroup' | 'securityGroupRule' | 'rulesOf' | 'ruleOfCookie' | 'zone'>

interface PolicyQueries {
  readonly reads: PolicyReads
  /** By security group or address group and prefix, as memberOf() reads it: members of the sets that rules refer to. */
  readonly members: readonly [Grouping<string, Port, string>, Grouping<string, AddressGroup, string>]
  /** The groups with one of the ports, and the sets that these groups refer to. */
  groupsOf(this: void, ports: readonly string[]): ReadonlySet<string>
  setsOf(this: void, group: string): ReadonlySet<string>
}

/** A port whose connections its host remembers: those of its prefixes, in the zone of a network. */
export interface Tracked {
  readonly host: string
  /** The network that has the zone. */
  readonly zone: string
  readonly prefixes: readonly string[]
}

/** What is no longer there to have connections. */
export function goneFrom(before: Tracked | null, after: Tracked | null): Tracked[] {
  if (before === null) return []
  const kept = new Set(after?.host === before.host ? after.prefixes : NONE)
  const prefixes = before.prefixes.filter((prefix) => !kept.has(prefix))
  return prefixes.length === 0 ? [] : [{ ...before, prefixes }]
}

const memberKey = (set: string, prefix: string): string => `${set} ${canonicalPrefix(prefix)}`

/** The set and the prefix (in canonical form) that a key of `member` says. */
export function memberOf(key: string): { readonly set: string; readonly prefix: string } {
  const [set = '', prefix = ''] = key.split(' ')
  return { set, prefix }
}

const groupsOfPort = (row: Port): readonly string[] =>
  row.port_security_enabled ? (row.security_groups ?? NONE) : NONE

const linkLocalPrefix = (address: string): string => asPrefix(ipv6Text(linkLocal(mac(address))))

const addressesOf = (row: Port): string[] =>
  [...row.fixed_ips, ...row.allowed_address_pairs].map(({ ip_address }) => asPrefix(ip_address))

/** The prefixes by which a port is a member of its groups. One that has an IPv6 address has a link-local one too. */
function prefixesOf(row: Port): readonly string[] {
  const addresses = addressesOf(row)
  const isIpv6 = addresses.some((text) => text.includes(':'))
  return isIpv6 ? [...addresses, linkLocalPrefix(row.mac_address)] : addresses
}

/** The prefixes from which a port may send: each of its MACs has a link-local address, used or not. */
export function sourcesOf(row: Port): readonly string[] {
  const macs = [row.mac_address, ...row.allowed_address_pairs.map((pair) => pair.mac_address)]
  return [...addressesOf(row), ...macs.map(linkLocalPrefix)]
}

export const remoteSetOf = (rule: SecurityGroupRule): string | null =>
  rule.remote_group_id ?? rule.remote_address_group_id

export function policyInputs(engine: Engine): PolicyInputs {
  return {
    security_group: engine.table('security group'),
    security_group_rule: engine.table('security group rule'),
    address_group: engine.table('address group'),
    zone: engine.table('zone'),
  }
}

export function connectPolicy(engine: Engine, port: Table<string, Port>, inputs: PolicyInputs): PolicyQueries {
  const { security_group, security_group_rule, address_group, zone } = inputs
  const rulesOf = engine.grouping('rules of group', security_group_rule, (row) => [row.security_group_id])
  const rulesOfCookie = engine.grouping('rules of cookie', security_group_rule, (row) => [objectDigits(row.id)])
  const membersOfGroup = engine.grouping('members of group', port, (row) => [
    ...new Set(groupsOfPort(row).flatMap((group) => prefixesOf(row).map((prefix) => memberKey(group, prefix)))),
  ])
  const membersOfAddressGroup = engine.grouping('members of address group', address_group, (row) => [
    ...new Set(row.addresses.map((prefix) => memberKey(row.id, asPrefix(prefix)))),
  ])
  const policy = engine.query('policy', (id: string): Policy | null => {
    const row = port.get(id)
    if (row === undefined || !row.port_security_enabled || row.security_groups === undefined) return null
    return {
      groups: row.security_groups,
      ingress: row.default_ingress_action ?? 'deny',
      egress: row.default_egress_action ?? 'deny',
      stateful: row.security_groups.some((group) => security_group.get(group)?.stateful === true),
    }
  })
  const setsOf = engine.query('sets of group', (id: string): ReadonlySet<string> => {
    const rules = rulesOf.get(id).flatMap((rule) => security_group_rule.get(rule) ?? [])
    const sets = rules.flatMap((rule) => (rule.enabled ? (remoteSetOf(rule) ?? []) : []))
    return new Set(security_group.get(id)?.intra_group === false ? [...sets, id] : sets)
  })
  return {
    reads: {
      policy: (id) => policy.get(id),
      securityGroup: (id) => security_group.get(id),
      securityGroupRule: (id) => security_group_rule.get(id),
      rulesOf: (id) => rulesOf.get(id),
      ruleOfCookie: (origin) => security_group_rule.get(rulesOfCookie.get(origin)[0] ?? ''),
      zone: (key) => zone.get(key),
    },
    members: [membersOfGroup, membersOfAddressGroup],
    groupsOf: (ports) => new Set(ports.flatMap((id) => policy.get(id)?.groups ?? NONE)),
    setsOf: (id) => setsOf.get(id),
  }
}

// For tests: random small networks with security groups of every kind, and what is changed on them.
import * as fc from 'fast-check'
import type { AddressGroup, Port, RuleAction, SecurityGroup, SecurityGroupRule } from '../app.ts'
import { gateway, host, network, port, router, subnet, uuid, vif } from '../testing.ts'
import type { Rules } from './policy-reference.ts'
import type { Rows, Simulated } from './testing.ts'

const NETWORKS = [1, 2]
const GROUPS = [1, 2, 3]
const SETS = [1, 2]

export interface Station {
  readonly h: number
  readonly n: number
  readonly i: number
  readonly security: boolean
  /** May also send from its second address. */
  readonly paired: boolean
  /** Numbers of groups; null: stored before there were groups. */
  readonly groups: readonly number[] | null
  readonly ingress: RuleAction
  readonly egress: RuleAction
}

export interface World {
  readonly stations: readonly Station[]
  readonly routed: boolean
  readonly groups: readonly SecurityGroup[]
  readonly rules: readonly SecurityGroupRule[]
  readonly sets: readonly AddressGroup[]
}

const groupId = (n: number): string => uuid('g', n)
const setId = (n: number): string => uuid('x', n)

const action = fc.constantFrom<RuleAction[]>('allow', 'allow', 'allow', 'allow', 'deny', 'reject')
const fallback = fc.constantFrom<RuleAction[]>('deny', 'deny', 'allow', 'allow', 'reject')

const station: fc.Arbitrary<Station> = fc.record({
  h: fc.integer({ min: 1, max: 2 }),
  n: fc.constantFrom(...NETWORKS),
  i: fc.integer({ min: 2, max: 5 }),
  security: fc.oneof({ weight: 7, arbitrary: fc.constant<boolean>(true) }, fc.constant(false)),
  paired: fc.boolean(),
  groups: fc.oneof(
    { weight: 7, arbitrary: fc.shuffledSubarray(GROUPS, { minLength: 1 }) },
    fc.constantFrom<(readonly number[] | null)[]>([], null),
  ),
  ingress: fallback,
  egress: fallback,
})

/** Not that of any port; the prefix is the station's own if it is paired. */
export const second = ({ n, i }: Station): string => `10.0.${n}.${65 + 4 * i}`

export function portOf(station: Station): Port {
  const { n, i, security, paired, groups, ingress, egress } = station
  const row = port(n, i)
  const pair = { ip_address: `10.0.${n}.${64 + 4 * i}/30`, mac_address: row.mac_address }
  return {
    ...row,
    allowed_address_pairs: paired ? [pair] : [],
    fixed_ips: [...row.fixed_ips, { subnet_id: uuid('t', n), ip_address: `2001:db8:${n}::${i}` }],
    port_security_enabled: security,
    ...(groups !== null && {
      security_groups: groups.map(groupId),
      default_ingress_action: ingress,
      default_egress_action: egress,
    }),
  }
}

const prefixes = {
  IPv4: ['0.0.0.0/0', '10.0.1.0/24', '10.0.2.2/32', '10.0.1.4/31', '10.0.0.0/16'],
  IPv6: ['::/0', '2001:db8:1::/64', '2001:db8:1::2/128', 'fe80::/10', '2001:db8:2::4/127'],
} as const

type Range = readonly [number | null, number | null]
const ranges = fc.constantFrom<Range[]>([null, null], [80, 80], [80, 81], [1, 1023], [53, 65535], [81, 90])
const icmpRanges = fc.constantFrom<Range[]>([null, null], [8, null], [8, 0], [128, 0], [0, 0], [3, null])

const remote = fc.oneof(
  { weight: 4, arbitrary: fc.constant({}) },
  { weight: 3, arbitrary: fc.nat(4).map((prefix) => ({ prefix })) },
  { weight: 3, arbitrary: fc.constantFrom(...GROUPS).map((group) => ({ group })) },
  fc.constantFrom(...SETS).map((set) => ({ set })),
)

/** `id` and, where there is one, the priority are set when the rule takes its place among others. */
const rule: fc.Arbitrary<SecurityGroupRule> = fc
  .record({
    group: fc.constantFrom(...GROUPS),
    direction: fc.constantFrom('ingress', 'egress'),
    ethertype: fc.constantFrom('IPv4', 'IPv4', 'IPv6'),
    protocol: fc.constantFrom(null, null, 'tcp', 'tcp', 'udp', 'udp', 'icmp', 'sctp', '47', '17'),
    ports: ranges,
    icmp: icmpRanges,
    remote,
    action,
    numbered: fc.boolean(),
    enabled: fc.oneof({ weight: 9, arbitrary: fc.constant<boolean>(true) }, fc.constant(false)),
  })
  .map(({ group, direction, ethertype, protocol, ports, icmp, remote: end, numbered, ...rest }) => {
    const [min, max] = protocol === 'icmp' ? icmp : protocol === null || protocol === '47' ? [null, null] : ports
    const { prefix, group: remoteGroup, set } = end as { prefix?: number; group?: number; set?: number }
    return {
      ...rest,
      id: '',
      security_group_id: groupId(group),
      direction,
      ethertype,
      protocol: protocol === 'icmp' && ethertype === 'IPv6' ? 'ipv6-icmp' : protocol,
      port_range_min: min,
      port_range_max: max,
      remote_ip_prefix: prefix === undefined ? null : (prefixes[ethertype][prefix] ?? null),
      remote_group_id: remoteGroup === undefined ? null : groupId(remoteGroup),
      remote_address_group_id: set === undefined ? null : setId(set),
      priority: numbered ? 1 : null,
      log: false,
    }
  })

/** Ids, and the numbers from 1 to those that have one, in each group. */
function placed(rules: readonly SecurityGroupRule[], first: number): SecurityGroupRule[] {
  return rules.map((each, i) => ({
    ...each,
    id: uuid('u', first + i),
    priority: each.priority === null ? null : first + i + 1,
  }))
}

const group = (n: number): fc.Arbitrary<SecurityGroup> =>
  fc
    .record({ stateful: fc.constantFrom(true, true, true, false), intra_group: fc.constantFrom(true, true, false) })
    .map((rest) => ({ id: groupId(n), ...rest }))

const set = (n: number): fc.Arbitrary<AddressGroup> =>
  fc
    .subarray([...prefixes.IPv4, ...prefixes.IPv6, '10.0.1.3/32', '2001:db8:1::3/128'], { maxLength: 3 })
    .map((addresses) => ({ id: setId(n), addresses }))

export const worlds: fc.Arbitrary<World> = fc.record({
  stations: fc.uniqueArray(station, { selector: ({ n, i }) => n * 256 + i, minLength: 2, maxLength: 4 }),
  routed: fc.constantFrom(true, true, false),
  groups: fc.tuple(...GROUPS.map(group)),
  rules: fc.array(rule, { minLength: 6, maxLength: 18 }).map((rules) => placed(rules, 0)),
  sets: fc.tuple(...SETS.map(set)),
})

export function rowsOf({ stations, routed, groups, rules, sets }: World): Rows {
  return {
    hosts: [host(1), host(2)],
    networks: NETWORKS.map((n) => network(n)),
    subnets: NETWORKS.flatMap((n) => [
      subnet(n),
      subnet(n, { id: uuid('t', n), ip_version: 6, cidr: `2001:db8:${n}::/64`, gateway_ip: null }),
    ]),
    ports: [...stations.map(portOf), ...(routed ? NETWORKS.map((n) => gateway(n, 1)) : [])],
    routers: routed ? [router(1)] : [],
    vifs: stations.map(({ h, n, i }) => vif(h, n, i)),
    securityGroups: groups,
    securityGroupRules: rules,
    addressGroups: sets,
  }
}

export const rulesOf = ({ stations, groups, rules, sets }: World): Rules => ({
  groups: new Map(groups.map((row) => [row.id, row])),
  rules,
  addressGroups: new Map(sets.map((row) => [row.id, row])),
  ports: stations.map(portOf),
})

/** A change of what the rules say. */
export type Edit =
  | { readonly kind: 'add'; readonly rule: SecurityGroupRule }
  | { readonly kind: 'remove' | 'switch' | 'invert'; readonly which: number }
  | { readonly kind: 'groups'; readonly station: number; readonly groups: readonly number[] }
  | { readonly kind: 'security'; readonly station: number }
  | { readonly kind: 'default'; readonly station: number; readonly action: RuleAction }
  | { readonly kind: 'state' | 'intra'; readonly group: number }
  | { readonly kind: 'set'; readonly row: AddressGroup }

const which = fc.nat(20)
export const edits: fc.Arbitrary<Edit> = fc.oneof(
  rule.map((each): Edit => ({ kind: 'add', rule: each })),
  fc.record({ kind: fc.constantFrom('remove', 'switch', 'invert'), which }),
  fc.record({ kind: fc.constant('groups'), station: which, groups: fc.shuffledSubarray(GROUPS) }),
  fc.record({ kind: fc.constant('security'), station: which }),
  fc.record({ kind: fc.constant('default'), station: which, action: fallback }),
  fc.record({ kind: fc.constantFrom('state', 'intra'), group: fc.constantFrom(...GROUPS) }),
  fc.constantFrom(...SETS).chain((n) => set(n).map((row): Edit => ({ kind: 'set', row }))),
)

const changed = <T>(list: readonly T[], at: number, change: (row: T) => T): readonly T[] =>
  list.map((row, i) => (i === at % list.length ? change(row) : row))

/** Numbers of rules never come again, so that ids and priorities are unique. */
export function edited(world: World, edit: Edit, serial: number): World {
  const { stations, rules, groups, sets } = world
  switch (edit.kind) {
    case 'add':
      return { ...world, rules: [...rules, ...placed([edit.rule], 100 + serial)] }
    case 'remove':
      return { ...world, rules: rules.filter((_, i) => i !== edit.which % rules.length) }
    case 'switch':
      return { ...world, rules: changed(rules, edit.which, (row) => ({ ...row, enabled: !row.enabled })) }
    case 'invert':
      return {
        ...world,
        rules: changed(rules, edit.which, (row) => ({ ...row, action: row.action === 'allow' ? 'deny' : 'allow' })),
      }
    case 'groups':
      return { ...world, stations: changed(stations, edit.station, (row) => ({ ...row, groups: edit.groups })) }
    case 'security':
      return { ...world, stations: changed(stations, edit.station, (row) => ({ ...row, security: !row.security })) }
    case 'default':
      return {
        ...world,
        stations: changed(stations, edit.station, (row) => ({ ...row, ingress: edit.action, egress: edit.action })),
      }
    case 'state':
      return {
        ...world,
        groups: changed(groups, edit.group - 1, (row) => ({ ...row, stateful: !row.stateful })),
      }
    case 'intra':
      return {
        ...world,
        groups: changed(groups, edit.group - 1, (row) => ({ ...row, intra_group: !row.intra_group })),
      }
    default:
      return { ...world, sets: sets.map((row) => (row.id === edit.row.id ? edit.row : row)) }
  }
}

/** The rows that differ, into the inputs. */
export function apply({ derivation: { inputs }, settle }: Simulated, before: World, after: World): void {
  for (const row of before.rules) if (!after.rules.includes(row)) inputs.security_group_rule.delete(row.id)
  for (const row of after.rules) if (!before.rules.includes(row)) inputs.security_group_rule.set(row.id, row)
  for (const row of after.groups) if (!before.groups.includes(row)) inputs.security_group.set(row.id, row)
  for (const row of after.sets) if (!before.sets.includes(row)) inputs.address_group.set(row.id, row)
  for (const row of after.stations) if (!before.stations.includes(row)) inputs.port.set(portOf(row).id, portOf(row))
  settle()
}

// Rules of security groups. Neutron's are a set of permissions; ours may also deny or reject, and then their order
// counts: numbered rules stay consecutive from 1, so inserting one shifts the rest and removing one closes the gap. Rules of a
// group are decided under the group's guard.
import { protocolNumber, protocolNumbers } from '../../../packet/protocols.ts'
import { type Cidr, parseCidr } from '../address.ts'
import {
  type AttributeType,
  boolean,
  integer,
  InvalidValue,
  ipPrefix,
  nullable,
  oneOf,
  uuid,
} from '../attribute-types.ts'
import { ApiError, badRequest, conflict, notFound } from '../errors.ts'
import type { SecurityGroupRule } from '../model.ts'
import { attribute, computed, fixed, type Operation, readOnly, type Resource, standardAttributes } from '../resource.ts'
import { isImposed, referredGroup, refuseImposed, rulesOf } from './group-access.ts'
import { maximumNumbered, ranksOf } from './rule-ranks.ts'

const aliases: Readonly<Record<string, string>> = { icmpv6: 'ipv6-icmp', icmp6: 'ipv6-icmp' }
/** 0 too, as in Neutron: as a protocol it would be IPv6's hop-by-hop header, which no rule can match. */
const anyProtocol: ReadonlySet<string> = new Set(['any', 'ip', '0'])

const protocol: AttributeType = {
  schema: { type: 'string', nullable: true, description: 'a name, a number from 0 to 255, or null for any' },
  parse(value) {
    if (value === null) return null
    const text = typeof value === 'string' || typeof value === 'number' ? String(value).toLowerCase() : ''
    if (anyProtocol.has(text)) return null
    const name = aliases[text] ?? text
    if (Object.hasOwn(protocolNumbers, name)) return name
    if (/^\d{1,3}$/.test(text) && Number(text) <= 255) return String(Number(text))
    const known = Object.keys(protocolNumbers).join(', ')
    throw new InvalidValue(`protocol '${text}' is none of any, ${known}, or a number from 0 to 255`)
  },
}
const ethertype: AttributeType = {
  ...oneOf('IPv4', 'IPv6'),
  parse: (value) => oneOf('IPv4', 'IPv6').parse(String(value).toLowerCase().replace('ip', 'IP')),
}
/** Clients send an empty text for none. */
const remotePrefix: AttributeType = {
  ...nullable(ipPrefix),
  parse: (value) => nullable(ipPrefix).parse(value === '' ? null : value),
}
const none = { default: null } as const
export const ruleAction = oneOf('allow', 'deny', 'reject')

const { name: _, ...unnamed } = standardAttributes

export const securityGroupRules: Resource<'security_group_rules'> = {
  kind: 'security_group_rules',
  singular: 'security_group_rule',
  label: 'SecurityGroupRule',
  attributes: {
    ...(unnamed as Omit<typeof standardAttributes, 'name'>),
    security_group_id: fixed(uuid),
    direction: fixed(oneOf('ingress', 'egress')),
    ethertype: fixed(ethertype, { default: 'IPv4' }),
    protocol: fixed(protocol, none),
    port_range_min: fixed(nullable(integer(0, 65_535)), none),
    port_range_max: fixed(nullable(integer(0, 65_535)), none),
    remote_ip_prefix: fixed(remotePrefix, none),
    remote_group_id: fixed(nullable(uuid), none),
    remote_address_group_id: fixed(nullable(uuid), none),
    action: attribute(ruleAction, { default: 'allow' }),
    priority: attribute(nullable(integer(1, maximumNumbered)), none),
    rank: readOnly(nullable(integer(1, 65_535)), { default: null, read: 'admin' }),
    enabled: attribute(boolean, { default: true }),
    log: attribute(boolean, { default: false }),
    normalized_cidr: computed(nullable(ipPrefix)),
  },

  create(draft, operation) {
    const group = referredGroup(operation, draft.security_group_id)
    refuseImposed(group, operation.context)
    const rule = checkedRule(draft, operation)
    const others = rulesOf(operation.tx, group.id)
    refuseDuplicate(rule, others)
    return { ...rule, rank: reorder(operation, others, rule) }
  },

  update(before, after, operation) {
    referredGroup(operation, after.security_group_id)
    const others = rulesOf(operation.tx, after.security_group_id).filter(({ id }) => id !== after.id)
    refuseDuplicate(after, others)
    return after.priority === before.priority ? after : { ...after, rank: reorder(operation, others, after) }
  },

  remove(rule, operation) {
    referredGroup(operation, rule.security_group_id)
    const others = rulesOf(operation.tx, rule.security_group_id).filter(({ id }) => id !== rule.id)
    if (rule.priority !== null) reorder(operation, others)
  },

  shared: () => false,
  hidden: (rule, reader) => reader.get('security_groups', rule.security_group_id)?.hidden ?? false,
  locked: (rule, reader) => {
    const group = reader.get('security_groups', rule.security_group_id)
    return group !== undefined && isImposed(group)
  },
  owner: (draft, reader) => reader.get('security_groups', draft.security_group_id)?.project_id,
  compute: (rule) => ({ normalized_cidr: rule.remote_ip_prefix }),
}

const unnumbered = Number.MAX_SAFE_INTEGER

const ranks: Readonly<Record<SecurityGroupRule['action'], number>> = { deny: 0, reject: 1, allow: 2 }

/** As they are judged: by priority, then what denies before what allows. */
export const inOrder = (a: SecurityGroupRule, b: SecurityGroupRule): number =>
  (a.priority ?? unnumbered) - (b.priority ?? unnumbered) ||
  ranks[a.action] - ranks[b.action] ||
  a.created_at.localeCompare(b.created_at)

/** As a group shows its rules. */
export const showRule = ({ rank: _rank, ...rule }: SecurityGroupRule): object => ({
  ...rule,
  tenant_id: rule.project_id,
  normalized_cidr: rule.remote_ip_prefix,
})

/** What the table cannot say: how the attributes go together; and that what the rule names is there, and stays. */
export function checkedRule(draft: SecurityGroupRule, operation: Operation): SecurityGroupRule {
  const icmp = draft.ethertype === 'IPv6' && draft.protocol === 'icmp'
  const rule = icmp ? { ...draft, protocol: 'ipv6-icmp' } : draft
  checkFamily(rule)
  checkPorts(rule)
  checkRemote(rule, operation)
  return rule
}

const refuse = (type: string, message: string): ApiError => new ApiError(400, type, message)

function checkFamily({ ethertype: family, protocol: name, remote_ip_prefix: prefix }: SecurityGroupRule): void {
  if (family === 'IPv4' && name?.startsWith('ipv6-')) {
    throw refuse('SecurityGroupEthertypeConflictWithProtocol', `Invalid ethertype ${family} for protocol ${name}.`)
  }
  const version = prefix === null ? undefined : (parseCidr(prefix) as Cidr).version
  if (version === undefined || family === `IPv${version}`) return
  throw refuse(
    'SecurityGroupRuleParameterConflict',
    `Conflicting value ethertype ${family} for CIDR ${prefix} in remote_ip_prefix`,
  )
}

/** Those whose ports OVS reads. */
const portProtocols = ['tcp', 'udp', 'sctp']
const icmpOf = { IPv4: 'icmp', IPv6: 'ipv6-icmp' } as const

function checkPorts(rule: SecurityGroupRule): void {
  const { protocol: name, port_range_min: first, port_range_max: last } = rule
  if (first === null && last === null) return
  if (name === null) {
    throw refuse(
      'SecurityGroupProtocolRequiredWithPorts',
      'Must also specify protocol if port_range_min or port_range_max is given.',
    )
  }
  const isOneOf = (names: readonly string[]): boolean =>
    names.some((each) => protocolNumbers[each] === protocolNumber(name))
  const icmp = icmpOf[rule.ethertype]
  if (isOneOf([icmp])) return checkIcmp(first, last)
  if (!isOneOf(portProtocols)) {
    throw refuse(
      'SecurityGroupInvalidProtocolForPort',
      `port_range_min and port_range_max cannot be given for protocol ${name}; valid protocols are ${portProtocols.join(', ')}, and ${icmp} for type and code.`,
    )
  }
  if (first === 0 || last === 0) {
    throw refuse('SecurityGroupInvalidPortValue', 'Invalid value for port_range_min or port_range_max: 0')
  }
  if (first !== null && last !== null && first <= last) return
  throw refuse(
    'SecurityGroupInvalidPortRange',
    'For TCP/UDP/SCTP protocols, port_range_min must be <= port_range_max, and both must be given',
  )
}

function checkIcmp(type: number | null, code: number | null): void {
  if (type === null) {
    throw refuse('SecurityGroupMissingIcmpType', `ICMP code (port_range_max) ${code} needs a type (port_range_min)`)
  }
  const wrong =
    type > 255 ? `type (port_range_min) ${type}` : (code ?? 0) > 255 ? `code (port_range_max) ${code}` : null
  if (wrong === null) return
  throw refuse('SecurityGroupInvalidIcmpValue', `Invalid value for ICMP ${wrong}. It must be 0 to 255.`)
}

function checkRemote(rule: SecurityGroupRule, operation: Operation): void {
  const { remote_ip_prefix: prefix, remote_group_id: groupId, remote_address_group_id: addressGroupId } = rule
  if ([prefix, groupId, addressGroupId].filter((each) => each !== null).length > 1) {
    throw refuse(
      'SecurityGroupMultipleRemoteEntites',
      'Only one of remote_ip_prefix, remote_group_id and remote_address_group_id may be provided.',
    )
  }
  if (groupId !== null) referredGroup(operation, groupId)
  if (addressGroupId !== null) checkAddressGroup(operation, addressGroupId)
}

function checkAddressGroup({ tx, context }: Operation, id: string): void {
  const group = tx.get('address_groups', id)
  if (!group || !(context.admin || group.project_id === context.projectId)) throw notFound('AddressGroup', id)
  tx.guard(`address_groups/${id}`)
}

/** Rules with the same key say the same at the same place. */
export const ruleKey = (rule: SecurityGroupRule): string =>
  JSON.stringify([
    rule.direction,
    rule.ethertype,
    rule.protocol && protocolNumber(rule.protocol),
    rule.port_range_min,
    rule.port_range_max,
    rule.remote_ip_prefix?.endsWith('/0') ? null : rule.remote_ip_prefix,
    rule.remote_group_id,
    rule.remote_address_group_id,
    rule.action,
    rule.priority,
  ])

function refuseDuplicate(rule: SecurityGroupRule, others: readonly SecurityGroupRule[]): void {
  const key = ruleKey(rule)
  const same = others.find((each) => ruleKey(each) === key)
  if (!same) return
  throw conflict('SecurityGroupRuleExists', `Security group rule already exists. Rule id is ${same.id}.`)
}

export const numbered = (rules: readonly SecurityGroupRule[]): SecurityGroupRule[] =>
  rules.filter(({ priority }) => priority !== null).sort((a, b) => (a.priority ?? 0) - (b.priority ?? 0))

/** Rules that an earlier Weft stored have none: their numbers were their places on switches. */
export const rankOf = ({ rank, priority }: SecurityGroupRule): number | null => rank ?? priority

/** Numbers the rules of a group anew; `placed` is written by the caller, at the priority that it has and the rank that this gives. */
export function reorder(
  { tx, touch }: Operation,
  others: readonly SecurityGroupRule[],
  placed?: SecurityGroupRule,
): number | null {
  const order = numbered(others)
  if (placed && placed.priority !== null) {
    if (placed.priority > order.length + 1) {
      throw badRequest(
        `Invalid input for priority. Reason: priorities are consecutive: ${placed.priority} is not in the range 1 to ${order.length + 1}`,
      )
    }
    order.splice(placed.priority - 1, 0, placed)
    if (order.length > maximumNumbered) {
      throw conflict('TooManyNumberedRules', `A security group has at most ${maximumNumbered} rules with a priority.`)
    }
  }
  const ranks = ranksOf(order.map((rule) => (rule === placed ? null : rankOf(rule))))
  for (const [i, rule] of order.entries()) {
    const [priority, rank] = [i + 1, ranks[i] as number]
    if (rule !== placed && (rule.priority !== priority || rankOf(rule) !== rank))
      tx.put('security_group_rules', touch(rule, { ...rule, priority, rank }))
  }
  return placed === undefined ? null : (ranks[order.indexOf(placed)] ?? null)
}

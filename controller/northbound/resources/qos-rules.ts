// The rules of QoS policies: what each type is about, and how they go together. They are kept in their policy; its
// revision counts their changes, as in Neutron.
import { randomUUID } from 'node:crypto'
import { integer, oneOf, text } from '../attribute-types.ts'
import { ApiError, conflict } from '../errors.ts'
import type { QosPolicy, QosRule, QosRuleType } from '../model.ts'
import { type Attribute, attribute, type Operation, parseBody, readOnly, withDefaults } from '../resource.ts'
import type { Body } from '../service.ts'
import { refuseUnsupported } from './qos-use.ts'

const MAXIMUM = 2_147_483_647
/** Neutron's: those that RFC 2474, 2597, 3246 and 8622 name. */
const dscpMarks = [0, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 46, 48, 56]

const amount = attribute(integer(0, MAXIMUM))
/** 0: four fifths of the rate. */
const burst = attribute(integer(0, MAXIMUM), { default: 0 })
const directions = ['egress', 'ingress'] as const
const direction = attribute(oneOf(...directions), { default: 'egress' })

interface RuleType {
  readonly attributes: Readonly<Record<string, Attribute>>
  /** Two rules of a policy that have this in common are one too many; null: there is one of the type. */
  readonly differ: string | null
}

/** What a policy can say of each type, beside the id. */
export const ruleTypes: Readonly<Record<QosRuleType, RuleType>> = {
  bandwidth_limit: { attributes: { max_kbps: amount, max_burst_kbps: burst, direction }, differ: 'direction' },
  dscp_marking: { attributes: { dscp_mark: attribute(oneOf(...dscpMarks)) }, differ: null },
  packet_rate_limit: { attributes: { max_kpps: amount, max_burst_kpps: burst, direction }, differ: 'direction' },
  minimum_bandwidth: { attributes: { min_kbps: amount, direction }, differ: 'direction' },
  minimum_packet_rate: {
    attributes: { min_kpps: amount, direction: attribute(oneOf(...directions, 'any'), { default: 'egress' }) },
    differ: 'direction',
  },
}
export const ruleTypeNames = Object.keys(ruleTypes) as readonly QosRuleType[]

export const ruleTable = (type: QosRuleType): Readonly<Record<string, Attribute>> => ({
  id: readOnly(text(36)),
  ...ruleTypes[type].attributes,
})

/** As its own address shows a rule: without what the address says. */
export function showRule(rule: QosRule): Readonly<Record<string, unknown>> {
  const { type: _, ...shown } = rule
  return shown
}

export const rulesOf = (policy: QosPolicy, type: QosRuleType): QosRule[] =>
  policy.rules.filter((rule) => rule.type === type)

/** The rule of the policy; 404 if it is not there, or of another type. */
export function ruleOf(policy: QosPolicy, type: QosRuleType, id: string): QosRule {
  const rule = policy.rules.find((each) => each.id === id && each.type === type)
  if (!rule) throw ruleNotFound(id, policy.id)
  return rule
}

export const ruleNotFound = (id: string, policy: string): ApiError =>
  new ApiError(404, 'QosRuleNotFound', `QoS rule ${id} for policy ${policy} could not be found.`)

export function createRule(policy: QosPolicy, type: QosRuleType, body: Body, operation: Operation): QosRule {
  const { attributes } = ruleTypes[type]
  const parsed = parseBody(ruleTable(type), body, 'create', operation.context, `policy_${type}_rule`)
  const rule = { id: randomUUID(), type, ...withDefaults(attributes, parsed) } as QosRule
  writeRules(policy, [...policy.rules, rule], rule, operation)
  return rule
}

export function updateRule(
  policy: QosPolicy,
  type: QosRuleType,
  id: string,
  body: Body,
  operation: Operation,
): QosRule {
  const before = ruleOf(policy, type, id)
  const parsed = parseBody(ruleTable(type), body, 'update', operation.context, `policy_${type}_rule`)
  const rule = { ...before, ...parsed } as QosRule
  if (JSON.stringify(rule) === JSON.stringify(before)) return rule
  const rules = policy.rules.map((each) => (each === before ? rule : each))
  writeRules(policy, rules, rule, operation)
  return rule
}

export function removeRule(policy: QosPolicy, type: QosRuleType, id: string, { tx, touch }: Operation): void {
  const gone = ruleOf(policy, type, id)
  tx.put('qos_policies', touch(policy, { ...policy, rules: policy.rules.filter((each) => each !== gone) }))
}

/** With the policy's guard: whoever comes to use the policy relies on its rules. */
function writeRules(policy: QosPolicy, rules: readonly QosRule[], written: QosRule, operation: Operation): void {
  const { tx, touch } = operation
  checkTogether(policy, rules, written)
  const after = touch(policy, { ...policy, rules })
  tx.guard(`qos_policies/${policy.id}`)
  refuseUnsupported(after, operation)
  tx.put('qos_policies', after)
}

function checkTogether(policy: QosPolicy, rules: readonly QosRule[], rule: QosRule): void {
  const { differ } = ruleTypes[rule.type]
  for (const other of rules) {
    if (other === rule) continue
    if (other.type === rule.type && (differ === null || other[differ] === rule[differ])) {
      throw conflict(
        'QoSRulesConflict',
        `Rule ${rule.type} conflicts with rule ${other.id} which already exists in QoS Policy ${policy.id}.`,
      )
    }
    refuseLessThanMinimum(policy, rule, other)
  }
}

function refuseLessThanMinimum(policy: QosPolicy, rule: QosRule, other: QosRule): void {
  if (rule['direction'] !== other['direction']) return
  const minimum = [rule, other].find(({ type }) => type === 'minimum_bandwidth')?.['min_kbps']
  const maximum = [rule, other].find(({ type }) => type === 'bandwidth_limit')?.['max_kbps']
  if (minimum === undefined || maximum === undefined || minimum <= maximum) return
  const [own, existing] = rule.type === 'bandwidth_limit' ? [maximum, minimum] : [minimum, maximum]
  throw conflict(
    'QoSRuleParameterConflict',
    `Unable to add the rule with value ${own} to the policy ${policy.id} as the existing rule of type ${other.type} has value ${existing}.`,
  )
}

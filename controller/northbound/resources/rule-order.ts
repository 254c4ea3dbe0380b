// insert_rule of a security group: gives one of its rules another place, in the words of FWaaS v2.
import { nullable, record, uuid } from '../attribute-types.ts'
import { badRequest, notFound } from '../errors.ts'
import type { SecurityGroup, SecurityGroupRule } from '../model.ts'
import { type Operation, parseOr } from '../resource.ts'
import { rulesOf } from './group-access.ts'
import { numbered, reorder } from './security-group-rules.ts'

const body = record({
  security_group_rule_id: { type: uuid },
  insert_before: { type: nullable(uuid), optional: true },
  insert_after: { type: nullable(uuid), optional: true },
})

interface Request {
  readonly security_group_rule_id: string
  readonly insert_before?: string | null
  readonly insert_after?: string | null
}

/** Before or after a numbered rule; without either, first. */
export function insertRule(group: SecurityGroup, operation: Operation, request: unknown): void {
  const { tx, touch } = operation
  tx.guard(`security_groups/${group.id}`)
  const wanted = parseOr(request, body, (reason) => badRequest(reason)) as Request
  const rules = rulesOf(tx, group.id)
  const rule = rules.find(({ id }) => id === wanted.security_group_rule_id)
  if (!rule) throw notFound('SecurityGroupRule', wanted.security_group_rule_id)
  const others = rules.filter((each) => each !== rule)
  const placed = touch(rule, { ...rule, priority: placeOf(wanted, numbered(others)) })
  tx.put('security_group_rules', { ...placed, rank: reorder(operation, others, placed) })
}

function placeOf({ insert_before: before, insert_after: after }: Request, order: readonly SecurityGroupRule[]): number {
  if (before && after) throw badRequest('Only one of insert_before and insert_after may be given')
  const neighbour = before ?? after
  if (!neighbour) return 1
  const at = order.findIndex(({ id }) => id === neighbour)
  if (at < 0) throw badRequest(`Rule ${neighbour} is not one of the other numbered rules of this security group`)
  return before ? at + 1 : at + 2
}

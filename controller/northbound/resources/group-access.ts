// Who may refer to a security group, and who may change it: asked by groups, rules and ports.
import type { Reader } from '../cache.ts'
import type { Context } from '../context.ts'
import { forbidden, notFound } from '../errors.ts'
import type { SecurityGroup, SecurityGroupRule } from '../model.ts'
import type { Operation } from '../resource.ts'

export const rulesOf = (reader: Reader, groupId: string): SecurityGroupRule[] =>
  reader.select('security_group_rules', 'security_group_id', groupId)

/** Only administrators touch a group that they impose on others. */
export const isImposed = (group: SecurityGroup): boolean => group.mandatory || group.hidden
export function refuseImposed(group: SecurityGroup, context: Context): void {
  if (isImposed(group) && !context.admin) throw forbidden('rule:update_security_group:mandatory')
}

/** The group, if the asker may refer to it; whoever does holds its guard, so that it stays. */
export function referredGroup({ tx, context }: Operation, id: string): SecurityGroup {
  const group = tx.get('security_groups', id)
  const seen = context.admin || (group?.project_id === context.projectId && !group.hidden)
  if (!group || !seen) throw notFound('SecurityGroup', id)
  tx.guard(`security_groups/${id}`)
  return group
}

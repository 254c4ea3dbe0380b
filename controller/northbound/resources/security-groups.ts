// Security groups: the default one of each project, and those that an administrator imposes. Their rules are objects of
// their own (`security-group-rules.ts`); whoever refers to a group, or adds to it, holds its guard.
import { boolean, text } from '../attribute-types.ts'
import type { Reader } from '../cache.ts'
import { conflict, users } from '../errors.ts'
import type { SecurityGroup } from '../model.ts'
import { attribute, computed, type Operation, type Resource, standardAttributes } from '../resource.ts'
import { isImposed, rulesOf } from './group-access.ts'
import { inOrder, showRule } from './security-group-rules.ts'

const defaultName = 'default'
const imposedBy = { default: false, create: 'admin', update: 'admin' } as const

export const securityGroups: Resource<'security_groups'> = {
  kind: 'security_groups',
  singular: 'security_group',
  label: 'SecurityGroup',
  attributes: {
    ...standardAttributes,
    stateful: attribute(boolean, { default: true }),
    intra_group: attribute(boolean, { default: true }),
    mandatory: attribute(boolean, imposedBy),
    hidden: attribute(boolean, { ...imposedBy, read: 'admin' }),
    security_group_rules: computed({ ...text(), schema: { type: 'array', items: { type: 'object' } } }),
  },

  create(draft, operation) {
    refuseDefaultName(draft.name)
    ensureDefaultGroup(operation, draft.project_id)
    return withEgressRules(draft, operation)
  },

  update(before, after, { tx, given }) {
    if (given.has('name') && before.name === defaultName) {
      throw conflict('SecurityGroupCannotUpdateDefault', 'Updating default security group not allowed.')
    }
    if (after.name !== before.name) refuseDefaultName(after.name)
    // Who is bound to a group relies on these: they are what connections were admitted by, and who may detach it.
    if ((['stateful', 'mandatory', 'hidden'] as const).some((name) => after[name] !== before[name])) {
      tx.guard(`security_groups/${after.id}`)
      refuseInUse(tx, after)
    }
    return after
  },

  remove(group, { tx, context }) {
    if (group.name === defaultName && !context.admin) {
      throw conflict('SecurityGroupCannotRemoveDefault', 'Insufficient rights for removing default security group.')
    }
    refuseInUse(tx, group)
    refuseRemoteUse(tx, group)
    for (const rule of rulesOf(tx, group.id)) tx.delete('security_group_rules', rule.id)
  },

  shared: () => false,
  hidden: (group) => group.hidden,
  locked: isImposed,
  ensure: (reader, projectId) =>
    defaultGroup(reader, projectId) ? undefined : (operation) => ensureDefaultGroup(operation, projectId),

  compute: (group, { cache }) => ({
    security_group_rules: rulesOf(cache, group.id).toSorted(inOrder).map(showRule),
  }),
}

const refuseDefaultName = (name: string): void => {
  if (name.toLowerCase() !== defaultName) return
  throw conflict('SecurityGroupDefaultAlreadyExists', 'Default security group already exists.')
}

function refuseInUse(reader: Reader, group: SecurityGroup): void {
  const ports = reader.select('ports', 'security_groups', group.id).map(({ id }) => id)
  if (ports.length > 0) throw inUse(group, users('port', ports))
}

/** Neutron deletes such rules of other groups silently; a vanishing deny would open them. */
function refuseRemoteUse(reader: Reader, group: SecurityGroup): void {
  const rules = reader
    .select('security_group_rules', 'remote_group_id', group.id)
    .filter((rule) => rule.security_group_id !== group.id)
  const ids = rules.map(({ id, security_group_id }) => `${id} of security group ${security_group_id}`)
  if (ids.length > 0) throw inUse(group, users('rule', ids))
}

const inUse = (group: SecurityGroup, used: string): Error =>
  conflict('SecurityGroupInUse', `Security Group ${group.id} in use by ${used}.`)

const defaultGroup = (reader: Reader, projectId: string): SecurityGroup | undefined =>
  reader.select('security_groups', 'projectName', `${projectId}/${defaultName}`)[0]

/** The id of the project's default group, which is made when it is first needed. */
export function ensureDefaultGroup(operation: Operation, projectId: string): string {
  const found = defaultGroup(operation.tx, projectId)
  if (found) return found.id
  const { tx, make } = operation
  tx.guard(`default_group/${projectId}`)
  const fields = { name: defaultName, description: 'Default security group' }
  const group = withEgressRules(make('security_groups', fields, projectId), operation)
  for (const ethertype of ethertypes) {
    const rule = { security_group_id: group.id, direction: 'ingress', ethertype, remote_group_id: group.id } as const
    tx.put('security_group_rules', make('security_group_rules', rule, projectId))
  }
  tx.put('security_groups', group)
  return group.id
}

const ethertypes = ['IPv4', 'IPv6'] as const

function withEgressRules(group: SecurityGroup, { tx, make }: Operation): SecurityGroup {
  for (const ethertype of ethertypes) {
    const rule = { security_group_id: group.id, direction: 'egress', ethertype } as const
    tx.put('security_group_rules', make('security_group_rules', rule, group.project_id))
  }
  return group
}

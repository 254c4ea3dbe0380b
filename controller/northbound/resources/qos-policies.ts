// QoS policies: what ports, networks and the gateways of routers are limited to. As in Neutron administrators make them,
// and others use those of their project and those that are shared.
import { boolean, text } from '../attribute-types.ts'
import { conflict, forbidden, users } from '../errors.ts'
import type { QosPolicy } from '../model.ts'
import { attribute, type Operation, readOnly, type Resource, standardAttributes } from '../resource.ts'
import { usersOf } from './qos-use.ts'

export const qosPolicies: Resource<'qos_policies'> = {
  kind: 'qos_policies',
  singular: 'policy',
  label: 'QosPolicy',
  attributes: {
    ...standardAttributes,
    shared: attribute(boolean, { default: false }),
    is_default: attribute(boolean, { default: false }),
    rules: readOnly({ ...text(), schema: { type: 'array', items: { type: 'object' } } }, { default: [] }),
  },

  create(draft, operation) {
    if (!operation.context.admin) throw forbidden('rule:create_policy')
    refuseSecondDefault(draft, operation)
    return draft
  },

  update(before, after, operation) {
    refuseSecondDefault(after, operation)
    if (before.shared && !after.shared) refuseUsersElsewhere(after, operation)
    return after
  },

  remove(policy, { tx }) {
    const [user] = usersOf(tx, policy.id)
    if (!user) return
    throw conflict('QosPolicyInUse', `QoS Policy ${policy.id} is used by ${user.kind} ${user.id}.`)
  },

  shared: (policy) => policy.shared,
  locked: () => true,
  compute: ({ id, rules }) => ({ rules: rules.map((rule) => ({ ...rule, qos_policy_id: id })) }),
}

function refuseSecondDefault(policy: QosPolicy, { tx }: Operation): void {
  if (!policy.is_default) return
  tx.guard(`default_qos_policy/${policy.project_id}`)
  const others = tx.select('qos_policies', 'default', policy.project_id).filter(({ id }) => id !== policy.id)
  if (others.length === 0) return
  throw conflict('QoSPolicyDefaultAlreadyExists', `A default QoS policy exists for project ${policy.project_id}.`)
}

function refuseUsersElsewhere(policy: QosPolicy, { tx }: Operation): void {
  tx.guard(`qos_policies/${policy.id}`)
  const others = usersOf(tx, policy.id).filter(({ project_id }) => project_id !== policy.project_id)
  if (others.length === 0) return
  const used = users(
    'object',
    others.map(({ kind, id }) => `${kind} ${id}`),
  )
  throw conflict('RbacPolicyInUse', `Policy ${policy.id} cannot be unshared: other projects depend on it: ${used}.`)
}

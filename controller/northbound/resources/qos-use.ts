// Who uses a QoS policy: ports, networks, the gateways of routers. Whoever comes to use one holds its guard, so that it stays, and can do
// what it asks for.
import type { Reader } from '../cache.ts'
import { ApiError, conflict, notFound } from '../errors.ts'
import type { QosPolicy, QosRuleType } from '../model.ts'
import type { Operation } from '../resource.ts'

/** What the hosts do; bandwidth cannot be promised by meters, which only take away. */
export const supportedRuleTypes: ReadonlySet<QosRuleType> = new Set([
  'bandwidth_limit',
  'dscp_marking',
  'packet_rate_limit',
])

export interface User {
  readonly kind: 'network' | 'port' | 'router'
  readonly id: string
  readonly project_id: string
}

/** All that name the policy. */
export function usersOf(reader: Reader, policy: string): User[] {
  const as = (kind: User['kind'], found: readonly Omit<User, 'kind'>[]): User[] =>
    found.map(({ id, project_id }) => ({ kind, id, project_id }))
  return [
    ...as('network', reader.select('networks', 'qosPolicy', policy)),
    ...as('port', reader.select('ports', 'qosPolicy', policy)),
    ...as('router', reader.select('routers', 'qosPolicy', policy)),
  ]
}

const isSeen = (policy: QosPolicy, { context }: Operation): boolean =>
  context.admin || policy.shared || policy.project_id === context.projectId

/** Refuses a change to a policy that the asker does not see or hosts cannot keep, and one away from another's policy. */
export function checkQosPolicy(
  before: string | null,
  after: Pick<User, 'kind' | 'id'> & { readonly qos_policy_id: string | null },
  operation: Operation,
): void {
  const { tx } = operation
  const id = after.qos_policy_id
  if (id === before) return
  const old = before === null ? undefined : tx.get('qos_policies', before)
  if (old && !isSeen(old, operation)) {
    throw new ApiError(
      403,
      'PolicyRemoveAuthorizationError',
      `Failed to remove provided policy ${old.id} because you are not authorized.`,
    )
  }
  if (id === null) return
  const policy = tx.get('qos_policies', id)
  if (!policy || !isSeen(policy, operation)) throw notFound('QosPolicy', id)
  tx.guard(`qos_policies/${id}`)
  refuse(policy, after)
}

/** Refuses the rules of a policy in use that no host keeps. */
export function refuseUnsupported(policy: QosPolicy, { tx }: Operation): void {
  const [user] = usersOf(tx, policy.id)
  if (user) refuse(policy, user)
}

function refuse(policy: QosPolicy, { kind, id }: Pick<User, 'kind' | 'id'>): void {
  const rule = policy.rules.find(({ type }) => !supportedRuleTypes.has(type))
  if (!rule) return
  const name = kind === 'network' ? 'QosRuleNotSupportedByNetwork' : 'QosRuleNotSupported'
  throw conflict(name, `Rule ${rule.type} is not supported by ${kind} ${id}`)
}

/** What a new network of the project has when it names none. */
export const defaultQosPolicy = (projectId: string, { tx }: Operation): string | null =>
  tx.select('qos_policies', 'default', projectId)[0]?.id ?? null

// What tests of security groups on real hosts share: groups and rules over REST.
import type { Cloud } from '../lab/cloud.ts'
import type { Json } from '../lab/controller.ts'

async function create(cloud: Cloud, kind: string, body: Json): Promise<string> {
  const name = kind.replaceAll('-', '_')
  const answer = await cloud.controller.call('POST', `/v2.0/${kind}s?wait=realized`, { [name]: body })
  return (answer[name] as { readonly id: string }).id
}

/** A group that lets nothing pass. */
export async function emptyGroup(cloud: Cloud, body: Json = {}): Promise<string> {
  const id = await create(cloud, 'security-group', { name: 'test', ...body })
  const { security_group_rules: rules } = await cloud.controller.call(
    'GET',
    `/v2.0/security-group-rules?security_group_id=${id}`,
  )
  for (const rule of rules as { readonly id: string }[]) await cloud.remove('security-group-rule', rule.id)
  return id
}

/** The rule's id, once all hosts concerned have it. */
export const addRule = (
  cloud: Cloud,
  group: string,
  direction: 'ingress' | 'egress',
  body: Json = {},
): Promise<string> => create(cloud, 'security-group-rule', { security_group_id: group, direction, ...body })

export const removeRule = (cloud: Cloud, id: string): Promise<Json> => cloud.remove('security-group-rule', id)

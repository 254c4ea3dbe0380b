// QoS policies, their rules, and who uses them, by requests to a whole server without a socket.
import { afterEach, expect, test } from 'vitest'
import { hashSecret, parseCredentials } from './credentials.ts'
import { type Api, type Json, startApi } from './testing/harness.ts'

const open: Api[] = []
async function start(...args: Parameters<typeof startApi>): Promise<Api> {
  const api = await startApi(...args)
  open.push(api)
  return api
}
afterEach(async () => {
  for (const api of open.splice(0)) await api.app.close()
})

async function policy(api: Api, body: Json = {}): Promise<Json> {
  const { status, body: made } = await api.call('POST', 'qos/policies', { policy: body })
  expect([status, made]).toEqual([201, expect.anything()])
  return made.policy
}
const rule = (api: Api, { id }: Json, type: string, body: Json) =>
  api.call('POST', `qos/policies/${id}/${type}_rules`, { [`${type}_rule`]: body })
const refusal = ({ status, body }: { readonly status: number; readonly body: Json }): [number, string] => [
  status,
  body.NeutronError?.type,
]

const types: readonly (readonly [type: string, body: Json, whole: Json, change: Json])[] = [
  [
    'bandwidth_limit',
    { max_kbps: '1000' },
    { max_kbps: 1000, max_burst_kbps: 0, direction: 'egress' },
    { max_kbps: 5 },
  ],
  [
    'packet_rate_limit',
    { max_kpps: 7, direction: 'ingress' },
    { max_burst_kpps: 0, direction: 'ingress' },
    { max_kpps: 5 },
  ],
  ['dscp_marking', { dscp_mark: 26 }, { dscp_mark: 26 }, { dscp_mark: 46 }],
  ['minimum_bandwidth', { min_kbps: 7 }, { min_kbps: 7, direction: 'egress' }, { min_kbps: 5 }],
  ['minimum_packet_rate', { min_kpps: 7 }, { min_kpps: 7, direction: 'egress' }, { direction: 'any' }],
]

test.each(types)(
  'a %s rule is made, shown, changed and deleted, in its policy and under its alias',
  async (type, body, whole, change) => {
    const api = await start()
    const { id } = await policy(api, { name: 'gold' })
    const made = await rule(api, { id }, type, body)
    expect([made.status, made.body[`${type}_rule`]]).toMatchObject([201, whole])
    const shown = made.body[`${type}_rule`]
    const path = `qos/policies/${id}/${type}_rules`
    expect((await api.call('GET', path)).body).toEqual({ [`${type}_rules`]: [shown] })
    expect((await api.call('GET', `${path}/${shown.id}?fields=id`)).body).toEqual({
      [`${type}_rule`]: { id: shown.id },
    })
    const inPolicy = async (): Promise<Json> => (await api.call('GET', `qos/policies/${id}`)).body.policy
    expect((await inPolicy()).rules).toEqual([{ ...shown, type, qos_policy_id: id }])
    const put = await api.call('PUT', `${path}/${shown.id}`, { [`${type}_rule`]: change })
    expect([put.status, put.body[`${type}_rule`]]).toEqual([200, { ...shown, ...change }])
    expect((await inPolicy()).revision_number).toBe(3)
    const alias = `qos/alias-${type.replaceAll('_', '-')}-rules/${shown.id}`
    expect((await api.call('GET', alias)).body).toEqual({ [`alias_${type}_rule`]: { ...shown, ...change } })
    expect((await api.call('PUT', alias, { [`alias_${type}_rule`]: {} })).status).toBe(200)
    expect((await inPolicy()).revision_number).toBe(3)
    expect((await api.call('DELETE', alias)).status).toBe(204)
    expect(refusal(await api.call('GET', alias))).toEqual([404, 'QosRuleNotFound'])
    expect(refusal(await api.call('DELETE', `${path}/${shown.id}`))).toEqual([404, 'QosRuleNotFound'])
    expect((await inPolicy()).rules).toEqual([])
  },
)

test('a bad rule is refused with its field and the reason, and the policy stays as it was', async () => {
  const api = await start()
  const gold = await policy(api)
  await rule(api, gold, 'bandwidth_limit', { max_kbps: 1000 })
  const before = (await api.call('GET', `qos/policies/${gold.id}`)).body
  const refused: [string, Json, number, RegExp][] = [
    ['bandwidth_limit', {}, 400, /max_kbps/],
    ['bandwidth_limit', { max_kbps: -1 }, 400, /max_kbps/],
    ['bandwidth_limit', { max_kbps: 2 ** 31 }, 400, /max_kbps/],
    ['bandwidth_limit', { max_kbps: 1, direction: 'up' }, 400, /direction/],
    ['bandwidth_limit', { max_kbps: 1, dscp_mark: 8 }, 400, /Unrecognized.*dscp_mark/],
    ['bandwidth_limit', { max_kbps: 1 }, 409, /bandwidth_limit conflicts/],
    ['packet_rate_limit', { max_kpps: 'x' }, 400, /max_kpps/],
    ['dscp_marking', { dscp_mark: 1 }, 400, /dscp_mark/],
    ['minimum_bandwidth', { min_kbps: 1001 }, 409, /value 1001 .* bandwidth_limit has value 1000/],
  ]
  for (const [type, body, status, message] of refused) {
    const reply = await rule(api, gold, type, body)
    expect([reply.status, reply.body.NeutronError.message]).toEqual([status, expect.stringMatching(message)])
  }
  expect((await rule(api, { id: 'nowhere' }, 'dscp_marking', { dscp_mark: 8 })).status).toBe(404)
  expect((await api.call('GET', `qos/policies/${gold.id}`)).body).toEqual(before)
  expect((await rule(api, gold, 'bandwidth_limit', { max_kbps: 9, direction: 'ingress' })).status).toBe(201)
})

test('rule types: what hosts do, with the parameters; what they do not is among all that there are', async () => {
  const api = await start()
  const listed = async (query: string): Promise<string[]> =>
    (await api.call('GET', `qos/rule-types${query}`)).body.rule_types.map(({ type }: Json) => type)
  expect(await listed('')).toEqual(['bandwidth_limit', 'dscp_marking', 'packet_rate_limit'])
  expect(await listed('?all_supported=True')).toEqual(await listed(''))
  expect(await listed('?all_rules=True')).toHaveLength(5)
  expect((await api.call('GET', 'qos/rule-types/dscp_marking')).body.rule_type).toEqual({
    type: 'dscp_marking',
    drivers: [
      {
        name: 'openvswitch',
        supported_parameters: [
          { parameter_name: 'dscp_mark', parameter_type: 'choices', parameter_values: expect.arrayContaining([0, 46]) },
        ],
      },
    ],
  })
  expect((await api.call('GET', 'qos/rule-types/minimum_bandwidth')).body.rule_type.drivers).toEqual([])
  expect((await api.call('GET', 'qos/rule-types/nonsense')).status).toBe(404)
})

test('a policy stays while a network, a port or the gateway of a router uses it', async () => {
  const api = await start()
  const gold = await policy(api)
  const network = await api.make('networks', { qos_policy_id: gold.id })
  const port = await api.make('ports', { network_id: network.id, qos_policy_id: gold.id })
  expect(port).toMatchObject({ qos_policy_id: gold.id, qos_network_policy_id: gold.id })
  const out = await api.make('networks', { 'router:external': true })
  await api.make('subnets', { network_id: out.id, ip_version: 4, cidr: '203.0.113.0/24' })
  const gateway = { network_id: out.id, qos_policy_id: gold.id }
  const router = await api.make('routers', { external_gateway_info: gateway })
  expect(router.external_gateway_info.qos_policy_id).toBe(gold.id)
  const remove = () => api.call('DELETE', `qos/policies/${gold.id}`)
  const freeing: [string, Json][] = [
    [`networks/${network.id}`, { network: { qos_policy_id: null } }],
    [`ports/${port.id}`, { port: { qos_policy_id: null } }],
    [`routers/${router.id}`, { router: { external_gateway_info: { network_id: out.id, qos_policy_id: null } } }],
  ]
  for (const [path, body] of freeing) {
    const reply = await remove()
    expect(refusal(reply)).toEqual([409, 'QosPolicyInUse'])
    expect(reply.body.NeutronError.message).toContain(path.split('/')[1])
    expect((await api.call('PUT', path, body)).status).toBe(200)
  }
  expect((await remove()).status).toBe(204)
})

test('what no host keeps is refused where it is used, and where it is to be used', async () => {
  const api = await start()
  const [used, promise] = [await policy(api), await policy(api)]
  const network = await api.make('networks', {})
  const port = await api.make('ports', { network_id: network.id, qos_policy_id: used.id })
  const reply = await rule(api, used, 'minimum_bandwidth', { min_kbps: 1 })
  expect(refusal(reply)).toEqual([409, 'QosRuleNotSupported'])
  expect(reply.body.NeutronError.message).toBe(`Rule minimum_bandwidth is not supported by port ${port.id}`)
  await rule(api, promise, 'minimum_bandwidth', { min_kbps: 1 })
  const bodies: [string, Json, string][] = [
    [`networks/${network.id}`, { network: { qos_policy_id: promise.id } }, 'QosRuleNotSupportedByNetwork'],
    [`ports/${port.id}`, { port: { qos_policy_id: promise.id } }, 'QosRuleNotSupported'],
  ]
  for (const [path, body, type] of bodies) expect(refusal(await api.call('PUT', path, body))).toEqual([409, type])
  expect((await api.call('GET', `ports/${port.id}`)).body.port.qos_policy_id).toBe(used.id)
})

test('new networks of a project have its default policy, of which there is one', async () => {
  const api = await start()
  const plain = await api.make('networks', {})
  const gold = await policy(api, { is_default: true })
  expect(refusal(await api.call('POST', 'qos/policies', { policy: { is_default: true } }))).toEqual([
    409,
    'QoSPolicyDefaultAlreadyExists',
  ])
  const silver = await policy(api)
  const twice = await api.call('PUT', `qos/policies/${silver.id}`, { policy: { is_default: true } })
  expect(refusal(twice)).toEqual([409, 'QoSPolicyDefaultAlreadyExists'])
  expect((await policy(api, { is_default: true, project_id: 'p2' })).project_id).toBe('p2')
  expect(plain.qos_policy_id).toBe(null)
  expect((await api.make('networks', {})).qos_policy_id).toBe(gold.id)
  expect((await api.make('networks', { qos_policy_id: silver.id })).qos_policy_id).toBe(silver.id)
  expect((await api.make('networks', { project_id: 'p3' })).qos_policy_id).toBe(null)
})

test('the quota of policies is asked, and several are made at once or not at all', async () => {
  const api = await start()
  await api.call('PUT', 'quotas/p4', { quota: { qos_policy: 1 } })
  const two = { policies: [{ project_id: 'p4' }, { project_id: 'p4' }] }
  expect(refusal(await api.call('POST', 'qos/policies', two))).toEqual([409, 'OverQuota'])
  expect((await api.call('GET', 'qos/policies')).body.policies).toEqual([])
  await api.call('PUT', 'quotas/p4', { quota: { qos_policy: 2 } })
  expect((await api.call('POST', 'qos/policies', two)).body.policies).toHaveLength(2)
})

test('administrators make policies; others use their own and shared ones, and see no more', async () => {
  const password = await hashSecret('secret')
  const user = (id: string, project: string, role: string): string =>
    `  - { id: ${id}, name: ${id}, password: '${password}', roles: [{ project: ${project}, role: ${role} }] }\n`
  const credentials = parseCredentials(
    `projects: [{ id: p1, name: p1 }, { id: p2, name: p2 }]\nusers:\n${user('root', 'p1', 'admin')}${user('ann', 'p2', 'member')}`,
  )
  const api = await start({ credentials })
  const basic = (name: string) => ({ authorization: `Basic ${Buffer.from(`${name}:secret`).toString('base64')}` })
  const as = (name: string) => (method: 'GET' | 'POST' | 'PUT' | 'DELETE', url: string, body?: Json) =>
    api.call(method, url, body, basic(name))
  const [root, ann] = [as('root'), as('ann')]
  const make = async (body: Json): Promise<Json> => (await root('POST', 'qos/policies', { policy: body })).body.policy
  const [hidden, shared, own] = [await make({}), await make({ shared: true }), await make({ project_id: 'p2' })]
  expect(refusal(await ann('POST', 'qos/policies', { policy: {} }))).toEqual([403, 'PolicyNotAuthorized'])
  expect((await ann('GET', 'qos/policies')).body.policies.map(({ id }: Json) => id).toSorted()).toEqual(
    [shared.id, own.id].toSorted(),
  )
  const limit = { dscp_marking_rule: { dscp_mark: 8 } }
  expect((await ann('POST', `qos/policies/${own.id}/dscp_marking_rules`, limit)).status).toBe(403)
  expect((await ann('POST', `qos/policies/${hidden.id}/dscp_marking_rules`, limit)).status).toBe(404)
  expect((await ann('DELETE', `qos/policies/${own.id}`)).status).toBe(403)
  const network = (await ann('POST', 'networks', { network: { qos_policy_id: own.id } })).body.network
  const use = (id: string | null) => ann('PUT', `networks/${network.id}`, { network: { qos_policy_id: id } })
  expect(refusal(await use(hidden.id))).toEqual([404, 'QosPolicyNotFound'])
  expect((await use(shared.id)).status).toBe(200)
  const unshare = await root('PUT', `qos/policies/${shared.id}`, { policy: { shared: false } })
  expect(refusal(unshare)).toEqual([409, 'RbacPolicyInUse'])
  await root('PUT', `networks/${network.id}`, { network: { qos_policy_id: hidden.id } })
  expect(refusal(await use(null))).toEqual([403, 'PolicyRemoveAuthorizationError'])
  expect((await ann('PUT', `networks/${network.id}`, { network: { name: 'n' } })).status).toBe(200)
})

// Which security groups a port has, and those that an administrator imposes: by requests to a whole server without a socket.
import { afterEach, describe, expect, test } from 'vitest'
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

const makeGroup = async (api: Api, name = 'web'): Promise<Json> =>
  (await api.call('POST', 'security-groups', { security_group: { name } })).body.security_group

describe('groups of ports', () => {
  async function withNetwork(api: Api) {
    const network = await api.make('networks', {})
    const post = (port: Json) => api.call('POST', 'ports', { port: { network_id: network.id, ...port } })
    return { network, post }
  }

  test('a port has the default group unless the body names others; their order is kept', async () => {
    const api = await start()
    const { post } = await withNetwork(api)
    const [web, db] = [await makeGroup(api), await makeGroup(api, 'db')]
    const standard = (await api.call('GET', 'security-groups?name=default')).body.security_groups[0].id
    const groups = async (port: Json) => (await post(port)).body.port.security_groups
    expect(await groups({})).toEqual([standard])
    expect(await groups({ security_groups: null })).toEqual([standard])
    expect(await groups({ security_groups: [] })).toEqual([])
    expect(await groups({ security_groups: [db.id, web.id, db.id] })).toEqual([db.id, web.id])
    expect(await groups({ device_owner: 'network:dhcp' })).toEqual([])
    expect(await groups({ port_security_enabled: false })).toEqual([])
    expect((await post({ port_security_enabled: false, security_groups: [web.id] })).status).toBe(400)
    expect((await post({ security_groups: ['99999999-9999-4999-8999-999999999999'] })).status).toBe(404)
    const { port } = (await post({ security_groups: [db.id, web.id], default_egress_action: 'allow' })).body
    expect(port).toMatchObject({
      security_group_bindings: [
        { security_group_id: db.id, priority: 1 },
        { security_group_id: web.id, priority: 2 },
      ],
      default_ingress_action: 'deny',
      default_egress_action: 'allow',
    })
    const found = (await api.call('GET', `ports?security_groups=${web.id}`)).body.ports
    expect(found).toHaveLength(2)
  })

  test('PUT replaces the groups, null and an empty list remove them; port security goes only without them', async () => {
    const api = await start()
    const { post } = await withNetwork(api)
    const web = await makeGroup(api)
    const { port } = (await post({})).body
    const put = async (body: Json) => {
      const reply = await api.call('PUT', `ports/${port.id}`, { port: body })
      return reply.body.port?.security_groups ?? reply.body.NeutronError.type
    }
    expect(await put({ security_groups: [web.id] })).toEqual([web.id])
    expect(await put({ name: 'x' })).toEqual([web.id])
    expect(await put({ port_security_enabled: false })).toBe('PortSecurityPortHasSecurityGroup')
    expect(await put({ security_groups: null })).toEqual([])
    expect(await put({ port_security_enabled: false })).toEqual([])
    expect(await put({ security_groups: [web.id] })).toBe('PortSecurityAndIPRequiredForSecurityGroups')
    expect(await put({ port_security_enabled: true, security_groups: [web.id] })).toEqual([web.id])
  })

  test('a port that was stored before there were groups keeps its meaning: nothing is denied', async () => {
    const first = await start()
    const { network, post } = await withNetwork(first)
    const { port } = (await post({})).body
    const key = `intent/ports/${port.id}`
    const {
      security_groups: _,
      default_ingress_action: __,
      default_egress_action: ___,
      ...old
    } = JSON.parse((await first.store.get(key))?.value ?? '') as Json
    await first.store.transact({ apply: [{ kind: 'put', key, value: JSON.stringify(old) }] })
    const api = await start({ store: first.store })
    const meant = { security_groups: [], default_ingress_action: 'allow', default_egress_action: 'allow' }
    expect((await api.call('GET', `ports?network_id=${network.id}`)).body.ports).toMatchObject([meant])
    const renamed = await api.call('PUT', `ports/${port.id}`, { port: { name: 'x' } })
    expect(renamed.body.port).toMatchObject({ ...meant, name: 'x' })
  })

  test('the interface of a router has no groups, also when it was a port of a guest', async () => {
    const api = await start()
    const { network, post } = await withNetwork(api)
    await api.make('subnets', { network_id: network.id, ip_version: 4, cidr: '10.0.0.0/24' })
    const router = await api.make('routers', {})
    const { port } = (await post({})).body
    await api.call('PUT', `routers/${router.id}/add_router_interface`, { port_id: port.id })
    expect((await api.call('GET', `ports/${port.id}`)).body.port.security_groups).toEqual([])
  })
})

describe('groups that an administrator imposes', () => {
  const basic = (name: string) => ({ authorization: `Basic ${Buffer.from(`${name}:x`).toString('base64')}` })
  const [root, ann] = [basic('root'), basic('ann')]

  async function withPort() {
    const password = await hashSecret('x')
    const credentials = parseCredentials(`
projects: [{ id: ops, name: ops }, { id: p1, name: one }]
users:
  - { name: root, password: '${password}', roles: [{ project: ops, role: admin }] }
  - { name: ann, password: '${password}', roles: [{ project: one, role: member }] }`)
    const api = await start({ credentials })
    const as =
      (who: Record<string, string>) => async (method: 'GET' | 'POST' | 'PUT' | 'DELETE', url: string, body?: Json) =>
        api.call(method, url, body, who)
    const make = async (group: Json) =>
      (await as(root)('POST', 'security-groups', { security_group: group })).body.security_group
    const [fence, watch] = [await make({ name: 'fence', mandatory: true }), await make({ name: 'watch', hidden: true })]
    const network = (await as(ann)('POST', 'networks', { network: {} })).body.network
    const { port } = (await as(ann)('POST', 'ports', { port: { network_id: network.id } })).body
    const standard = port.security_groups[0]
    const path = `ports/${port.id}`
    await as(root)('PUT', path, { port: { security_groups: [standard, watch.id, fence.id] } })
    const groups = async (who: Record<string, string>) => (await as(who)('GET', path)).body.port.security_groups
    return { fence, watch, standard, path, groups, root: as(root), ann: as(ann) }
  }

  test('they are judged first, and stay whatever the tenant writes', async () => {
    const { fence, watch, standard, path, groups, ...as } = await withPort()
    expect(await groups(root)).toEqual([watch.id, fence.id, standard])
    expect(await groups(ann)).toEqual([fence.id, standard])
    const own = (await as.ann('POST', 'security-groups', { security_group: { name: 'own' } })).body.security_group
    const reply = await as.ann('PUT', path, { port: { security_groups: [own.id] } })
    expect([reply.status, reply.body.port.security_groups]).toEqual([200, [fence.id, own.id]])
    expect(await groups(root)).toEqual([watch.id, fence.id, own.id])
    await as.ann('PUT', path, { port: { security_groups: [] } })
    expect(await groups(root)).toEqual([watch.id, fence.id])
    expect((await as.ann('PUT', path, { port: { port_security_enabled: false } })).status).toBe(409)
    await as.root('PUT', path, { port: { security_groups: [] } })
    expect(await groups(root)).toEqual([])
  })

  test('a tenant neither sees a hidden one nor its rules, nor imposes one himself', async () => {
    const { fence, watch, path, ...as } = await withPort()
    expect((await as.ann('GET', `security-groups/${watch.id}`)).status).toBe(404)
    expect((await as.ann('PUT', path, { port: { security_groups: [fence.id] } })).status).toBe(200)
    expect((await as.ann('POST', 'security-groups', { security_group: { mandatory: true } })).status).toBe(403)
    const owned = { name: 'x', hidden: true, project_id: 'p1' }
    const hidden = (await as.root('POST', 'security-groups', { security_group: owned })).body.security_group
    const listed = (await as.ann('GET', 'security-groups')).body.security_groups
    expect(listed.map((each: Json) => each.name)).toEqual(['default'])
    expect(listed[0]).not.toHaveProperty('hidden')
    const rules = (await as.ann('GET', 'security-group-rules')).body.security_group_rules
    expect(rules.filter((each: Json) => each.security_group_id === hidden.id)).toEqual([])
    const remote = { security_group_id: listed[0].id, direction: 'ingress', remote_group_id: hidden.id }
    expect((await as.ann('POST', 'security-group-rules', { security_group_rule: remote })).status).toBe(404)
  })

  test('a tenant can change nothing of a mandatory one in his project, and his default group he cannot delete', async () => {
    const { standard, ...as } = await withPort()
    const owned = { name: 'x', mandatory: true, project_id: 'p1' }
    const group = (await as.root('POST', 'security-groups', { security_group: owned })).body.security_group
    const rule = { security_group_id: group.id, direction: 'ingress' }
    const replies = await Promise.all([
      as.ann('PUT', `security-groups/${group.id}`, { security_group: { name: 'y' } }),
      as.ann('DELETE', `security-groups/${group.id}`),
      as.ann('POST', 'security-group-rules', { security_group_rule: rule }),
      as.ann('DELETE', `security-group-rules/${group.security_group_rules[0].id}`),
      as.ann('POST', `security-groups/${group.id}/import`, { security_group_rules: [] }),
      as.ann('PUT', `security-groups/${group.id}/tags`, { tags: ['x'] }),
    ])
    expect(replies.map(({ status }) => status)).toEqual([403, 403, 403, 403, 403, 403])
    expect((await as.ann('GET', `security-groups/${group.id}/export`)).status).toBe(200)
    const kept = await as.ann('DELETE', `security-groups/${standard}`)
    expect(kept.body.NeutronError.type).toBe('SecurityGroupCannotRemoveDefault')
  })

  test('a rule belongs to the project of its group, whoever makes it', async () => {
    const { standard, ...as } = await withPort()
    const rule = { security_group_id: standard, direction: 'ingress', protocol: 'tcp' }
    const made = (await as.root('POST', 'security-group-rules', { security_group_rule: rule })).body.security_group_rule
    expect(made.project_id).toBe('p1')
    expect((await as.ann('DELETE', `security-group-rules/${made.id}`)).status).toBe(204)
  })
})

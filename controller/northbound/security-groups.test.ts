// The rules of security groups, their rules and address groups, each by requests to a whole server without a socket.
import { afterEach, describe, expect, test } from 'vitest'
import { type Api, type Json, startApi } from './testing/harness.ts'
import { MemoryStore } from './testing/memory-store.ts'

const open: Api[] = []
async function start(...args: Parameters<typeof startApi>): Promise<Api> {
  const api = await startApi(...args)
  open.push(api)
  return api
}
afterEach(async () => {
  for (const api of open.splice(0)) await api.app.close()
})

const defaultGroup = async (api: Api): Promise<Json> =>
  (await api.call('GET', 'security-groups?name=default')).body.security_groups[0]
const addRule = (api: Api, group: Json, rule: Json) =>
  api.call('POST', 'security-group-rules', {
    security_group_rule: { security_group_id: group.id, direction: 'ingress', ...rule },
  })
const makeRule = async (api: Api, group: Json, rule: Json): Promise<Json> => {
  const reply = await addRule(api, group, rule)
  if (reply.status !== 201) throw new Error(JSON.stringify(reply.body))
  return reply.body.security_group_rule
}
const makeGroup = async (api: Api, body: Json = { name: 'web' }): Promise<Json> =>
  (await api.call('POST', 'security-groups', { security_group: body })).body.security_group
const rulesOf = async (api: Api, group: Json): Promise<Json[]> =>
  (await api.call('GET', `security-groups/${group.id}`)).body.security_group.security_group_rules
const objects = (api: Api): string =>
  JSON.stringify([...api.store.entries].filter(([key]) => key.startsWith('intent/')))

describe('groups', () => {
  test('each project has a default group, made when it is first looked for, whose members may talk to each other', async () => {
    const api = await start()
    const { body } = await api.call('GET', 'security-groups')
    expect(body.security_groups).toHaveLength(1)
    const [group] = body.security_groups
    const rules = group.security_group_rules.map((rule: Json) => [rule.direction, rule.ethertype, rule.remote_group_id])
    expect(group).toMatchObject({ name: 'default', stateful: true, intra_group: true })
    expect(rules.sort()).toEqual([
      ['egress', 'IPv4', null],
      ['egress', 'IPv6', null],
      ['ingress', 'IPv4', group.id],
      ['ingress', 'IPv6', group.id],
    ])
    const again = await api.call('GET', 'security-groups', undefined, { 'x-project-id': 'other' })
    expect(again.body.security_groups).toHaveLength(2)
  })

  test('two servers on one store make one default group', async () => {
    const store = new MemoryStore()
    const [a, b] = [await start({ store }), await start({ store })]
    await Promise.all([a.call('GET', 'security-groups'), b.call('GET', 'security-groups')])
    expect((await a.call('GET', 'security-groups')).body.security_groups).toHaveLength(1)
  })

  test('no other group is named default, and the default one keeps its name', async () => {
    const api = await start()
    const group = await makeGroup(api)
    const renamed = await api.call('PUT', `security-groups/${group.id}`, { security_group: { name: 'Default' } })
    const made = await api.call('POST', 'security-groups', { security_group: { name: 'default' } })
    expect([renamed.body.NeutronError.type, made.body.NeutronError.type]).toEqual([
      'SecurityGroupDefaultAlreadyExists',
      'SecurityGroupDefaultAlreadyExists',
    ])
    const own = await defaultGroup(api)
    const reply = await api.call('PUT', `security-groups/${own.id}`, { security_group: { name: 'x' } })
    expect([reply.status, reply.body.NeutronError.type]).toEqual([409, 'SecurityGroupCannotUpdateDefault'])
  })

  test('what is in use is not deleted: by a port, by a rule of another group', async () => {
    const api = await start()
    const [web, db] = [await makeGroup(api), await makeGroup(api, { name: 'db' })]
    const rule = await makeRule(api, db, { remote_group_id: web.id })
    const refused = await api.call('DELETE', `security-groups/${web.id}`)
    expect([refused.status, refused.body.NeutronError.type]).toEqual([409, 'SecurityGroupInUse'])
    expect(refused.body.NeutronError.message).toContain(rule.id)
    const network = await api.make('networks', {})
    const port = await api.make('ports', { network_id: network.id, security_groups: [db.id] })
    const held = await api.call('DELETE', `security-groups/${db.id}`)
    expect(held.body.NeutronError.message).toContain(port.id)
    const stateless = { security_group: { stateful: false } }
    expect((await api.call('PUT', `security-groups/${db.id}`, stateless)).body.NeutronError.type).toBe(
      'SecurityGroupInUse',
    )
    await api.call('DELETE', `ports/${port.id}`)
    expect((await api.call('PUT', `security-groups/${db.id}`, stateless)).body.security_group.stateful).toBe(false)
    expect((await api.call('DELETE', `security-groups/${db.id}`)).status).toBe(204)
    expect((await api.call('DELETE', `security-groups/${web.id}`)).status).toBe(204)
    const left = (await api.call('GET', 'security-group-rules')).body.security_group_rules
    expect(left.every((each: Json) => ![web.id, db.id].includes(each.security_group_id))).toBe(true)
  })

  test('the quotas are those of Neutron, and the default group counts', async () => {
    const api = await start()
    const replies = []
    for (let i = 0; i < 10; i++)
      replies.push((await api.call('POST', 'security-groups', { security_group: {} })).status)
    expect(replies).toEqual([...Array<number>(9).fill(201), 409])
    const group = await defaultGroup(api)
    const ports = Array.from({ length: 100 }, (_, i) => ({
      security_group_id: group.id,
      direction: 'ingress',
      protocol: 'tcp',
      port_range_min: i + 1,
      port_range_max: i + 1,
    }))
    const many = await api.call('POST', 'security-group-rules', { security_group_rules: ports })
    expect([many.status, many.body.NeutronError.type]).toEqual([409, 'OverQuota'])
    const fewer = await api.call('POST', 'security-group-rules', { security_group_rules: ports.slice(0, 78) })
    expect(fewer.status).toBe(201)
  })
})

describe('rules', () => {
  test.each([
    [
      { protocol: 'TCP', port_range_min: '80', port_range_max: 90 },
      { protocol: 'tcp', port_range_min: 80 },
    ],
    [{ protocol: '006' }, { protocol: '6' }],
    [{ protocol: 99 }, { protocol: '99' }],
    [{ protocol: 'any' }, { protocol: null }],
    [
      { protocol: 'icmpv6', ethertype: 'ipv6' },
      { protocol: 'ipv6-icmp', ethertype: 'IPv6' },
    ],
    [{ protocol: 'icmp6', ethertype: 'IPv6' }, { protocol: 'ipv6-icmp' }],
    [{ protocol: 'icmp', ethertype: 'IPv6' }, { protocol: 'ipv6-icmp' }],
    [
      { protocol: 'icmp', port_range_min: 0 },
      { port_range_min: 0, port_range_max: null },
    ],
    [{ remote_ip_prefix: '10.1.2.3' }, { remote_ip_prefix: '10.1.2.3/32', normalized_cidr: '10.1.2.3/32' }],
    [{ remote_ip_prefix: '10.1.2.3/8' }, { remote_ip_prefix: '10.0.0.0/8' }],
    [{ ethertype: 'IPv6', remote_ip_prefix: 'FD00::1/64' }, { remote_ip_prefix: 'fd00::/64' }],
    [{}, { action: 'allow', priority: null, enabled: true, log: false, ethertype: 'IPv4', protocol: null }],
  ])('%j is stored in one spelling', async (given, stored) => {
    const api = await start()
    expect(await makeRule(api, await makeGroup(api), given)).toMatchObject(stored)
  })

  test.each([
    [{ direction: 'sideways' }, /direction/],
    [{ ethertype: 'IPX' }, /ethertype/],
    [{ protocol: 'tpc' }, /protocol 'tpc'/],
    [{ protocol: 256 }, /protocol '256'/],
    [{ protocol: 'hopopt' }, /protocol/],
    [{ protocol: 'ipv6-icmp' }, /ethertype IPv4 for protocol ipv6-icmp/],
    [{ port_range_min: 1, port_range_max: 2 }, /protocol/],
    [{ protocol: 'tcp', port_range_min: 9, port_range_max: 2 }, /port_range_min/],
    [{ protocol: 'tcp', port_range_min: 9 }, /port_range_min/],
    [{ protocol: 'udp', port_range_min: 0, port_range_max: 2 }, /port_range_min/],
    [{ protocol: 'tcp', port_range_min: 1, port_range_max: 65_536 }, /port_range_max/],
    [{ protocol: 'gre', port_range_min: 1, port_range_max: 2 }, /gre/],
    [{ protocol: 'icmp', port_range_min: 256 }, /type/],
    [{ protocol: 'icmp', port_range_min: 3, port_range_max: 256 }, /code/],
    [{ protocol: 58, port_range_min: 3 }, /protocol 58/],
    [{ protocol: 'icmp', port_range_max: 0 }, /type/],
    [{ remote_ip_prefix: 'fd00::/64' }, /ethertype IPv4/],
    [{ remote_ip_prefix: '10.0.0.0/33' }, /remote_ip_prefix/],
    [{ action: 'maybe' }, /action/],
    [{ priority: 0 }, /priority/],
    [{ priority: 2 }, /priority.*1 to 1/],
    [{ colour: 'red' }, /colour/],
  ])('%j is 400, names the attribute and changes nothing', async (rule, message) => {
    const api = await start()
    const group = await makeGroup(api)
    const before = objects(api)
    const reply = await addRule(api, group, rule)
    expect([reply.status, reply.body.NeutronError.message]).toEqual([400, expect.stringMatching(message)])
    expect(objects(api)).toBe(before)
  })

  test('at most one remote, which exists', async () => {
    const api = await start()
    const group = await makeGroup(api)
    const two = await addRule(api, group, { remote_group_id: group.id, remote_ip_prefix: '10.0.0.0/8' })
    expect(two.status).toBe(400)
    const nobody = '99999999-9999-4999-8999-999999999999'
    const types = [{ remote_group_id: nobody }, { remote_address_group_id: nobody }].map(
      async (rule) => (await addRule(api, group, rule)).body.NeutronError.type,
    )
    expect(await Promise.all(types)).toEqual(['SecurityGroupNotFound', 'AddressGroupNotFound'])
  })

  test('the same rule twice is 409; with another action or priority it is another rule', async () => {
    const api = await start()
    const group = await makeGroup(api)
    const { id } = await makeRule(api, group, { protocol: 'tcp' })
    const same = await addRule(api, group, { protocol: '6', remote_ip_prefix: '0.0.0.0/0', description: 'again' })
    expect([same.status, same.body.NeutronError.type]).toEqual([409, 'SecurityGroupRuleExists'])
    expect(same.body.NeutronError.message).toContain(id)
    await makeRule(api, group, { protocol: 'tcp', action: 'deny' })
    const first = await makeRule(api, group, { protocol: 'tcp', priority: 1 })
    expect((await addRule(api, group, { protocol: 'tcp', priority: 1 })).status).toBe(409)
    const clash = await api.call('PUT', `security-group-rules/${first.id}`, { security_group_rule: { priority: null } })
    expect(clash.body.NeutronError.type).toBe('SecurityGroupRuleExists')
  })

  test('priorities stay consecutive: inserting shifts the rest, removing closes the gap', async () => {
    const api = await start()
    const group = await makeGroup(api)
    const order = async (): Promise<[string, number][]> =>
      (await rulesOf(api, group))
        .filter(({ priority }) => priority !== null)
        .map(({ description, priority }) => [description, priority])
    const rules: Record<string, Json> = {}
    for (const [name, port, priority] of [
      ['a', 1, 1],
      ['b', 2, 2],
      ['c', 3, 1],
      ['d', 4, 3],
    ] as const) {
      const match = { protocol: 'tcp', port_range_min: port, port_range_max: port }
      rules[name] = await makeRule(api, group, { ...match, priority, description: name })
    }
    const named = async (): Promise<string> => (await order()).map(([name, priority]) => `${priority}${name}`).join(' ')
    expect(await named()).toBe('1c 2a 3d 4b')
    await api.call('DELETE', `security-group-rules/${rules.a?.id}`)
    expect(await named()).toBe('1c 2d 3b')
    const insert = (body: Json) => api.call('PUT', `security-groups/${group.id}/insert_rule`, body)
    await insert({ security_group_rule_id: rules.b?.id, insert_before: rules.d?.id })
    expect(await named()).toBe('1c 2b 3d')
    await insert({ security_group_rule_id: rules.c?.id, insert_after: rules.d?.id })
    expect(await named()).toBe('1b 2d 3c')
    const reply = await insert({ security_group_rule_id: rules.d?.id })
    expect(reply.body.security_group.id).toBe(group.id)
    expect(await named()).toBe('1d 2b 3c')
    await api.call('PUT', `security-group-rules/${rules.d?.id}`, { security_group_rule: { priority: null } })
    expect(await named()).toBe('1b 2c')
    await api.call('PUT', `security-group-rules/${rules.d?.id}`, { security_group_rule: { priority: 2 } })
    expect(await named()).toBe('1b 2d 3c')
    const bad = await insert({ security_group_rule_id: rules.d?.id, insert_after: rules.a?.id })
    expect(bad.status).toBe(400)
  })

  test('a rule that comes or goes between others leaves their ranks; of ranks only administrators hear', async () => {
    const api = await start()
    const group = await makeGroup(api)
    const made: Json[] = []
    for (const port of [1, 2, 3, 4]) {
      const match = { protocol: 'tcp', port_range_min: port, port_range_max: port }
      made.push(await makeRule(api, group, { ...match, priority: port < 4 ? port : 2 }))
    }
    const ranks = async (): Promise<unknown[]> =>
      Promise.all(
        made
          .slice(0, 3)
          .map(async ({ id }) => (await api.call('GET', `security-group-rules/${id}`)).body.security_group_rule.rank),
      )
    const before = made.slice(0, 3).map(({ rank }) => rank)
    expect(new Set(before).size).toBe(3)
    expect(await ranks()).toEqual(before)
    await api.call('DELETE', `security-group-rules/${made[3]?.id}`)
    expect(await ranks()).toEqual(before)
    expect((await rulesOf(api, group)).some((rule) => 'rank' in rule)).toBe(false)
  })

  test('hosts that are waited for are those of all that was written: the rules that were shifted, and their group', async () => {
    let asked: string[] = []
    const waitRealized = async (of: readonly { id: string }[]) => ((asked = of.map(({ id }) => id)), [])
    const api = await start({ waitRealized })
    const group = await makeGroup(api)
    const rules = [await makeRule(api, group, { protocol: 'tcp', priority: 1 })]
    const rule = { security_group_id: group.id, direction: 'egress', priority: 1 }
    const reply = await api.call('POST', 'security-group-rules?wait=realized', { security_group_rule: rule })
    rules.push(reply.body.security_group_rule)
    expect(asked.sort()).toEqual([...rules.map(({ id }) => id), group.id].sort())
    await api.call('DELETE', `security-group-rules/${rules[0]?.id}?wait=realized`)
    expect(asked.sort()).toEqual([rules[0]?.id, group.id].sort())
  })

  test('what a rule matches cannot be changed; its action, log and enabled can', async () => {
    const api = await start()
    const rule = await makeRule(api, await makeGroup(api), { protocol: 'tcp' })
    const put = (body: Json) => api.call('PUT', `security-group-rules/${rule.id}`, { security_group_rule: body })
    expect((await put({ protocol: 'udp' })).status).toBe(400)
    const changed = await put({ action: 'reject', log: true, enabled: false, description: 'x' })
    expect(changed.body.security_group_rule).toMatchObject({ action: 'reject', log: true, enabled: false })
  })
})

describe('export and import', () => {
  const filled = async (api: Api): Promise<Json> => {
    const group = await makeGroup(api)
    await makeRule(api, group, { protocol: 'tcp', port_range_min: 22, port_range_max: 22, action: 'deny', priority: 1 })
    await makeRule(api, group, { remote_group_id: group.id, description: 'us, "all"\nof us' })
    return group
  }
  const content = async (api: Api, group: Json) =>
    (await api.call('GET', `security-groups/${group.id}/export`)).body.security_group_rules

  test.each(['json', 'csv'])(
    'a group exported as %s and imported into another means the same there',
    async (format) => {
      const api = await start()
      const [from, to] = [await filled(api), await makeGroup(api, { name: 'copy' })]
      const get = (url: string) => api.app.inject({ url: `/v2.0/${url}`, headers: { host: 'localhost' } })
      const file = await get(`security-groups/${from.id}/export?format=${format}`)
      const send = () =>
        api.app.inject({
          method: 'POST',
          url: `/v2.0/security-groups/${to.id}/import`,
          headers: { host: 'localhost', 'content-type': String(file.headers['content-type']) },
          payload: file.body,
        })
      expect((await send()).statusCode).toBe(200)
      expect(await content(api, to)).toEqual(await content(api, from))
      const own = (await rulesOf(api, to)).filter((rule) => rule.remote_group_id !== null)
      expect(own.map((rule) => rule.remote_group_id)).toEqual([to.id])
      const before = objects(api)
      await send()
      expect(objects(api)).toBe(before)
    },
  )

  test('all or nothing: each wrong row is named, with the field', async () => {
    const api = await start()
    const group = await filled(api)
    const before = objects(api)
    const send = async (rows: Json[]) => {
      const reply = await api.call('POST', `security-groups/${group.id}/import`, { security_group_rules: rows })
      expect([reply.status, objects(api)]).toEqual([400, before])
      return reply.body.NeutronError.message
    }
    const row = { direction: 'ingress', protocol: 'tcp' }
    expect(await send([row, { ...row, port_range_min: 'x' }, { protocol: 'tcp' }, { ...row, id: 'x' }])).toMatch(
      /row 2: .*port_range_min.*; row 3: .*direction.*; row 4: .*'id'/,
    )
    expect(await send([row, { ...row, protocol: 'udp' }, row])).toMatch(/row 3: the same rule as row 1/)
    expect(
      await send([
        { ...row, priority: 1 },
        { ...row, priority: 3 },
      ]),
    ).toMatch(/row 2: priority/)
  })

  test('a CSV file with a wrong line says which', async () => {
    const api = await start()
    const group = await makeGroup(api)
    const send = async (payload: string) => {
      const url = `/v2.0/security-groups/${group.id}/import`
      const headers = { host: 'localhost', 'content-type': 'text/csv' }
      return (await api.app.inject({ method: 'POST', url, headers, payload })).json<Json>().NeutronError.message
    }
    expect(await send('direction,protocol\ningress,tcp\ningress')).toMatch(/row 2: 1 fields under 2 columns/)
    expect(await send('direction,protocol\ningress,"tcp\n')).toMatch(/quote/)
    expect(await send('direction,protocol\nin,tcp\n')).toMatch(/row 1: .*direction/)
  })
})

describe('address groups', () => {
  test('addresses are kept in one spelling, added and removed; a group that rules name stays', async () => {
    const api = await start()
    const made = await api.call('POST', 'address-groups', {
      address_group: { name: 'a', addresses: ['10.0.0.1', '10.0.0.1/32', 'FD00::/8'] },
    })
    const group = made.body.address_group
    expect(group.addresses).toEqual(['10.0.0.1/32', 'fd00::/8'])
    const act = (name: string, ...addresses: string[]) =>
      api.call('PUT', `address-groups/${group.id}/${name}`, { addresses })
    expect((await act('add_addresses', '10.1.2.3/8')).body.address_group.addresses).toContain('10.0.0.0/8')
    expect((await act('add_addresses', '10.0.0.1')).status).toBe(400)
    expect((await act('add_addresses', 'x')).status).toBe(400)
    expect((await act('remove_addresses', '10.0.0.9')).status).toBe(404)
    expect((await act('remove_addresses', 'fd00::/8')).body.address_group.addresses).toHaveLength(2)
    const security = await makeGroup(api)
    const rule = await makeRule(api, security, { remote_address_group_id: group.id })
    const refused = await api.call('DELETE', `address-groups/${group.id}`)
    expect([refused.status, refused.body.NeutronError.type]).toEqual([409, 'AddressGroupInUse'])
    await api.call('DELETE', `security-group-rules/${rule.id}`)
    expect((await api.call('DELETE', `address-groups/${group.id}`)).status).toBe(204)
  })
})

// External networks and the gateways of routers on them, by requests to a whole server without a socket.
import { afterEach, describe, expect, test } from 'vitest'
import { hashSecret, parseCredentials } from './credentials.ts'
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

const objects = (api: Api): string =>
  JSON.stringify([...api.store.entries].filter(([key]) => key.startsWith('intent/')))

async function external(api: Api, cidr = '203.0.113.0/24', extra: Json = {}) {
  const network = await api.make('networks', { name: 'ext', 'router:external': true, ...extra })
  const subnet = await api.make('subnets', { network_id: network.id, ip_version: 4, cidr })
  return { network, subnet }
}

async function inside(api: Api, cidr = '10.0.0.0/24') {
  const network = await api.make('networks', { name: 'in' })
  return api.make('subnets', { network_id: network.id, ip_version: 4, cidr })
}

const gatewayPorts = async (api: Api): Promise<Json[]> =>
  (await api.call('GET', 'ports?device_owner=network:router_gateway')).body.ports

describe('a gateway', () => {
  test('is a port of the external network, made, moved and deleted with external_gateway_info', async () => {
    const api = await start()
    const { network, subnet } = await external(api)
    const router = await api.make('routers', { external_gateway_info: { network_id: network.id } })
    const address = { subnet_id: subnet.id, ip_address: '203.0.113.2' }
    const info = { network_id: network.id, enable_snat: true, external_fixed_ips: [address], qos_policy_id: null }
    expect(router.external_gateway_info).toEqual(info)
    const [port] = await gatewayPorts(api)
    expect(port).toMatchObject({
      network_id: network.id,
      device_id: router.id,
      fixed_ips: [address],
      project_id: '',
      security_groups: [],
      port_security_enabled: false,
    })
    const put = async (external_gateway_info: Json | null): Promise<Json> =>
      (await api.call('PUT', `routers/${router.id}`, { router: { external_gateway_info } })).body.router
    const moved = await put({ network_id: network.id, external_fixed_ips: [{ ip_address: '203.0.113.9' }] })
    expect(moved.external_gateway_info.external_fixed_ips).toEqual([{ ...address, ip_address: '203.0.113.9' }])
    expect(await gatewayPorts(api)).toMatchObject([{ id: port?.id, mac_address: port?.mac_address }])
    const other = await external(api, '198.51.100.0/24')
    expect((await put({ network_id: other.network.id })).external_gateway_info.network_id).toBe(other.network.id)
    expect(await gatewayPorts(api)).toMatchObject([{ network_id: other.network.id }])
    expect((await put({})).external_gateway_info).toBe(null)
    expect(await gatewayPorts(api)).toEqual([])
  })

  test('goes with its router', async () => {
    const api = await start()
    const { network } = await external(api)
    const router = await api.make('routers', { external_gateway_info: { network_id: network.id } })
    expect((await api.call('DELETE', `networks/${network.id}`)).body.NeutronError.type).toBe('NetworkInUse')
    expect((await api.call('DELETE', `routers/${router.id}`)).status).toBe(204)
    expect(await gatewayPorts(api)).toEqual([])
    expect((await api.call('DELETE', `networks/${network.id}`)).status).toBe(204)
  })

  test('keeps enable_snat until it is given again, or the network is another', async () => {
    const api = await start()
    const { network } = await external(api)
    const other = await external(api, '198.51.100.0/24')
    const given = { network_id: network.id, enable_snat: false }
    const router = await api.make('routers', { external_gateway_info: given })
    const snat = async (external_gateway_info: Json): Promise<boolean> =>
      (await api.call('PUT', `routers/${router.id}`, { router: { external_gateway_info } })).body.router
        .external_gateway_info.enable_snat
    expect(router.external_gateway_info.enable_snat).toBe(false)
    expect(await snat({ network_id: network.id })).toBe(false)
    expect(await snat({ network_id: network.id, enable_snat: true })).toBe(true)
    expect(await snat(given)).toBe(false)
    expect(await snat({ network_id: other.network.id })).toBe(true)
  })

  test('takes one address of each IP version, of the subnets that are meant for gateways', async () => {
    const api = await start()
    const { network } = await external(api)
    const meant = { cidr: '198.51.100.0/24', ip_version: 4, service_types: ['network:router_gateway'] }
    const subnet = await api.make('subnets', { network_id: network.id, ...meant })
    const router = await api.make('routers', { external_gateway_info: { network_id: network.id } })
    expect(router.external_gateway_info.external_fixed_ips).toMatchObject([{ subnet_id: subnet.id }])
    await api.make('subnets', { network_id: network.id, ...meant, ip_version: 6, cidr: '2001:db8::/64' })
    const both = await api.make('routers', { external_gateway_info: { network_id: network.id } })
    expect(both.external_gateway_info.external_fixed_ips).toHaveLength(2)
  })

  test('gives routes a next hop on its subnets, and stays there while they need it', async () => {
    const api = await start()
    const { network } = await external(api)
    const other = await external(api, '198.51.100.0/24')
    const router = await api.make('routers', { external_gateway_info: { network_id: network.id } })
    const url = `routers/${router.id}`
    const routes = [{ destination: '9.0.0.0/8', nexthop: '203.0.113.77' }]
    expect((await api.call('PUT', `${url}/add_extraroutes`, { router: { routes } })).body.router.routes).toEqual(routes)
    const own = [{ destination: '9.0.0.0/8', nexthop: '203.0.113.2' }]
    expect((await api.call('PUT', url, { router: { routes: own } })).body.NeutronError.message).toMatch(
      /used by router/,
    )
    for (const external_gateway_info of [null, { network_id: other.network.id }]) {
      const before = objects(api)
      const reply = await api.call('PUT', url, { router: { external_gateway_info } })
      expect([reply.status, reply.body.NeutronError.message]).toEqual([409, expect.stringContaining('203.0.113.77')])
      expect(objects(api)).toBe(before)
    }
    const both = await api.call('PUT', url, { router: { external_gateway_info: null, routes: [] } })
    expect(both.body.router).toMatchObject({ external_gateway_info: null, routes: [] })
  })

  test("is what the router's status is about", async () => {
    const api = await start()
    const { network } = await external(api)
    const router = await api.make('routers', { external_gateway_info: { network_id: network.id } })
    const status = async (): Promise<string> => (await api.call('GET', `routers/${router.id}`)).body.router.status
    expect(await status()).toBe('DOWN')
    const [port] = await gatewayPorts(api)
    api.hosts.ports.set(port?.id, { status: 'ACTIVE', host: 'hv1' })
    expect(await status()).toBe('ACTIVE')
    await api.call('PUT', `routers/${router.id}`, { router: { external_gateway_info: {} } })
    expect(await status()).toBe('ACTIVE')
  })
})

describe('a refusal names what is wrong and changes nothing', () => {
  async function refused(api: Api, ...request: Parameters<Api['call']>): Promise<[number, string]> {
    const before = objects(api)
    const { status, body } = await api.call(...request)
    expect(objects(api)).toBe(before)
    return [status, body.NeutronError?.message ?? '']
  }

  test.each([
    ['no dictionary', (): unknown => 'ext', 400, /external_gateway_info/],
    ['no network', (): unknown => ({ enable_snat: true }), 400, /external_gateway_info.*network_id/],
    ['an unknown key', (id: string): unknown => ({ network_id: id, snat: true }), 400, /external_gateway_info.*'snat'/],
    ['an unknown network', (): unknown => ({ network_id: '99999999-9999-4999-8999-999999999999' }), 404, /Network/],
    [
      'an address outside',
      (id: string): unknown => ({ network_id: id, external_fixed_ips: [{ ip_address: '10.9.9.9' }] }),
      400,
      /10\.9\.9\.9/,
    ],
    [
      'the address of the next hop',
      (id: string): unknown => ({ network_id: id, external_fixed_ips: [{ ip_address: '203.0.113.1' }] }),
      400,
      /external_fixed_ips.*203\.0\.113\.1 is the same as the gateway IP/,
    ],
    [
      'an address in use',
      (id: string): unknown => ({ network_id: id, external_fixed_ips: [{ ip_address: '203.0.113.2' }] }),
      409,
      /203\.0\.113\.2 already allocated/,
    ],
    [
      'a QoS policy that is not there',
      (id: string): unknown => ({ network_id: id, qos_policy_id: '99999999-9999-4999-8999-999999999999' }),
      404,
      /QosPolicy 99999999.* could not be found/,
    ],
  ])('%s', async (_, info, status, message) => {
    const api = await start()
    const { network } = await external(api)
    await api.make('ports', { network_id: network.id, fixed_ips: [{ ip_address: '203.0.113.2' }] })
    const router = await api.make('routers', {})
    const body = { router: { external_gateway_info: info(network.id) } }
    const expected = [status, expect.stringMatching(message)]
    expect(await refused(api, 'POST', 'routers', body)).toEqual(expected)
    expect(await refused(api, 'PUT', `routers/${router.id}`, body)).toEqual(expected)
  })

  test('a network that is not external, one without subnets, one without a free address', async () => {
    const api = await start()
    const plain = await inside(api)
    const bare = await api.make('networks', { 'router:external': true })
    const { network } = await external(api, '203.0.113.0/30')
    await api.make('routers', { external_gateway_info: { network_id: network.id } })
    const gateway = (network_id: string): Json => ({ router: { external_gateway_info: { network_id } } })
    expect(await refused(api, 'POST', 'routers', gateway(plain.network_id))).toEqual([
      400,
      expect.stringMatching(/network_id.*not an external network/),
    ])
    expect(await refused(api, 'POST', 'routers', gateway(bare.id))).toEqual([400, expect.stringContaining('no subnet')])
    expect(await refused(api, 'POST', 'routers', gateway(network.id))).toEqual([
      409,
      expect.stringContaining('No more IP addresses'),
    ])
  })

  test('addresses that an interface has: gateway, interface and external subnet keep apart, whichever comes last', async () => {
    const api = await start()
    const { network, subnet } = await external(api)
    const clash = await inside(api, '203.0.113.128/25')
    const router = await api.make('routers', {})
    const add = (subnet_id: string): Parameters<Api['call']> => [
      'PUT',
      `routers/${router.id}/add_router_interface`,
      { subnet_id },
    ]
    const gateway = { router: { external_gateway_info: { network_id: network.id } } }
    expect((await api.call(...add(clash.id))).status).toBe(200)
    const overlaps = [400, expect.stringMatching(/overlaps with cidr/)]
    expect(await refused(api, 'PUT', `routers/${router.id}`, gateway)).toEqual(overlaps)
    await api.call('PUT', `routers/${router.id}/remove_router_interface`, { subnet_id: clash.id })
    expect((await api.call('PUT', `routers/${router.id}`, gateway)).status).toBe(200)
    expect(await refused(api, ...add(clash.id))).toEqual(overlaps)
    expect(await refused(api, ...add(subnet.id))).toEqual([400, expect.stringContaining('already has a port on')])
    expect((await api.call(...add((await inside(api, '198.51.100.0/25')).id))).status).toBe(200)
    const more = { subnet: { network_id: network.id, ip_version: 4, cidr: '198.51.100.0/24' } }
    expect(await refused(api, 'POST', 'subnets', more)).toEqual(overlaps)
  })

  test('the gateway port is not deleted, changed or made directly, and its address is not made the next hop', async () => {
    const api = await start()
    const { network, subnet } = await external(api)
    const router = await api.make('routers', { external_gateway_info: { network_id: network.id } })
    const [port] = await gatewayPorts(api)
    expect(await refused(api, 'DELETE', `ports/${port?.id}`)).toEqual([409, expect.stringContaining(router.id)])
    for (const change of [{ device_id: '' }, { device_owner: '' }, { fixed_ips: [] }]) {
      expect(await refused(api, 'PUT', `ports/${port?.id}`, { port: change })).toEqual([
        400,
        expect.stringContaining(Object.keys(change)[0] as string),
      ])
    }
    const made = { network_id: network.id, device_owner: 'network:router_gateway', device_id: router.id }
    expect(await refused(api, 'POST', 'ports', { port: made })).toEqual([
      400,
      expect.stringContaining('external_gateway_info'),
    ])
    const pools = { allocation_pools: [{ start: '203.0.113.9', end: '203.0.113.20' }], gateway_ip: '203.0.113.2' }
    expect(await refused(api, 'PUT', `subnets/${subnet.id}`, { subnet: pools })).toEqual([
      409,
      expect.stringContaining('gateway_ip 203.0.113.2'),
    ])
    expect(await refused(api, 'DELETE', `subnets/${subnet.id}`)).toEqual([409, expect.stringContaining(port?.id)])
  })

  test('a network with gateways stays external; it may stop being shared, for gateways are nobody else in particular', async () => {
    const api = await start()
    const { network } = await external(api, '203.0.113.0/24', { shared: true })
    const router = await api.make('routers', { external_gateway_info: { network_id: network.id } })
    const put = (change: Json): Parameters<Api['call']> => ['PUT', `networks/${network.id}`, { network: change }]
    expect(await refused(api, ...put({ 'router:external': false }))).toEqual([409, expect.stringContaining(router.id)])
    expect((await api.call(...put({ shared: false }))).status).toBe(200)
    await api.call('DELETE', `routers/${router.id}`)
    expect((await api.call(...put({ 'router:external': false }))).status).toBe(200)
  })
})

test('every project sees external networks and may have gateways there; the rest is for administrators', async () => {
  const password = await hashSecret('secret')
  const user = (name: string, project: string, role: string): string =>
    `  - { name: ${name}, password: '${password}', roles: [{ project: ${project}, role: ${role} }] }`
  const credentials = parseCredentials(`
projects: [{ id: one, name: one }, { id: two, name: two }]
users:
${user('root', 'one', 'admin')}
${user('ann', 'two', 'member')}`)
  const api = await start({ credentials })
  const as =
    (name: string) =>
    async (method: 'GET' | 'POST' | 'PUT' | 'DELETE', url: string, body?: Json): Promise<[number, Json]> => {
      const authorization = `Basic ${Buffer.from(`${name}:secret`).toString('base64')}`
      const reply = await api.call(method, url, body, { authorization })
      return [reply.status, reply.body]
    }
  const [root, ann] = [as('root'), as('ann')]
  const statusOf = async (asked: Promise<[number, Json]>): Promise<number> => (await asked)[0]
  const [, { network }] = await root('POST', 'networks', { network: { 'router:external': true } })
  const [, { subnet }] = await root('POST', 'subnets', {
    subnet: { network_id: network.id, ip_version: 4, cidr: '203.0.113.0/24' },
  })
  expect((await ann('GET', 'networks?router:external=True'))[1].networks).toMatchObject([{ id: network.id }])
  expect(await statusOf(ann('POST', 'networks', { network: { 'router:external': true } }))).toBe(403)
  expect(await statusOf(ann('PUT', `networks/${network.id}`, { network: { name: 'mine' } }))).toBe(403)
  expect(await statusOf(ann('POST', 'ports', { port: { network_id: network.id } }))).toBe(403)
  expect(await statusOf(ann('POST', 'subnets', { subnet: { network_id: network.id, ip_version: 4 } }))).toBe(403)

  const gateway = (extra: Json): Json => ({ router: { external_gateway_info: { network_id: network.id, ...extra } } })
  for (const extra of [{ enable_snat: false }, { external_fixed_ips: [{ subnet_id: subnet.id }] }]) {
    const [status, { NeutronError }] = await ann('POST', 'routers', gateway(extra))
    expect([status, NeutronError.message]).toEqual([403, expect.stringContaining(Object.keys(extra)[0] as string)])
  }
  const [status, { router }] = await ann('POST', 'routers', gateway({}))
  expect([status, router.external_gateway_info.enable_snat]).toEqual([201, true])
  expect(await statusOf(ann('PUT', `routers/${router.id}/add_router_interface`, { subnet_id: subnet.id }))).toBe(403)
  expect((await ann('GET', `ports?device_id=${router.id}`))[1].ports).toEqual([])
  const [, { ports }] = await root('GET', `ports?device_id=${router.id}`)
  expect(ports).toHaveLength(1)
  expect(await statusOf(root('PUT', `routers/${router.id}`, gateway({ enable_snat: false })))).toBe(200)
  const [, after] = await ann('PUT', `routers/${router.id}`, gateway({}))
  expect(after.router.external_gateway_info.enable_snat).toBe(false)
  expect(await statusOf(ann('DELETE', `routers/${router.id}`))).toBe(204)
})

test('of two servers on one store, one makes a gateway or the other takes the network away, never both', async () => {
  const store = new MemoryStore()
  const [a, b] = [await start({ store }), await start({ store })]
  for (let round = 0; round < 10; round++) {
    const { network } = await external(a, '203.0.113.0/24')
    const [made, changed] = await Promise.all([
      b.call('POST', 'routers', { router: { external_gateway_info: { network_id: network.id } } }),
      a.call('PUT', `networks/${network.id}`, { network: { 'router:external': false } }),
    ])
    expect([made.status, changed.status]).toSatisfy(
      ([one, other]: [number, number]) => (one === 201) === (other === 409) && (one === 201 || one === 400),
    )
    if (made.status === 201) await a.call('DELETE', `routers/${made.body.router.id}`)
  }
})

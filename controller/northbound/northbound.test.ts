// The rules of the API, each by requests to a whole server without a socket.
import { afterEach, describe, expect, test } from 'vitest'
import type { WaitRealized } from './live.ts'
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

async function withSubnet(api: Api, cidr = '10.0.0.0/24', extra: Json = {}) {
  const network = await api.make('networks', { name: 'n' })
  const subnet = await api.make('subnets', {
    network_id: network.id,
    ip_version: cidr.includes(':') ? 6 : 4,
    cidr,
    ...extra,
  })
  return { network, subnet }
}

const objects = (api: Api): string =>
  JSON.stringify([...api.store.entries].filter(([key]) => key.startsWith('intent/')))

describe('requests and replies', () => {
  test('an unknown id, a word that is no UUID among them, is 404 in the shape of Neutron', async () => {
    const api = await start()
    const reply = await api.call('GET', 'networks/blue')
    expect(reply.status).toBe(404)
    expect(reply.body).toEqual({
      NeutronError: { type: 'NetworkNotFound', message: 'Network blue could not be found.', detail: '' },
    })
  })

  test.each([
    ['unknown attribute', { network: { colour: 'blue' } }, /Unrecognized attribute\(s\) 'colour'/],
    ['wrong type', { network: { admin_state_up: 'perhaps' } }, /admin_state_up.*not a valid boolean/],
    ['no wrapper', { name: 'x' }, /'network'/],
    ['server attribute', { network: { status: 'ACTIVE' } }, /'status' not allowed in POST/],
    ['something beside the wrapper', { network: {}, subnet: {} }, /Unrecognized attribute\(s\) 'subnet'/],
    ['MTU beyond the underlay', { network: { mtu: 1451 } }, /mtu.*1451.*68 to 1450/],
    [
      'VLAN without physical network',
      { network: { 'provider:network_type': 'vlan', 'provider:segmentation_id': 5 } },
      /physical_network/,
    ],
  ])('%s is 400, names the attribute and changes nothing', async (_, body, message) => {
    const api = await start()
    const before = objects(api)
    const reply = await api.call('POST', 'networks', body)
    expect(reply.status).toBe(400)
    expect(reply.body.NeutronError.message).toMatch(message)
    expect(objects(api)).toBe(before)
  })

  test('a body that is not JSON, or not said to be, is refused', async () => {
    const api = await start()
    const send = (type: string, payload: string) =>
      api.app.inject({
        method: 'POST',
        url: '/v2.0/networks',
        headers: { host: 'localhost', 'content-type': type },
        payload,
      })
    expect((await send('application/json', '{')).statusCode).toBe(400)
    expect((await send('text/plain', '{"network":{}}')).statusCode).toBe(415)
  })

  test('trailing slash and .json are accepted', async () => {
    const api = await start()
    expect((await api.call('GET', 'networks/')).status).toBe(200)
    expect((await api.call('GET', 'networks.json?name=x')).body).toEqual({ networks: [] })
  })

  test('a bulk request is done wholly or not at all', async () => {
    const api = await start()
    const { network } = await withSubnet(api, '10.0.0.0/29')
    const ports = (count: number) => ({ ports: Array.from({ length: count }, () => ({ network_id: network.id })) })
    expect((await api.call('POST', 'ports', ports(6))).status).toBe(409)
    expect((await api.call('GET', 'ports')).body.ports).toEqual([])
    const made = await api.call('POST', 'ports', ports(5))
    expect(made.status).toBe(201)
    expect(made.body.ports.map((port: Json) => port.fixed_ips[0].ip_address)).toHaveLength(5)
  })

  test('If-Match with another revision is 412', async () => {
    const api = await start()
    const network = await api.make('networks', {})
    const put = (revision: number) =>
      api.call(
        'PUT',
        `networks/${network.id}`,
        { network: { name: `r${revision}` } },
        { 'if-match': `revision_number=${revision}` },
      )
    expect((await put(1)).body.network.revision_number).toBe(2)
    expect((await put(1)).status).toBe(412)
    const stale = { 'if-match': 'revision_number=1' }
    const tags = await api.call('PUT', `networks/${network.id}/tags`, { tags: ['x'] }, stale)
    const router = await api.make('routers', {})
    await api.call('PUT', `routers/${router.id}`, { router: { name: 'x' } })
    const action = await api.call('PUT', `routers/${router.id}/add_extraroutes`, { router: { routes: [] } }, stale)
    expect([tags.status, action.status]).toEqual([412, 412])
  })
})

describe('lists', () => {
  test('pages with limit and marker are the whole list in order, and links lead through it', async () => {
    const api = await start()
    for (const name of ['d', 'a', 'c', 'b', 'e']) await api.make('networks', { name })
    const seen: string[] = []
    let url: string | undefined = 'networks?sort_key=name&sort_dir=desc&limit=2&fields=name&fields=id'
    while (url) {
      const { body } = await api.call('GET', url)
      seen.push(...body.networks.map((each: Json) => each.name))
      const next = (body.networks_links ?? []).find((link: Json) => link.rel === 'next')
      url = next?.href.replace('http://localhost', '')
    }
    expect(seen).toEqual(['e', 'd', 'c', 'b', 'a'])
  })

  test('filters: repeated keys mean or, different keys mean and, unknown ones are refused', async () => {
    const api = await start()
    for (const name of ['a', 'b', 'c']) await api.make('networks', { name, admin_state_up: name !== 'b' })
    const names = async (query: string) =>
      (await api.call('GET', `networks?${query}`)).body.networks.map((each: Json) => each.name).sort()
    expect(await names('name=a&name=b')).toEqual(['a', 'b'])
    expect(await names('name=a&name=b&admin_state_up=False')).toEqual(['b'])
    expect(await names('router:external=True')).toEqual([])
    expect((await api.call('GET', 'networks?colour=blue')).status).toBe(400)
    expect((await api.call('GET', 'networks?admin_state_up=perhaps')).status).toBe(400)
  })

  test('tags are set, filtered by and removed', async () => {
    const api = await start()
    const network = await api.make('networks', { name: 'a' })
    await api.make('networks', { name: 'b' })
    await api.call('PUT', `networks/${network.id}/tags`, { tags: ['red', 'blue'] })
    const names = async (query: string) =>
      (await api.call('GET', `networks?${query}`)).body.networks.map((each: Json) => each.name)
    expect(await names('tags=red,blue')).toEqual(['a'])
    expect(await names('tags=red,green')).toEqual([])
    expect(await names('tags-any=red,green')).toEqual(['a'])
    expect(await names('not-tags=red')).toEqual(['b'])
    expect((await api.call('DELETE', `networks/${network.id}/tags/red`)).status).toBe(204)
    expect((await api.call('DELETE', `networks/${network.id}/tags/red`)).status).toBe(404)
  })

  test('ports are found by address, within a subnet', async () => {
    const api = await start()
    const { network, subnet } = await withSubnet(api)
    const port = await api.make('ports', { network_id: network.id, fixed_ips: [{ ip_address: '10.0.0.9' }] })
    const find = async (query: string) =>
      (await api.call('GET', `ports?${query}`)).body.ports.map((each: Json) => each.id)
    expect(await find(`fixed_ips=ip_address%3D10.0.0.9&fixed_ips=subnet_id%3D${subnet.id}`)).toEqual([port.id])
    expect(await find('fixed_ips=ip_address%3D10.0.0.8')).toEqual([])
  })
})

describe('addresses and segments', () => {
  test('the gateway is the first address and the pool is the rest; an address in use and an exhausted pool are 409', async () => {
    const api = await start()
    const { network, subnet } = await withSubnet(api, '10.0.0.0/30')
    expect(subnet).toMatchObject({ gateway_ip: '10.0.0.1', allocation_pools: [{ start: '10.0.0.2', end: '10.0.0.2' }] })
    await api.make('ports', { network_id: network.id })
    const again = await api.call('POST', 'ports', { port: { network_id: network.id } })
    expect([again.status, again.body.NeutronError.type]).toEqual([409, 'IpAddressGenerationFailure'])
    const same = await api.call('POST', 'ports', {
      port: { network_id: network.id, fixed_ips: [{ ip_address: '10.0.0.2' }] },
    })
    expect([same.status, same.body.NeutronError.type]).toEqual([409, 'IpAddressAlreadyAllocated'])
  })

  test('a stateless IPv6 subnet gives the address that the guest makes of its MAC', async () => {
    const api = await start()
    const { network } = await withSubnet(api, 'fd00::/64', { ipv6_address_mode: 'slaac', ipv6_ra_mode: 'slaac' })
    const port = await api.make('ports', { network_id: network.id, mac_address: 'FA:16:3E:00:00:01' })
    expect(port).toMatchObject({
      mac_address: 'fa:16:3e:00:00:01',
      fixed_ips: [{ ip_address: 'fd00::f816:3eff:fe00:1' }],
    })
  })

  test.each([
    ['overlap in one network', { ip_version: 4, cidr: '10.0.0.128/25' }, 400],
    ['IP version of another cidr', { ip_version: 6, cidr: '10.9.0.0/24' }, 400],
    ['multicast range', { ip_version: 4, cidr: '224.0.0.0/24' }, 400],
    ['gateway outside', { ip_version: 4, cidr: '10.9.0.0/24', gateway_ip: '10.8.0.1' }, 400],
    [
      'gateway in the pool',
      { ip_version: 4, cidr: '10.9.0.0/24', allocation_pools: [{ start: '10.9.0.1', end: '10.9.0.9' }] },
      409,
    ],
    [
      'pool outside',
      { ip_version: 4, cidr: '10.9.0.0/24', allocation_pools: [{ start: '10.9.0.9', end: '10.9.1.9' }] },
      400,
    ],
    ['IPv6 mode in IPv4', { ip_version: 4, cidr: '10.9.0.0/24', ipv6_ra_mode: 'slaac' }, 400],
    ['DNS server of the other version', { ip_version: 4, cidr: '10.9.0.0/24', dns_nameservers: ['::1'] }, 400],
  ])('a subnet with %s is refused', async (_, body, status) => {
    const api = await start()
    const { network } = await withSubnet(api)
    const before = objects(api)
    expect((await api.call('POST', 'subnets', { subnet: { network_id: network.id, ...body } })).status).toBe(status)
    expect(objects(api)).toBe(before)
  })

  test('segmentation ids are unique over all tunnel types, and the whole 24 bits can be asked for', async () => {
    const api = await start({ settings: { segmentRange: { first: 5, last: 6 } } })
    const ids = [await api.make('networks', {}), await api.make('networks', { 'provider:network_type': 'geneve' })]
    expect(ids.map((each) => [each['provider:segmentation_id'], each.mtu])).toEqual([
      [5, 1450],
      [6, 1442],
    ])
    expect((await api.call('POST', 'networks', { network: {} })).body.NeutronError.type).toBe('NoNetworkAvailable')
    const big = { 'provider:network_type': 'gre', 'provider:segmentation_id': 16_777_215 }
    expect((await api.make('networks', big)).mtu).toBe(1458)
    const again = await api.call('POST', 'networks', {
      network: { 'provider:network_type': 'vxlan', 'provider:segmentation_id': 16_777_215 },
    })
    expect(again.body.NeutronError.type).toBe('TunnelIdInUse')
  })

  test('two servers on one store never give one address, MAC or segment twice', async () => {
    const store = new MemoryStore()
    const [a, b] = [await start({ store }), await start({ store })]
    const { network } = await withSubnet(a)
    await b.call('GET', 'networks')
    const replies = await Promise.all(
      Array.from({ length: 40 }, (_, i) => (i % 2 ? a : b).call('POST', 'ports', { port: { network_id: network.id } })),
    )
    expect(replies.map(({ status }) => status)).toEqual(replies.map(() => 201))
    expect(new Set(replies.map(({ body }) => body.port.fixed_ips[0].ip_address)).size).toBe(40)
    const networks = await Promise.all(
      Array.from({ length: 10 }, (_, i) => (i % 2 ? a : b).call('POST', 'networks', { network: {} })),
    )
    expect(new Set(networks.map(({ body }) => body.network['provider:segmentation_id'])).size).toBe(10)
  })

  test('a network cannot be deleted by one server while another puts a port on it', async () => {
    const store = new MemoryStore()
    const [a, b] = [await start({ store }), await start({ store })]
    for (let round = 0; round < 10; round++) {
      const network = await a.make('networks', {})
      const [port, gone] = await Promise.all([
        b.call('POST', 'ports', { port: { network_id: network.id } }),
        a.call('DELETE', `networks/${network.id}`),
      ])
      expect([port.status, gone.status]).toSatisfy(
        ([made, deleted]: [number, number]) => (made === 201) === (deleted === 409),
      )
    }
  })
})

describe('routers', () => {
  test('what is in use is not deleted, and the refusal names the user', async () => {
    const api = await start()
    const { network, subnet } = await withSubnet(api)
    const router = await api.make('routers', {})
    const added = await api.call('PUT', `routers/${router.id}/add_router_interface`, { subnet_id: subnet.id })
    const portId = added.body.port_id
    for (const url of [`networks/${network.id}`, `subnets/${subnet.id}`, `routers/${router.id}`, `ports/${portId}`]) {
      const reply = await api.call('DELETE', url)
      expect([url, reply.status]).toEqual([url, 409])
      expect(reply.body.NeutronError.message).toContain(portId)
    }
    const gateway = await api.call('PUT', `subnets/${subnet.id}`, { subnet: { gateway_ip: null } })
    expect(gateway.body.NeutronError.type).toBe('GatewayIpInUse')
    expect(
      (await api.call('PUT', `routers/${router.id}/remove_router_interface`, { subnet_id: subnet.id })).status,
    ).toBe(200)
    expect((await api.call('DELETE', `routers/${router.id}`)).status).toBe(204)
    expect((await api.call('DELETE', `networks/${network.id}`)).status).toBe(204)
    expect((await api.call('GET', 'subnets')).body.subnets).toEqual([])
  })

  test('overlapping subnets, a second interface and unreachable next hops are refused', async () => {
    const api = await start()
    const [one, two] = [await withSubnet(api), await withSubnet(api, '10.0.0.128/25')]
    const router = await api.make('routers', {})
    const add = (subnet: Json) => api.call('PUT', `routers/${router.id}/add_router_interface`, { subnet_id: subnet.id })
    expect((await add(one.subnet)).status).toBe(200)
    expect((await add(one.subnet)).status).toBe(400)
    expect((await add(two.subnet)).body.NeutronError.message).toMatch(/overlaps with cidr 10.0.0.0\/24/)
    const routes = (nexthop: string) =>
      api.call('PUT', `routers/${router.id}`, { router: { routes: [{ destination: '1.0.0.0/8', nexthop }] } })
    expect((await routes('10.1.0.5')).body.NeutronError.type).toBe('InvalidRoutes')
    expect((await routes('10.0.0.1')).body.NeutronError.message).toMatch(/used by router/)
    expect((await routes('10.0.0.5')).status).toBe(200)
    const removed = await api.call('PUT', `routers/${router.id}/remove_router_interface`, { subnet_id: one.subnet.id })
    expect(removed.body.NeutronError.type).toBe('RouterInterfaceInUseByRoute')
  })
})

describe('?wait=realized', () => {
  test('answers 201 when all hosts confirmed, else 202 and the hosts that did not', async () => {
    let pending: { host: string; reason: string }[] = []
    const asked: unknown[] = []
    const waitRealized: WaitRealized = async (...[objects, revision, milliseconds, told]) => {
      asked.push([objects, revision, milliseconds])
      told()
      return pending
    }
    const api = await start({ waitRealized })
    const reply = await api.call('POST', 'networks?wait=realized&timeout=2', { network: {} })
    expect(reply.status).toBe(201)
    expect(reply.headers['server-timing']).toMatch(/^stored;dur=[\d.]+, told;dur=[\d.]+$/)
    const { id } = reply.body.network
    expect(asked).toEqual([[expect.arrayContaining([{ kind: 'networks', id }]), 1, 2000]])
    pending = [{ host: 'hv1', reason: 'no barrier reply' }]
    const late = await api.call('POST', 'networks?wait=realized', { network: {} })
    expect([late.status, late.body.unrealized]).toEqual([202, pending])
    expect((await api.call('POST', 'networks?wait=x', { network: {} })).status).toBe(400)
    const unmanaged = await start()
    expect((await unmanaged.call('POST', 'networks?wait=realized', { network: {} })).status).toBe(503)
    expect(objects(unmanaged)).toBe('[]')
  })
})

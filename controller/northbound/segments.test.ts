// Segments of networks: where a network is carried, which subnets are whose, and addresses by the host of a port.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { hashSecret, parseCredentials } from './credentials.ts'
import { type Api, type Json, startApi } from './testing/harness.ts'
import { MemoryStore } from './testing/memory-store.ts'

let api: Api
beforeEach(async () => {
  api = await startApi({ settings: { vlanRanges: [{ physical: 'left', first: 10, last: 12 }] } })
  api.hosts.wires.set('hl', new Set(['left']))
  api.hosts.wires.set('hr', new Set(['right']))
  api.hosts.wires.set('both', new Set(['left', 'right']))
  api.hosts.wires.set('none', new Set())
})
afterEach(() => api.app.close())

const vlan = (physical: string, id?: number): Json => ({
  'provider:network_type': 'vlan',
  'provider:physical_network': physical,
  ...(id !== undefined && { 'provider:segmentation_id': id }),
})
const segmentsOf = async (network: string): Promise<Json[]> =>
  (await api.call('GET', `segments?network_id=${network}`)).body.segments
const refusal = async (...request: Parameters<Api['call']>): Promise<[number, string]> => {
  const { status, body } = await api.call(...request)
  return [status, body.NeutronError?.type]
}

/** A network on two segments, `left` in VLAN 10 and `right` in VLAN 20, each with a subnet. */
async function routed(): Promise<{ network: Json; left: Json; right: Json; subnets: [Json, Json] }> {
  const network = await api.make('networks', vlan('left', 10))
  const [left] = (await segmentsOf(network.id)) as [Json]
  const right = await api.make('segments', {
    network_id: network.id,
    network_type: 'vlan',
    physical_network: 'right',
    segmentation_id: 20,
  })
  const subnet = (segment: Json, n: number) =>
    api.make('subnets', { network_id: network.id, ip_version: 4, cidr: `10.0.${n}.0/24`, segment_id: segment.id })
  return { network, left, right, subnets: [await subnet(left, 1), await subnet(right, 2)] }
}

describe('what carries a network', () => {
  test('a network has a segment of its own, and loses it with itself', async () => {
    const network = await api.make('networks', { 'provider:segmentation_id': 77 })
    const [segment] = await segmentsOf(network.id)
    expect(segment).toMatchObject({ network_type: 'vxlan', physical_network: null, segmentation_id: 77, name: '' })
    expect(network).not.toHaveProperty('segments')
    await api.call('DELETE', `networks/${network.id}`)
    expect((await api.call('GET', `segments/${segment?.id}`)).status).toBe(404)
  })

  test('with several segments the network shows them in place of its own attributes', async () => {
    const { network, right } = await routed()
    const shown = (await api.call('GET', `networks/${network.id}`)).body.network
    expect(shown.segments).toEqual([vlan('left', 10), vlan('right', 20)])
    expect([shown['provider:network_type'], shown['provider:segmentation_id']]).toEqual([null, null])
    expect(shown).toMatchObject({ l2_adjacency: false, mtu: 1500, revision_number: 2 })
    await api.call('DELETE', `subnets/${(await api.call('GET', `subnets?segment_id=${right.id}`)).body.subnets[0].id}`)
    expect((await api.call('DELETE', `segments/${right.id}`)).status).toBe(204)
    const again = (await api.call('GET', `networks/${network.id}`)).body.network
    expect(again).toMatchObject(vlan('left', 10))
    expect(again).not.toHaveProperty('segments')
  })

  test('a network can be made with several segments, or with provider attributes, not both', async () => {
    const network = await api.make('networks', { segments: [vlan('left'), vlan('right', 20)] })
    expect(network.segments).toEqual([vlan('left', 10), vlan('right', 20)])
    expect(await segmentsOf(network.id)).toHaveLength(2)
    const both = { network: { ...vlan('left', 11), segments: [vlan('right', 21)] } }
    expect(await refusal('POST', 'networks', both)).toEqual([400, 'InvalidInput'])
    const tunnels = { network: { segments: [{ 'provider:network_type': 'vxlan' }, vlan('right', 22)] } }
    expect(await refusal('POST', 'networks', tunnels)).toEqual([400, 'InvalidInput'])
    expect((await api.call('GET', 'segments')).body.segments).toHaveLength(2)
  })

  test('VLANs are taken from the ranges of their physical network, until none is free', async () => {
    const make = () => api.call('POST', 'networks', { network: vlan('left') })
    const ids = [await make(), await make(), await make()].map(({ body }) => body.network['provider:segmentation_id'])
    expect(ids).toEqual([10, 11, 12])
    expect((await make()).body.NeutronError.type).toBe('NoNetworkAvailable')
    const other = await api.call('POST', 'networks', { network: vlan('right') })
    expect([other.status, other.body.NeutronError.message]).toEqual([400, expect.stringContaining('vlan-ranges')])
  })

  test.each([
    ['a VLAN in use', { network_type: 'vlan', physical_network: 'left', segmentation_id: 10 }, 409, 'VlanIdInUse'],
    ['a tunnel beside a wire', { network_type: 'vxlan' }, 400, 'InvalidInput'],
    ['no physical network', { network_type: 'flat' }, 400, 'InvalidInput'],
    ['no type', {}, 400, 'HTTPBadRequest'],
    [
      'an unknown network',
      { network_id: '00000000-0000-4000-8000-000000000000', network_type: 'vxlan' },
      404,
      'NetworkNotFound',
    ],
  ])('a segment with %s is refused, and nothing is changed', async (_, body, status, type) => {
    const { network } = await routed()
    const before = JSON.stringify([...api.store.entries])
    const segment = { network_id: network.id, ...body }
    expect(await refusal('POST', 'segments', { segment })).toEqual([status, type])
    expect(JSON.stringify([...api.store.entries])).toBe(before)
  })

  test('name and description of a segment can be changed, its place cannot', async () => {
    const { left } = await routed()
    const put = (segment: Json) => api.call('PUT', `segments/${left.id}`, { segment })
    expect((await put({ name: 'l', description: 'd' })).body.segment).toMatchObject({ name: 'l', revision_number: 2 })
    expect((await put({ segmentation_id: 99 })).status).toBe(400)
  })

  test('a segment is kept while it has subnets, while hosts of ports use it, and when it is the last', async () => {
    const { network, left, right, subnets } = await routed()
    expect(await refusal('DELETE', `segments/${right.id}`)).toEqual([409, 'SegmentInUse'])
    const port = await api.make('ports', { network_id: network.id, 'binding:host_id': 'hr' })
    await api.call('PUT', `ports/${port.id}`, { port: { fixed_ips: [] } })
    await api.call('DELETE', `subnets/${subnets[1].id}`)
    expect(await refusal('DELETE', `segments/${right.id}`)).toEqual([409, 'SegmentInUse'])
    await api.call('DELETE', `ports/${port.id}`)
    expect((await api.call('DELETE', `segments/${right.id}`)).status).toBe(204)
    await api.call('DELETE', `subnets/${subnets[0].id}`)
    expect(await refusal('DELETE', `segments/${left.id}`)).toEqual([409, 'SegmentInUse'])
  })

  test('routers stand on networks of one segment only, in whichever order', async () => {
    const { subnets } = await routed()
    const router = await api.make('routers', {})
    const add = (subnet: string) => api.call('PUT', `routers/${router.id}/add_router_interface`, { subnet_id: subnet })
    expect((await add(subnets[0].id)).status).toBe(400)
    const network = await api.make('networks', vlan('left', 11))
    const subnet = await api.make('subnets', { network_id: network.id, ip_version: 4, cidr: '10.9.0.0/24' })
    expect((await add(subnet.id)).status).toBe(200)
    const segment = { network_id: network.id, network_type: 'flat', physical_network: 'right' }
    expect(await refusal('POST', 'segments', { segment })).toEqual([409, 'NetworkInUse'])
  })
})

describe('subnets of segments', () => {
  test('all subnets of a network have a segment of it, or none has', async () => {
    const { network } = await routed()
    const [foreign] = await segmentsOf((await api.make('networks', {})).id)
    const make = (n: number, segment_id: string | null) =>
      refusal('POST', 'subnets', {
        subnet: { network_id: network.id, ip_version: 4, cidr: `10.0.${n}.0/24`, segment_id },
      })
    expect(await make(3, null)).toEqual([400, 'SubnetsNotAllAssociatedWithSegments'])
    expect(await make(3, foreign?.id)).toEqual([400, 'NetworkIdsDontMatch'])
    expect(await make(3, network.id)).toEqual([404, 'SegmentNotFound'])
  })

  test('the only subnet of a network with one segment can be given that segment, once', async () => {
    const network = await api.make('networks', vlan('left', 10))
    const [segment] = await segmentsOf(network.id)
    const subnet = await api.make('subnets', { network_id: network.id, ip_version: 4, cidr: '10.0.0.0/24' })
    expect((await api.call('GET', `networks/${network.id}`)).body.network.l2_adjacency).toBe(true)
    const set = (segment_id: string | null) => refusal('PUT', `subnets/${subnet.id}`, { subnet: { segment_id } })
    expect(await set(segment?.id)).toEqual([200, undefined])
    expect(await set(null)).toEqual([400, 'SubnetSegmentAssociationChangeNotAllowed'])
  })

  test('not where there are more subnets, or more segments', async () => {
    const network = await api.make('networks', { segments: [vlan('left', 10), vlan('right', 20)] })
    const [segment] = await segmentsOf(network.id)
    const make = (n: number) => api.make('subnets', { network_id: network.id, ip_version: 4, cidr: `10.0.${n}.0/24` })
    const { id } = await make(1)
    const set = () => refusal('PUT', `subnets/${id}`, { subnet: { segment_id: segment?.id } })
    expect(await set()).toEqual([400, 'NoUpdateSubnetWhenMultipleSegmentsOnNetwork'])
    await make(2)
    expect(await set()).toEqual([400, 'SubnetsNotAllAssociatedWithSegments'])
  })
})

describe('addresses', () => {
  const make = (network: Json, body: Json) => api.call('POST', 'ports', { port: { network_id: network.id, ...body } })
  const set = (port: Json, body: Json) => api.call('PUT', `ports/${port.id}`, { port: body })
  const from = (port: Json): string[] => port.fixed_ips.map((ip: Json) => ip.subnet_id)

  test('a port gets its address from the subnet of its host’s segment; of two segments, from that of the older', async () => {
    const { network, subnets } = await routed()
    const on = async (host: string) => from((await make(network, { 'binding:host_id': host })).body.port)
    expect([await on('hl'), await on('hr'), await on('both')]).toEqual([
      [subnets[0].id],
      [subnets[1].id],
      [subnets[0].id],
    ])
    for (const host of ['none', 'unknown']) {
      const { status, body } = await make(network, { 'binding:host_id': host })
      expect([status, body.NeutronError.type]).toEqual([409, 'HostNotConnectedToAnySegment'])
    }
  })

  test('a port without a host waits for its address until it gets one, or names addresses of one segment', async () => {
    const { network, subnets } = await routed()
    const { port } = (await make(network, {})).body
    expect(port).toMatchObject({ ip_allocation: 'deferred', fixed_ips: [] })
    const bound = (await set(port, { 'binding:host_id': 'hr' })).body.port
    expect([bound.ip_allocation, from(bound)]).toEqual(['immediate', [subnets[1].id]])
    const wishes = (...each: Json[]) => make(network, { fixed_ips: each.map(({ id }) => ({ subnet_id: id })) })
    expect(from((await wishes(subnets[0])).body.port)).toEqual([subnets[0].id])
    expect((await wishes(...subnets)).body.NeutronError.type).toBe('FixedIpsSubnetsNotOnSameSegment')
    expect((await make(network, { fixed_ips: [] })).body.port.ip_allocation).toBe('none')
  })

  test('addresses and host of a port must be of one segment', async () => {
    const { network, subnets } = await routed()
    const fixed_ips = [{ subnet_id: subnets[0].id }]
    const wrong = await make(network, { fixed_ips, 'binding:host_id': 'hr' })
    expect([wrong.status, wrong.body.NeutronError.type]).toEqual([409, 'HostNotCompatibleWithFixedIps'])
    const { port } = (await make(network, { fixed_ips })).body
    expect((await set(port, { 'binding:host_id': 'hr' })).body.NeutronError.type).toBe('HostNotCompatibleWithFixedIps')
    const moved = await set(port, { 'binding:host_id': 'hr', fixed_ips: [{ subnet_id: subnets[1].id }] })
    expect([moved.status, from(moved.body.port)]).toEqual([200, [subnets[1].id]])
    expect((await set(port, { name: 'x', 'binding:host_id': null })).status).toBe(200)
    const status = async (host: string) => {
      api.hosts.ports.set(port.id, { status: 'ACTIVE', host })
      return (await api.call('GET', `ports/${port.id}`)).body.port.status
    }
    expect([await status('hr'), await status('hl')]).toEqual(['ACTIVE', 'DOWN'])
  })

  test('a port that is plugged in gets its address without being asked for, as soon as there is a subnet', async () => {
    const { network, subnets } = await routed()
    await api.call('DELETE', `subnets/${subnets[1].id}`)
    const { port } = (await make(network, {})).body
    const shown = async () => (await api.call('GET', `ports/${port.id}`)).body.port
    api.hosts.ports.set(port.id, { status: 'ACTIVE', host: 'hr' })
    api.hosts.tell({ kind: 'agent', id: 'hr', agent: null })
    expect((await shown()).ip_allocation).toBe('deferred')
    const segment = (await api.call('GET', `segments?physical_network=right`)).body.segments[0].id
    const subnet = { network_id: network.id, ip_version: 4, cidr: '10.0.7.0/24', segment_id: segment }
    const { id } = await api.make('subnets', subnet)
    await expect.poll(async () => from(await shown()), { timeout: 10_000 }).toEqual([id])
    expect(await shown()).toMatchObject({ ip_allocation: 'immediate', revision_number: 2 })
  })
})

test('only administrators see and change segments', async () => {
  const credentials = `
projects: [{ id: p1, name: demo }]
users: [{ id: u1, name: ann, password: '${await hashSecret('secret')}', roles: [{ project: p1, role: member }] }]`
  const guarded = await startApi({ credentials: parseCredentials(credentials) })
  const ann = { authorization: `Basic ${Buffer.from('ann:secret').toString('base64')}` }
  const network = (await guarded.call('POST', 'networks', { network: {} }, ann)).body.network
  expect((await guarded.call('GET', 'segments', undefined, ann)).body.segments).toEqual([])
  const segment = { network_id: network.id, network_type: 'vxlan' }
  expect((await guarded.call('POST', 'segments', { segment }, ann)).status).toBe(403)
  expect(network).not.toHaveProperty('segments')
  await guarded.app.close()
})

test('networks that were stored before there were segments get one each', async () => {
  const network = await api.make('networks', vlan('left', 10))
  const store = new MemoryStore()
  for (const [key, { value }] of api.store.entries) {
    const { segments: _, ...old } = key.startsWith('intent/') ? (JSON.parse(value) as Json) : {}
    if (key.startsWith('intent/networks/'))
      await store.transact({ apply: [{ kind: 'put', key, value: JSON.stringify(old) }] })
  }
  const later = await startApi({ store })
  const { segments } = (await later.call('GET', 'segments')).body
  expect(segments).toMatchObject([{ network_id: network.id, physical_network: 'left', segmentation_id: 10 }])
  expect((await later.call('POST', 'networks', { network: vlan('left', 10) })).status).toBe(409)
  await later.app.close()
})

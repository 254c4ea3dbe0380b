// What runs on which host, and where an operator wants the gateway of a router: by requests to a whole server without a socket.
import { afterEach, expect, test } from 'vitest'
import { type Api, host, type Json, startApi } from './testing/harness.ts'

const one = '11111111-1111-4111-8111-111111111111'
const two = '22222222-2222-4222-8222-222222222222'
const gone = '33333333-3333-4333-8333-333333333333'
const unknown = '99999999-9999-4999-8999-999999999999'

const open: Api[] = []
async function start(): Promise<Api> {
  const api = await startApi()
  open.push(api)
  api.hosts.list.push(host('hv1', one), host('hv2', two), host('hv3', gone, false))
  return api
}
afterEach(async () => {
  for (const api of open.splice(0)) await api.app.close()
})

/** A router between a network with a port on hv1 and an external network. */
async function withRouter(api: Api) {
  const external = await api.make('networks', { 'router:external': true })
  const network = await api.make('networks', {})
  for (const [network_id, cidr] of [
    [external.id, '203.0.113.0/24'],
    [network.id, '10.0.0.0/24'],
  ]) {
    await api.make('subnets', { network_id, ip_version: 4, cidr })
  }
  const port = await api.make('ports', { network_id: network.id })
  api.hosts.ports.set(port.id, { status: 'ACTIVE', host: 'hv1' })
  const [subnet] = (await api.call('GET', `subnets?network_id=${network.id}`)).body.subnets
  const router = await api.make('routers', { external_gateway_info: { network_id: external.id } })
  await api.call('PUT', `routers/${router.id}/add_router_interface`, { subnet_id: subnet.id })
  return { network, subnet, router }
}

const row = (api: Api, router: string): Json | undefined => {
  const stored = api.store.entries.get(`intent/router_hosts/${router}`)
  return stored && (JSON.parse(stored.value) as Json)
}
const refusal = ({ status, body }: { status: number; body: Json }): unknown[] => [status, body.NeutronError?.type]
const ids = (rows: Json[]): string[] => rows.map(({ id }) => id).sort()

test('a router is on the hosts with ports of its networks and on the host of its gateway, which is the active one', async () => {
  const api = await start()
  const { router } = await withRouter(api)
  const states = async () =>
    (await api.call('GET', `routers/${router.id}/l3-agents`)).body.agents.map((each: Json) => [
      each.host,
      each.ha_state,
    ])
  const routersOn = async (agent: string) => ids((await api.call('GET', `agents/${agent}/l3-routers`)).body.routers)
  expect(await states()).toEqual([['hv1', null]])
  expect([await routersOn(one), await routersOn(two)]).toEqual([[router.id], []])
  expect((await api.call('POST', `agents/${two}/l3-routers`, { router_id: router.id })).status).toBe(201)
  expect(row(api, router.id)).toEqual({ id: router.id, host: 'hv2', pinned: true, avoid: null })
  expect(await states()).toEqual([
    ['hv1', null],
    ['hv2', 'active'],
  ])
  expect([await routersOn(one), await routersOn(two)]).toEqual([[router.id], [router.id]])
  expect((await api.call('POST', `agents/${one}/l3-routers`, { router_id: router.id })).status).toBe(201)
  expect(await states()).toEqual([['hv1', 'active']])
  const away = `agents/${one}/l3-routers/${router.id}`
  expect((await api.call('DELETE', away)).status).toBe(204)
  expect(row(api, router.id)).toEqual({ id: router.id, host: 'hv1', pinned: false, avoid: 'hv1' })
  const elsewhere = await api.call('DELETE', `agents/${two}/l3-routers/${router.id}`)
  expect(refusal(elsewhere)).toEqual([409, 'RouterNotHostedByL3Agent'])
})

test('where the gateway is goes with the gateway', async () => {
  const api = await start()
  const { router } = await withRouter(api)
  const pin = () => api.call('POST', `agents/${two}/l3-routers`, { router_id: router.id })
  await pin()
  await api.call('PUT', `routers/${router.id}`, { router: { external_gateway_info: null } })
  expect(row(api, router.id)).toBe(undefined)
  const refused = await pin()
  expect(refusal(refused)).toEqual([409, 'RouterSchedulingFailed'])
  expect(refused.body.NeutronError.message).toContain('no external gateway')
})

test('a host that is disabled, gone, or cut off from the external network is refused as gateway', async () => {
  const api = await start()
  const { router } = await withRouter(api)
  const pin = async (agent: string): Promise<unknown[]> => {
    const { status, body } = await api.call('POST', `agents/${agent}/l3-routers`, { router_id: router.id })
    return [status, body.NeutronError?.message]
  }
  expect(await pin(gone)).toEqual([409, expect.stringContaining('not connected')])
  api.hosts.stranded.add(one)
  expect(await pin(one)).toEqual([409, expect.stringContaining('no way to the external network')])
  await api.call('PUT', `agents/${two}`, { agent: { admin_state_up: false } })
  expect(await pin(two)).toEqual([409, expect.stringContaining('disabled')])
  expect(row(api, router.id)).toBe(undefined)
})

test('DHCP of a network is on the hosts with ports of it, while a subnet has DHCP; it is neither given nor taken', async () => {
  const api = await start()
  const { network, subnet } = await withRouter(api)
  const agents = async () =>
    (await api.call('GET', `networks/${network.id}/dhcp-agents`)).body.agents.map((each: Json) => each.host)
  const networksOn = async (agent: string) =>
    ids((await api.call('GET', `agents/${agent}/dhcp-networks`)).body.networks)
  expect([await agents(), await networksOn(one), await networksOn(two)]).toEqual([['hv1'], [network.id], []])
  const give = (agent: string) => api.call('POST', `agents/${agent}/dhcp-networks`, { network_id: network.id })
  const take = (agent: string) => api.call('DELETE', `agents/${agent}/dhcp-networks/${network.id}`)
  expect(refusal(await give(one))).toEqual([409, 'NetworkHostedByDHCPAgent'])
  expect(refusal(await give(two))).toEqual([409, 'SchedulingNotSupported'])
  expect(refusal(await take(one))).toEqual([409, 'SchedulingNotSupported'])
  expect(refusal(await take(two))).toEqual([409, 'NetworkNotHostedByDhcpAgent'])
  await api.call('PUT', `subnets/${subnet.id}`, { subnet: { enable_dhcp: false } })
  expect([await agents(), await networksOn(one)]).toEqual([[], []])
})

test('what does not exist is 404, a body without the id 400', async () => {
  const api = await start()
  const { router } = await withRouter(api)
  expect((await api.call('POST', `agents/${one}/l3-routers`, { router_id: unknown })).status).toBe(404)
  expect((await api.call('POST', `agents/${unknown}/l3-routers`, { router_id: router.id })).status).toBe(404)
  expect((await api.call('GET', `routers/${unknown}/l3-agents`)).status).toBe(404)
  const bad = await api.call('POST', `agents/${one}/l3-routers`, { router: router.id })
  expect([bad.status, bad.body.NeutronError.message]).toEqual([400, expect.stringContaining('router')])
})

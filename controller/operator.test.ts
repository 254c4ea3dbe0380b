// What operators and members learn from the API about hosts: traces, explanations, counters. The fleet is real, its
// hosts are known and not connected.
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { apps } from '../apps/index.ts'
import { Derivation } from './derivation.ts'
import { Fleet } from './fleet.ts'
import type { HostFacts } from './host/facts.ts'
import { followIntent } from './intent.ts'
import { hashSecret, parseCredentials } from './northbound/credentials.ts'
import { startApi, type Api, type Json } from './northbound/testing/harness.ts'
import { MemoryStore } from './northbound/testing/memory-store.ts'
import { FleetOperator } from './operator.ts'

const hostFacts = (n: number, ports: readonly string[]): HostFacts => ({
  id: `id${n}`,
  name: `host${n}`,
  ovsVersion: '3.1.0',
  encapIp: `192.0.2.${n}`,
  encapTypes: ['vxlan'],
  datapathType: null,
  bridgeMappings: new Map(),
  uplinks: {},
  datapathId: null,
  vifs: ports.map((port, i) => ({ host: `id${n}`, name: `tap${i}`, ofport: i + 1, port })),
})

const tokens = { admin: 'operator-token', ann: 'token-of-ann', bob: 'token-of-bob' }
const headers = (who: keyof typeof tokens): Record<string, string> => ({ 'x-auth-token': tokens[who] })

async function credentials() {
  const entry = async (name: keyof typeof tokens, project: string, role: string): Promise<object> => ({
    name,
    token: await hashSecret(tokens[name]),
    project,
    role,
  })
  const file = {
    projects: ['ops', 'a', 'b'].map((name) => ({ id: name, name })),
    tokens: [
      await entry('admin', 'ops', 'admin'),
      await entry('ann', 'a', 'member'),
      await entry('bob', 'b', 'member'),
    ],
  }
  return parseCredentials(JSON.stringify(file))
}

let api: Api
let fleet: Fleet
let stop: () => void
/** Ann's network with ann's web and db; bob's port on it, which the operator made. */
let [web, db, bobs, network] = ['', '', '', '']

beforeAll(async () => {
  const store = new MemoryStore()
  const derivation = new Derivation(apps)
  fleet = new Fleet({
    apps,
    derivation,
    log: pino({ level: 'silent' }),
    auditMilliseconds: 60_000,
    controllerOf: () => '',
    remember: () => {},
    rememberZone: () => {},
  })
  const followed = { revision: 0 }
  stop = await followIntent(store, derivation, (now) => (followed.revision = now))
  const seen = async (wanted: number): Promise<void> => {
    while (followed.revision < wanted) await new Promise(setImmediate)
  }
  const operator = new FleetOperator(fleet, derivation, apps, seen)
  api = await startApi({ store, operator, credentials: await credentials() })
  network = (await make('ann', 'networks', { name: 'red' }))['id'] as string
  await make('ann', 'subnets', { network_id: network, ip_version: 4, cidr: '10.0.0.0/24' })
  web = (await make('ann', 'ports', { network_id: network, name: 'web' }))['id'] as string
  db = (await make('ann', 'ports', { network_id: network, name: 'db' }))['id'] as string
  bobs = (await make('admin', 'ports', { network_id: network, name: 'bobs', project_id: 'b' }))['id'] as string
  fleet.recall(hostFacts(1, [web]))
  fleet.recall(hostFacts(2, [db, bobs]))
  for (const [host, zone] of [
    ['id1', 1],
    ['id2', 1],
  ] as const)
    fleet.recallZone({ host, object: network, zone })
})

afterAll(async () => {
  stop()
  await api.app.close()
  fleet.close()
})

async function make(who: keyof typeof tokens, kind: string, body: Json): Promise<Json> {
  const singular = kind.replaceAll('-', '_').slice(0, -1)
  const reply = await api.call('POST', kind, { [singular]: body }, headers(who))
  if (reply.status !== 201) throw new Error(JSON.stringify(reply.body))
  return reply.body[singular] as Json
}

const trace = (who: keyof typeof tokens, body: Json) => api.call('POST', '/v1/trace', body, headers(who))

describe('an operator', () => {
  test('sees hosts, flows and the objects behind them', async () => {
    const { status, body } = await trace('admin', { from: web, to: 'db', protocol: 'tcp', destination_port: 80 })
    expect(status).toBe(200)
    expect(body['outcome']).toMatchObject({ kind: 'delivered', to: [{ host: 'id2', port: { name: 'db', id: db } }] })
    expect(body['hosts'][0]).toMatchObject({ host: 'id1', port: { name: 'web' }, tunnel: null })
    expect(body['hosts'][0].steps[0]).toMatchObject({
      stage: 'classify',
      flow: {
        match: 'in_port=1',
        app: 'overlay',
        object: { kind: 'port', id: web, name: 'web', link: `/v2.0/ports/${web}` },
      },
      registers: [
        { name: 'network', object: { kind: 'network', id: network, name: 'red' } },
        { name: 'policy of port', value: '1', object: { name: 'web' } },
      ],
    })
    expect(body['hosts'][1].tunnel).toMatchObject({ host: 'id1', address: '192.0.2.1' })
  })

  test('is told at once what follows from a change', async () => {
    const ask = { from: 'web', to: 'db' }
    expect((await trace('admin', ask)).body['outcome'].kind).toBe('delivered')
    const set = (up: boolean) => api.call('PUT', `ports/${db}`, { port: { admin_state_up: up } }, headers('ann'))
    await set(false)
    expect((await trace('admin', ask)).body['outcome']).toMatchObject({ kind: 'dropped', stage: 'l2' })
    await set(true)
    expect((await trace('admin', ask)).body['outcome'].kind).toBe('delivered')
  })

  test('hears which hosts cannot be asked', async () => {
    const { body } = await trace('admin', { from: 'web', to: 'db', live: true })
    expect(body['live']).toMatchObject({ agrees: true, unread: ['id1', 'id2'] })
  })

  test('may describe a packet as a flow, on a host by id or name', async () => {
    const flow = 'in_port=1,icmp,nw_src=10.0.0.99'
    for (const host of ['id1', 'host1']) {
      const { body } = await trace('admin', { host, flow })
      expect(body['outcome']).toMatchObject({ kind: 'dropped', stage: 'port_security' })
    }
  })

  test('reads the flows of a host, and what an object causes', async () => {
    const flows = (await api.call('GET', '/v1/hosts/host1/flows?stage=classify', undefined, headers('admin'))).body
    expect(flows['flows']).toContainEqual(
      expect.objectContaining({ match: 'in_port=1', object: expect.objectContaining({ name: 'web' }) }),
    )
    const { body } = await api.call('GET', `/v1/explain/${web}`, undefined, headers('admin'))
    expect(body['hosts'].map((each: Json) => each['host']).sort()).toEqual(['id1', 'id2'])
    expect(body['hosts'][0]).toMatchObject({ confirmed: false, reason: 'its switch is not connected' })
    const rows = body['read'].flatMap((rule: Json) => rule['rows'])
    expect(rows).toContainEqual(expect.objectContaining({ kind: 'network', id: network, name: 'red' }))
    expect((await api.call('GET', '/v1/explain/nothing', undefined, headers('admin'))).status).toBe(404)
    expect((await api.call('GET', '/v1/hosts/nowhere/flows', undefined, headers('admin'))).status).toBe(404)
  })
})

describe('a member', () => {
  test('traces from a port of his own, and sees what of his own decides', async () => {
    const { status, body } = await trace('ann', { from: 'web', to: 'db', protocol: 'tcp', destination_port: 80 })
    expect(status).toBe(200)
    expect(body['outcome']).toMatchObject({ kind: 'delivered', to: [{ kind: 'port', id: db }] })
    expect(body['decisions']).toMatchObject([
      { side: 'egress', port: { name: 'web' }, rule: { direction: 'egress' }, security_group: { name: 'default' } },
      { side: 'ingress', port: { name: 'db' }, rule: { direction: 'ingress' }, security_group: { name: 'default' } },
    ])
    expect(body['hosts'][0].steps[0]).toEqual({
      depth: 0,
      stage: 'classify',
      object: expect.objectContaining({ id: web }),
    })
    const text = JSON.stringify(body)
    for (const secret of ['id1', 'id2', '192.0.2', 'cookie', 'actions', 'tunnel']) expect(text).not.toContain(secret)
  })

  test('learns nothing of what is not his', async () => {
    const { status, body } = await trace('bob', { from: 'bobs', to: '10.0.0.3' })
    expect(status).toBe(200)
    expect(body['outcome']).toMatchObject({ kind: 'dropped' })
    const text = JSON.stringify(body)
    for (const secret of [web, db, network]) expect(text).not.toContain(secret)
  })

  test.each([
    ['from a port that he does not see', 'bob', { from: 'web', to: '10.0.0.9' }, 404],
    ['from a port that he sees and does not own', 'ann', { from: 'bobs', to: 'web' }, 403],
    ['to a port that he does not see', 'bob', { from: 'bobs', to: 'web' }, 404],
    ['by a flow on a host', 'ann', { host: 'host1', flow: 'in_port=1' }, 403],
    ['with a live check', 'ann', { from: 'web', to: 'db', live: true }, 403],
  ] as const)('may not trace %s', async (_, who, body, status) => {
    expect((await trace(who, body)).status).toBe(status)
  })

  test('may not read the flows of hosts', async () => {
    for (const path of [`/v1/explain/${web}`, '/v1/hosts/host1/flows'])
      expect((await api.call('GET', path, undefined, headers('ann'))).status).toBe(403)
  })

  test('reads the counters of his own rules', async () => {
    const rules = await api.call('GET', 'security-group-rules', undefined, headers('ann'))
    const [rule] = rules.body['security_group_rules'] as Json[]
    const path = `/v1/security-group-rules/${String(rule?.['id'])}/counters`
    const { status, body } = await api.call('GET', path, undefined, headers('ann'))
    expect(status).toBe(200)
    expect(body).toEqual({ counters: { id: rule?.['id'], sessions: 0, packets: 0, bytes: 0 }, complete: false })
    expect((await api.call('GET', path, undefined, headers('bob'))).status).toBe(404)
  })
})

describe('a request that cannot be answered names the attribute', () => {
  test.each([
    [{ from: 'web' }, 400, /Required attribute 'to'/],
    [{ from: 'web', to: 'db', colour: 1 }, 400, /Unrecognized attribute\(s\) 'colour'/],
    [{ from: 'web', to: 'db', ttl: 256 }, 400, /ttl.*256/],
    [{ from: 'web', to: 'db', protocol: 'carrier-pigeon' }, 400, /protocol.*carrier-pigeon/],
    [{ from: 'web', to: 'db', state: 'old' }, 400, /state.*old/],
    [{ from: 'web', to: '10.0.9.9', state: 'reply' }, 400, /state.*two ports/],
    [{ from: 'web', to: '2001:db8::1' }, 400, /from.*no IPv6 address/],
    [{ from: 'web', host: 'host1', flow: 'in_port=1' }, 400, /'from' and 'to', or by 'host' and 'flow'/],
    [{ host: 'host1', flow: 'in_port=1,nonsense=3' }, 400, /flow.*nonsense/],
    [{ host: 'host9', flow: 'in_port=1' }, 404, /Host host9/],
    [{ from: 'nobody', to: 'db' }, 404, /Port nobody/],
    [{}, 400, /'from' and 'to'/],
  ])('%j', async (body, status, message) => {
    const reply = await trace('admin', body)
    expect(reply.status).toBe(status)
    expect(reply.body['NeutronError'].message).toMatch(message)
  })

  test('a name that two ports have is refused', async () => {
    for (let i = 0; i < 2; i += 1) await make('ann', 'ports', { network_id: network, name: 'twin' })
    expect(await trace('ann', { from: 'twin', to: 'db' })).toMatchObject({ status: 409 })
  })

  test('a port that is nowhere', async () => {
    await make('ann', 'ports', { network_id: network, name: 'new' })
    const { status, body } = await trace('ann', { from: 'new', to: 'db' })
    expect(status).toBe(400)
    expect(body['NeutronError'].message).toMatch(/from.*not plugged in/)
  })
})

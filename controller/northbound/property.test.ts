// Random requests, sensible and senseless, against a whole server: whatever is answered, a refused request has changed
// nothing and the stored intent is consistent.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Cidr, type Ip, overlaps, parseCidr, parseIp, within } from './address.ts'
import type { Network, Port, Router, SecurityGroup, SecurityGroupRule, Subnet } from './model.ts'
import { numbered, ruleKey } from './resources/security-group-rules.ts'
import { type Api, type Json, startApi } from './testing/harness.ts'

type Step = readonly [action: number, a: number, b: number, c: number]

const cidrs = ['10.0.0.0/29', '10.0.0.4/30', '10.0.1.0/29', '10.0.0.0/16', 'fd00::/126', 'fd00::/64', 'x']
const addresses = ['10.0.0.2', '10.0.0.5', '10.0.1.3', 'fd00::2', '10.9.9.9', 'x']
const macs = ['fa:16:3e:00:00:01', 'fa:16:3e:00:00:02', '01:00:00:00:00:00']

function stored(api: Api, kind: string): Json[] {
  return [...api.store.entries]
    .filter(([key]) => key.startsWith(`intent/${kind}/`))
    .map(([, { value }]) => JSON.parse(value) as Json)
}

/** An external network with a subnet, and a router: most requests need something to work on. */
const beginning: readonly Step[] = [
  [0, 0, 0, 2],
  [1, 0, 0, 0],
  [4, 0, 0, 0],
]

const pick = <T>(list: readonly T[], index: number): T | undefined => list[index % Math.max(list.length, 1)]
const id = (api: Api, kind: string, index: number): string => pick(stored(api, kind), index)?.id ?? 'missing'

function request(api: Api, [action, a, b, c]: Step): ['POST' | 'PUT' | 'DELETE', string, Json?] {
  const network_id = id(api, 'networks', a)
  const fixed_ips = [{ ip_address: pick(addresses, b) }]
  const port: Json = {
    network_id,
    ...(c % 3 === 0 ? { fixed_ips } : {}),
    ...(c % 4 === 0 ? { mac_address: pick(macs, b) } : {}),
    ...(c % 5 === 0 ? { security_groups: [id(api, 'security_groups', b), id(api, 'security_groups', c)] } : {}),
  }
  const subnet_id = id(api, 'subnets', b)
  const router = `routers/${id(api, 'routers', a)}`
  const routes = [{ destination: '1.0.0.0/8', nexthop: pick(addresses, b) }]
  const steps: ['POST' | 'PUT' | 'DELETE', string, Json?][] = [
    [
      'POST',
      'networks',
      { network: { 'router:external': c % 2 === 0, ...(c % 5 ? {} : { 'provider:segmentation_id': (b % 3) + 1 }) } },
    ],
    ['POST', 'subnets', { subnet: { network_id, cidr: pick(cidrs, b), ip_version: b % 7 > 3 ? 6 : 4 } }],
    ['POST', 'ports', { port }],
    ['POST', 'ports', { ports: [port, { network_id }, { ...port, name: 'x' }] }],
    ['POST', 'routers', { router: {} }],
    ['PUT', `${router}/add_router_interface`, c % 2 ? { subnet_id } : { port_id: id(api, 'ports', b) }],
    ['PUT', `${router}/remove_router_interface`, { subnet_id }],
    ['PUT', `${router}/add_extraroutes`, { router: { routes } }],
    ['PUT', router, { router: { routes: c % 2 ? [] : routes } }],
    [
      'PUT',
      `ports/${id(api, 'ports', a)}`,
      { port: c % 2 ? { fixed_ips: [...fixed_ips, { subnet_id }] } : { mac_address: pick(macs, b) } },
    ],
    ['PUT', `subnets/${subnet_id}`, { subnet: { gateway_ip: c % 2 ? null : pick(addresses, a) } }],
    ['DELETE', `networks/${network_id}`],
    ['DELETE', `subnets/${subnet_id}`],
    ['DELETE', `ports/${id(api, 'ports', a)}`],
    ['DELETE', router],
    ...gatewaySteps(router, network_id, subnet_id, b, c),
    ...groupSteps(api, a, b, c),
  ]
  return pick(steps, action) as (typeof steps)[number]
}

const gatewayActions = 2

function gatewaySteps(
  router: string,
  network_id: string,
  subnet_id: string,
  b: number,
  c: number,
): ['POST' | 'PUT' | 'DELETE', string, Json?][] {
  const fixed = { external_fixed_ips: [c % 2 ? { subnet_id } : { ip_address: pick(addresses, b) }] }
  const info = c % 7 === 0 ? null : { network_id, ...(c % 3 ? {} : fixed) }
  return [
    ['PUT', router, { router: { external_gateway_info: info, ...(c % 5 ? {} : { routes: [] }) } }],
    ['PUT', `networks/${network_id}`, { network: { 'router:external': c % 2 === 0 } }],
  ]
}

const groupActions = 9

function groupSteps(api: Api, a: number, b: number, c: number): ['POST' | 'PUT' | 'DELETE', string, Json?][] {
  const security_group_id = id(api, 'security_groups', a)
  const group = `security-groups/${security_group_id}`
  const rule = id(api, 'security_group_rules', b)
  const match = {
    direction: b % 2 ? 'ingress' : 'egress',
    action: pick(['allow', 'deny'], c),
    protocol: pick(['tcp', 'udp', null, 'icmp6'], b),
    priority: pick([null, 1, 2, 3], c),
    ...(c % 3 === 0 ? { remote_group_id: id(api, 'security_groups', b) } : {}),
    ...(c % 7 === 0 ? { remote_address_group_id: id(api, 'address_groups', b) } : {}),
  }
  return [
    ['POST', 'security-groups', { security_group: { name: c % 9 === 0 ? 'default' : 'x' } }],
    ['POST', 'address-groups', { address_group: { addresses: [pick(addresses, b)] } }],
    ['POST', 'security-group-rules', { security_group_rule: { security_group_id, ...match } }],
    [
      'PUT',
      `security-group-rules/${rule}`,
      { security_group_rule: { priority: match.priority, action: match.action } },
    ],
    [
      'PUT',
      `${group}/insert_rule`,
      { security_group_rule_id: rule, insert_after: c % 2 ? id(api, 'security_group_rules', c) : null },
    ],
    [
      'POST',
      `${group}/import`,
      { security_group_rules: [{ ...match, remote_group_id: null }, { direction: 'ingress' }] },
    ],
    ['PUT', `ports/${id(api, 'ports', b)}`, { port: { security_groups: c % 3 ? [security_group_id] : null } }],
    ['DELETE', c % 3 ? `security-group-rules/${rule}` : `address-groups/${id(api, 'address_groups', a)}`],
    ['DELETE', group],
  ]
}

function checkGroups(api: Api): void {
  const groups = stored(api, 'security_groups') as SecurityGroup[]
  const rules = stored(api, 'security_group_rules') as SecurityGroupRule[]
  const known = (kind: string): Set<string | null> => new Set([null, ...stored(api, kind).map((each) => each.id)])
  const [groupIds, addressGroupIds] = [known('security_groups'), known('address_groups')]
  for (const port of stored(api, 'ports') as Port[]) {
    expect(port.security_groups.every((each) => groupIds.has(each))).toBe(true)
    expect(new Set(port.security_groups).size).toBe(port.security_groups.length)
  }
  for (const rule of rules) {
    expect([rule.security_group_id, rule.remote_group_id].every((each) => groupIds.has(each))).toBe(true)
    expect(addressGroupIds.has(rule.remote_address_group_id)).toBe(true)
  }
  for (const { id: groupId } of groups) {
    const own = rules.filter((rule) => rule.security_group_id === groupId)
    expect(new Set(own.map(ruleKey)).size).toBe(own.length)
    const order = numbered(own)
    expect(order.map(({ priority }) => priority)).toEqual(order.map((_, i) => i + 1))
    const ranks = order.map(({ rank }) => rank)
    expect(new Set(ranks).size).toBe(order.length)
    expect(ranks).toEqual(ranks.toSorted((a, b) => (a ?? 0) - (b ?? 0)))
  }
  expect(groups.filter(({ name }) => name === 'default').length).toBeLessThan(2)
}

function checkConsistent(api: Api): void {
  checkGroups(api)
  const networks = stored(api, 'networks') as Network[]
  const subnets = stored(api, 'subnets') as Subnet[]
  const ports = stored(api, 'ports') as Port[]
  const routers = stored(api, 'routers') as Router[]
  const known = <T extends { id: string }>(list: readonly T[], wanted: string): T => {
    const found = list.find((each) => each.id === wanted)
    if (!found) throw new Error(`dangling reference ${wanted}`)
    return found
  }
  const unique = (values: readonly string[]): void => expect(new Set(values).size).toBe(values.length)

  unique(networks.map((network) => String(network['provider:segmentation_id'])))
  for (const subnet of subnets) known(networks, subnet.network_id)
  for (const port of ports) {
    known(networks, port.network_id)
    for (const ip of port.fixed_ips) expect(known(subnets, ip.subnet_id).network_id).toBe(port.network_id)
    if (port.device_owner.startsWith('network:router')) known(routers, port.device_id)
  }
  unique(ports.flatMap((port) => port.fixed_ips.map((ip) => `${ip.subnet_id} ${ip.ip_address}`)))
  unique(ports.map((port) => `${port.network_id} ${port.mac_address}`))
  for (const router of routers) {
    const own = ports.filter((port) => port.device_id === router.id)
    const [interfaces, gateways] = ['network:router_interface', 'network:router_gateway'].map((owner) =>
      own.filter((port) => port.device_owner === owner),
    ) as [Port[], Port[]]
    const info = router.external_gateway_info
    expect(gateways.map((port) => [port.network_id, port.fixed_ips])).toEqual(
      info ? [[info.network_id, info.external_fixed_ips]] : [],
    )
    expect(info === null || known(networks, info.network_id)['router:external']).toBe(true)
    const inside = interfaces.flatMap((port) => port.fixed_ips.map((ip) => known(subnets, ip.subnet_id)))
    const outside = subnets.filter((subnet) => subnet.network_id === info?.network_id)
    const ranges = [...inside, ...outside].map(({ cidr }) => parseCidr(cidr) as Cidr)
    expect(ranges.some((range, i) => ranges.slice(0, i).some((other) => overlaps(range, other)))).toBe(false)
    for (const { nexthop } of router.routes) {
      const { version, value } = parseIp(nexthop) as Ip
      expect(ranges.some((range) => range.version === version && within(range, value))).toBe(true)
    }
  }
}

test('random requests leave the intent consistent, and a refused one leaves it unchanged', async () => {
  const seen = new Map<number, number>()
  const number = fc.nat(30)
  const steps = fc.array(fc.tuple(fc.nat(14 + gatewayActions + groupActions), number, number, number), {
    minLength: 20,
    maxLength: 60,
  })
  await fc.assert(
    fc.asyncProperty(steps, async (run) => {
      const api = await startApi()
      try {
        for (const step of [...beginning, ...run]) {
          const before = JSON.stringify([...api.store.entries])
          const reply = await api.call(...request(api, step))
          seen.set(reply.status, (seen.get(reply.status) ?? 0) + 1)
          expect(reply.status).toBeLessThan(500)
          if (reply.status >= 400) expect(JSON.stringify([...api.store.entries])).toBe(before)
          else checkConsistent(api)
        }
      } finally {
        await api.app.close()
      }
    }),
    { numRuns: 15 },
  )
  // The mixture would prove little if all were refused, or none.
  for (const status of [200, 201, 204, 400, 404, 409])
    expect([status, seen.get(status) ?? 0]).toSatisfy(([, count]) => count > 5)
})

test('numbered rules are a list: inserting, moving and removing by request is inserting, moving and removing in it', async () => {
  const steps = fc.array(fc.tuple(fc.constantFrom('insert', 'move', 'remove'), fc.nat(30), fc.nat(30)), {
    maxLength: 25,
  })
  await fc.assert(
    fc.asyncProperty(steps, async (run) => {
      const api = await startApi()
      try {
        const { body } = await api.call('POST', 'security-groups', { security_group: {} })
        const security_group_id = body.security_group.id
        const list: string[] = []
        for (const [i, [action, a, b]] of run.entries()) {
          if (action === 'insert') {
            const port = { protocol: 'tcp', port_range_min: i + 1, port_range_max: i + 1, direction: 'ingress' }
            const priority = (a % (list.length + 1)) + 1
            const rule = { security_group_id, ...port, priority }
            const made = await api.call('POST', 'security-group-rules', { security_group_rule: rule })
            list.splice(priority - 1, 0, made.body.security_group_rule.id)
            continue
          }
          const moved = pick(list, a)
          if (moved === undefined) continue
          list.splice(list.indexOf(moved), 1)
          if (action === 'remove') await api.call('DELETE', `security-group-rules/${moved}`)
          else {
            const after = pick(list, b) ?? null
            const place = { security_group_rule_id: moved, insert_after: after }
            expect((await api.call('PUT', `security-groups/${security_group_id}/insert_rule`, place)).status).toBe(200)
            list.splice(after === null ? 0 : list.indexOf(after) + 1, 0, moved)
          }
        }
        const rules = stored(api, 'security_group_rules') as SecurityGroupRule[]
        const order = rules.flatMap(({ id: ruleId, priority }) => (priority === null ? [] : [{ ruleId, priority }]))
        order.sort((x, y) => x.priority - y.priority)
        expect(order).toEqual(list.map((ruleId, i) => ({ ruleId, priority: i + 1 })))
      } finally {
        await api.app.close()
      }
    }),
    { numRuns: 12 },
  )
})

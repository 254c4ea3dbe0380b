// What a trace says: the way of a packet, who decided, and what became of it.
import { expect, test } from 'vitest'
import { gateway, host, network, port, qosPolicy, router, subnet, uuid, vif, wired } from '../testing.ts'
import type { Rows } from '../model/testing.ts'
import type { Ends } from './ends.ts'
import { tracerOf } from './testing.ts'
import type { ConnectionState } from './tracer.ts'
import type { Report } from './report.ts'

/** Networks 1 and 2 with a router between them. 1.2 1.3 on host 1, 1.4 2.3 on host 2; 1.9 is nowhere. */
const rows: Rows = {
  hosts: [host(1), host(2)],
  networks: [network(1), network(2), network(3)],
  subnets: [subnet(1), subnet(2), subnet(3, { gateway_ip: null })],
  ports: [port(1, 2), port(1, 3), port(1, 4), port(2, 3), port(1, 9), port(3, 2), gateway(1, 1), gateway(2, 1)],
  routers: [router(1)],
  vifs: [vif(1, 1, 2), vif(1, 1, 3), vif(2, 1, 4), vif(2, 2, 3), vif(1, 3, 2)],
}
const { tracer } = tracerOf(rows)
const id = (n: number, i: number): string => port(n, i).id
const TCP = 6
const ICMP = 1

const ends = (rest: Partial<Ends>): Ends => ({
  from: id(1, 2),
  to: { port: id(1, 3) },
  protocol: TCP,
  sourcePort: null,
  destinationPort: 443,
  icmpType: null,
  icmpCode: null,
  ttl: null,
  ...rest,
})
const traced = (rest: Partial<Ends>, state: ConnectionState = 'new'): Report =>
  tracer.trace({ ends: ends(rest), size: 0, state })
const stages = (report: Report): string[][] => report.hops.map(({ steps }) => steps.map(({ stage }) => stage))

test('between ports of one host: every stage, and the flow and object of each', () => {
  const report = traced({})
  expect(report.outcome).toMatchObject({
    kind: 'delivered',
    to: [{ host: 'host1', ofport: 259, port: id(1, 3) }],
    reason: 'it reaches a port',
  })
  expect(report.packet).toContain('nw_src=10.0.1.2,nw_dst=10.0.1.3')
  const [hop] = report.hops
  expect(hop).toMatchObject({ host: 'host1', ofport: 258, port: id(1, 2), tunnel: null, error: null })
  expect(hop?.steps[0]).toEqual({
    depth: 0,
    table: 0,
    stage: 'classify',
    flow: {
      priority: 100,
      match: 'in_port=258',
      actions: expect.stringContaining('set_field:0x6e00000100004000->xreg0,goto_table:1'),
      cookie: expect.stringMatching(/^0x57/),
      origin: { app: 'overlay', object: uuid('p', 258).replaceAll('-', '').slice(0, 12) },
      key: expect.any(String),
    },
    lost: 'nothing that is up is plugged in there',
    registers: [{ name: 'network', kind: 'object', value: uuid('n', 1).replaceAll('-', '').slice(0, 16), port: null }],
    notes: [],
  })
  expect(hop?.outputs).toEqual([{ ofport: 259, port: id(1, 3), physical_network: null, tunnel: null }])
})

test('a port with a QoS policy: the stages of its limits, and what the meters let pass', () => {
  const limited = (i: number) => port(1, i, { qos_policy_id: uuid('q', 1) })
  const rules = (['egress', 'ingress'] as const).map(
    (direction) => ({ type: 'bandwidth_limit', direction, max_kbps: 1000, max_burst_kbps: 0 }) as const,
  )
  const world = tracerOf({ ...rows, ports: [limited(2), limited(3)], qosPolicies: [qosPolicy(1, rules)] })
  const [hop] = world.tracer.trace({ ends: ends({}), size: 0, state: 'new' }).hops
  const metered = hop?.steps.filter(({ notes }) => notes.some((note) => note.startsWith('meter')))
  const object = (i: number) => port(1, i).id.replaceAll('-', '').slice(0, 12)
  const passes = [expect.stringMatching(/^meter \d+: at most 1000 kbit\/s after a burst of 800 kbit$/)]
  expect(metered).toMatchObject([
    { stage: 'egress_qos', flow: { origin: { app: 'qos', object: object(2) } }, notes: passes },
    { stage: 'delivery', flow: { origin: { app: 'qos', object: object(3) } }, notes: passes },
  ])
  expect(hop?.outputs).toMatchObject([{ port: id(1, 3) }])
})

test('across hosts and a router: routed where it enters, by tunnel to the destination', () => {
  const report = traced({ to: { port: id(2, 3) } })
  expect(report.outcome).toMatchObject({ kind: 'delivered', to: [{ host: 'host2', port: id(2, 3) }] })
  const [near, far] = report.hops
  expect(near?.outputs).toEqual([
    { ofport: 65001, port: null, physical_network: null, tunnel: { vni: 2, host: 'host2', address: '192.0.2.2' } },
  ])
  expect(far).toMatchObject({ host: 'host2', ofport: 65001, tunnel: { vni: 2, host: 'host1', address: '192.0.2.1' } })
  expect(stages(report)[0]).toEqual(expect.arrayContaining(['gateway', 'route', 'neighbour', 'l2']))
  expect(stages(report)[1]).not.toContain('route')
  const registers = near?.steps.flatMap(({ registers: set }) => set) ?? []
  expect(registers).toContainEqual({ name: 'next hop', kind: 'address', value: '10.0.2.3', port: null })
  expect(far?.packet).toContain('nw_ttl=63')
})

test.each([
  ['an ARP request', { protocol: 'arp' as const }, 'flows answer it'],
  ['a DHCP request', { protocol: 'dhcp' as const }, 'the controller (dhcp) answers it'],
  ['a ping of the router', { protocol: ICMP, to: { address: '10.0.1.1' } }, 'flows answer it'],
  ['a packet whose TTL runs out', { ttl: 1, to: { port: id(2, 3) } }, 'the controller (routing) answers it'],
])('%s is answered', (_, rest, reason) => {
  expect(traced(rest).outcome).toMatchObject({ kind: 'answered', to: [{ port: id(1, 2) }], reason })
})

test.each([
  ['an address that nobody has', { to: { address: '10.0.1.77' } }, 'neighbour', 'nobody answers ARP for 10.0.1.77'],
  ['a port that is nowhere', { to: { port: id(1, 9) } }, 'l2', 'no port that is plugged in has the MAC it is for'],
  ['an address beyond all routes', { to: { address: '198.51.100.1' } }, 'route', 'the router has no route for it'],
])('%s: dropped, and why', (_, rest, stage, reason) => {
  const { outcome } = traced(rest)
  expect(outcome).toMatchObject({ kind: 'dropped', host: 'host1', stage })
  expect(outcome.reason).toContain(reason)
})

test('over a physical network: by the uplink of one host, in by that of the other; or out of sight', () => {
  const { tracer: provider } = tracerOf({
    hosts: [host(1, { physnet1: 900 }), host(2, { physnet1: 901 })],
    networks: [wired(1, 'physnet1', 7)],
    subnets: [subnet(1)],
    ports: [port(1, 2), port(1, 4)],
    vifs: [vif(1, 1, 2), vif(2, 1, 4)],
  })
  const ask = (address: string): Report => provider.trace({ ends: ends({ to: { address } }), size: 0, state: 'new' })
  const { hops, outcome } = ask('10.0.1.4')
  expect(outcome).toMatchObject({ kind: 'delivered', to: [{ host: 'host2', port: id(1, 4) }] })
  expect(hops.map((hop) => hop.physical_network)).toEqual([null, 'physnet1'])
  expect(hops[0]?.outputs).toMatchObject([{ ofport: 900, physical_network: 'physnet1' }])
  const outside = ask('10.0.1.77')
  expect(outside.outcome).toMatchObject({ kind: 'delivered', reason: 'it leaves for a physical network' })
  expect(outside.packet).toContain('dl_dst=02:00:00:00:00:00')
})

test('IPv6 between link-local addresses', () => {
  const other = port(1, 4)
  const report = traced({ to: { address: 'fe80::ff:fe00:104' }, protocol: 58 })
  expect(report.packet).toContain(`dl_dst=${other.mac_address},ipv6_src=fe80::ff:fe00:102,ipv6_dst=fe80::ff:fe00:104`)
  expect(report.outcome).toMatchObject({ kind: 'delivered', to: [{ port: other.id }] })
})

test('a flow text stands for itself: a spoofed source is stopped by port security', () => {
  const mac = port(1, 3).mac_address
  const flow = `in_port=258,tcp,dl_src=${port(1, 2).mac_address},dl_dst=${mac},nw_src=10.0.1.99,nw_dst=10.0.1.3,tp_dst=80`
  const { outcome } = tracer.trace({ host: 'host1', flow, size: 0, state: 'new' as const })
  expect(outcome).toMatchObject({ kind: 'dropped', stage: 'port_security', table: 1 })
  expect(outcome.reason).toBe('its sender may not use this MAC or address')
  const right = tracer.trace({ host: 'host1', flow: flow.replace('1.99', '1.2'), size: 0, state: 'new' as const })
  expect(right.outcome.kind).toBe('delivered')
})

test.each([
  [
    'a flow that cannot be read',
    { host: 'host1', flow: 'in_port=258,nw_dst=1.2.3.4', size: 0, state: 'new' as const },
    'flow',
  ],
  ['a flow without in_port', { host: 'host1', flow: 'tcp', size: 0, state: 'new' as const }, 'flow'],
  ['a host that is unknown', { host: 'host9', flow: 'in_port=1', size: 0, state: 'new' as const }, 'host'],
  ['a sender that is nowhere', { ends: ends({ from: id(1, 9) }), size: 0, state: 'new' as const }, 'from'],
  [
    'a destination that is no address',
    { ends: ends({ to: { address: 'web' } }), size: 0, state: 'new' as const },
    'to',
  ],
  [
    'beyond a subnet without gateway',
    { ends: ends({ from: id(3, 2), to: { address: '10.9.9.9' } }), size: 0, state: 'new' as const },
    'to',
  ],
])('%s is refused, and the field named', (_, question, field) => {
  expect(() => tracer.trace(question)).toThrow(expect.objectContaining({ name: 'TraceError', field }))
})

test('of a packet that is flooded to very many hosts, some are shown and the others counted', () => {
  const many = Array.from({ length: 50 }, (_, i) => i + 2)
  const wide = tracerOf({
    hosts: many.map((i) => host(i)),
    networks: [network(1)],
    subnets: [subnet(1)],
    ports: many.map((i) => port(1, i, { port_security_enabled: false })),
    vifs: many.map((i) => vif(i, 1, i)),
  })
  const { hops, unfollowed } = wide.tracer.trace({
    ends: ends({ to: { address: '10.0.1.255' }, protocol: 'arp' }),
    size: 0,
    state: 'new',
  })
  expect(hops).toHaveLength(32)
  expect(unfollowed).toBe(50 - 32)
})

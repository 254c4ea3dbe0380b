import fc from 'fast-check'
import { expect, test } from 'vitest'
import { apps } from '../apps/index.ts'
import { Deployment } from './deployment.ts'
import { Derivation } from './derivation.ts'
import type { Inputs } from './topology.ts'
import {
  addressGroup,
  gateway,
  groupRule,
  host,
  network,
  port,
  qosPolicy,
  router,
  securityGroup,
  subnet,
  uuid,
  vif,
  wired,
  zone,
} from './testing.ts'
import { changesOf } from './switch/desired.ts'

type TableName = keyof Inputs
type Edit = readonly [table: TableName, key: string, row: object | null]

function write(derivation: Derivation, [table, key, row]: Edit): void {
  const input = derivation.inputs[table] as { set(key: string, row: object): void; delete(key: string): void }
  if (row === null) input.delete(key)
  else input.set(key, row)
}

class World {
  readonly derivation = new Derivation(apps)
  readonly deployment = new Deployment()
  readonly sent = new Map<string, number>()

  apply(...edits: readonly Edit[]): this {
    for (const edit of edits) write(this.derivation, edit)
    const { units, scopes } = this.derivation.commit()
    this.deployment.update(units, scopes)
    this.sent.clear()
    for (const [name, delta] of this.deployment.take()) this.sent.set(name, changesOf(delta).size)
    expect(this.derivation.problems()).toEqual([])
    return this
  }

  /** What each host has, as hexadecimal of its flow-mods. */
  image(hosts: readonly string[]): Record<string, readonly string[]> {
    return Object.fromEntries(
      hosts.map((name) => [
        name,
        Array.from(this.deployment.itemsOf(name).values(), ({ frame }) =>
          Buffer.from(frame).toString('hex'),
        ).toSorted(),
      ]),
    )
  }
}

const rows: readonly (readonly [TableName, string, readonly object[]])[] = [
  ...[1, 2, 3].map(
    (n) =>
      [
        'network',
        uuid('n', n),
        [
          network(n),
          network(n, { admin_state_up: false }),
          network(n, { 'provider:segmentation_id': n + 10 }),
          network(n, { qos_policy_id: uuid('q', 1) }),
          wired(n, 'wire', n),
          // A physical network has one flat network at most.
          ...(n === 1 ? [wired(n, 'wire')] : []),
        ],
      ] as const,
  ),
  ...[1, 2, 3].map(
    (n) =>
      [
        'subnet',
        uuid('s', n),
        [subnet(n), subnet(n, { enable_dhcp: false }), subnet(n, { gateway_ip: null })],
      ] as const,
  ),
  ...[1, 2, 3].flatMap((n) =>
    [10, 11].map(
      (i) =>
        [
          'port',
          uuid('p', n * 256 + i),
          [
            port(n, i),
            port(n, i, { port_security_enabled: false }),
            port(n, i, { admin_state_up: false }),
            port(n, i, { 'binding:host_id': 'host2' }),
            port(n, i, { security_groups: [uuid('g', 1)] }),
            port(n, i, { qos_policy_id: uuid('q', 2) }),
            port(n, i, { security_groups: [uuid('g', 2), uuid('g', 1)], default_egress_action: 'allow' }),
          ],
        ] as const,
    ),
  ),
  ...[1, 2, 3].map((n) => ['port', uuid('p', n * 256 + 1), [gateway(n, 1), gateway(n, 2)]] as const),
  ...[1, 2].map(
    (r) =>
      [
        'router',
        uuid('r', r),
        [router(r), router(r, { routes: [{ destination: '0.0.0.0/0', nexthop: '10.0.1.10' }] })],
      ] as const,
  ),
  ...[1, 2].map(
    (g) =>
      [
        'security_group',
        uuid('g', g),
        [securityGroup(g), securityGroup(g, { stateful: false }), securityGroup(g, { intra_group: false })],
      ] as const,
  ),
  // The two rules of a group can be the same, or overlap.
  ...[1, 2].flatMap((g) =>
    [1, 2].map(
      (i) =>
        [
          'security_group_rule',
          groupRule(g, i).id,
          [
            groupRule(g, i, { remote_group_id: uuid('g', 1) }),
            groupRule(g, i, { protocol: 'tcp', port_range_min: 80, port_range_max: 81 }),
            groupRule(g, i, { protocol: 'tcp', port_range_min: 80, port_range_max: 79 + 3 * i }),
            groupRule(g, i, { remote_address_group_id: uuid('a', 1), ethertype: 'IPv6', action: 'deny' }),
            groupRule(g, i, { direction: 'egress', priority: 1, enabled: i === 1 }),
          ],
        ] as const,
    ),
  ),
  [
    'address_group',
    uuid('a', 1),
    [addressGroup(1, ['192.0.2.0/24', 'fd00::/8']), addressGroup(1, ['192.0.2.9/24', 'fd00:0::/8', 'fd00::1/128'])],
  ] as const,
  ...[1, 2].map(
    (q) =>
      [
        'qos_policy',
        uuid('q', q),
        [
          qosPolicy(q, [
            { type: 'bandwidth_limit', direction: 'egress', max_kbps: 1000 * q, max_burst_kbps: 0 },
            { type: 'dscp_marking', dscp_mark: 26 },
          ]),
          qosPolicy(q, [{ type: 'bandwidth_limit', direction: 'egress', max_kbps: 9, max_burst_kbps: 0 }]),
          qosPolicy(q, [
            { type: 'bandwidth_limit', direction: 'ingress', max_kbps: 2000, max_burst_kbps: 100 },
            { type: 'packet_rate_limit', direction: 'ingress', max_kpps: 2, max_burst_kpps: 0 },
          ]),
          qosPolicy(q, []),
        ],
      ] as const,
  ),
  ...[1, 2].flatMap((h) =>
    [uuid('n', 1), uuid('r', 1)].map(
      (object, i) => ['zone', `host${h}/${object}`, [zone(h, object, i + 1), zone(h, object, i + 7)]] as const,
    ),
  ),
  ...[1, 2].map(
    (h) =>
      [
        'host',
        `host${h}`,
        [host(h, { wire: 900 }), host(h), host(h, { wire: 901 }), { ...host(h), encapIp: '192.0.2.99' }],
      ] as const,
  ),
  ...[1, 2].flatMap((h) =>
    [1, 2, 3].flatMap((n) =>
      [10, 11].map(
        (i) => ['vif', `host${h}/tap${n}-${i}`, [vif(h, n, i), { ...vif(h, n, i), ofport: 999 - n * 10 - i }]] as const,
      ),
    ),
  ),
]
const edit: fc.Arbitrary<Edit> = fc
  .constantFrom(...rows)
  .chain(([table, key, choices]) => fc.constantFrom(...choices, null).map((row) => [table, key, row] as const))
const HOSTS = ['host1', 'host2']

const everything: readonly Edit[] = rows.map(([table, key, choices]) => [table, key, choices[0] ?? null])

test('incremental = from scratch: after any edits each host has what a fresh derivation gives', () => {
  fc.assert(
    fc.property(fc.array(fc.array(edit, { minLength: 1, maxLength: 3 }), { maxLength: 12 }), (steps) => {
      const world = new World().apply(...everything)
      const last = new Map(everything.map((each) => [`${each[0]} ${each[1]}`, each]))
      for (const step of steps) {
        world.apply(...step)
        for (const each of step) last.set(`${each[0]} ${each[1]}`, each)
      }
      expect(world.image(HOSTS)).toEqual(new World().apply(...last.values()).image(HOSTS))
    }),
    { numRuns: 40 },
  )
})

test('apply then revert leaves every host as it was', () => {
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 6 }), (edits) => {
      const world = new World().apply(...everything)
      const before = world.image(HOSTS)
      world.apply(...edits)
      world.apply(...everything)
      expect(world.image(HOSTS)).toEqual(before)
    }),
    { numRuns: 40 },
  )
})

test('with nothing left, hosts have nothing but the constant flows', () => {
  const world = new World().apply(['host', 'host1', host(1)])
  const bare = world.image(['host1'])
  world.apply(...everything)
  world.apply(...everything.filter(([table]) => table !== 'host').map(([table, key]) => [table, key, null] as const))
  expect(world.image(['host1'])).toEqual(bare)
})

test('a host that needs no network gets none of its flows', () => {
  const world = new World().apply(['host', 'host1', host(1)], ['host', 'host2', host(2)])
  const bare = world.image(['host2'])
  world.apply(
    ['network', uuid('n', 1), network(1)],
    ['subnet', uuid('s', 1), subnet(1)],
    ['port', uuid('p', 266), port(1, 10)],
    ['vif', 'host1/tap1-10', vif(1, 1, 10)],
  )
  expect(world.sent.has('host2')).toBe(false)
  expect(world.image(['host2'])).toEqual(bare)
})

test('a rewritten row that says the same sends nothing', () => {
  const world = new World().apply(...everything)
  world.apply(['port', uuid('p', 266), { ...port(1, 10), name: 'renamed' }])
  expect([...world.sent.values()].every((count) => count === 0)).toBe(true)
})

test('a host that has ports on a wire to which it has no way is told of, until it has one', () => {
  const { derivation } = new World().apply(...everything)
  derivation.inputs.network.set(uuid('n', 1), wired(1, 'wire', 7))
  derivation.inputs.host.set('host2', host(2))
  // Host 1 has every port that both claim; one of network 1 is left for host 2.
  derivation.inputs.vif.delete('host1/tap1-11')
  expect(derivation.commit().stranded).toEqual([['host2', { before: [], after: ['wire'] }]])
  derivation.inputs.host.set('host2', host(2, { wire: 900 }))
  expect(derivation.commit().stranded).toEqual([['host2', { before: ['wire'], after: [] }]])
})

test('a port that two hosts claim is a contest, with the same winner whoever came first, until one lets go', () => {
  const id = uuid('p', 266)
  for (const order of [
    [1, 2],
    [2, 1],
  ]) {
    const { derivation } = new World().apply(...everything.filter(([table]) => table !== 'vif'))
    for (const h of order) derivation.inputs.vif.set(`host${h}/tap1-10`, vif(h, 1, 10))
    expect(derivation.commit().contests).toEqual([{ port: id, before: [], after: ['host1/tap1-10', 'host2/tap1-10'] }])
    derivation.inputs.vif.delete('host1/tap1-10')
    expect(derivation.commit().contests).toEqual([{ port: id, before: ['host1/tap1-10', 'host2/tap1-10'], after: [] }])
    expect(derivation.reads.binding(id)?.host).toBe('host2')
  }
})

test('a port that two interfaces of one host claim is a contest, too, and the first by name has it', () => {
  const { derivation } = new World().apply(...everything.filter(([table]) => table !== 'vif'))
  const twin = { ...vif(1, 1, 10), name: 'tap0', ofport: 77 }
  derivation.inputs.vif.set('host1/tap1-10', vif(1, 1, 10))
  derivation.inputs.vif.set('host1/tap0', twin)
  const after = ['host1/tap0', 'host1/tap1-10']
  expect(derivation.commit().contests).toEqual([{ port: uuid('p', 266), before: [], after }])
  expect(derivation.reads.binding(uuid('p', 266))).toMatchObject({ host: 'host1', ofport: 77 })
})

test('an interface that comes, or comes back with another MAC, is announced; what is there from the start is not', () => {
  const { derivation } = new World().apply(...everything)
  const row = gateway(1, 1)
  const told = () => derivation.commit().announcements.map(({ network, address }) => ({ network, address }))
  const there = { network: uuid('n', 1), address: '10.0.1.1' }
  derivation.inputs.port.delete(row.id)
  expect(told()).toEqual([])
  derivation.inputs.port.set(row.id, { ...row, mac_address: '02:00:00:00:99:99' })
  expect(told()).toEqual([there])
  derivation.inputs.port.set(row.id, { ...row, mac_address: '02:00:00:00:99:99', name: 'renamed' })
  expect(told()).toEqual([])
  // On another network the same address belongs to somebody else.
  derivation.inputs.port.set(row.id, { ...row, network_id: uuid('n', 2), mac_address: '02:00:00:00:99:99' })
  expect(told()).toEqual([{ ...there, network: uuid('n', 2) }])
})

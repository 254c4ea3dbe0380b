// What security groups cost: which flows there are, and which of them a change touches, on which hosts.
import { expect, test } from 'vitest'
import { apps } from '../index.ts'
import { Deployment } from '../../controller/deployment.ts'
import { Derivation } from '../../controller/derivation.ts'
import type { Inputs } from '../../controller/topology.ts'
import {
  addressGroup,
  changesOf,
  groupRule,
  host,
  network,
  port,
  securityGroup,
  subnet,
  uuid,
  vif,
  zone,
} from '../../controller/testing.ts'
import { decodeMessage } from '../../ofproto/messages/index.ts'

type Rows = { readonly [T in keyof Inputs]?: readonly object[] }
const keyOf = (table: string, row: Record<string, string>): string =>
  table === 'vif' || table === 'zone' ? `${row['host']}/${row['name'] ?? row['object']}` : (row['id'] ?? '')

/** Two hosts, and what a change of rows costs on each of them. */
class World {
  readonly derivation = new Derivation(apps)
  readonly deployment = new Deployment()

  constructor(rows: Rows) {
    this.change({ host: [host(1), host(2)], network: [network(1)], subnet: [subnet(1)], ...rows })
  }

  /** Flows put and removed by host. */
  change(rows: Rows, removed: Rows = {}): Record<string, number> {
    const tables = this.derivation.inputs as unknown as Record<string, Map<string, object>>
    for (const [table, list] of Object.entries(rows)) {
      for (const row of list) tables[table]?.set(keyOf(table, row as Record<string, string>), row)
    }
    for (const [table, list] of Object.entries(removed)) {
      for (const row of list) tables[table]?.delete(keyOf(table, row as Record<string, string>))
    }
    const { units, scopes } = this.derivation.commit()
    this.deployment.update(units, scopes)
    expect(this.derivation.problems()).toEqual([])
    return Object.fromEntries(Array.from(this.deployment.take(), ([id, delta]) => [id, changesOf(delta).size]))
  }

  /** How many flows of the stages a host has. */
  count(on: string, ...stages: readonly string[]): number {
    const tables = new Set(stages.map((stage) => this.derivation.tables.table(stage)))
    return Array.from(this.deployment.itemsOf(on).values()).filter(({ frame }) => {
      const message = decodeMessage(frame)
      return message.kind === 'flow_mod' && tables.has(message.table)
    }).length
  }
}

const g = uuid('g', 1)
const member = (i: number, groups: readonly string[] = [g]) => port(1, i, { security_groups: groups })
/** Port 2 on host 1 is a member of group 1; port 3 on host 2 is of no group. */
const rows: Rows = {
  security_group: [securityGroup(1), securityGroup(2)],
  port: [member(2), member(3, [])],
  vif: [vif(1, 1, 2), vif(2, 1, 3)],
}

test('100 rules for 1,000 members of a remote group are some 1,200 flows, not 100,000', () => {
  const world = new World(rows)
  const [before, host2] = [world.deployment.itemsOf('host1').size, world.deployment.itemsOf('host2').size]
  const rules = Array.from({ length: 100 }, (_, i) =>
    groupRule(1, i, {
      protocol: 'tcp',
      port_range_min: 1000 + i,
      port_range_max: 1000 + i,
      remote_group_id: uuid('g', 2),
    }),
  )
  // The members' ports are elsewhere; what a port costs of itself is not the question.
  const members = Array.from({ length: 1000 }, (_, i) => ({
    ...port(100 + (i >> 8), i & 255),
    network_id: uuid('n', 99),
    security_groups: [uuid('g', 2)],
  }))
  world.change({ security_group_rule: rules, port: members })
  // Two for each rule, and the same one for later fragments of all.
  expect(world.deployment.itemsOf('host1').size - before).toBe(1000 + 2 * 100 + 1)
  expect(world.count('host1', 'members')).toBe(1000)
  expect(world.deployment.itemsOf('host2').size).toBe(host2)
})

test('a member that joins is one flow on each host that needs the set, and none elsewhere', () => {
  const world = new World({ ...rows, security_group_rule: [groupRule(1, 1, { remote_group_id: uuid('g', 2) })] })
  const far = { ...port(9, 5), security_groups: [uuid('g', 2)] }
  expect(world.change({ port: [far] })).toEqual({ host1: 1 })
  expect(world.change({}, { port: [far] })).toEqual({ host1: 1 })
})

test('one address of two members is there until the last of them goes', () => {
  const world = new World({ ...rows, security_group_rule: [groupRule(1, 1, { remote_group_id: uuid('g', 2) })] })
  const twins = [8, 9].map((n) => ({ ...port(n, 5), fixed_ips: port(7, 5).fixed_ips, security_groups: [uuid('g', 2)] }))
  world.change({ port: twins })
  expect(world.count('host1', 'members')).toBe(1)
  expect(world.change({}, { port: twins.slice(1) })).toEqual({})
  world.change({}, { port: twins })
  expect(world.count('host1', 'members')).toBe(0)
})

test('a rule with a port is two flows on the hosts with a port of its group, whatever other rules there are, and one for fragments if it allows', () => {
  const others = Array.from({ length: 50 }, (_, i) =>
    groupRule(1, i, { remote_address_group_id: uuid('a', i % 20), priority: i + 1 }),
  )
  const world = new World({ ...rows, security_group_rule: others })
  const rule = groupRule(1, 99, { protocol: 'udp', port_range_min: 53, port_range_max: 53 })
  expect(world.change({ security_group_rule: [rule] })).toEqual({ host1: 3 })
  expect(world.change({ security_group_rule: [{ ...rule, action: 'deny' }] })).toEqual({ host1: 5 })
  expect(world.change({}, { security_group_rule: [rule] })).toEqual({ host1: 2 })
})

test('a numbered rule that comes between others is its own flows alone, though all after it get other numbers', () => {
  const numbered = (i: number, priority: number, rank: number) =>
    groupRule(1, i, { protocol: 'tcp', port_range_min: i + 1, port_range_max: i + 1, priority, rank })
  const later = (shift: number) => Array.from({ length: 50 }, (_, i) => numbered(i, i + 1 + shift, 64 * (i + 1)))
  const world = new World({ ...rows, security_group_rule: later(0) })
  expect(world.change({ security_group_rule: [numbered(99, 1, 32), ...later(1)] })).toEqual({ host1: 3 })
  expect(world.change({ security_group_rule: later(0) }, { security_group_rule: [numbered(99, 1, 32)] })).toEqual({
    host1: 3,
  })
})

test('a range of ports costs as many flows as it has aligned blocks', () => {
  const world = new World(rows)
  const range = (min: number, max: number) =>
    world.change({
      security_group_rule: [groupRule(1, 1, { protocol: 'tcp', port_range_min: min, port_range_max: max })],
    })
  range(1024, 65535)
  expect(world.count('host1', 'rules')).toBe(2 * 6 + 1)
  range(0, 65535)
  expect(world.count('host1', 'rules')).toBe(2)
})

test('what a filtered port costs does not depend on its rules', () => {
  const cost = (rules: number): number => {
    const list = Array.from({ length: rules }, (_, i) =>
      groupRule(1, i, { protocol: 'tcp', port_range_min: i + 1, port_range_max: i + 1 }),
    )
    const world = new World({ ...rows, security_group_rule: list })
    return world.change({ port: [member(7)], vif: [vif(1, 1, 7)] })['host1'] ?? 0
  }
  expect(cost(100)).toBe(cost(0))
})

test('a port with no stateful group is not tracked, and needs no zone', () => {
  const world = new World({ ...rows, security_group: [securityGroup(1, { stateful: false })] })
  expect(world.count('host1', 'related')).toBe(0)
  const wanted = (stateful: boolean) => {
    const { derivation } = new World({})
    derivation.inputs.security_group.set(g, securityGroup(1, { stateful }))
    derivation.inputs.port.set(member(2).id, member(2))
    derivation.inputs.vif.set('host1/tap', vif(1, 1, 2))
    return derivation.commit().zones.map(([id, objects]) => [id, [...(objects ?? [])]])
  }
  expect(wanted(false)).toEqual([])
  expect(wanted(true)).toEqual([['host1', [uuid('n', 1)]]])
})

test('a port of before there were groups, or without port security, is not filtered', () => {
  for (const rest of [{}, { port_security_enabled: false, security_groups: [g] }]) {
    const world = new World({ ...rows, port: [port(1, 2, rest)], vif: [vif(1, 1, 2)] })
    expect(world.deployment.itemsOf('host1').size).toBe(
      new World({
        port: [port(1, 2, { port_security_enabled: rest.port_security_enabled ?? true })],
        vif: [vif(1, 1, 2)],
      }).deployment.itemsOf('host1').size,
    )
  }
})

test('more sets than one run knows are asked in several, and all rules are there', () => {
  const rules = Array.from({ length: 100 }, (_, i) => groupRule(1, i, { remote_address_group_id: uuid('a', i) }))
  const world = new World({
    ...rows,
    security_group_rule: rules,
    address_group: rules.map((_, i) => addressGroup(i, [`192.0.2.${i}/32`])),
    zone: [zone(1, uuid('n', 1), 1)],
  })
  expect(world.count('host1', 'members')).toBe(100)
  expect(world.count('host1', 'rules')).toBe(200)
  // Four runs for what comes in, one for what goes out, and two for default actions.
  expect(world.count('host1', 'group')).toBe(4 + 1 + 2)
})

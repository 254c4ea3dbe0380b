// What runs, what is reported, and when: each test asserts the functions that ran, not only the values.
import { expect, test } from 'vitest'
import { type Change, Engine } from './index.ts'

interface Port {
  readonly host: string
  readonly mac: number
}

/** Two hosts, three ports; `ran` lists the runs since it was last emptied. */
function build() {
  const engine = new Engine()
  const ran: string[] = []
  const ports = engine.table<string, Port>('port')
  const portsByHost = engine.grouping('ports by host', ports, ({ host }) => [host])
  const flow = engine.query('flow', (id: string) => {
    ran.push(`flow ${id}`)
    const mac = ports.get(id)?.mac ?? 0
    if (mac < 0) throw new Error(`mac ${mac} is negative`)
    return { mac: mac & 0xff }
  })
  const hostFlows = engine.output('host flows', portsByHost, (host) => {
    ran.push(`host ${host}`)
    return portsByHost.get(host).map((id) => flow.get(id).mac)
  })
  ports.set('p1', { host: 'h1', mac: 1 })
  ports.set('p2', { host: 'h1', mac: 2 })
  ports.set('p3', { host: 'h2', mac: 3 })
  const first = engine.commit()
  return { engine, ran, ports, portsByHost, flow, hostFlows, first }
}

const change = (key: string, before: unknown, after: unknown): Change => ({ name: 'host flows', key, before, after })

test('the first commit computes each function once and returns every output', () => {
  const { first, ran, engine } = build()
  expect(first).toEqual([change('h1', undefined, [1, 2]), change('h2', undefined, [3])])
  expect(ran).toEqual(['host h1', 'flow p1', 'flow p2', 'host h2', 'flow p3'])
  expect(engine.pending).toBe(false)
})

test('an edit runs only what read the row, and an equal write runs nothing', () => {
  const { engine, ran, ports } = build()
  ran.length = 0
  ports.set('p2', { host: 'h1', mac: 9 })
  expect(engine.commit()).toEqual([change('h1', [1, 2], [1, 9])])
  expect(ran).toEqual(['flow p2', 'host h1'])
  ran.length = 0
  ports.set('p2', { host: 'h1', mac: 9 })
  expect(engine.commit()).toEqual([])
  expect(ran).toEqual([])
})

test('a query whose result is equal does not run its readers', () => {
  const { engine, ran, ports } = build()
  ran.length = 0
  ports.set('p2', { host: 'h1', mac: 0x102 })
  expect(engine.commit()).toEqual([])
  expect(ran).toEqual(['flow p2'])
})

test('a row that moves between groups changes both outputs and recomputes no other row', () => {
  const { engine, ran, ports } = build()
  ran.length = 0
  ports.set('p2', { host: 'h2', mac: 2 })
  expect(engine.commit()).toEqual([change('h1', [1, 2], [1]), change('h2', [3], [2, 3])])
  expect(ran.filter((name) => name.startsWith('flow'))).toEqual(['flow p2'])
})

test('an output goes with its key and comes back with it', () => {
  const { engine, ports } = build()
  ports.delete('p3')
  expect(engine.commit()).toEqual([change('h2', [3], undefined)])
  ports.set('p3', { host: 'h2', mac: 3 })
  expect(engine.commit()).toEqual([change('h2', undefined, [3])])
})

test('a query that throws keeps its last good value, is named with the culprit, and the others go on', () => {
  const { engine, ports, hostFlows } = build()
  ports.set('p2', { host: 'h1', mac: -1 })
  ports.set('p1', { host: 'h1', mac: 7 })
  expect(engine.commit()).toEqual([change('h1', [1, 2], [7, 2])])
  expect(engine.problems()).toEqual([{ name: 'flow', key: 'p2', reason: 'mac -1 is negative', culprit: 'flow(p2)' }])
  ports.set('p4', { host: 'h3', mac: -4 })
  expect(engine.commit()).toEqual([])
  expect(hostFlows.committed('h3')).toBeUndefined()
  expect(engine.problems()).toContainEqual({
    name: 'host flows',
    key: 'h3',
    reason: 'mac -4 is negative',
    culprit: 'flow(p4)',
  })
  ports.set('p2', { host: 'h1', mac: 5 })
  ports.set('p4', { host: 'h3', mac: 4 })
  expect(engine.commit()).toEqual([change('h1', [7, 2], [7, 5]), change('h3', undefined, [4])])
  expect(engine.problems()).toEqual([])
})

test('queries that read each other are each a problem that names the path, until an edit opens the circle', () => {
  const engine = new Engine()
  const next = engine.table<string, string>('next')
  const depth = engine.output('depth', next, (key): number => {
    const to = next.get(key)
    return to === undefined || to === '' ? 0 : 1 + depth.get(to)
  })
  for (const [key, to] of [
    ['a', 'b'],
    ['b', 'c'],
    ['c', 'a'],
  ] as const)
    next.set(key, to)
  expect(engine.commit()).toEqual([])
  expect(new Set(engine.problems().map(({ key }) => key))).toEqual(new Set(['a', 'b', 'c']))
  expect(engine.problems()[0]?.reason).toBe('cycle: depth(a) -> depth(b) -> depth(c) -> depth(a)')
  next.set('b', '')
  engine.commit()
  expect(['a', 'b', 'c'].map((key) => depth.committed(key))).toEqual([1, 0, 2])
  expect(engine.problems()).toEqual([])
})

test('before is the published value, even if a reader refreshed the output on the way', () => {
  const { engine, ports, hostFlows } = build()
  ports.set('p1', { host: 'h1', mac: 8 })
  engine.commitSlice(() => true)
  expect(hostFlows.get('h1')).toEqual([8, 2])
  expect(hostFlows.committed('h1')).toEqual([1, 2])
  expect(engine.commit()).toEqual([change('h1', [1, 2], [8, 2])])
})

test('a sliced commit stops between keys, shows nothing until it is done, and leaves later writes to the next', () => {
  const { engine, ports, hostFlows } = build()
  for (const id of ['p1', 'p2', 'p3']) ports.set(id, { host: id === 'p3' ? 'h2' : 'h1', mac: 50 })
  expect(engine.commitSlice(() => true)).toBeUndefined()
  ports.set('p3', { host: 'h2', mac: 60 })
  expect([hostFlows.committed('h1'), hostFlows.committed('h2')]).toEqual([[1, 2], [3]])
  let changes: readonly Change[] | undefined
  while (changes === undefined) changes = engine.commitSlice(() => true)
  expect(hostFlows.of(changes)).toEqual([change('h1', [1, 2], [50, 50]), change('h2', [3], [50])])
  expect(engine.pending).toBe(true)
  expect(engine.commit()).toEqual([change('h2', [50], [60])])
})

test('an output survives losing its readers, a query does not', () => {
  const engine = new Engine()
  const ran: string[] = []
  const rows = engine.table<string, number>('row')
  const plain = engine.query('plain', (key: string) => ran.push('plain') + (rows.get(key) ?? 0))
  const kept = engine.output('kept', rows, (key) => ran.push('kept') && (rows.get(key) ?? 0))
  engine.output('reader', rows, (key) => (rows.get('switch') === 1 ? kept.get('x') + plain.get('x') + key.length : 0))
  rows.set('x', 5)
  rows.set('switch', 1)
  engine.commit()
  rows.set('switch', 0)
  engine.commit()
  ran.length = 0
  rows.set('x', 6)
  expect(engine.commit()).toEqual([{ name: 'kept', key: 'x', before: 5, after: 6 }])
  expect(ran).toEqual(['kept'])
})

test('a query that is read once from outside is forgotten with the next commit', () => {
  const { engine, flow } = build()
  const { edges } = engine.stats
  expect(flow.get('unknown').mac).toBe(0)
  expect(engine.stats.edges).toBe(edges + 1)
  engine.commit()
  expect(engine.stats.edges).toBe(edges)
})

test('explain lists what an output read, directly or not, each node once', () => {
  const { hostFlows } = build()
  const steps = hostFlows.explain('h1')
  expect(steps.map(({ kind, name, key }) => `${kind} ${name} ${key}`)).toEqual([
    'output host flows h1',
    'grouping ports by host h1',
    'query flow p1',
    'query flow p2',
    'table port p1',
    'table port p2',
  ])
  expect(steps[0]?.reads).toEqual([1, 2, 3])
  expect(steps[4]?.value).toEqual({ host: 'h1', mac: 1 })
})

test('replace deletes the rows that are not named again', () => {
  const { engine, ports } = build()
  ports.set('p9', { host: 'h9', mac: 9 })
  ports.replace([['p1', { host: 'h1', mac: 1 }]])
  expect(engine.commit()).toEqual([change('h1', [1, 2], [1]), change('h2', [3], undefined)])
})

test('a query may not write or commit, and a name may not be taken twice', () => {
  const engine = new Engine()
  const rows = engine.table<string, number>('row')
  engine.output('writes', rows, (key) => rows.delete(key))
  engine.output('commits', rows, () => engine.commit())
  rows.set('x', 1)
  engine.commit()
  expect(engine.problems().map(({ reason }) => reason)).toEqual([
    'queries are pure: writes(x) may not write row(x)',
    'queries are pure: commits(x) may not commit',
  ])
  expect(() => engine.table('row')).toThrow("the name 'row' is taken")
})

test('a row whose groups cannot be told is a problem of its grouping and belongs to none', () => {
  const engine = new Engine()
  const rows = engine.table<string, readonly string[] | 'bad'>('row')
  const groups = engine.grouping('groups', rows, (row) => {
    if (row === 'bad') throw new Error('no groups')
    return row
  })
  rows.set('x', ['a', 'b', 'a'])
  rows.set('y', 'bad')
  engine.commit()
  expect([groups.get('a'), groups.get('b')]).toEqual([['x'], ['x']])
  expect(engine.problems()).toEqual([{ name: 'groups', key: 'y', reason: 'no groups', culprit: 'groups(y)' }])
  rows.delete('y')
  engine.commit()
  expect(engine.problems()).toEqual([])
})

test('a chain of 1,000 queries is computed and refreshed', () => {
  const engine = new Engine()
  const rows = engine.table<number, number>('row')
  const chain = engine.query('chain', (key: number): number =>
    key === 0 ? (rows.get(0) ?? 0) : 1 + chain.get(key - 1),
  )
  const end = engine.output('end', rows, () => chain.get(1000))
  rows.set(0, 1)
  engine.commit()
  rows.set(0, 2)
  engine.commit()
  expect(end.committed(0)).toBe(1002)
})

test('a derived table feeds groupings before the outputs are computed, and tells of nothing that stays as it is', () => {
  const engine = new Engine()
  const ports = engine.table<string, { readonly host: string; readonly name: string }>('port')
  const hosts = engine.table<string, { readonly up: boolean }>('host')
  const places = engine.derivedTable('place', ports, (id: string) => {
    const port = ports.get(id)
    return port !== undefined && hosts.get(port.host)?.up === true ? { host: port.host } : undefined
  })
  const onHost = engine.grouping('ports on host', places, ({ host }) => [host])
  const inUse = engine.grouping('hosts in use', onHost, (_, host) => [host.slice(0, 1)])
  const count = engine.output('count', onHost, (host) => onHost.get(host).length)
  const used = engine.output('used', inUse, (rack) => inUse.get(rack).join())
  const told = () =>
    engine
      .commit()
      .map(({ name, key, after }) => [name, key, after])
      .toSorted()
  hosts.set('a1', { up: true })
  hosts.set('a2', { up: false })
  ports.set('p', { host: 'a1', name: '' })
  ports.set('q', { host: 'a2', name: '' })
  expect(told()).toEqual([
    ['count', 'a1', 1],
    ['used', 'a', 'a1'],
  ])
  hosts.set('a2', { up: true })
  expect(told()).toEqual([
    ['count', 'a2', 1],
    ['used', 'a', 'a1,a2'],
  ])
  ports.set('p', { host: 'a1', name: 'renamed' })
  expect(told()).toEqual([])
  ports.delete('p')
  expect(told()).toEqual([
    ['count', 'a1', undefined],
    ['used', 'a', 'a2'],
  ])
  expect([count.committed('a2'), used.committed('a'), places.get('q')]).toEqual([1, 'a2', { host: 'a2' }])
})

test('a derived table that reads what stands on it is refused', () => {
  const engine = new Engine()
  const rows = engine.table<number, number>('row')
  let others: { get(group: number): readonly number[] } = { get: () => [] }
  const table = engine.derivedTable('derived', rows, (key: number) => others.get(key % 2).length)
  others = engine.grouping('others', table, (value) => [value % 2])
  rows.set(1, 1)
  rows.set(2, 2)
  expect(() => engine.commit()).toThrow("derived table 'derived'")
})

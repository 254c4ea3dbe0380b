import { expect, test } from 'vitest'
import { changedRows, loadFacts, type HostFacts } from './facts.ts'

const vif = (name: string, port: string) => ({ host: 'h1', name, ofport: 1, port })
const facts: HostFacts = {
  id: 'h1',
  name: 'one',
  ovsVersion: '3.1.0',
  encapIp: '192.0.2.1',
  encapTypes: ['vxlan'],
  datapathType: null,
  bridgeMappings: new Map([['physnet1', 'br-wire']]),
  datapathId: 0x1234_5678_9abc_def0n,
  vifs: [vif('tap1', 'a'), vif('tap2', 'b')],
  uplinks: { physnet1: 7 },
}
const loaded = (rows: Iterable<readonly [string, string | null]>): HostFacts[] => {
  const under = (prefix: string) => [...rows].flatMap(([key, row]) => (key.startsWith(prefix) && row ? [row] : []))
  return loadFacts(under('host/'), under('vif/'))
}

test('facts are loaded as they were stored', () => {
  const stored = [facts, { ...facts, id: 'h2', datapathId: null, vifs: [] }]
  expect(loaded(stored.flatMap((each) => [...changedRows(null, each)]))).toEqual(stored)
})

test('an interface that comes, changes or goes is one row', () => {
  const later = { ...facts, vifs: [vif('tap2', 'c'), vif('tap3', 'd')] }
  const changes = changedRows(facts, later)
  expect([...changes.keys()].toSorted()).toEqual(['vif/h1/tap1', 'vif/h1/tap2', 'vif/h1/tap3'])
  expect(loaded(new Map([...changedRows(null, facts), ...changes]))).toEqual([later])
  expect([...changedRows(later, later)]).toEqual([])
  expect([...changedRows(later, null).values()]).toEqual([null, null, null])
})

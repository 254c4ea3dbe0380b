// Which hosts stand for routers: evenly, as long as they can, and where an operator wants it.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { chooseHosts, type Candidate, type Presence, type Standing } from './gateway-hosts.ts'
import { host, wired } from './testing.ts'

const standing = (n: number, presence: Presence = 'connected', wire = true): Standing => ({
  host: host(n, wire ? { wire: 1 } : {}),
  presence,
})
const router = (name: string, present?: string, pinned = false, avoid: string | null = null): Candidate => ({
  router: name,
  ha: true,
  networks: [wired(1, 'wire')],
  present: present === undefined ? undefined : { id: name, host: present, pinned, avoid },
})
const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `router ${i}`)

test('new routers are spread evenly over the connected hosts with the network, whatever these had before', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 40 }), fc.nat(20), (hosts, count, placed) => {
      const all = Array.from({ length: hosts }, (_, i) => standing(i))
      const present = names(placed).map((name) => router(`old ${name}`, 'host0'))
      const others = [standing(90, 'missed'), standing(91, 'lost'), standing(92, 'connected', false)]
      const chosen = chooseHosts([...present, ...names(count).map((name) => router(name))], [...all, ...others])
      const loads = new Map(all.map(({ host: { id } }) => [id, id === 'host0' ? placed : 0]))
      for (const at of chosen.values()) loads.set(at ?? '', (loads.get(at ?? '') ?? Number.NaN) + 1)
      expect(chosen.size).toBe(count)
      const free = [...loads].filter(([id]) => placed === 0 || id !== 'host0' || count > placed * hosts)
      const counts = free.map(([, load]) => load)
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1)
    }),
  )
})

test('the choice does not depend on the order of hosts, and not all first choices are one host', () => {
  const all = [1, 2, 3].map((n) => standing(n))
  const first = (name: string, hosts: readonly Standing[]) => chooseHosts([router(name)], hosts).get(name)
  const choices = names(30).map((name) => first(name, all))
  expect(names(30).map((name) => first(name, all.toReversed()))).toEqual(choices)
  expect(new Set(choices).size).toBe(3)
})

test.each([
  ['a host that is there', standing(1), null],
  ['a host that has been away for a moment', standing(1, 'missed'), null],
  ['a host that is lost', standing(1, 'lost'), 'host2'],
  ['a host that is disabled', standing(1, 'disabled'), 'host2'],
  ['a host that has no way to the network any more', standing(1, 'connected', false), 'host2'],
])('a router on %s', (_, first, moved) => {
  const chosen = chooseHosts([router('r', 'host1')], [first, standing(2)])
  expect([...chosen.values()]).toEqual(moved === null ? [] : [moved])
})

test('a pinned router stays also on a lost host, and a router stays where no other host is', () => {
  expect(chooseHosts([router('r', 'host1', true)], [standing(1, 'lost'), standing(2)]).size).toBe(0)
  expect(chooseHosts([router('r', 'host1')], [standing(1, 'lost'), standing(2, 'lost')]).size).toBe(0)
  expect(chooseHosts([router('r')], [standing(2, 'lost')]).size).toBe(0)
})

test('a router that is not highly available waits for a lost host, and leaves one that cannot have it', () => {
  const waiting = { ...router('r', 'host1'), ha: false }
  expect(chooseHosts([waiting], [standing(1, 'lost'), standing(2)]).size).toBe(0)
  for (const first of [standing(1, 'disabled'), standing(1, 'connected', false)]) {
    expect([...chooseHosts([waiting], [first, standing(2)])]).toEqual([['r', 'host2']])
  }
  expect([...chooseHosts([waiting], [standing(2)])]).toEqual([['r', 'host2']])
})

test('a router that an operator took from a host goes to another one, if there is one', () => {
  const taken = router('r', 'host1', false, 'host1')
  expect([...chooseHosts([taken], [standing(1), standing(2)])]).toEqual([['r', 'host2']])
  expect(chooseHosts([taken], [standing(1), standing(2, 'lost')]).size).toBe(0)
})

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Deployment, type Unit } from './deployment.ts'
import type { Item } from './pipeline/value.ts'

const item = (key: string, version: number): Item => ({ kind: 'group', key, id: 0, frame: Uint8Array.of(version) })

interface Edit {
  readonly units: readonly (readonly [string, Unit | null])[]
  readonly scopes: readonly (readonly [string, ReadonlySet<string> | null])[]
}
const scope = fc.constantFrom('all', 'network a', 'network b')
const versions = fc.dictionary(fc.constantFrom('x', 'y'), fc.nat(1))
// Items of different units never share a key: `name` goes into it. `moves` makes pairs that hand one key over.
const unit = (name: string) =>
  fc.option(
    fc.tuple(scope, versions).map(([where, content]): Unit => ({
      scope: where,
      objects: [],
      items: Object.entries(content).map(([key, version]) => item(`${name}${key}`, version)),
    })),
  )
const edit: fc.Arbitrary<Edit> = fc.record({
  units: fc
    .constantFrom('u', 'v', 'w')
    .chain((name) => fc.tuple(unit(name)).map(([value]) => [[name, value] as const])),
  scopes: fc
    .tuple(fc.constantFrom('h1', 'h2'), fc.option(fc.uniqueArray(scope).map((list) => new Set(list))))
    .map((pair) => [pair]),
})

const image = (items: ReadonlyMap<string, Item>) =>
  Object.fromEntries(Array.from(items, ([key, { frame }]) => [key, frame[0]] as const).toSorted())

test('the deltas of any edits, taken whenever, add up to what each host is to have', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(edit, fc.boolean()), { maxLength: 20 }), (edits) => {
      const deployment = new Deployment()
      const hosts = new Map<string, Map<string, Item>>()
      const take = () => {
        for (const [host, delta] of deployment.take()) {
          const have = hosts.get(host) ?? new Map<string, Item>()
          for (const key of delta.remove) have.delete(key)
          for (const [key, value] of delta.put) have.set(key, value)
          hosts.set(host, have)
        }
      }
      for (const [{ units, scopes }, takes] of edits) {
        deployment.update(units, scopes)
        for (const [host, after] of scopes) if (after === null) hosts.delete(host)
        if (takes) take()
      }
      take()
      for (const host of ['h1', 'h2']) {
        expect(image(hosts.get(host) ?? new Map())).toEqual(image(deployment.itemsOf(host)))
      }
    }),
  )
})

test('a key that moves between units in one update stays in place', () => {
  const deployment = new Deployment()
  const unitWith = (version: number): Unit => ({
    scope: 'all',
    objects: [],
    items: [item('k', version)],
  })
  deployment.update([['u', unitWith(1)]], [['h', new Set(['all'])]])
  deployment.take()
  deployment.update(
    [
      ['v', unitWith(2)],
      ['u', null],
    ],
    [],
  )
  const delta = deployment.take().get('h')
  expect([...(delta?.put.keys() ?? [])]).toEqual(['k'])
  expect(delta?.remove.size).toBe(0)
})

test('an equal contribution touches no host', () => {
  const deployment = new Deployment()
  const unitWith = (): Unit => ({ scope: 'all', objects: [], items: [item('k', 1)] })
  deployment.update([['u', unitWith()]], [['h', new Set(['all'])]])
  deployment.take()
  deployment.update([['u', unitWith()]], [])
  expect(deployment.take().get('h')?.put.size ?? 0).toBe(0)
})

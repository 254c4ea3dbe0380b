// Random requests about segments: a refused one has changed nothing, and what is stored is consistent.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { segmentsOf } from '../segments.ts'
import { segmentPlace } from './cache.ts'
import type { Network, Port, Segment, Subnet } from './model.ts'
import { placeOf } from './resources/segment-allocation.ts'
import { defaultSettings } from './server.ts'
import { type Api, type Json, startApi } from './testing/harness.ts'

type Step = readonly [action: number, a: number, b: number, c: number]

const hosts = { hl: ['left'], hr: ['right'], hb: ['left', 'right'], hn: [] } as const
const stored = <T>(api: Api, kind: string): T[] =>
  [...api.store.entries]
    .filter(([key]) => key.startsWith(`intent/${kind}/`))
    .map(([, { value }]) => JSON.parse(value) as T)
const pick = <T>(list: readonly T[], index: number): T | undefined => list[index % Math.max(list.length, 1)]

function request(api: Api, [action, a, b, c]: Step): ['POST' | 'PUT' | 'DELETE', string, Json?] {
  const id = (kind: string, index: number): string => pick(stored<Json>(api, kind), index)?.id ?? 'missing'
  const network_id = id('networks', a)
  const network_type = pick(['vlan', 'vlan', 'flat', 'vxlan'], b) as string
  const physical = network_type === 'vxlan' ? null : pick(['left', 'right', 'far'], c)
  const number = network_type === 'flat' ? null : 1 + (c % 4)
  const segment = { network_type, physical_network: physical, segmentation_id: number }
  const provider = Object.fromEntries(Object.entries(segment).map(([name, value]) => [`provider:${name}`, value]))
  const segment_id = c % 3 === 0 ? null : id('segments', b)
  const cidr = `10.0.${b % 5}.0/29`
  const host = pick([...Object.keys(hosts), 'unknown', ''], c)
  const fixed_ips = b % 3 === 0 ? { fixed_ips: [{ subnet_id: id('subnets', b) }, { subnet_id: id('subnets', c) }] } : {}
  const steps: ['POST' | 'PUT' | 'DELETE', string, Json?][] = [
    ['POST', 'networks', { network: c % 3 ? provider : { segments: [provider] } }],
    ['POST', 'segments', { segment: { network_id, ...segment } }],
    ['POST', 'segments', { segment: { network_id, ...segment } }],
    ['DELETE', `segments/${id('segments', b)}`],
    ['POST', 'subnets', { subnet: { network_id, ip_version: 4, cidr, segment_id } }],
    ['POST', 'subnets', { subnet: { network_id, ip_version: 4, cidr, segment_id: id('segments', b) } }],
    ['PUT', `subnets/${id('subnets', a)}`, { subnet: { segment_id } }],
    ['DELETE', `subnets/${id('subnets', b)}`],
    ['POST', 'ports', { port: { network_id, 'binding:host_id': host, ...fixed_ips } }],
    ['PUT', `ports/${id('ports', a)}`, { port: { 'binding:host_id': host, ...fixed_ips } }],
    ['DELETE', `ports/${id('ports', a)}`],
    ['DELETE', `networks/${network_id}`],
  ]
  return pick(steps, action) as (typeof steps)[number]
}

function checkConsistent(api: Api): void {
  const segments = stored<Segment>(api, 'segments')
  const subnets = stored<Subnet>(api, 'subnets')
  expect(new Set(segments.map(segmentPlace)).size).toBe(segments.length)
  const networks = stored<Network>(api, 'networks')
  expect(segments.every(({ network_id: id }) => networks.some((network) => network.id === id))).toBe(true)
  for (const network of networks) {
    const own = segments.filter(({ network_id: id }) => id === network.id)
    const shown = segmentsOf(network).map((each) => segmentPlace(placeOf(each, defaultSettings)))
    expect(shown.toSorted()).toEqual(own.map(segmentPlace).toSorted())
    expect(own.length === 1 || own.every(({ physical_network: name }) => name !== null)).toBe(true)
    const used = subnets.filter(({ network_id: id }) => id === network.id).map(({ segment_id: id }) => id)
    expect(used.every((id) => (id === null) === (used[0] === null))).toBe(true)
    expect(used.every((id) => id === null || own.some((segment) => segment.id === id))).toBe(true)
  }
  for (const port of stored<Port>(api, 'ports')) {
    const of = port.fixed_ips.map((ip) => subnets.find(({ id }) => id === ip.subnet_id)?.segment_id)
    expect(new Set(of).size).toBeLessThan(2)
    expect(port.ip_allocation === 'deferred' && of.length > 0).toBe(false)
  }
}

test('random requests leave segments, subnets and addresses consistent, and a refused one leaves them unchanged', async () => {
  const seen = new Map<number, number>()
  const number = fc.nat(30)
  const steps = fc.array(fc.tuple(number, number, number, number), { minLength: 20, maxLength: 60 })
  await fc.assert(
    fc.asyncProperty(steps, async (run) => {
      const api = await startApi()
      for (const [name, wires] of Object.entries(hosts)) api.hosts.wires.set(name, new Set(wires))
      try {
        for (const step of run) {
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

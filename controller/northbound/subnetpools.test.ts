// Subnets from pools: what is allocated never overlaps, stays within the pool, and respects bounds, quota and scope.
import * as fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import { type Cidr, compact, formatCidr, overlaps, parseCidr, within } from './address.ts'
import { type Api, type Json, startApi } from './testing/harness.ts'

const open: Api[] = []
async function start(): Promise<Api> {
  const api = await startApi()
  open.push(api)
  return api
}
afterEach(async () => {
  for (const api of open.splice(0)) await api.app.close()
})

const parse = (text: string): Cidr => parseCidr(text) as Cidr
const post = (api: Api, kind: string, body: Json) => api.call('POST', kind, { [kind.slice(0, -1)]: body })

test.each([
  [{ prefixes: [] }, /prefixes/],
  [{ prefixes: ['10.0.0.0/8', 'fd00::/8'] }, /mix/],
  [{ prefixes: ['10.0.0.0/8'], min_prefixlen: 25, default_prefixlen: 24 }, /min_prefixlen=25, default_prefixlen=24/],
  [{ prefixes: ['10.0.0.0/8'], max_prefixlen: 33 }, /max_prefixlen=33/],
  [{ prefixes: ['10.0.0.0/8'], address_scope_id: '99999999-9999-4999-8999-999999999999' }, /AddressScope/],
  [{ prefixes: ['10.0.0.0/8'], ip_version: 4 }, /ip_version/],
])('the pool %j is refused', async (body, message) => {
  const reply = await post(await start(), 'subnetpools', body)
  expect([reply.status < 500, reply.body.NeutronError.message]).toEqual([true, expect.stringMatching(message)])
})

test('a pool gives up no prefix, and stays while a subnet is of it', async () => {
  const api = await start()
  const pool = await api.make('subnetpools', { prefixes: ['10.0.0.0/24', '10.0.2.0/24'], default_prefixlen: 26 })
  const network = await api.make('networks', {})
  const subnet = await api.make('subnets', { network_id: network.id, ip_version: 4, subnetpool_id: pool.id })
  expect(subnet).toMatchObject({ cidr: '10.0.0.0/26', subnetpool_id: pool.id, gateway_ip: '10.0.0.1' })
  expect(subnet).not.toHaveProperty('prefixlen')
  const put = (prefixes: string[]) => api.call('PUT', `subnetpools/${pool.id}`, { subnetpool: { prefixes } })
  expect((await put(['10.0.0.0/24'])).body.NeutronError.type).toBe('IllegalSubnetPoolPrefixUpdate')
  expect((await put(['10.0.0.0/23', '10.0.2.0/23'])).body.subnetpool.prefixes).toEqual(['10.0.0.0/22'])
  const refused = await api.call('DELETE', `subnetpools/${pool.id}`)
  expect([refused.status, refused.body.NeutronError.message]).toEqual([409, expect.stringContaining(subnet.id)])
  await api.call('DELETE', `subnets/${subnet.id}`)
  expect((await api.call('DELETE', `subnetpools/${pool.id}`)).status).toBe(204)
})

test('a network shows the address scope that its subnets come from', async () => {
  const api = await start()
  const scope = (await api.call('POST', 'address-scopes', { address_scope: { ip_version: 4 } })).body.address_scope
  const pool = await api.make('subnetpools', { prefixes: ['10.0.0.0/16'], address_scope_id: scope.id })
  const network = await api.make('networks', {})
  await api.make('subnets', { network_id: network.id, ip_version: 4, subnetpool_id: pool.id, prefixlen: 24 })
  const shown = (await api.call('GET', `networks/${network.id}`)).body.network
  expect([shown.ipv4_address_scope, shown.ipv6_address_scope]).toEqual([scope.id, null])
})

test('random subnets of a pool lie within it and do not overlap; one is refused only where no place of its size is free', async () => {
  const lengths = fc.array(fc.tuple(fc.integer({ min: 25, max: 30 }), fc.boolean()), { minLength: 5, maxLength: 25 })
  await fc.assert(
    fc.asyncProperty(lengths, async (run) => {
      const api = await start()
      const pool = await api.make('subnetpools', { prefixes: ['10.0.0.0/26', '10.0.1.0/25'], min_prefixlen: 25 })
      const held: Json[] = []
      for (const [prefixlen, isKept] of run) {
        const network = await api.make('networks', {})
        const request = { network_id: network.id, ip_version: 4, subnetpool_id: pool.id, prefixlen }
        const reply = await post(api, 'subnets', request)
        const taken = held.map(({ cidr }) => parse(cidr))
        const size = 1n << BigInt(32 - prefixlen)
        const isFree = (first: bigint) => !taken.some((each) => each.first < first + size && first <= each.last)
        const places = pool.prefixes.flatMap((text: string) => {
          const { first, last } = parse(text)
          const count = Number((last - first + 1n) / size)
          return Array.from({ length: count }, (_, i) => first + BigInt(i) * size)
        })
        if (!places.some(isFree)) expect(reply.body.NeutronError?.type).toBe('SubnetAllocationError')
        else {
          const cidr = parse(reply.body.subnet.cidr)
          expect(cidr.prefixLength).toBe(prefixlen)
          expect(
            pool.prefixes.some((text: string) => within(parse(text), cidr.first) && within(parse(text), cidr.last)),
          ).toBe(true)
          expect(taken.some((each) => overlaps(each, cidr))).toBe(false)
          if (isKept) held.push(reply.body.subnet)
          else await api.call('DELETE', `subnets/${reply.body.subnet.id}`)
        }
      }
    }),
    { numRuns: 8 },
  )
})

test('compacted prefixes hold the same addresses, and no two of them could be one', () => {
  const prefix = fc.tuple(fc.integer({ min: 0, max: 31 }), fc.integer({ min: 27, max: 32 }))
  fc.assert(
    fc.property(fc.array(prefix, { maxLength: 12 }), (list) => {
      const prefixes = list.map(([last, length]) => parse(`10.0.0.${last}/${length}`))
      const compacted = compact(prefixes)
      const addresses = (of: readonly Cidr[]) =>
        Array.from({ length: 32 }, (_, i) => of.some((each) => within(each, parse('10.0.0.0/32').first + BigInt(i))))
      expect(addresses(compacted)).toEqual(addresses(prefixes))
      for (const [i, a] of compacted.entries()) {
        for (const b of compacted.slice(i + 1)) {
          expect(overlaps(a, b)).toBe(false)
          const parent = parse(`${formatCidr(a).split('/')[0]}/${a.prefixLength - 1}`)
          const areHalves = a.prefixLength === b.prefixLength && within(parent, a.first) && within(parent, b.first)
          expect(areHalves).toBe(false)
        }
      }
    }),
  )
})

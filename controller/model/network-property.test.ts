// Random small networks: who reaches whom is what the rows say, no more and no less.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { mac } from '../address.ts'
import { gateway, host, network, port, router, subnet, vif } from '../testing.ts'
import { pingFrame, received, simulate, type Rows } from './testing.ts'

interface Station {
  readonly h: number
  readonly n: number
  readonly i: number
  readonly up: boolean
}
interface World {
  readonly stations: readonly Station[]
  /** Networks that are up. */
  readonly networks: readonly number[]
  /** Of each router: the networks it stands on, and whether it is up. No network has two. */
  readonly routers: readonly { readonly on: readonly number[]; readonly up: boolean }[]
}

const NETWORKS = [1, 2, 3, 4]
const station = fc.record({
  h: fc.integer({ min: 1, max: 3 }),
  n: fc.constantFrom(...NETWORKS),
  i: fc.integer({ min: 2, max: 9 }),
  up: fc.constant<boolean>(true),
})
const world: fc.Arbitrary<World> = fc.record({
  stations: fc.uniqueArray(
    fc.oneof(
      { weight: 5, arbitrary: station },
      station.map((each) => ({ ...each, up: false })),
    ),
    { selector: ({ n, i }) => n * 256 + i, minLength: 2, maxLength: 7 },
  ),
  networks: fc.oneof({ weight: 3, arbitrary: fc.constant(NETWORKS) }, fc.subarray(NETWORKS)),
  routers: fc
    .tuple(fc.array(fc.constantFrom(0, 1, 2), { minLength: 4, maxLength: 4 }), fc.boolean(), fc.boolean())
    .map(([owner, ...others]) =>
      [1, 2].map((r) => ({ on: NETWORKS.filter((n) => owner[n - 1] === r), up: r === 1 || others.includes(true) })),
    ),
})

function rowsOf({ stations, networks, routers }: World): Rows {
  return {
    hosts: [host(1), host(2), host(3)],
    networks: NETWORKS.map((n) => network(n, { admin_state_up: networks.includes(n) })),
    subnets: NETWORKS.map((n) => subnet(n)),
    ports: [
      ...stations.map(({ n, i, up }) => port(n, i, { admin_state_up: up })),
      ...routers.flatMap(({ on }, r) => on.map((n) => gateway(n, r + 1))),
    ],
    routers: routers.map(({ up }, r) => router(r + 1, { admin_state_up: up })),
    vifs: stations.map(({ h, n, i }) => vif(h, n, i)),
  }
}

/** Null: not; else the TTL with which a packet of 64 arrives. */
function intended({ networks, routers }: World, a: Station, b: Station): number | null {
  if (!a.up || !b.up || !networks.includes(a.n) || !networks.includes(b.n)) return null
  if (a.n === b.n) return 64
  return routers.some(({ on, up }) => up && on.includes(a.n) && on.includes(b.n)) ? 63 : null
}

test('whoever should reach another does, and nobody else', () => {
  fc.assert(
    fc.property(world, (w) => {
      const { fabric } = simulate(rowsOf(w))
      for (const a of w.stations) {
        for (const b of w.stations) {
          if (a === b) continue
          const frame = pingFrame({
            fromMac: port(a.n, a.i).mac_address,
            toMac: a.n === b.n ? port(b.n, b.i).mac_address : port(a.n, 1).mac_address,
            from: `10.0.${a.n}.${a.i}`,
            to: `10.0.${b.n}.${b.i}`,
          })
          const got = fabric.send(`host${a.h}`, a.n * 256 + a.i, frame).map(received)
          const ttl = intended(w, a, b)
          const expected =
            ttl === null
              ? []
              : [{ where: `host${b.h}/${b.n * 256 + b.i}`, toMac: mac(port(b.n, b.i).mac_address), ttl, icmp: 8 }]
          expect(got).toMatchObject(expected)
          expect(got).toHaveLength(expected.length)
        }
      }
    }),
    { numRuns: 60 },
  )
})

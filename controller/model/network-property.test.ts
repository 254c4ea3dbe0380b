// Random small networks: who reaches whom is what the rows say, no more and no less.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { mac } from '../address.ts'
import { gateway, host, network, port, router, subnet, vif, wired } from '../testing.ts'
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
  /** Those that are on a wire instead of tunnels: by number, with a VLAN but for the flat one. */
  readonly wires: readonly number[]
  /** Hosts that are connected to the wire. */
  readonly uplinks: readonly number[]
  /** Of each router: the networks it stands on, and whether it is up. No network has two. */
  readonly routers: readonly { readonly on: readonly number[]; readonly up: boolean }[]
}

const NETWORKS = [1, 2, 3, 4]
const HOSTS = [1, 2, 3]
const FLAT = 1
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
  wires: fc.subarray(NETWORKS),
  uplinks: fc.subarray(HOSTS),
  networks: fc.oneof({ weight: 3, arbitrary: fc.constant(NETWORKS) }, fc.subarray(NETWORKS)),
  routers: fc
    .tuple(fc.array(fc.constantFrom(0, 1, 2), { minLength: 4, maxLength: 4 }), fc.boolean(), fc.boolean())
    .map(([owner, ...others]) =>
      [1, 2].map((r) => ({ on: NETWORKS.filter((n) => owner[n - 1] === r), up: r === 1 || others.includes(true) })),
    ),
})

function rowsOf({ stations, networks, wires, uplinks, routers }: World): Rows {
  return {
    hosts: HOSTS.map((h) => host(h, uplinks.includes(h) ? { wire: 60_000 + h } : {})),
    networks: NETWORKS.map((n) => {
      const state = { admin_state_up: networks.includes(n) }
      return wires.includes(n) ? wired(n, 'wire', n === FLAT ? null : n, state) : network(n, state)
    }),
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
function intended({ networks, wires, uplinks, routers }: World, a: Station, b: Station): number | null {
  // A host is on a network; also where it sends to one that it has no port on.
  const on = (h: number, n: number): boolean => networks.includes(n) && (!wires.includes(n) || uplinks.includes(h))
  if (!a.up || !b.up || !on(a.h, a.n) || !on(a.h, b.n) || !on(b.h, b.n)) return null
  if (a.n === b.n) return 64
  return routers.some(({ on: has, up }) => up && has.includes(a.n) && has.includes(b.n)) ? 63 : null
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
          const deliveries = fabric.send(`host${a.h}`, a.n * 256 + a.i, frame)
          // What is on the wire is no machine's yet.
          const got = deliveries.filter(({ ofport }) => ofport < 60_000).map(received)
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
    { numRuns: 40 },
  )
})

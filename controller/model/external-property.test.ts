// Random small networks behind routers with external gateways: what gets out, under which address, by which host, and what
// comes back, is what the rows say, no more and no less; and however the rows came about, the same follows from them.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { mac } from '../address.ts'
import {
  externalGateway,
  externalRouter,
  gateway,
  host,
  network,
  port,
  router,
  subnet,
  uuid,
  vif,
  wired,
} from '../testing.ts'
import type { Delivery } from './fabric.ts'
import { echoFrame } from './testing-packets.ts'
import { address, load, received, simulate, type Rows, type Simulated } from './testing.ts'

interface Station {
  readonly h: number
  readonly n: number
  readonly i: number
}
interface Gateway {
  /** Networks that it stands on inside; no network has two routers. */
  readonly on: readonly number[]
  readonly up: boolean
  /** Null: none. */
  readonly external: { readonly snat: boolean; readonly host: number | null } | null
}
interface World {
  readonly stations: readonly Station[]
  /** Of the networks inside those that are on the wire, in VLANs. */
  readonly wires: readonly number[]
  readonly vlan: number | null
  /** Hosts that are connected to the wire. */
  readonly uplinks: readonly number[]
  readonly routers: readonly Gateway[]
}

const EXTERNAL = 1
const INSIDE = [2, 3, 4]
const HOSTS = [1, 2, 3]
const UPLINK = 60_000
const UPSTREAM = '02:aa:aa:aa:aa:aa'
const SERVER = '198.51.100.7'

const external = fc.option(fc.record({ snat: fc.boolean(), host: fc.option(fc.constantFrom(...HOSTS), { freq: 8 }) }), {
  freq: 8,
})
const world: fc.Arbitrary<World> = fc
  .record({
    stations: fc.uniqueArray(
      fc.record({
        h: fc.constantFrom(...HOSTS),
        n: fc.constantFrom(EXTERNAL, ...INSIDE),
        i: fc.integer({ min: 20, max: 25 }),
      }),
      { selector: ({ n, i }) => n * 256 + i, minLength: 2, maxLength: 6 },
    ),
    wires: fc.subarray(INSIDE),
    vlan: fc.constantFrom(null, 100),
    uplinks: fc.oneof(fc.constant(HOSTS), fc.subarray(HOSTS)),
    owners: fc.array(fc.constantFrom(0, 1, 2), { minLength: 3, maxLength: 3 }),
    gateways: fc.tuple(external, external),
    down: fc.constantFrom(0, 0, 0, 1, 2),
  })
  .map(({ owners, gateways, down, ...rest }) => ({
    ...rest,
    routers: gateways.map((each, r) => ({
      on: INSIDE.filter((_, n) => owners[n] === r + 1),
      up: down !== r + 1,
      external: each,
    })),
  }))

/** Of router r. */
const gatewayAddress = (r: number): string => `10.0.${EXTERNAL}.${10 + r}`

function rowsOf({ stations, wires, vlan, uplinks, routers }: World): Rows {
  return {
    hosts: HOSTS.map((h) => host(h, uplinks.includes(h) ? { wire: UPLINK } : {})),
    networks: [
      wired(EXTERNAL, 'wire', vlan),
      ...INSIDE.map((n) => (wires.includes(n) ? wired(n, 'wire', 100 + n) : network(n))),
    ],
    subnets: [EXTERNAL, ...INSIDE].map((n) => subnet(n)),
    ports: [
      ...stations.map(({ n, i }) => port(n, i)),
      ...routers.flatMap((each, r) => [
        ...each.on.map((n) => gateway(n, r)),
        ...(each.external === null ? [] : [externalGateway(EXTERNAL, 10 + r, r)]),
      ]),
    ],
    routers: routers.map((each, r) => {
      const state = { admin_state_up: each.up }
      return each.external === null ? router(r, state) : externalRouter(r, EXTERNAL, each.external.snat, state)
    }),
    vifs: stations.map(({ h, n, i }) => vif(h, n, i)),
    routerHosts: Object.fromEntries(
      routers.flatMap((each, r) => {
        const at = each.external?.host ?? null
        return at === null ? [] : [[uuid('r', r), `host${at}`]]
      }),
    ),
    neighbours: [{ network: uuid('n', EXTERNAL), address: '10.0.1.1', mac_address: UPSTREAM }],
  }
}

/** How a station gets out: by which router and host, under which address. */
interface Way {
  readonly r: number
  readonly host: number
  readonly address: string
}

function wayOut({ wires, uplinks, routers }: World, { h, n, i }: Station): Way | null {
  const carries = (at: number, net: number): boolean =>
    (net !== EXTERNAL && !wires.includes(net)) || uplinks.includes(at)
  const r = routers.findIndex(({ on }) => on.includes(n))
  const found = routers[r]
  const at = found?.external?.host ?? null
  if (!found?.up || !found.external || at === null) return null
  if (!carries(h, n) || !carries(at, n) || !carries(at, EXTERNAL)) return null
  return { r, host: at, address: found.external.snat ? gatewayAddress(r) : `10.0.${n}.${i}` }
}

const place = ({ h, n, i }: Station): string => `host${h}/${n * 256 + i}`
const withTag = (vlan: number | null, frame: Uint8Array): Uint8Array =>
  vlan === null ? frame : Uint8Array.of(...frame.subarray(0, 12), 0x81, 0, vlan >> 8, vlan & 255, ...frame.subarray(12))
/** In VLANs there are others, of networks inside. */
function untagged(vlan: number | null, { bytes, ...rest }: Delivery): Delivery[] {
  const found = bytes[12] === 0x81 ? ((bytes[14] ?? 0) << 8) | (bytes[15] ?? 0) : null
  if (found !== vlan) return []
  return [{ ...rest, bytes: vlan === null ? bytes : Uint8Array.of(...bytes.subarray(0, 12), ...bytes.subarray(16)) }]
}

class Network {
  readonly world: World
  readonly simulated: Simulated

  constructor(of: World) {
    this.world = of
    this.simulated = simulate(rowsOf(of))
  }

  /** What comes out on the external network's wire, and at stations. */
  #split(deliveries: readonly Delivery[]) {
    return {
      outside: deliveries
        .filter(({ ofport }) => ofport === UPLINK)
        .flatMap((each) => untagged(this.world.vlan, each))
        .map(received),
      inside: deliveries.filter(({ ofport }) => ofport !== UPLINK).map(received),
    }
  }

  send({ h, n, i }: Station, to: string, kind: 'request' | 'reply' = 'request', toMac = mac(port(n, 1).mac_address)) {
    const ends = { fromMac: mac(port(n, i).mac_address), toMac, from: `10.0.${n}.${i}`, to }
    return this.#split(this.simulated.fabric.send(`host${h}`, n * 256 + i, echoFrame(ends, kind, n * 256 + i)))
  }

  /** From the server outside, by a router's gateway. */
  answer(r: number, to: string, kind: 'request' | 'reply', identifier: number) {
    const toMac = mac(port(EXTERNAL, 10 + r).mac_address)
    const frame = echoFrame({ fromMac: mac(UPSTREAM), toMac, from: SERVER, to }, kind, identifier)
    return this.#split(this.simulated.fabric.sendOnWire('wire', withTag(this.world.vlan, frame)))
  }
}

test('whoever has a way out gets out by it and gets the answers, and nobody else', () => {
  fc.assert(
    fc.property(world, (w) => {
      const net = new Network(w)
      for (const a of w.stations.filter(({ n }) => n !== EXTERNAL)) {
        const way = wayOut(w, a)
        const { outside, inside } = net.send(a, SERVER)
        expect(inside).toEqual([])
        if (way === null) {
          expect(outside).toEqual([])
          continue
        }
        const fromMac = mac(port(EXTERNAL, 10 + way.r).mac_address)
        const expected = { where: `host${way.host}/${UPLINK}`, fromMac, toMac: mac(UPSTREAM), ttl: 63 }
        expect(outside).toMatchObject([{ ...expected, from: address(way.address), to: address(SERVER) }])
        const back = net.answer(way.r, way.address, 'reply', a.n * 256 + a.i)
        expect(back.outside).toEqual([])
        expect(back.inside).toMatchObject([
          { where: place(a), from: address(SERVER), to: address(`10.0.${a.n}.${a.i}`), ttl: 63 },
        ])
      }
    }),
    { numRuns: 30 },
  )
})

test('machines inside reach ports on the external network, which see the gateway and answer it', () => {
  fc.assert(
    fc.property(world, (w) => {
      const net = new Network(w)
      for (const a of w.stations.filter(({ n }) => n !== EXTERNAL)) {
        for (const b of w.stations.filter(({ n }) => n === EXTERNAL)) {
          const way = wayOut(w, a)
          const reaches = way !== null && w.uplinks.includes(b.h)
          const { inside } = net.send(a, `10.0.${EXTERNAL}.${b.i}`)
          expect(inside).toMatchObject(reaches ? [{ where: place(b), from: address(way.address), ttl: 63 }] : [])
          if (!reaches) continue
          const toMac = mac(port(EXTERNAL, 10 + way.r).mac_address)
          const frame = echoFrame(
            { fromMac: mac(port(EXTERNAL, b.i).mac_address), toMac, from: `10.0.${EXTERNAL}.${b.i}`, to: way.address },
            'reply',
            a.n * 256 + a.i,
          )
          const got = net.simulated.fabric.send(`host${b.h}`, EXTERNAL * 256 + b.i, frame)
          expect(got.filter(({ ofport }) => ofport !== UPLINK).map(received)).toMatchObject([
            { where: place(a), from: address(`10.0.${EXTERNAL}.${b.i}`), ttl: 63 },
          ])
        }
      }
    }),
    { numRuns: 30 },
  )
})

test('from outside, a gateway that works answers a ping once, from its host; own addresses are reached, others not', () => {
  fc.assert(
    fc.property(world, (w) => {
      const net = new Network(w)
      for (const [r, { up, external: at }] of w.routers.entries()) {
        const works = up && at !== null && at.host !== null && w.uplinks.includes(at.host)
        const ping = net.answer(r, gatewayAddress(r), 'request', 1)
        expect(ping.inside).toEqual([])
        expect(ping.outside).toMatchObject(
          works ? [{ where: `host${at.host}/${UPLINK}`, from: address(gatewayAddress(r)), icmp: 0 }] : [],
        )
      }
      for (const a of w.stations.filter(({ n }) => n !== EXTERNAL)) {
        const way = wayOut(w, a)
        for (const r of w.routers.keys()) {
          const got = net.answer(r, `10.0.${a.n}.${a.i}`, 'request', a.i)
          expect(got.inside).toMatchObject(way?.r === r ? [{ where: place(a), ttl: 63 }] : [])
        }
      }
    }),
    { numRuns: 30 },
  )
})

const itemsOf = ({ deployment }: Simulated): Map<string, Uint8Array>[] =>
  HOSTS.map((h) => new Map(Array.from(deployment.itemsOf(`host${h}`), ([key, { frame }]) => [key, frame])))

test('incremental = from scratch; what is undone leaves nothing', () => {
  fc.assert(
    fc.property(fc.array(world, { minLength: 2, maxLength: 4 }), (worlds) => {
      const [first] = worlds as [World]
      const changed = simulate(rowsOf(first))
      const before = itemsOf(changed)
      for (const each of [...worlds.slice(1), first]) {
        load(changed.derivation, rowsOf(each))
        changed.settle()
        expect(itemsOf(changed)).toEqual(itemsOf(simulate(rowsOf(each))))
      }
      expect(itemsOf(changed)).toEqual(before)
    }),
    { numRuns: 10 },
  )
})

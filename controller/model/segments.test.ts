// Networks with several segments without a switch: each host is on one, and the segments stay apart.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseArp } from '../../packet/arp.ts'
import { mac } from '../address.ts'
import { alarmsOf } from '../alarms.ts'
import { Derivation } from '../derivation.ts'
import type { Network } from '../app.ts'
import { apps } from '../../apps/index.ts'
import { BROADCAST_MAC, parseFrame } from '../../packet/frame.ts'
import { host, network, port, subnet, uuid, vif, wired } from '../testing.ts'
import type { Delivery } from './fabric.ts'
import { pingFrame, received, simulate, whoHas } from './testing.ts'

const VLAN = { left: 10, right: 20, far: null } as const
type Physical = keyof typeof VLAN
const names = Object.keys(VLAN) as readonly Physical[]
/** Uplinks have these OpenFlow numbers on every host. */
const UPLINK = { left: 60_001, right: 60_002, far: 60_003 } as const

const uplinksOf = (on: readonly Physical[]): Record<string, number> =>
  Object.fromEntries(on.map((name) => [name, UPLINK[name]]))

const NOWHERE = { 'provider:network_type': null, 'provider:physical_network': null, 'provider:segmentation_id': null }

/** A network on these, the oldest first. */
function segmented(n: number, on: readonly Physical[]): Network {
  const segments = on.map((name): Network => wired(n, name, VLAN[name]))
  const [only] = segments
  return only !== undefined && segments.length === 1 ? only : network(n, { ...NOWHERE, segments })
}

const where = (deliveries: readonly Delivery[]): string[] =>
  deliveries.map(({ host: h, ofport }) => `${h}/${ofport}`).toSorted()
const station = (h: number, i: number): string => `host${h}/${256 + i}`
const ping = (i: number, toMac: string | number, to: number): Uint8Array =>
  pingFrame({ fromMac: port(1, i).mac_address, toMac, from: `10.0.1.${i}`, to: `10.0.1.${to}` })

/** Hosts 1 and 2 are on the left segment, 3 on the right one, 4 on none; station i is on each of the hosts. */
const stations = [
  [1, 2],
  [1, 3],
  [2, 4],
  [3, 5],
  [3, 6],
  [4, 7],
] as const
const { fabric } = simulate({
  hosts: [host(1, uplinksOf(['left'])), host(2, uplinksOf(['left'])), host(3, uplinksOf(['right', 'far'])), host(4)],
  networks: [segmented(1, ['left', 'right'])],
  subnets: [subnet(1)],
  ports: stations.map(([, i]) => port(1, i)),
  vifs: stations.map(([h, i]) => vif(h, 1, i)),
})

test('within a segment stations reach each other, in the VLAN of that segment', () => {
  const deliveries = fabric.send('host1', 256 + 2, ping(2, port(1, 4).mac_address, 4))
  expect(where(deliveries)).toEqual([`host1/${UPLINK.left}`, station(2, 4)].toSorted())
  const copy = deliveries.find(({ ofport }) => ofport === UPLINK.left)?.bytes ?? new Uint8Array()
  expect([...copy.subarray(12, 16)]).toEqual([0x81, 0, 0, VLAN.left])
})

test('a broadcast stays within its segment, and what is for a station of another one leaves by the wire only', () => {
  const everybody = fabric.send('host3', 256 + 5, ping(5, BROADCAST_MAC, 255))
  expect(where(everybody)).toEqual([`host3/${UPLINK.right}`, station(3, 6)].toSorted())
  const foreign = fabric.send('host3', 256 + 5, ping(5, port(1, 2).mac_address, 2))
  expect(where(foreign)).toEqual([`host3/${UPLINK.right}`])
})

test('who has an address answers for himself, and nobody answers for a station of another segment', () => {
  const ask = (i: number, wanted: number): readonly Delivery[] =>
    fabric.send('host1', 256 + i, whoHas(port(1, i).mac_address, `10.0.1.${i}`, `10.0.1.${wanted}`))
  for (const wanted of [3, 4, 5]) {
    const heard = ask(2, wanted)
    expect(heard.map(({ bytes }) => parseArp(bytes)?.op)).not.toContain(2)
    expect(where(heard)).toEqual([`host1/${UPLINK.left}`, station(1, 3), station(2, 4)].toSorted())
  }
})

test('a frame from the wire is heard in the VLAN of the segment that the wire is', () => {
  const tagged = (vlan: number): Uint8Array => {
    const frame = pingFrame({ fromMac: '02:aa:aa:aa:aa:aa', toMac: BROADCAST_MAC, from: '10.0.1.99', to: '10.0.1.255' })
    return Uint8Array.of(...frame.subarray(0, 12), 0x81, 0, 0, vlan, ...frame.subarray(12))
  }
  const left = fabric.sendOnWire('left', tagged(VLAN.left))
  expect(where(left)).toEqual([station(1, 2), station(1, 3), station(2, 4)])
  expect(parseFrame(left[0]?.bytes ?? new Uint8Array())?.etherType).toBe(0x0800)
  expect(where(fabric.sendOnWire('left', tagged(VLAN.right)))).toEqual([])
  expect(where(fabric.sendOnWire('right', tagged(VLAN.right)))).toEqual([station(3, 5), station(3, 6)])
})

test('a host on no segment, or on several, has an alarm until it is on one', () => {
  const derivation = new Derivation(apps)
  const { inputs } = derivation
  const id = uuid('n', 1)
  inputs.network.set(id, segmented(1, ['left', 'right']))
  inputs.port.set(uuid('p', 258), port(1, 2))
  inputs.vif.set('host1/tap', vif(1, 1, 2))
  const alarms = (uplinks: readonly Physical[]): (string | null)[] => {
    inputs.host.set('host1', host(1, uplinksOf(uplinks)))
    return alarmsOf(derivation.commit()).map(([, about, text]) => (text === null ? `${about} is over` : text))
  }
  expect(alarms(['far'])).toEqual([expect.stringContaining("'left' or 'right' are DOWN")])
  expect(alarms(['right'])).toEqual(["physical network left' or 'right is over"])
  expect(alarms(['right', 'left'])).toEqual([expect.stringContaining(`several segments of network ${id}`)])
  expect(alarms(['left'])).toEqual([`segments of network ${id} is over`])
})

test('in random worlds, who is on one segment reaches each other, and nobody else', () => {
  const hosts = [1, 2, 3]
  const world = fc.record({
    segments: fc.shuffledSubarray([...names], { minLength: 1 }),
    uplinks: fc.tuple(...hosts.map(() => fc.subarray([...names]))),
    places: fc.array(fc.constantFrom(...hosts), { minLength: 2, maxLength: 5 }),
  })
  fc.assert(
    fc.property(world, ({ segments, uplinks, places }) => {
      const simulated = simulate({
        hosts: hosts.map((h) => host(h, uplinksOf(uplinks[h - 1] ?? []))),
        networks: [segmented(1, segments)],
        subnets: [subnet(1)],
        ports: places.map((_, at) => port(1, at + 2)),
        vifs: places.map((h, at) => vif(h, 1, at + 2)),
      })
      const segmentOf = (h: number): Physical | undefined => segments.find((name) => uplinks[h - 1]?.includes(name))
      for (const [from, a] of places.entries()) {
        for (const [to, b] of places.entries()) {
          if (from === to) continue
          const frame = ping(from + 2, port(1, to + 2).mac_address, to + 2)
          const got = simulated.fabric.send(`host${a}`, 256 + from + 2, frame).filter(({ ofport }) => ofport < 60_000)
          const together = segmentOf(a) !== undefined && segmentOf(a) === segmentOf(b)
          expect(got.map(received)).toMatchObject(
            together ? [{ where: station(b, to + 2), toMac: mac(port(1, to + 2).mac_address), ttl: 64 }] : [],
          )
        }
      }
    }),
    { numRuns: 60 },
  )
})

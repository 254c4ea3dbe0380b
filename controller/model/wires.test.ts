// Flat and VLAN networks without a switch: what goes to the wire, what comes from it, and what does neither.
import { parseArp } from '../../packet/arp.ts'
import { expect, test } from 'vitest'
import { hostMac, mac } from '../address.ts'
import { composeDhcp, messageTypes } from '../../packet/dhcp.ts'
import { BROADCAST_MAC, composeFrame, composeIpv4, composeUdp, parseFrame } from '../../packet/frame.ts'
import { gateway, host, network, port, router, subnet, uuid, vif, wired } from '../testing.ts'
import type { Delivery } from './fabric.ts'
import { arpFrame, address, pingFrame, received, simulate, whoHas, type Rows } from './testing.ts'

const UPLINK = 60_000
/** Network 1 is flat, 2 in VLAN 200 of the same wire, 3 an overlay; hosts 1 and 2 are on the wire, host 3 is not. */
const stations = [
  [1, 1, 2],
  [1, 1, 3],
  [2, 1, 4],
  [3, 1, 5],
  [1, 2, 2],
  [2, 2, 3],
  [1, 3, 2],
  [3, 3, 3],
] as const
const rows: Rows = {
  hosts: [host(1, { wire: UPLINK }), host(2, { wire: UPLINK }), host(3)],
  networks: [wired(1, 'wire'), wired(2, 'wire', 200), network(3)],
  subnets: [subnet(1), subnet(2), subnet(3)],
  ports: [...stations.map(([, n, i]) => port(n, i)), gateway(2, 1), gateway(3, 1)],
  routers: [router(1)],
  vifs: stations.map(([h, n, i]) => vif(h, n, i)),
}
const { fabric } = simulate(rows)
const at = (n: number, i: number): string => `10.0.${n}.${i}`
const macOf = (n: number, i: number): string => port(n, i).mac_address
const place = (h: number, n: number, i: number): string => `host${h}/${n * 256 + i}`
/** Where the wire gets a frame from a host. */
const onWire = (h: number): string => `host${h}/${UPLINK}`
const STRANGER = '02:aa:aa:aa:aa:aa'

const places = (deliveries: readonly Delivery[]): string[] =>
  deliveries.map(({ host: h, ofport }) => `${h}/${ofport}`).toSorted()
const send = (h: number, n: number, i: number, bytes: Uint8Array): readonly Delivery[] =>
  fabric.send(`host${h}`, n * 256 + i, bytes)
const ping = (n: number, i: number, toMac: string | number, to: string): Uint8Array =>
  pingFrame({ fromMac: macOf(n, i), toMac, from: at(n, i), to })
const fromStranger = (toMac: string | number, to: string): Uint8Array =>
  pingFrame({ fromMac: STRANGER, toMac, from: at(1, 99), to })

/** The frame in a VLAN. */
function tagged(vlan: number, frame: Uint8Array): Uint8Array {
  return Uint8Array.of(...frame.subarray(0, 12), 0x81, 0, vlan >> 8, vlan & 255, ...frame.subarray(12))
}
/** What the wire got from a host. */
const wireCopy = (deliveries: readonly Delivery[]): Uint8Array | undefined =>
  deliveries.find(({ ofport }) => ofport === UPLINK)?.bytes

test('a station on the same host is reached without the wire, one on another host by one frame on it', () => {
  expect(places(send(1, 1, 2, ping(1, 2, macOf(1, 3), at(1, 3))))).toEqual([place(1, 1, 3)])
  const frame = ping(1, 2, macOf(1, 4), at(1, 4))
  const deliveries = send(1, 1, 2, frame)
  expect(places(deliveries)).toEqual([onWire(1), place(2, 1, 4)].toSorted())
  expect(wireCopy(deliveries)).toEqual(frame)
})

test('a VLAN network has its tag on the wire, and none at the stations', () => {
  const frame = ping(2, 2, macOf(2, 3), at(2, 3))
  const deliveries = send(1, 2, 2, frame)
  expect(places(deliveries)).toEqual([onWire(1), place(2, 2, 3)].toSorted())
  expect(wireCopy(deliveries)).toEqual(tagged(200, frame))
  expect(deliveries.find(({ ofport }) => ofport !== UPLINK)?.bytes).toEqual(frame)
})

test('what is for a machine that nobody knows goes to the wire, once, and to no station', () => {
  expect(places(send(1, 1, 2, ping(1, 2, STRANGER, at(1, 99))))).toEqual([onWire(1)])
})

test('a broadcast reaches every station of its network on hosts that are on the wire, and the wire once', () => {
  const deliveries = send(1, 1, 2, ping(1, 2, BROADCAST_MAC, at(1, 255)))
  expect(places(deliveries)).toEqual([onWire(1), place(1, 1, 3), place(2, 1, 4)].toSorted())
})

test('a frame from the wire reaches the station that it is for, a broadcast all of that network, and none goes back', () => {
  expect(places(fabric.sendOnWire('wire', fromStranger(macOf(1, 4), at(1, 4))))).toEqual([place(2, 1, 4)])
  expect(places(fabric.sendOnWire('wire', fromStranger(BROADCAST_MAC, at(1, 255))))).toEqual(
    [place(1, 1, 2), place(1, 1, 3), place(2, 1, 4)].toSorted(),
  )
  const inVlan = tagged(200, fromStranger(BROADCAST_MAC, at(2, 255)))
  expect(places(fabric.sendOnWire('wire', inVlan))).toEqual([place(1, 2, 2), place(2, 2, 3)].toSorted())
})

test.each([
  ['in a VLAN of no network', tagged(201, fromStranger(BROADCAST_MAC, at(1, 255)))],
  ['for a machine elsewhere on the wire', fromStranger('02:bb:bb:bb:bb:bb', at(1, 98))],
  ['for the MAC of a router', tagged(200, fromStranger(macOf(2, 1), at(3, 2)))],
])('a frame from the wire %s reaches nobody', (_, frame) => {
  expect(fabric.sendOnWire('wire', frame)).toEqual([])
})

test('what nobody else takes from the wire reaches a station that may have other MACs', () => {
  const open = port(1, 2, { port_security_enabled: false })
  const { fabric: opened } = simulate({ ...rows, ports: [open, ...rows.ports.filter(({ id }) => id !== open.id)] })
  expect(places(opened.sendOnWire('wire', fromStranger('02:bb:bb:bb:bb:bb', at(1, 98))))).toEqual([place(1, 1, 2)])
})

test('a station cannot choose a VLAN for itself', () => {
  expect(send(1, 1, 2, tagged(200, ping(1, 2, BROADCAST_MAC, at(2, 255))))).toEqual([])
})

test('a host that is not on the wire does not carry its networks', () => {
  expect(send(3, 1, 5, ping(1, 5, BROADCAST_MAC, at(1, 255)))).toEqual([])
})

test('ARP for a station is answered at once; for any other address, the gateway’s too, the wire is asked', () => {
  const known = send(1, 1, 2, whoHas(macOf(1, 2), at(1, 2), at(1, 4)))
  expect(places(known)).toEqual([place(1, 1, 2)])
  expect(parseArp(known[0]?.bytes ?? new Uint8Array())).toMatchObject({ op: 2, sha: mac(macOf(1, 4)) })
  for (const wanted of [at(1, 99), at(1, 1)]) {
    const frame = whoHas(macOf(1, 2), at(1, 2), wanted)
    expect(wireCopy(send(1, 1, 2, frame))).toEqual(frame)
  }
})

test('a station that probes for its own address asks the wire, and no switch answers it', () => {
  const deliveries = send(1, 1, 2, whoHas(macOf(1, 2), '0.0.0.0', at(1, 2)))
  expect(places(deliveries)).toEqual([onWire(1), place(1, 1, 3), place(2, 1, 4)].toSorted())
})

test('ARP from the wire is left to the station that is asked for; a router answers no machine there', () => {
  expect(places(fabric.sendOnWire('wire', whoHas(STRANGER, at(1, 99), at(1, 4))))).toEqual(
    [place(1, 1, 2), place(1, 1, 3), place(2, 1, 4)].toSorted(),
  )
  const forRouter = fabric.sendOnWire('wire', tagged(200, whoHas(STRANGER, at(2, 99), at(2, 1))))
  expect(places(forRouter)).toEqual([place(1, 2, 2), place(2, 2, 3)].toSorted())
})

test('the answer of a station to a machine on the wire goes there', () => {
  const reply = arpFrame(mac(macOf(1, 4)), mac(STRANGER), {
    op: 2,
    sha: mac(macOf(1, 4)),
    spa: address(at(1, 4)),
    tha: mac(STRANGER),
    tpa: address(at(1, 99)),
  })
  expect(places(send(2, 1, 4, reply))).toEqual([onWire(2)])
})

test('DHCP is answered for stations, never for the wire, and no request of a station gets there', () => {
  const options = new Map([[53, Uint8Array.of(messageTypes.discover)]])
  const request = (hardware: string): Uint8Array => {
    const message = { op: 1, xid: 7, seconds: 0, broadcast: true, clientMac: mac(hardware), options } as const
    const none = { clientAddress: 0, yourAddress: 0, serverAddress: 0, relayAddress: 0, serverName: '', bootFile: '' }
    const ends = { source: 0, destination: 0xffff_ffff }
    const udp = composeUdp({ sourcePort: 68, destinationPort: 67, payload: composeDhcp({ ...message, ...none }) }, ends)
    const packet = composeIpv4({ ...ends, protocol: 17, ttl: 64, dscp: 0, payload: udp })
    return composeFrame({ destination: BROADCAST_MAC, source: mac(hardware), etherType: 0x0800, payload: packet })
  }
  expect(places(send(1, 1, 2, request(macOf(1, 2))))).toEqual([place(1, 1, 2)])
  const heard = fabric.sendOnWire('wire', request(STRANGER)).map(({ bytes }) => parseFrame(bytes)?.destination)
  // The request itself, as any broadcast; no answer to it.
  expect(heard).toEqual([BROADCAST_MAC, BROADCAST_MAC, BROADCAST_MAC])
})

test('between an overlay and a wire a router sends under a MAC of its host; the station sees the router’s', () => {
  const deliveries = send(1, 3, 2, ping(3, 2, macOf(3, 1), at(2, 3)))
  expect(places(deliveries)).toEqual([onWire(1), place(2, 2, 3)].toSorted())
  const wire = parseFrame(wireCopy(deliveries) ?? new Uint8Array())
  expect(wire?.source).toBe(hostMac('host1', uuid('p', 2 * 256 + 1)))
  const [heard] = deliveries.filter(({ ofport }) => ofport !== UPLINK).map(received)
  expect(heard).toMatchObject({ fromMac: mac(macOf(2, 1)), toMac: mac(macOf(2, 3)), ttl: 63 })
  // And back: routed where the answer comes from, over the tunnel.
  expect(send(2, 2, 3, ping(2, 3, macOf(2, 1), at(3, 2))).map(received)).toMatchObject([{ where: place(1, 3, 2) }])
})

test('a host that is not on the wire routes nothing to it', () => {
  expect(send(3, 3, 3, ping(3, 3, macOf(3, 1), at(2, 3)))).toEqual([])
})

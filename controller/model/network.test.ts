// The apps, end to end and without a switch: what stations of a network get when one of them sends.
import { parseArp } from '../../packet/arp.ts'
import { expect, test } from 'vitest'
import { mac } from '../address.ts'
import { gateway, host, network, port, router, subnet, uuid, vif } from '../testing.ts'
import { composeDhcp, messageTypes, parseDhcp } from '../../packet/dhcp.ts'
import {
  BROADCAST_MAC,
  composeFrame,
  composeIpv4,
  composeUdp,
  parseFrame,
  parseIpv4,
  parseUdp,
} from '../../packet/frame.ts'
import { address, arpFrame, pingFrame, received, simulate, whoHas, type Rows } from './testing.ts'

const at = (n: number, i: number): string => `10.0.${n}.${i}`
const macOf = (n: number, i: number): string => port(n, i).mac_address
const place = (h: number, n: number, i: number): string => `host${h}/${n * 256 + i}`

/** Networks 1 and 2 with a router between them, three hosts; 1.2 1.3 2.2 on host 1, 1.4 2.3 on host 2, 1.5 on host 3. */
const stations = [
  [1, 1, 2],
  [1, 1, 3],
  [2, 1, 4],
  [3, 1, 5],
  [1, 2, 2],
  [2, 2, 3],
] as const
const rows: Rows = {
  hosts: [host(1), host(2), host(3)],
  networks: [network(1), network(2)],
  subnets: [subnet(1), subnet(2)],
  ports: [...stations.map(([, n, i]) => port(n, i)), gateway(1, 1), gateway(2, 1)],
  routers: [router(1)],
  vifs: stations.map(([h, n, i]) => vif(h, n, i)),
}
const { fabric } = simulate(rows)
const ping = (n: number, i: number, toMac: string, to: string, ttl = 64): Uint8Array =>
  pingFrame({ fromMac: macOf(n, i), toMac, from: at(n, i), to, ttl })
const sent = (h: number, n: number, i: number, bytes: Uint8Array, through = fabric) =>
  through.send(`host${h}`, n * 256 + i, bytes)

test.each([
  ['a station on the same host', 3, macOf(1, 3)],
  ['a station on another host', 5, macOf(1, 5)],
  ['the router', 1, macOf(1, 1)],
])('an ARP request for %s is answered once, to the one who asks', (_, i, owner) => {
  const deliveries = sent(1, 1, 2, whoHas(macOf(1, 2), at(1, 2), at(1, i)))
  expect(deliveries.map(({ host: h, ofport }) => `${h}/${ofport}`)).toEqual([place(1, 1, 2)])
  expect(parseFrame(deliveries[0]?.bytes ?? new Uint8Array())).toMatchObject({
    source: mac(owner),
    destination: mac(macOf(1, 2)),
  })
  expect(parseArp(deliveries[0]?.bytes ?? new Uint8Array())).toEqual({
    op: 2,
    sha: mac(owner),
    spa: address(at(1, i)),
    tha: mac(macOf(1, 2)),
    tpa: address(at(1, 2)),
  })
})

test('a guest that asked for its gateway before the router came is routed all the same', () => {
  const before = simulate({ ...rows, ports: stations.map(([, n, i]) => port(n, i)), routers: [] }).fabric
  const [answer] = sent(1, 1, 2, whoHas(macOf(1, 2), at(1, 2), at(1, 1)), before)
  const known = parseArp(answer?.bytes ?? new Uint8Array())?.sha ?? 0
  expect(known).not.toBe(mac(macOf(1, 1)))
  const toMac = known
    .toString(16)
    .padStart(12, '0')
    .replace(/..(?=.)/g, '$&:')
  expect(sent(1, 1, 2, ping(1, 2, toMac, at(2, 3))).map(received)).toMatchObject([{ where: place(2, 2, 3) }])
  expect(sent(1, 1, 2, ping(1, 2, toMac, at(2, 3)), before)).toEqual([])
})

test('an ARP request for a router that is down is answered, and the router leads nowhere', () => {
  const down = simulate({ ...rows, routers: [{ ...router(1), admin_state_up: false }] }).fabric
  const [answer] = sent(1, 1, 2, whoHas(macOf(1, 2), at(1, 2), at(1, 1)), down)
  expect(parseArp(answer?.bytes ?? new Uint8Array())).toMatchObject({ op: 2, sha: mac(macOf(1, 1)) })
  expect(sent(1, 1, 2, ping(1, 2, macOf(1, 1), at(2, 3)), down)).toEqual([])
})

test('an ARP request for an address that nobody has is met with silence', () => {
  expect(sent(1, 1, 2, whoHas(macOf(1, 2), at(1, 2), at(1, 99)))).toEqual([])
})

test('an address probe for the own address is met with silence, for a taken one with an answer', () => {
  expect(sent(1, 1, 2, whoHas(macOf(1, 2), '0.0.0.0', at(1, 2)))).toEqual([])
  expect(sent(1, 1, 2, whoHas(macOf(1, 2), '0.0.0.0', at(1, 3)))).toHaveLength(1)
})

test.each([
  ['on the same host', 1, 3],
  ['on another host', 2, 4],
  ['on the third host', 3, 5],
])('a ping on one network reaches a station %s as it was sent', (_, h, i) => {
  const bytes = ping(1, 2, macOf(1, i), at(1, i))
  expect(sent(1, 1, 2, bytes)).toEqual([{ host: `host${h}`, ofport: 256 + i, bytes }])
})

test.each([
  ['on the same host', 1, 2],
  ['on another host', 2, 3],
])('a routed ping reaches a station %s with the TTL decremented, from the MAC of the router', (_, h, i) => {
  expect(sent(1, 1, 2, ping(1, 2, macOf(1, 1), at(2, i))).map(received)).toEqual([
    {
      where: place(h, 2, i),
      fromMac: mac(macOf(2, 1)),
      toMac: mac(macOf(2, i)),
      from: address(at(1, 2)),
      to: address(at(2, i)),
      ttl: 63,
      icmp: 8,
    },
  ])
})

test('the router answers pings for both of its addresses', () => {
  for (const to of [at(1, 1), at(2, 1)]) {
    expect(sent(3, 1, 5, ping(1, 5, macOf(1, 1), to)).map(received)).toEqual([
      {
        where: place(3, 1, 5),
        fromMac: mac(macOf(1, 1)),
        toMac: mac(macOf(1, 5)),
        from: address(to),
        to: address(at(1, 5)),
        ttl: 64,
        icmp: 0,
      },
    ])
  }
})

test('a packet whose TTL runs out is answered with time exceeded, and goes no further', () => {
  expect(sent(1, 1, 2, ping(1, 2, macOf(1, 1), at(2, 3), 1)).map(received)).toEqual([
    {
      where: place(1, 1, 2),
      fromMac: mac(macOf(1, 1)),
      toMac: mac(macOf(1, 2)),
      from: address(at(1, 1)),
      to: address(at(1, 2)),
      ttl: 64,
      icmp: 11,
    },
  ])
  expect(sent(1, 1, 2, ping(1, 2, macOf(1, 1), at(2, 3), 0))).toEqual([])
})

test('a broadcast reaches each other member of the network once, the sender and other networks never', () => {
  for (const [h, n, i] of stations) {
    const bytes = ping(n, i, 'ff:ff:ff:ff:ff:ff', '255.255.255.255')
    const others = stations.filter(([, on, other]) => on === n && other !== i)
    expect(
      sent(h, n, i, bytes)
        .map((delivery) => `${delivery.host}/${delivery.ofport}`)
        .toSorted(),
    ).toEqual(others.map(([there, on, other]) => place(there, on, other)).toSorted())
  }
})

test.each([
  ['a MAC', pingFrame({ fromMac: '02:00:00:00:99:99', toMac: macOf(1, 3), from: at(1, 2), to: at(1, 3) })],
  ['another station’s MAC', pingFrame({ fromMac: macOf(1, 4), toMac: macOf(1, 3), from: at(1, 4), to: at(1, 3) })],
  ['an IPv4 address', pingFrame({ fromMac: macOf(1, 2), toMac: macOf(1, 3), from: at(1, 4), to: at(1, 3) })],
  ['the sender MAC of ARP', whoHasAs(macOf(1, 2), macOf(1, 4), at(1, 2))],
  ['the sender address of ARP', whoHasAs(macOf(1, 2), macOf(1, 2), at(1, 4))],
])('what a station sends with %s that is not its own is dropped', (_, bytes) => {
  expect(sent(1, 1, 2, bytes)).toEqual([])
})

function whoHasAs(source: string, sha: string, spa: string): Uint8Array {
  const body = { op: 1, sha: mac(sha), spa: address(spa), tha: 0, tpa: address(at(1, 3)) }
  return arpFrame(mac(source), BROADCAST_MAC, body)
}

/** The rows with one port changed. */
const withPort = (n: number, i: number, change: Parameters<typeof port>[2]): Rows => ({
  ...rows,
  ports: rows.ports.map((row) => (row.id === port(n, i).id ? { ...row, ...change } : row)),
})

test('a station may send with its allowed address pairs, and with nothing beside them', () => {
  const pairs = [{ ip_address: '10.0.1.128/25', mac_address: '00:00:5e:00:01:01' }]
  const through = simulate(withPort(1, 2, { allowed_address_pairs: pairs })).fabric
  const as = (fromMac: string, from: string) =>
    sent(1, 1, 2, pingFrame({ fromMac, toMac: macOf(1, 4), from, to: at(1, 4) }), through).map(
      ({ host: h, ofport }) => `${h}/${ofport}`,
    )
  expect(as('00:00:5e:00:01:01', '10.0.1.200')).toEqual([place(2, 1, 4)])
  expect(as('00:00:5e:00:01:01', '10.0.1.100')).toEqual([])
  expect(as(macOf(1, 2), '10.0.1.200')).toEqual([])
  expect(as(macOf(1, 2), at(1, 2))).toEqual([place(2, 1, 4)])
})

test('what is for the MAC of an allowed address pair reaches the ports that may use it', () => {
  const pairs = [{ ip_address: '10.0.1.200', mac_address: '00:00:5e:00:01:01' }]
  const through = simulate(withPort(1, 2, { allowed_address_pairs: pairs })).fabric
  const there = sent(3, 1, 5, ping(1, 5, '00:00:5e:00:01:01', '10.0.1.200'), through)
  expect(there.map((delivery) => `${delivery.host}/${delivery.ofport}`)).toEqual([place(1, 1, 2)])
})

test('a station without port security may send with any address', () => {
  const through = simulate(withPort(1, 2, { port_security_enabled: false })).fabric
  const bytes = pingFrame({ fromMac: '02:00:00:00:99:99', toMac: macOf(1, 4), from: '192.0.2.77', to: at(1, 4) })
  expect(sent(1, 1, 2, bytes, through)).toEqual([{ host: 'host2', ofport: 256 + 4, bytes }])
})

test('a port that is down neither sends nor receives', () => {
  const through = simulate(withPort(1, 2, { admin_state_up: false })).fabric
  expect(sent(1, 1, 2, ping(1, 2, macOf(1, 3), at(1, 3)), through)).toEqual([])
  expect(sent(1, 1, 3, ping(1, 3, macOf(1, 2), at(1, 2)), through)).toEqual([])
  expect(sent(3, 1, 5, ping(1, 5, macOf(1, 2), at(1, 2)), through)).toEqual([])
})

const discover = (n: number, i: number, source = '0.0.0.0', fromMac = macOf(n, i)): Uint8Array => {
  const message = composeDhcp({
    op: 1,
    xid: 7,
    seconds: 0,
    broadcast: false,
    clientAddress: 0,
    yourAddress: 0,
    serverAddress: 0,
    relayAddress: 0,
    clientMac: mac(macOf(n, i)),
    serverName: '',
    bootFile: '',
    options: new Map([[53, Uint8Array.of(messageTypes.discover)]]),
  })
  const ends = { source: address(source), destination: 0xffff_ffff }
  const payload = composeUdp({ sourcePort: 68, destinationPort: 67, payload: message }, ends)
  return composeFrame({
    source: mac(fromMac),
    destination: BROADCAST_MAC,
    etherType: 0x0800,
    payload: composeIpv4({ ...ends, protocol: 17, ttl: 64, dscp: 0, payload }),
  })
}

test('a DHCP discover is answered with an offer of the port’s address, to the client alone', () => {
  const deliveries = sent(2, 2, 3, discover(2, 3))
  expect(deliveries.map((delivery) => `${delivery.host}/${delivery.ofport}`)).toEqual([place(2, 2, 3)])
  const packet = parseIpv4(parseFrame(deliveries[0]?.bytes ?? new Uint8Array())?.payload ?? new Uint8Array())
  const message = packet && parseDhcp(parseUdp(packet)?.payload ?? new Uint8Array())
  expect(message).toMatchObject({ op: 2, xid: 7, yourAddress: address(at(2, 3)) })
  expect(message?.options.get(53)).toEqual(Uint8Array.of(messageTypes.offer))
})

test('equal addresses behind two routers stay apart', () => {
  // Networks 1 and 3 have the subnet 10.0.1.0/24, networks 2 and 4 10.0.2.0/24; router 1 joins 1 and 2, router 2 3 and 4.
  const twin = { cidr: '10.0.1.0/24', gateway_ip: at(1, 1) }
  const twin2 = { cidr: '10.0.2.0/24', gateway_ip: at(2, 1) }
  const like = (n: number, as: number, i: number) => ({
    ...port(n, i, { fixed_ips: [{ subnet_id: uuid('s', n), ip_address: at(as, i) }] }),
    mac_address: macOf(as, i),
  })
  const doubled: Rows = {
    ...rows,
    networks: [1, 2, 3, 4].map((n) => network(n)),
    subnets: [subnet(1), subnet(2), subnet(3, twin), subnet(4, twin2)],
    ports: [
      ...rows.ports,
      like(3, 1, 2),
      like(4, 2, 3),
      { ...gateway(3, 2), ...like(3, 1, 1), device_owner: 'network:router_interface', device_id: uuid('r', 2) },
      { ...gateway(4, 2), ...like(4, 2, 1), device_owner: 'network:router_interface', device_id: uuid('r', 2) },
    ],
    routers: [router(1), router(2)],
    vifs: [...rows.vifs, vif(1, 3, 2), vif(2, 4, 3)],
  }
  const through = simulate(doubled).fabric
  const bytes = ping(1, 2, macOf(1, 1), at(2, 3))
  const where = (h: number, n: number, i: number) =>
    sent(h, n, i, bytes, through).map((delivery) => `${delivery.host}/${delivery.ofport}`)
  expect(where(1, 1, 2)).toEqual([place(2, 2, 3)])
  expect(where(1, 3, 2)).toEqual([place(2, 4, 3)])
})

test('an extra route leads through a station, and the longest prefix wins', () => {
  const routes = [
    { destination: '192.0.2.0/24', nexthop: at(1, 4) },
    { destination: '192.0.2.128/25', nexthop: at(2, 2) },
  ]
  const through = simulate({ ...rows, routers: [router(1, { routes })] }).fabric
  const hop = (to: string) =>
    sent(2, 2, 3, ping(2, 3, macOf(2, 1), to), through)
      .map(received)
      .map((packet) => packet && [packet.where, packet.toMac, packet.ttl])
  expect(hop('192.0.2.9')).toEqual([[place(2, 1, 4), mac(macOf(1, 4)), 63]])
  expect(hop('192.0.2.200')).toEqual([[place(1, 2, 2), mac(macOf(2, 2)), 63]])
  expect(hop('192.0.3.1')).toEqual([])
})

const others = [place(1, 1, 3), place(2, 1, 4), place(3, 1, 5)]
test.each([
  ['without an address', '0.0.0.0', macOf(1, 2), [place(1, 1, 2)], others],
  ['from its own address', at(1, 2), macOf(1, 2), [place(1, 1, 2)], others],
  ['from an address that is not its own', at(1, 77), macOf(1, 2), [place(1, 1, 2)], []],
  ['from a MAC that is not its own', '0.0.0.0', macOf(1, 3), [], []],
])(
  'who gets an answer or the packet where a station sends a DHCP request %s',
  (_, source, fromMac, served, unserved) => {
    const without = simulate({ ...rows, subnets: [{ ...subnet(1), enable_dhcp: false }, subnet(2)] }).fabric
    const places = (through: typeof fabric): string[] =>
      sent(1, 1, 2, discover(1, 2, source, fromMac), through)
        .map((each) => `${each.host}/${each.ofport}`)
        .toSorted()
    expect(places(fabric)).toEqual(served)
    expect(places(without)).toEqual(unserved)
  },
)

test('a station says in ARP that it is its allowed address pair, MAC and address together', () => {
  const pairs = [{ ip_address: '10.0.1.200', mac_address: '00:00:5e:00:01:01' }]
  const through = simulate(withPort(1, 2, { allowed_address_pairs: pairs })).fabric
  const asked = (source: string, sha: string, spa: string): number =>
    sent(1, 1, 2, whoHasAs(source, sha, spa), through).length
  expect(asked('00:00:5e:00:01:01', '00:00:5e:00:01:01', '10.0.1.200')).toBe(1)
  expect(asked(macOf(1, 2), macOf(1, 2), at(1, 2))).toBe(1)
  expect(asked(macOf(1, 2), '00:00:5e:00:01:01', '10.0.1.200')).toBe(0)
  expect(asked(macOf(1, 2), macOf(1, 2), '10.0.1.200')).toBe(0)
  expect(asked('00:00:5e:00:01:01', '00:00:5e:00:01:01', at(1, 2))).toBe(0)
})

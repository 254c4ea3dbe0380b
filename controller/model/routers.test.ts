// Routes from router to router, without a switch: 10.0.1.0/24 – router 1 – 10.0.3.0/24 – router 2 – 10.0.2.0/24.
import { expect, test } from 'vitest'
import { mac } from '../address.ts'
import { gateway, host, network, port, router, subnet, uuid, vif } from '../testing.ts'
import { composeFrame, composeIpv4, composeUdp, parseIpv4 } from '../../packet/frame.ts'
import { pingFrame, received, simulate, type Rows } from './testing.ts'

const stations = [
  [1, 1, 10],
  [1, 2, 10],
  [2, 2, 11],
] as const
const beyond = { destination: '172.16.0.0/12' }
const rows: Rows = {
  hosts: [host(1), host(2)],
  networks: [network(1), network(2), network(3)],
  subnets: [subnet(1), subnet(2), subnet(3)],
  ports: [
    ...stations.map(([, n, i]) => port(n, i)),
    gateway(1, 1),
    gateway(3, 1),
    gateway(2, 2),
    port(3, 2, { device_owner: 'network:router_interface', device_id: uuid('r', 2) }),
  ],
  routers: [
    router(1, {
      routes: [
        { destination: '10.0.2.0/24', nexthop: '10.0.3.2' },
        { ...beyond, nexthop: '10.0.3.2' },
      ],
    }),
    router(2, {
      routes: [
        { destination: '10.0.1.0/24', nexthop: '10.0.3.1' },
        { ...beyond, nexthop: '10.0.3.1' },
      ],
    }),
  ],
  vifs: stations.map(([h, n, i]) => vif(h, n, i)),
}
const { fabric } = simulate(rows)
const macOf = (n: number, i: number): string => port(n, i).mac_address

const address = (text: string): number => text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
const ends = (to: string) => ({ source: address('10.0.1.10'), destination: address(to) })
const toGateway = (payload: Uint8Array): Uint8Array =>
  composeFrame({ source: mac(macOf(1, 10)), destination: mac(macOf(1, 1)), etherType: 0x0800, payload })

/** From port 4000 to port 80, sequence number 7: a first segment, or a reset. */
function tcp({ syn }: { syn: boolean }): Uint8Array {
  const ports = [0x0f, 0xa0, 0, 80]
  return Uint8Array.of(...ports, 0, 0, 0, 7, 0, 0, 0, 0, 0x50, syn ? 2 : 4, 255, 255, 0, 0, 0, 0)
}

/** What becomes of a ping that 10.0.1.10 sends by way of its gateway. */
const ping = (to: string, ttl = 64) => {
  const frame = pingFrame({ fromMac: macOf(1, 10), toMac: macOf(1, 1), from: '10.0.1.10', to, ttl })
  return fabric.send('host1', 266, frame).map(received)
}

test.each([
  ['on the same host', '10.0.2.10', 'host1/522'],
  ['on another host', '10.0.2.11', 'host2/523'],
])('two routers lead to a station %s, each with a TTL of its own', (_, to, where) => {
  expect(ping(to)).toMatchObject([{ where, to: address(to), ttl: 62, fromMac: mac(macOf(2, 1)), icmp: 8 }])
})

test.each([
  ['the first', 1, '10.0.1.1'],
  ['the second', 2, '10.0.3.2'],
])('a TTL that runs out at %s router is answered by it', (_, ttl, from) => {
  expect(ping('10.0.2.11', ttl)).toMatchObject([
    { where: 'host1/266', from: address(from), to: address('10.0.1.10'), toMac: mac(macOf(1, 10)), icmp: 11 },
  ])
})

test.each(['10.0.1.1', '10.0.3.1', '10.0.3.2', '10.0.2.1'])('the address %s of a router answers a ping', (to) => {
  expect(ping(to)).toMatchObject([{ where: 'host1/266', from: address(to), toMac: mac(macOf(1, 10)), icmp: 0 }])
})

test('routes in a circle end', () => {
  for (const ttl of [64, 9]) {
    for (const answer of ping('172.16.0.1', ttl)) expect(answer).toMatchObject({ where: 'host1/266', icmp: 11 })
  }
  expect(ping('172.16.0.1', 9)).toHaveLength(1)
})

test('a router that is down leads nowhere', () => {
  const routers = rows.routers?.map((row) => ({ ...row, admin_state_up: row.id === uuid('r', 1) })) ?? []
  const down = simulate({ ...rows, routers }).fabric
  const frame = pingFrame({ fromMac: macOf(1, 10), toMac: macOf(1, 1), from: '10.0.1.10', to: '10.0.2.11' })
  expect(down.send('host1', 266, frame)).toEqual([])
})

test.each([
  ['UDP', 17, composeUdp({ sourcePort: 4000, destinationPort: 53, payload: new Uint8Array(9) }, ends('10.0.1.1')), 1],
  ['TCP', 6, tcp({ syn: true }), 6],
])('%s to an address of a router is answered: nobody listens', (_, protocol, payload, answered) => {
  for (const to of ['10.0.1.1', '10.0.2.1']) {
    const packet = composeIpv4({ ...ends(to), protocol, ttl: 64, dscp: 0, payload })
    const [delivery, ...more] = fabric.send('host1', 266, toGateway(packet))
    expect(more).toEqual([])
    const answer = delivery && received(delivery)
    expect(answer).toMatchObject({ where: 'host1/266', from: address(to), to: address('10.0.1.10'), ttl: 64 })
    expect(answer?.toMac).toBe(mac(macOf(1, 10)))
    const ip = parseIpv4(delivery?.bytes.subarray(14) ?? new Uint8Array())
    expect(ip?.protocol).toBe(answered)
    // Port unreachable; reset and acknowledgement of the first byte.
    expect([...(ip?.payload.subarray(0, 2) ?? [])]).toEqual(answered === 1 ? [3, 3] : [0, 80])
    if (answered === 6) expect([...(ip?.payload.subarray(8, 14) ?? [])]).toEqual([0, 0, 0, 8, 0x50, 0x14])
  }
})

test('a reset to an address of a router is met with silence', () => {
  const packet = composeIpv4({ ...ends('10.0.1.1'), protocol: 6, ttl: 64, dscp: 0, payload: tcp({ syn: false }) })
  expect(fabric.send('host1', 266, toGateway(packet))).toEqual([])
})

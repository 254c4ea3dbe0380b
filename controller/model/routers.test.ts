// Routes from router to router, without a switch: 10.0.1.0/24 – router 1 – 10.0.3.0/24 – router 2 – 10.0.2.0/24.
import { expect, test } from 'vitest'
import { mac } from '../address.ts'
import { gateway, host, network, port, router, subnet, uuid, vif } from '../testing.ts'
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

/** What becomes of a ping that 10.0.1.10 sends by way of its gateway. */
const ping = (to: string, ttl = 64) => {
  const frame = pingFrame({ fromMac: macOf(1, 10), toMac: macOf(1, 1), from: '10.0.1.10', to, ttl })
  return fabric.send('host1', 266, frame).map(received)
}
const address = (text: string): number => text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)

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

// Connections between a tenant's network and one that tenants share: they are in two conntrack zones.
import { expect, test } from 'vitest'
import { mac } from '../address.ts'
import { gateway, groupRule, host, network, port, router, securityGroup, subnet, uuid, vif } from '../testing.ts'
import { simulate } from './testing.ts'
import { TCP_FLAGS, tcpFrame } from './testing-packets.ts'

const SHARED = 2
const at = (n: number, i: number): string => `10.0.${n}.${i}`
/** Host 1 has 1.2 and 2.2, host 2 has 2.3. Clients may send everything, servers let in port 80. */
const [clients, servers] = [uuid('g', 1), uuid('g', 2)]
const world = () =>
  simulate({
    hosts: [host(1), host(2)],
    networks: [network(1), network(SHARED, { shared: true })],
    subnets: [subnet(1), subnet(SHARED)],
    ports: [
      port(1, 2, { security_groups: [clients] }),
      port(SHARED, 2, { security_groups: [servers] }),
      port(SHARED, 3, { security_groups: [servers] }),
      gateway(1, 1),
      gateway(SHARED, 1),
    ],
    routers: [router(1)],
    vifs: [vif(1, 1, 2), vif(1, SHARED, 2), vif(2, SHARED, 3)],
    securityGroups: [securityGroup(1), securityGroup(2)],
    securityGroupRules: [
      groupRule(1, 1, { direction: 'egress' }),
      groupRule(2, 1, { protocol: 'tcp', port_range_min: 80, port_range_max: 80 }),
    ],
  })

const frame = (
  from: readonly [number, number],
  to: readonly [number, number],
  ports: [number, number],
  flags: number,
) =>
  tcpFrame(
    {
      fromMac: mac(port(...from).mac_address),
      toMac: mac(gateway(from[0], 1).mac_address),
      from: at(...from),
      to: at(...to),
    },
    ports,
    flags,
  )

test.each([
  ['on one host each packet is tracked in both zones', 1, 2, 2],
  ['on two hosts it is tracked once on each', 2, 3, 1],
] as const)('%s, and answers come back', (_, h, i, lookups) => {
  const { fabric } = world()
  const server = [SHARED, i] as const
  const request = frame([1, 2], server, [4000, 80], TCP_FLAGS.syn)
  const arrived = fabric.send('host1', 256 + 2, request)
  expect(arrived.map((each) => [each.host, each.ofport])).toEqual([[`host${h}`, SHARED * 256 + i]])
  const answer = frame(server, [1, 2], [80, 4000], TCP_FLAGS.syn | TCP_FLAGS.ack)
  const { deliveries, visits } = fabric.follow(`host${h}`, { bytes: answer, inPort: SHARED * 256 + i })
  expect(deliveries.map((each) => [each.host, each.ofport])).toEqual([['host1', 256 + 2]])
  for (const { trace } of visits) {
    const tracked = trace.steps.filter((step) => step.kind === 'action' && step.action.kind === 'ct')
    expect(tracked).toHaveLength(lookups)
  }
  expect(fabric.send(`host${h}`, SHARED * 256 + i, frame(server, [1, 2], [81, 4000], TCP_FLAGS.syn))).toEqual([])
})

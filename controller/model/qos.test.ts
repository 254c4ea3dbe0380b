// What a policy puts on the host of a port, which packets pass which meters there, and what a change of it costs.
import { expect, test } from 'vitest'
import type { Direction, Port, QosRule } from '../app.ts'
import { pingFrame, simulate, whoHas, type Simulated } from './testing.ts'
import { gateway, host, network, port, qosPolicy, router, subnet, uuid, vif } from '../testing.ts'
import { formatFlowStats, formatMeterConfig, decodeMessage } from '../../ofproto/messages/index.ts'
import { parseFrame, parseIpv4 } from '../../packet/frame.ts'
import { changesOf } from '../switch/desired.ts'

const bandwidth = (direction: Direction, max_kbps: number, max_burst_kbps = 0): QosRule => ({
  type: 'bandwidth_limit',
  direction,
  max_kbps,
  max_burst_kbps,
})
const packets = (direction: Direction, max_kpps: number): QosRule => ({
  type: 'packet_rate_limit',
  direction,
  max_kpps,
  max_burst_kpps: 0,
})

/** On network 1, host 1 has ports 10 and 11, and host 2 port 12; on network 2 behind the router, host 2 has port 10. */
function world(rules: readonly QosRule[], limited: Partial<Port> = { qos_policy_id: uuid('q', 1) }, ofNetwork = {}) {
  return simulate({
    hosts: [host(1), host(2)],
    networks: [network(1, ofNetwork), network(2)],
    subnets: [subnet(1), subnet(2)],
    routers: [router(1)],
    ports: [gateway(1, 1), gateway(2, 1), port(1, 10, limited), port(1, 11), port(1, 12), port(2, 10)],
    vifs: [vif(1, 1, 10), vif(1, 1, 11), vif(2, 1, 12), vif(2, 2, 10)],
    qosPolicies: [qosPolicy(1, rules), qosPolicy(2, [bandwidth('egress', 5)])],
  })
}

const QOS = 6n

/** All that is on a host because of policies, as ovs-ofctl shows it. */
function installed({ deployment }: Simulated, on = 'host1'): string[] {
  return Array.from(deployment.itemsOf(on).values()).flatMap(({ frame }) => {
    const message = decodeMessage(frame)
    if (message.kind === 'meter_mod') return message.meter < 0x2_0000 ? [] : [formatMeterConfig(message).trimEnd()]
    if (message.kind !== 'flow_mod' || ((message.cookie >> 48n) & 0xffn) !== QOS || message.priority === 0) return []
    const none = { durationSeconds: 0, durationNanoseconds: 0, packets: 0n, bytes: 0n }
    return [formatFlowStats({ ...message, ...none }).replace(/.* n_bytes=0, /, '')]
  })
}

const ping = (to: number, from = 10, n = 1) =>
  pingFrame({
    fromMac: port(1, from).mac_address,
    toMac: n === 1 ? port(1, to).mac_address : gateway(1, 1).mac_address,
    from: `10.0.1.${from}`,
    to: `10.0.${n}.${to}`,
  })
const ofport = (n: number, i: number): number => n * 256 + i
/** The meters of policies that a packet passes on all hosts; those of other things are below. */
function meters({ fabric }: Simulated, on: string, from: number, bytes: Uint8Array): number[] {
  const { visits } = fabric.follow(on, { bytes, inPort: from })
  return visits.flatMap(({ trace }) => trace.meters.filter((meter) => meter >= 0x2_0000))
}
const meter = (n: number, i: number, place: number): number => 0x2_0000 + 4 * ofport(n, i) + place
const [SENT_BITS, SENT_PACKETS, DELIVERED_BITS, DELIVERED_PACKETS] = [0, 1, 2, 3]

test('ports without a policy, and hosts of other ports, have no flow and no meter', () => {
  const limited = world([bandwidth('egress', 1000)])
  expect(installed(limited, 'host2')).toEqual([])
  expect(installed(world([bandwidth('egress', 1000)], {}))).toEqual([])
})

test('a limit is a meter in kilobits or packets, with four fifths of a second as burst unless the rule says another', () => {
  const limits = [bandwidth('egress', 1000), bandwidth('ingress', 2000, 300), packets('egress', 3)]
  expect(installed(world(limits)).filter((line) => line.startsWith('meter='))).toEqual([
    `meter=${meter(1, 10, SENT_BITS)} kbps burst bands=\ntype=drop rate=1000 burst_size=800`,
    `meter=${meter(1, 10, SENT_PACKETS)} pktps burst bands=\ntype=drop rate=3000 burst_size=2400`,
    `meter=${meter(1, 10, DELIVERED_BITS)} kbps burst bands=\ntype=drop rate=2000 burst_size=300`,
  ])
})

test('a limit of 0 is none, and one beyond what a meter can hold is the most that it can', () => {
  expect(installed(world([bandwidth('egress', 0), packets('ingress', 0)]))).toEqual([])
  expect(installed(world([packets('egress', 2_147_483_647)]))[0]).toContain('rate=4294967295 burst_size=4294967295')
})

test('what a port sends passes its meters once, to a neighbour, to another host, through the router, to the gateway', () => {
  const limited = world([bandwidth('egress', 1000), packets('egress', 3), bandwidth('ingress', 9)])
  const own = [meter(1, 10, SENT_BITS), meter(1, 10, SENT_PACKETS)]
  for (const bytes of [ping(11), ping(12), ping(10, 10, 2)]) {
    expect(meters(limited, 'host1', ofport(1, 10), bytes)).toEqual(own)
  }
})

test('what is delivered to a port passes its meters, from the same host and from another', () => {
  const limited = world([bandwidth('ingress', 1000), packets('ingress', 3), bandwidth('egress', 9)])
  const own = [meter(1, 10, DELIVERED_BITS), meter(1, 10, DELIVERED_PACKETS)]
  expect(meters(limited, 'host1', ofport(1, 11), ping(10, 11))).toEqual(own)
  expect(meters(limited, 'host2', ofport(1, 12), ping(10, 12))).toEqual(own)
  expect(limited.fabric.send('host2', ofport(1, 12), ping(10, 12))).toHaveLength(1)
})

test('the copies of a broadcast go on apart: the meter of one port is none on the way to the next', () => {
  const limited = world([bandwidth('ingress', 1000)])
  const bytes = pingFrame({
    fromMac: port(1, 12).mac_address,
    toMac: 'ff:ff:ff:ff:ff:ff',
    from: '10.0.1.12',
    to: '10.0.1.255',
  })
  const { deliveries, visits } = limited.fabric.follow('host2', { bytes, inPort: ofport(1, 12) })
  expect(deliveries.map((each) => `${each.host}/${each.ofport}`).toSorted()).toEqual(['host1/266', 'host1/267'])
  const copies = visits.flatMap(({ trace }) =>
    trace.steps.flatMap((step) => (step.kind === 'action' && step.action.kind === 'clone' ? [step.action] : [])),
  )
  // OVS clones in the datapath for what is not to be undone otherwise.
  expect(copies.map(({ actions }) => actions[0]?.kind)).toEqual(['output_trunc'])
})

test('ARP and DHCP are answered before anything is counted', () => {
  const limited = world([bandwidth('egress', 1000)])
  const question = whoHas(port(1, 10).mac_address, '10.0.1.10', '10.0.1.12')
  const { deliveries } = limited.fabric.follow('host1', { bytes: question, inPort: ofport(1, 10) })
  expect(deliveries).toHaveLength(1)
  expect(meters(limited, 'host1', ofport(1, 10), question)).toEqual([])
  const { tables } = limited.derivation
  expect(tables.table('egress_qos')).toBe(tables.after('dhcp'))
})

test('what a port sends is marked, in IPv4 as in IPv6, and nothing else of the packet changes', () => {
  const limited = world([{ type: 'dscp_marking', dscp_mark: 46 }])
  expect(installed(limited)).toEqual([
    `priority=110,ip,in_port=266 actions=set_field:46->ip_dscp,goto_table:${limited.derivation.tables.after('egress_qos')}`,
    `priority=110,ipv6,in_port=266 actions=set_field:46->ip_dscp,goto_table:${limited.derivation.tables.after('egress_qos')}`,
  ])
  const dscpOf = (bytes: Uint8Array | undefined) => bytes && parseIpv4(parseFrame(bytes)?.payload ?? bytes)?.dscp
  expect(dscpOf(limited.fabric.send('host1', ofport(1, 10), ping(12))[0]?.bytes)).toBe(46)
  expect(dscpOf(limited.fabric.send('host1', ofport(1, 11), ping(10, 11))[0]?.bytes)).toBe(0)
})

test("a port's own policy comes before its network's, which is not for ports of the network itself", () => {
  const both = { qos_policy_id: uuid('q', 1) }
  const own = world([bandwidth('ingress', 1)], { qos_policy_id: uuid('q', 2) }, both)
  expect(installed(own).filter((line) => line.includes(`meter=${meter(1, 10, SENT_BITS)} `))).toHaveLength(1)
  const lines = (limited: Partial<Port>) => installed(world([bandwidth('ingress', 1)], limited, both)).length
  // A meter and two flows for each of the two ports.
  expect(lines({})).toBe(6)
  expect(lines({ device_owner: 'compute:nova' })).toBe(6)
  expect(lines({ device_owner: 'network:dhcp' })).toBe(3)
  expect(installed(world([bandwidth('ingress', 1)], {}, both), 'host2')).toHaveLength(3)
})

test('another rate is another meter under its number, and nothing else', () => {
  const limited = world([bandwidth('egress', 1000), bandwidth('ingress', 1000)])
  limited.derivation.inputs.qos_policy.set(
    uuid('q', 1),
    qosPolicy(1, [bandwidth('egress', 7000), bandwidth('ingress', 1000)]),
  )
  const { units } = limited.derivation.commit()
  limited.deployment.update(units, [])
  const [[on, delta] = []] = limited.deployment.take()
  expect([on, delta === undefined ? [] : [...changesOf(delta).keys()]]).toEqual([
    'host1',
    [`meter:${meter(1, 10, SENT_BITS)}`],
  ])
})

test('a port that moves to another host has its limits there, and nothing is left', () => {
  const limited = world([bandwidth('egress', 1000), bandwidth('ingress', 1000)])
  const before = installed(limited)
  const { vif: vifs } = limited.derivation.inputs
  vifs.delete('host1/tap1-10')
  vifs.set('host2/tap1-10', vif(2, 1, 10))
  limited.settle()
  expect([installed(limited), installed(limited, 'host2')]).toEqual([[], before])
})

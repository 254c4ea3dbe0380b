// QoS policies on real hosts: what arrives of more than a port may send or get, what nobody else notices of it, and what is
// left when a policy goes. Streams begin before limits are there: iperf3 gives up where its first datagram is lost.
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Json } from '../lab/controller.ts'
import { Cloud, warm, type Guest, type Network, type Subnet } from '../lab/cloud.ts'
import type { Hypervisor } from '../lab/fabric.ts'
import { Load } from '../lab/load.ts'
import { until } from '../lab/run.ts'

let cloud: Cloud
let network: Network
let subnet: Subnet
/** The one with a policy, its neighbour on the same host, and one on the other host. */
let limited: Guest
let near: Guest
let far: Guest
let policy = ''

beforeAll(async () => {
  cloud = await Cloud.start(2)
  network = await cloud.network()
  subnet = await cloud.subnet(network, '10.1.0.0/24')
  limited = await cloud.guest(cloud.host(0), network, subnet, { port_security_enabled: false })
  near = await cloud.guest(cloud.host(0), network, subnet, { port_security_enabled: false })
  far = await cloud.guest(cloud.host(1), network, subnet, { port_security_enabled: false })
  await Promise.all([warm(limited.vm, near.port.address), warm(limited.vm, far.port.address)])
  const made = await cloud.controller.call('POST', '/v2.0/qos/policies', { policy: { name: 'limits' } })
  policy = (made['policy'] as Json)['id'] as string
  await cloud.update('port', limited.port.id, { qos_policy_id: policy })
})

afterAll(() => cloud?.stop())

interface Rule {
  readonly type: 'bandwidth_limit' | 'packet_rate_limit' | 'dscp_marking'
  readonly body: Json
}
const bandwidth = (direction: string, max_kbps: number): Rule => ({
  type: 'bandwidth_limit',
  body: { direction, max_kbps, max_burst_kbps: 1000 },
})

const call = (method: 'POST' | 'PUT' | 'DELETE', path: string, body?: Json) =>
  cloud.controller.call(method, `/v2.0/qos/policies/${policy}/${path}?wait=realized`, body)

/** Gives the policy a rule until it is disposed of. */
async function ruled({ type, body }: Rule): Promise<AsyncDisposable & { change(body: Json): Promise<unknown> }> {
  const name = `${type}_rule`
  const rule = (await call('POST', `${name}s`, { [name]: body }))[name] as Json
  const path = `${name}s/${String(rule['id'])}`
  return {
    change: (changed) => call('PUT', path, { [name]: changed }),
    [Symbol.asyncDispose]: () => call('DELETE', path).then(() => {}),
  }
}

const udp = (from: Guest, to: Guest, ...options: readonly string[]): Promise<Load> =>
  Load.start(from.vm, to.vm, to.port.address, '-u', '-l', '1400', '-b', '12M', ...options)
const tcp = (from: Guest, to: Guest): Promise<Load> => Load.start(from.vm, to.vm, to.port.address)

/** Of 12 Mbit/s, what is said to be unlimited. */
const ALL = [10_500, 13_000] as const

async function installed(host: Hypervisor): Promise<string[]> {
  const { ovs } = host
  const [meters, flows] = await Promise.all([
    ovs.ofctl('dump-meters', 'br-int'),
    ovs.ofctl('--no-stats', 'dump-flows', 'br-int', 'cookie=0x5706000000000000/0xffff000000000000'),
  ])
  return [
    ...[...meters.matchAll(/meter=(\d+) /g)].map(([text, id]) => (Number(id) >= 0x2_0000 ? text : '')),
    ...flows.split('\n').map((line) => (line.includes('priority=1') ? line.trim() : '')),
  ].filter(Boolean)
}

test('without a rule, a policy does nothing, and hosts have nothing of it', async () => {
  expect(await installed(cloud.host(0))).toEqual([])
  await using load = await udp(limited, far)
  await load.comesTo(...ALL)
})

test.each(['near', 'far'] as const)(
  'what a port sends to the %s one is limited, and what others send is not',
  async (where) => {
    const [to, other] = where === 'near' ? [near, far] : [far, near]
    await using load = await udp(limited, to)
    await using back = await udp(to, limited)
    await using unlimited = await udp(other, to)
    await using _ = await ruled(bandwidth('egress', 4000))
    await load.comesTo(3400, 4100)
    await unlimited.comesTo(...ALL)
    await back.comesTo(...ALL)
  },
)

test.each(['near', 'far'] as const)('what is delivered to a port from the %s one is limited', async (where) => {
  const from = where === 'near' ? near : far
  await using load = await udp(from, limited)
  await using back = await udp(limited, from)
  await using _ = await ruled(bandwidth('ingress', 4000))
  await load.comesTo(3400, 4100)
  await back.comesTo(...ALL)
})

test('while a port is offered more than it may get, every broadcast reaches its neighbour', async () => {
  await using _ = await ruled(bandwidth('ingress', 1000))
  await using load = await udp(far, limited)
  await load.comesTo(700, 1050)
  const filter = ['icmp', 'and', 'ether', 'broadcast']
  const [there, here] = await Promise.all([near, limited].map(({ vm }) => vm.capture(...filter)))
  // Large ones: what is left of the limit is too little for them.
  const flood = ['-b', '-c', '100', '-i', '0.02', '-s', '1300', '-W', '1', '10.1.0.255']
  await far.vm.exec('ping', '-n', ...flood).catch(() => {})
  await until('the neighbour has all broadcasts', () => there?.frames().length === 100)
  expect(here?.frames().length).toBeLessThan(90)
  await Promise.all([there?.stop(), here?.stop()])
})

test('a TCP stream keeps to the limit, and takes another one while it goes on: a meter changes, no flow does', async () => {
  await using rule = await ruled(bandwidth('egress', 4000))
  await using load = await tcp(limited, far)
  await load.comesTo(2000, 4100)
  const before = (await cloud.agent(cloud.host(0))).configurations
  await rule.change({ max_kbps: 12_000, max_burst_kbps: 3000 })
  const after = (await cloud.agent(cloud.host(0))).configurations
  expect([after.flowMods - before.flowMods, after.meterMods - before.meterMods]).toEqual([0, 1])
  await load.comesTo(6000, 12_300)
  expect(await cloud.host(0).ovs.ofctl('dump-meters', 'br-int')).toContain('rate=12000 burst_size=3000')
})

test('packets a second are limited whatever their size, and both limits at once hold', async () => {
  // 4,000 a second of 64 bytes: 1,000 are 512 kbit/s.
  const small = ['-l', '64', '-b', '2048K']
  await using load = await udp(limited, far, ...small)
  await using back = await udp(far, limited, ...small)
  const packets = (direction: string): Rule => ({
    type: 'packet_rate_limit',
    body: { direction, max_kpps: 1, max_burst_kpps: 1 },
  })
  await using _ = await ruled(packets('egress'))
  await load.comesTo(430, 530)
  await back.comesTo(1800, 2200)
  await using ingress = await ruled(packets('ingress'))
  await back.comesTo(430, 530)
  await using second = await ruled(bandwidth('egress', 200))
  // Frames have 42 bytes more than what is sent: 200 kbit/s are 120 of payload.
  await load.comesTo(90, 130)
  await second.change({ max_kbps: 0 })
  await load.comesTo(430, 530)
  await ingress.change({ max_kpps: 0 })
  await back.comesTo(1800, 2200)
})

test('what a port sends arrives with its DSCP at the near and the far one, and what it gets is as it was sent', async () => {
  await using _ = await ruled({ type: 'dscp_marking', body: { dscp_mark: 46 } })
  const marked = ['icmp', 'and', 'ip[1] & 0xfc == 0xb8']
  for (const to of [near, far]) {
    const capture = await to.vm.capture(...marked)
    expect(await limited.vm.ping(to.port.address)).toBe(1)
    await until('marked packets have arrived', () => capture.frames().length >= 3)
    await capture.stop()
  }
  const capture = await limited.vm.capture(...marked)
  expect(await near.vm.ping(limited.port.address)).toBe(1)
  expect(capture.frames()).toEqual([])
  await capture.stop()
})

test("a network's policy is for its ports but those that have their own; a controller that starts anew changes nothing", async () => {
  await using _ = await ruled(bandwidth('ingress', 4000))
  await cloud.update('network', network.id, { qos_policy_id: policy })
  await using load = await udp(near, far)
  await load.comesTo(3400, 4100)
  const before = await installed(cloud.host(0))
  // For each of two ports a meter and two flows.
  expect(before).toHaveLength(6)
  await cloud.controller.restart()
  await cloud.settled()
  const { configurations } = await cloud.agent(cloud.host(0))
  expect([configurations.flowMods, configurations.meterMods]).toEqual([0, 0])
  expect(await installed(cloud.host(0))).toEqual(before)
  await cloud.update('network', network.id, { qos_policy_id: null })
  await load.comesTo(...ALL)
})

test('a port with a stateful security group is limited as any other', async () => {
  const body = { qos_policy_id: policy, default_ingress_action: 'allow' }
  const filtered = await cloud.guest(cloud.host(1), network, subnet, body)
  await warm(filtered.vm, near.port.address)
  await using load = await udp(filtered, near)
  await using back = await udp(near, filtered)
  await using limits = new AsyncDisposableStack()
  limits.use(await ruled(bandwidth('egress', 4000)))
  await load.comesTo(3400, 4100)
  await back.comesTo(...ALL)
  limits.use(await ruled(bandwidth('ingress', 2000)))
  await back.comesTo(1700, 2050)
  await load.comesTo(3400, 4100)
})

test('a port without its policy is unlimited at once, and nothing of it is left on the host', async () => {
  await using _ = await ruled(bandwidth('egress', 4000))
  await using load = await udp(limited, far)
  await load.comesTo(3400, 4100)
  expect(await installed(cloud.host(0))).toHaveLength(2)
  await cloud.update('port', limited.port.id, { qos_policy_id: null })
  expect(await installed(cloud.host(0))).toEqual([])
  await load.comesTo(...ALL)
  expect((await cloud.agent(cloud.host(0))).configurations.alarms).toEqual([])
})

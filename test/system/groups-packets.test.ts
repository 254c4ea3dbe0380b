// Single packets past security groups on real hosts: what gets through whatever the rules say, what never does, errors,
// fragments, refusals, members.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Cloud, warm, type Guest, type Network, type Subnet } from '../lab/cloud.ts'
import { attempt, talker } from '../lab/conversation.ts'
import { until } from '../lab/run.ts'
import { addRule, emptyGroup, removeRule } from './groups-lab.ts'

let cloud: Cloud
let red: Network
let redSubnet: Subnet
/** May send all and get nothing. */
let sender: Guest
/** On the sender's host, on the other one, and there on another network: with one group that tests give rules. */
let near: Guest
let across: Guest
let routed: Guest
let group: string
let senders: string

const receivers = (): readonly Guest[] => [near, across, routed]
/** The group's rules for the time of a test. */
async function withRule(direction: 'ingress' | 'egress', body: object, run: () => Promise<void>): Promise<void> {
  const rule = await addRule(cloud, group, direction, { ...body })
  await run()
  await removeRule(cloud, rule)
}

beforeAll(async () => {
  cloud = await Cloud.start(2)
  red = await cloud.network()
  const blue = await cloud.network()
  redSubnet = await cloud.subnet(red, '10.1.0.0/24')
  const blueSubnet = await cloud.subnet(blue, '10.2.0.0/24')
  await cloud.router([redSubnet, blueSubnet])
  group = await emptyGroup(cloud)
  senders = await emptyGroup(cloud)
  await addRule(cloud, senders, 'egress')
  await addRule(cloud, senders, 'egress', { ethertype: 'IPv6' })
  sender = await cloud.guest(cloud.host(0), red, redSubnet, { security_groups: [senders] })
  const closed = { security_groups: [group] }
  near = await cloud.guest(cloud.host(0), red, redSubnet, closed)
  across = await cloud.guest(cloud.host(1), red, redSubnet, closed)
  routed = await cloud.guest(cloud.host(1), blue, blueSubnet, closed)
  await withRule('ingress', { protocol: 'icmp' }, async () => {
    for (const { port } of receivers()) await warm(sender.vm, port.address)
  })
})

afterAll(() => cloud?.stop())

const linkLocal = async ({ vm }: Guest): Promise<string> => {
  const text = await vm.exec('ip', '-6', '-o', 'addr', 'show', 'dev', 'eth0', 'scope', 'link')
  return /inet6 (fe80:[^/]*)/.exec(text)?.[1] ?? ''
}

/** Waits until each address answers the sender, or none does: what a datapath has cached may live a moment longer. */
const reaches = (addresses: readonly string[], share: 0 | 1): Promise<void> =>
  until(`${share} of ${addresses.join()} answer`, async () => {
    const shares = await Promise.all(addresses.map((address) => sender.vm.ping(address, '-c', '1')))
    return shares.every((each) => each === share)
  })

describe('where everything is denied', () => {
  test('nothing gets through, each way', async () => {
    const pings = receivers().flatMap(({ vm, port }) => [
      sender.vm.ping(port.address, '-c', '1'),
      vm.ping(sender.port.address, '-c', '1'),
    ])
    expect(await Promise.all(pings)).toEqual([0, 0, 0, 0, 0, 0])
  })

  test('ARP and neighbour discovery work', async () => {
    const { vm, port } = across
    await vm.exec('ip', 'neigh', 'flush', 'all')
    await vm.ping(sender.port.address, '-c', '1')
    expect(await vm.exec('ip', 'neigh', 'show', sender.port.address)).toContain(sender.port.mac)
    const address = await linkLocal(sender)
    await vm.ping(`${address}%eth0`, '-6', '-c', '1')
    expect(await vm.exec('ip', '-6', 'neigh', 'show', address)).toContain(sender.port.mac)
    expect(port.mac).not.toBe(sender.port.mac)
  })

  test('DHCP works', async () => {
    const { vm, port } = across
    expect((await vm.dhcp())['ip']).toBe(port.address)
  })
})

test('a machine that may send everything cannot send from another’s address', async () => {
  const capture = await near.vm.capture('icmp')
  await sender.vm.exec('ip', 'addr', 'add', '10.1.0.77/32', 'dev', 'eth0')
  await withRule('ingress', {}, async () => {
    expect(await sender.vm.ping(near.port.address, '-I', '10.1.0.77')).toBe(0)
    expect(await sender.vm.ping(near.port.address)).toBe(1)
  })
  await sender.vm.exec('ip', 'addr', 'del', '10.1.0.77/32', 'dev', 'eth0')
  await until('the frames are written', () => capture.frames().length >= 3)
  expect(capture.frames().filter((frame) => frame.includes('10.1.0.77'))).toEqual([])
  await capture.stop()
})

/** What becomes of attempts to reach each of the receivers. */
const attempts = (protocol: 'tcp' | 'udp', port: number): Promise<readonly string[]> =>
  Promise.all(receivers().map((each) => attempt(sender.vm, protocol, each.port.address, port)))
const pings = (...options: readonly string[]): Promise<readonly number[]> =>
  Promise.all(receivers().map(({ port }) => sender.vm.ping(port.address, ...options)))

test('the error about a datagram comes back although nothing else may', async () => {
  await withRule('ingress', { protocol: 'udp', port_range_min: 5000, port_range_max: 5001 }, async () => {
    expect(await attempts('udp', 5000)).toEqual(Array(3).fill('ECONNREFUSED'))
  })
  expect(await attempts('udp', 5000)).toEqual(Array(3).fill('silence'))
})

test('8 kB in fragments pass where the first may, and the answers with them', async () => {
  await withRule('ingress', { protocol: 'icmp', port_range_min: 8, port_range_max: 0 }, async () => {
    expect(await pings('-s', '8000')).toEqual([1, 1, 1])
  })
  await withRule('ingress', { protocol: 'icmp', port_range_min: 13, port_range_max: 0 }, async () => {
    expect(await pings('-c', '1', '-s', '8000')).toEqual([0, 0, 0])
  })
})

test('what is rejected is refused at once, what is denied is met with silence', async () => {
  await withRule('ingress', { action: 'reject' }, async () => {
    expect(await attempts('tcp', 80)).toEqual(Array(3).fill('ECONNREFUSED'))
    expect(await attempts('udp', 80)).toEqual(Array(3).fill('EHOSTUNREACH'))
  })
  await withRule('ingress', { action: 'deny' }, async () => {
    expect(await attempts('tcp', 80)).toEqual(Array(3).fill('silence'))
  })
})

test('a rule with a log says on which port of which host it has decided about which packet', async () => {
  const rule = await addRule(cloud, group, 'ingress', { protocol: 'tcp', action: 'deny', log: true })
  expect(await attempts('tcp', 80)).toEqual(Array(3).fill('silence'))
  const lines = () => cloud.controller.log().filter((line) => line['id'] === rule)
  await until('each packet is logged', () => new Set(lines().map((line) => line['port'])).size === 3)
  for (const { port } of receivers()) {
    const decision = { action: 'deny', direction: 'ingress', security_group_id: group, destination: port.address }
    expect(lines().find((line) => line['port'] === port.id)).toMatchObject(decision)
  }
  await removeRule(cloud, rule)
})

/** What is said without regard to answers: by raw sockets (this kernel has no SCTP), or many datagrams from a port each. */
const RAW = `
import socket, struct, sys, time
what, address, source, destination = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
if what == 'sctp':
    chunk = struct.pack('>BBHIIHHI', 1, 0, 20, 1, 65535, 1, 1, 1)
    packet = struct.pack('>HHII', source, destination, 0, 0) + chunk
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_SCTP).sendto(packet, (address, 0))
else:
    for port in range(source, source + 2000):
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sender.bind(('', port))
        sender.sendto(b'x', (address, destination))
        sender.close()
        if port % 10 == 0: time.sleep(0.002)
`
const say = (from: Guest, what: 'sctp' | 'udp', to: Guest, source: number, destination: number): Promise<string> =>
  from.vm.exec('/usr/bin/python3', '-c', RAW, what, to.port.address, String(source), String(destination))

test('SCTP passes by its ports, and is answered', async () => {
  const answers = await sender.vm.capture('sctp')
  const captures = await Promise.all(receivers().map(({ vm }) => vm.capture('sctp')))
  await withRule('ingress', { protocol: 'sctp', port_range_min: 5000, port_range_max: 5000 }, async () => {
    for (const [i, receiver] of receivers().entries()) {
      await say(sender, 'sctp', receiver, 40_000, 5001)
      await say(sender, 'sctp', receiver, 40_000, 5000)
      const got = () => captures[i]?.frames().join('\n') ?? ''
      await until('it has passed', () => got().includes('.5000:'))
      expect(got()).not.toContain('.5001:')
      await say(receiver, 'sctp', sender, 6000, 40_000)
      await say(receiver, 'sctp', sender, 5000, 40_000)
      const back = () =>
        answers
          .frames()
          .filter((frame) => frame.includes(`${receiver.port.address}.`))
          .join('\n')
      await until('it is answered', () => back().includes('.5000 >'))
      expect(back()).not.toContain('.6000 >')
    }
  })
  for (const capture of [answers, ...captures]) await capture.stop()
})

test('what exceeds the rate of logs goes its way without one', async () => {
  const LOGS_PER_SECOND = 100
  const noPorts = async (): Promise<number> => {
    const text = await near.vm.exec('cat', '/proc/net/snmp')
    const [names = [], values = []] = text
      .split('\n')
      .flatMap((line) => (line.startsWith('Udp:') ? [line.split(' ')] : []))
    return Number(values[names.indexOf('NoPorts')])
  }
  const rule = await addRule(cloud, group, 'ingress', { protocol: 'udp', log: true })
  const before = await noPorts()
  const begin = performance.now()
  await say(sender, 'udp', near, 20_000, 7000)
  await until('most have arrived', async () => (await noPorts()) - before > 1500)
  const logged = (): number => cloud.controller.log().filter((line) => line['id'] === rule).length
  await until('some are logged', () => logged() > LOGS_PER_SECOND / 2)
  const seconds = (performance.now() - begin) / 1000
  // The meter holds a second's worth at first.
  expect(logged()).toBeLessThanOrEqual(LOGS_PER_SECOND * (seconds + 2))
  await removeRule(cloud, rule)
})

test('members of a remote group get in, from the time they join until they leave', async () => {
  const friends = await emptyGroup(cloud)
  const addresses = receivers().map(({ port }) => port.address)
  await withRule('ingress', { protocol: 'icmp', remote_group_id: friends }, async () => {
    await reaches(addresses, 0)
    await cloud.update('port', sender.port.id, { security_groups: [senders, friends] })
    await reaches(addresses, 1)
    await cloud.update('port', sender.port.id, { security_groups: [senders] })
    await reaches(addresses, 0)
  })
})

test('rules for IPv6 decide between link-local addresses of one network', async () => {
  const addresses = (await Promise.all([near, across].map(linkLocal))).map((address) => `${address}%eth0`)
  const [, far = ''] = addresses
  await reaches(addresses, 0)
  await withRule('ingress', { ethertype: 'IPv6', protocol: 'ipv6-icmp', port_range_min: 128 }, async () => {
    await reaches(addresses, 1)
    expect(await sender.vm.ping(far, '-s', '8000')).toBe(1)
  })
  const server = await talker(across.vm, 'tcp', 'listen', '5400')
  await withRule(
    'ingress',
    { ethertype: 'IPv6', protocol: 'tcp', port_range_min: 5400, port_range_max: 5400 },
    async () => {
      expect(await attempt(sender.vm, 'tcp', far, 5400)).toBe('connected')
    },
  )
  expect(await attempt(sender.vm, 'tcp', far, 5400)).toBe('silence')
  await server[Symbol.asyncDispose]()
})

test('what is rejected over IPv6 is refused at once', async () => {
  const addresses = (await Promise.all([near, across].map(linkLocal))).map((address) => `${address}%eth0`)
  await withRule('ingress', { ethertype: 'IPv6', action: 'reject' }, async () => {
    for (const address of addresses) {
      expect(await attempt(sender.vm, 'tcp', address, 80)).toBe('ECONNREFUSED')
      expect(await attempt(sender.vm, 'udp', address, 80)).toBe('EACCES')
    }
  })
  for (const address of addresses) expect(await attempt(sender.vm, 'tcp', address, 80)).toBe('silence')
})

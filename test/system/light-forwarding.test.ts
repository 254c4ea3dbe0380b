// Virtual networks on real hosts: what virtual machines send, who gets it, and what nobody gets.
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Cloud, warm, type Guest, type Network, type Subnet } from '../lab/cloud.ts'
import type { Hypervisor, Vm } from '../lab/fabric.ts'
import { until } from '../lab/run.ts'
import { stream } from '../lab/stream.ts'

let cloud: Cloud
let red: Network
let redSubnet: Subnet
let blue: Network
let blueSubnet: Subnet
let router: string
/** On red: a1 and a2 on the first host, a3 on the second. On blue: b1 on the second, b2 on the third. */
let a1: Guest
let a2: Guest
let a3: Guest
let b1: Guest
let b2: Guest

beforeAll(async () => {
  cloud = await Cloud.start(3)
  red = await cloud.network()
  blue = await cloud.network()
  redSubnet = await cloud.subnet(red, '10.1.0.0/24')
  blueSubnet = await cloud.subnet(blue, '10.2.0.0/24')
  router = await cloud.router([redSubnet, blueSubnet])
  a1 = await cloud.guest(cloud.host(0), red, redSubnet)
  a2 = await cloud.guest(cloud.host(0), red, redSubnet)
  a3 = await cloud.guest(cloud.host(1), red, redSubnet)
  b1 = await cloud.guest(cloud.host(1), blue, blueSubnet)
  b2 = await cloud.guest(cloud.host(2), blue, blueSubnet)
  await Promise.all([warm(a1.vm, a3.port.address), warm(a1.vm, b2.port.address), warm(b1.vm, b2.port.address)])
})

afterAll(() => cloud?.stop())

/** The flows of a host that name the network, by the register that holds its number or by its VNI. */
async function flowsOf(host: Hypervisor, network: Network): Promise<string[]> {
  const flows = (await host.ovs.ofctl('--no-stats', 'dump-flows', 'br-int')).split('\n')
  const number = network.id.replaceAll('-', '').slice(0, 16)
  const hex = (text: string): string => `0x${BigInt(`0x${text}`).toString(16)}`
  const registers = `reg0=${hex(number.slice(0, 8))},reg1=${hex(number.slice(8))}`
  const names = [registers, `${hex(number)}->`, `tun_id=0x${network.vni.toString(16)},`]
  return flows.filter((flow) => names.some((name) => flow.includes(name)))
}

/** The addresses that traceroute shows. */
async function hops(from: Guest, to: string): Promise<string[]> {
  const text = await from.vm.exec('traceroute', '-n', '-q', '1', '-w', '2', to)
  return text.split('\n').flatMap((line) => /^ *\d+ +(\S+)/.exec(line)?.[1] ?? [])
}

describe('reachability', () => {
  test('machines of a network reach each other, on one host and across hosts', async () => {
    expect(await a1.vm.ping(a2.port.address)).toBe(1)
    expect(await a1.vm.ping(a3.port.address)).toBe(1)
  })

  test('machines of routed networks reach each other, on one host and across hosts', async () => {
    await warm(a3.vm, b1.port.address)
    expect(await a3.vm.ping(b1.port.address)).toBe(1)
    expect(await a1.vm.ping(b2.port.address)).toBe(1)
  })

  test('every gateway address answers, the near one and the far one', async () => {
    expect(await a1.vm.ping('10.1.0.1')).toBe(1)
    expect(await a1.vm.ping('10.2.0.1')).toBe(1)
    expect(await b2.vm.ping('10.2.0.1')).toBe(1)
  })

  test('nobody listens on a gateway address, and who tries hears so at once', async () => {
    expect(await hops(a1, '10.2.0.1')).toEqual(['10.2.0.1'])
    const connect = a1.vm.exec('timeout', '5', 'bash', '-c', 'echo >/dev/tcp/10.1.0.1/80')
    await expect(connect).rejects.toThrow('Connection refused')
  })

  test('TCP passes unharmed on one host, across hosts and through the router', async () => {
    const bytes = randomBytes(2_000_000)
    for (const to of [a2, a3, b2]) {
      const received = await stream(a1.vm, to.vm, to.port.address, bytes)
      expect(received.equals(bytes)).toBe(true)
    }
  })

  test('traceroute shows the router and then the machine, and the TTL is one less', async () => {
    expect(await hops(a1, b2.port.address)).toEqual(['10.1.0.1', b2.port.address])
    expect(await a1.vm.exec('ping', '-n', '-c', '1', b2.port.address)).toContain('ttl=63')
  })

  test('a packet as large as the MTU of the network crosses the underlay unfragmented', async () => {
    expect(red.mtu).toBe(1500 - 50)
    expect(await a1.vm.ping(a3.port.address, '-M', 'do', '-s', `${red.mtu - 28}`)).toBe(1)
  })
})

describe('broadcast and ARP', () => {
  test('every other member gets exactly one copy of a broadcast, the sender and other networks none', async () => {
    const filter = ['icmp', 'and', 'ether', 'broadcast']
    const captures = await Promise.all([a1, a2, a3, b1].map(({ vm }) => vm.capture(...filter)))
    const counts = () => captures.map((each) => each.frames().length)
    await a1.vm.exec('ping', '-n', '-b', '-c', '3', '-i', '0.2', '-W', '1', '10.1.0.255').catch(() => {})
    await until('the broadcasts have arrived', () => (counts()[2] ?? 0) >= 3)
    // What passes after a copy too many would have passed is seen by all.
    expect(await a3.vm.ping(a2.port.address)).toBe(1)
    expect(counts()).toEqual([0, 3, 3, 0])
    await Promise.all(captures.map((each) => each.stop()))
  })

  test('ARP for an address of the network is answered without troubling anyone', async () => {
    const captures = await Promise.all([a2, a3].map(({ vm }) => vm.capture('arp')))
    const answer = await a1.vm.exec('busybox', 'arping', '-c', '1', '-w', '2', '-I', 'eth0', a3.port.address)
    expect(answer.toLowerCase()).toContain(`from ${a3.port.address} [${a3.port.mac}]`)
    await a1.vm.exec('busybox', 'arping', '-c', '2', '-w', '1', '-I', 'eth0', '10.1.0.200').then(
      () => expect.unreachable('nobody has that address'),
      (error: { stdout: string }) => expect(error.stdout).toContain('Received 0 response'),
    )
    expect(captures.map((each) => each.frames())).toEqual([[], []])
    await Promise.all(captures.map((each) => each.stop()))
  })

  test('a probe for a duplicate address hears of the owner, and the owner hears nothing of itself', async () => {
    const probe = (vm: Vm, address: string) =>
      vm.exec('busybox', 'arping', '-D', '-c', '2', '-w', '2', '-I', 'eth0', address).then(
        () => 'free',
        () => 'taken',
      )
    expect(await probe(a1.vm, a3.port.address)).toBe('taken')
    expect(await probe(a1.vm, a1.port.address)).toBe('free')
  })
})

describe('port security', () => {
  /** The frames of `send` that get to `to`; a permitted ping is sent afterwards, so that none can still be on its way. */
  async function arriving(to: Guest, filter: readonly string[], send: () => Promise<unknown>): Promise<number> {
    const capture = await to.vm.capture(...filter)
    await send().catch(() => {})
    await warm(a2.vm, to.port.address)
    const { length } = capture.frames()
    await capture.stop()
    return length
  }

  test('IPv4 from an address that is not of the port is dropped', async () => {
    await a1.vm.exec('ip', 'addr', 'add', '10.1.0.66/24', 'dev', 'eth0')
    const send = () => a1.vm.exec('ping', '-c', '2', '-i', '0.2', '-W', '1', '-I', '10.1.0.66', a3.port.address)
    expect(await arriving(a3, ['src', 'host', '10.1.0.66'], send)).toBe(0)
    await a1.vm.exec('ip', 'addr', 'del', '10.1.0.66/24', 'dev', 'eth0')
  })

  test('ARP that claims the address of another is dropped', async () => {
    await a1.vm.exec('ip', 'addr', 'add', `${a2.port.address}/32`, 'dev', 'eth0')
    const claim = ['busybox', 'arping', '-U', '-c', '2', '-w', '1', '-I', 'eth0']
    const send = () => a1.vm.exec(...claim, '-s', a2.port.address, a2.port.address)
    expect(await arriving(a3, ['arp', 'and', 'ether', 'src', a1.port.mac], send)).toBe(0)
    await a1.vm.exec('ip', 'addr', 'del', `${a2.port.address}/32`, 'dev', 'eth0')
  })

  test('another MAC is dropped, and allowed by an allowed address pair', async () => {
    const strange = '02:00:00:00:00:77'
    const send = async () => {
      await a1.vm.exec('ip', 'link', 'set', 'eth0', 'address', strange)
      await a1.vm.exec('ping', '-b', '-c', '2', '-i', '0.2', '-W', '1', '10.1.0.255').catch(() => {})
      await a1.vm.exec('ip', 'link', 'set', 'eth0', 'address', a1.port.mac)
    }
    const filter = ['ether', 'src', strange]
    expect(await arriving(a3, filter, send)).toBe(0)
    const pair = { ip_address: a1.port.address, mac_address: strange }
    await cloud.update('port', a1.port.id, { allowed_address_pairs: [pair] })
    expect(await arriving(a3, filter, send)).toBe(2)
    await cloud.update('port', a1.port.id, { allowed_address_pairs: [] })
    expect(await arriving(a3, filter, send)).toBe(0)
    await a1.vm.address(`${a1.port.address}/24`, redSubnet.gateway)
  })

  test('an address of an allowed address pair works both ways, also where the MAC is the own', async () => {
    await cloud.update('port', a1.port.id, { allowed_address_pairs: [{ ip_address: '10.1.0.88' }] })
    await a1.vm.exec('ip', 'addr', 'add', '10.1.0.88/24', 'dev', 'eth0')
    await warm(a3.vm, '10.1.0.88')
    expect(await a3.vm.ping('10.1.0.88')).toBe(1)
    await a1.vm.exec('ip', 'addr', 'del', '10.1.0.88/24', 'dev', 'eth0')
    await cloud.update('port', a1.port.id, { allowed_address_pairs: [] })
  })

  test('a port without port security sends and gets what it likes', async () => {
    const { security_groups } = await cloud.update('port', a1.port.id, {})
    const body = { port_security_enabled: false, security_groups: [] }
    await cloud.update('port', a1.port.id, body)
    await a1.vm.exec('ip', 'addr', 'add', '10.1.0.99/24', 'dev', 'eth0')
    await warm(a3.vm, '10.1.0.99')
    expect(await a3.vm.ping('10.1.0.99')).toBe(1)
    await cloud.update('port', a1.port.id, { port_security_enabled: true, security_groups })
    expect(await a3.vm.ping('10.1.0.99', '-c', '2')).toBe(0)
    await a1.vm.exec('ip', 'addr', 'del', '10.1.0.99/24', 'dev', 'eth0')
  })
})

describe('routers', () => {
  test('routers with the same addresses stay apart', async () => {
    const left = await cloud.network()
    const right = await cloud.network()
    const leftSubnet = await cloud.subnet(left, '10.1.0.0/24')
    const rightSubnet = await cloud.subnet(right, '10.2.0.0/24')
    await cloud.router([leftSubnet, rightSubnet])
    const fixed = (subnet: Subnet, { port }: Guest) => ({
      fixed_ips: [{ subnet_id: subnet.id, ip_address: port.address }],
    })
    // Twins of a1 and b2, with their very addresses and on the same hosts.
    const twin = await cloud.guest(cloud.host(0), left, leftSubnet, fixed(leftSubnet, a1))
    const far = await cloud.guest(cloud.host(2), right, rightSubnet, fixed(rightSubnet, b2))
    const captures = await Promise.all([b2, far].map(({ vm }) => vm.capture('icmp', 'and', 'icmp[0]', '=', '8')))
    await warm(twin.vm, far.port.address)
    const seen = captures[1]?.frames().length ?? 0
    expect(seen).toBeGreaterThan(0)
    expect(captures[0]?.frames()).toEqual([])
    expect(await a1.vm.ping(b2.port.address)).toBe(1)
    expect(captures.map((each) => each.frames().length)).toEqual([3, seen])
    await Promise.all(captures.map((each) => each.stop()))
  })

  test('an extra route leads through a machine, and ends when it is removed', async () => {
    const gateway = await cloud.guest(cloud.host(1), red, redSubnet, {
      allowed_address_pairs: [{ ip_address: '172.16.5.0/24' }],
    })
    await gateway.vm.exec('ip', 'addr', 'add', '172.16.5.1/32', 'dev', 'lo')
    const routes = { routes: [{ destination: '172.16.5.0/24', nexthop: gateway.port.address }] }
    expect(await b2.vm.ping('172.16.5.1', '-c', '1')).toBe(0)
    await cloud.controller.call('PUT', `/v2.0/routers/${router}/add_extraroutes?wait=realized`, { router: routes })
    await warm(b2.vm, '172.16.5.1')
    expect(await b2.vm.ping('172.16.5.1')).toBe(1)
    expect(await a1.vm.ping('172.16.5.1')).toBe(1)
    await cloud.controller.call('PUT', `/v2.0/routers/${router}/remove_extraroutes?wait=realized`, { router: routes })
    expect(await b2.vm.ping('172.16.5.1', '-c', '1')).toBe(0)
  })

  test('routers on one network lead to each other’s networks; each shows in traceroute', async () => {
    const between = await cloud.subnet(await cloud.network(), '10.5.0.0/24')
    const behind = await cloud.network()
    const behindSubnet = await cloud.subnet(behind, '10.6.0.0/24')
    const second = await cloud.router([behindSubnet], {})
    await cloud.attach(router, between, '10.5.0.1')
    await cloud.attach(second, between, '10.5.0.2')
    await cloud.update('router', router, { routes: [{ destination: '10.6.0.0/24', nexthop: '10.5.0.2' }] })
    await cloud.update('router', second, { routes: [{ destination: '10.1.0.0/24', nexthop: '10.5.0.1' }] })
    const near = await cloud.guest(cloud.host(0), behind, behindSubnet)
    const far = await cloud.guest(cloud.host(2), behind, behindSubnet)
    const bytes = randomBytes(200_000)
    for (const { vm, port } of [near, far]) {
      await warm(a1.vm, port.address)
      expect(await vm.ping(a1.port.address)).toBe(1)
      expect((await stream(a1.vm, vm, port.address, bytes)).equals(bytes)).toBe(true)
      expect((await stream(vm, a1.vm, a1.port.address, bytes)).equals(bytes)).toBe(true)
    }
    expect(await hops(a1, far.port.address)).toEqual(['10.1.0.1', '10.5.0.2', far.port.address])
    expect(await a1.vm.ping('10.6.0.1')).toBe(1)
  })

  test('guests hear at once that their gateway has another MAC', async () => {
    const network = await cloud.network()
    const subnet = await cloud.subnet(network, '10.7.0.0/24')
    const { vm } = await cloud.guest(cloud.host(0), network, subnet)
    const gatewayMac = async () => /lladdr (\S+)/.exec(await vm.exec('ip', 'neigh', 'show', '10.7.0.1'))?.[1]
    const id = await cloud.router([subnet])
    await warm(vm, '10.7.0.1')
    const before = await gatewayMac()
    await cloud.controller.call('PUT', `/v2.0/routers/${id}/remove_router_interface`, { subnet_id: subnet.id })
    await cloud.controller.call('PUT', `/v2.0/routers/${id}/add_router_interface`, { subnet_id: subnet.id })
    await until('the guest has the new MAC', async () => ![undefined, before].includes(await gatewayMac()))
    expect(await vm.ping('10.7.0.1')).toBe(1)
  })

  test('a host that does not need a network has none of its flows', async () => {
    const lonely = await cloud.network()
    const subnet = await cloud.subnet(lonely, '10.9.0.0/24')
    await cloud.guest(cloud.host(2), lonely, subnet)
    const counts = await Promise.all(cloud.fabric.hosts.map(async (host) => (await flowsOf(host, lonely)).length))
    expect(counts[2]).toBeGreaterThan(0)
    expect(counts.slice(0, 2)).toEqual([0, 0])
    // Red has no port on the third host, but a router leads there.
    expect((await flowsOf(cloud.host(2), red)).length).toBeGreaterThan(0)
  })
})

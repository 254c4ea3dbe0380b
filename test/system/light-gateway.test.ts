// Routers with an external gateway on real hosts: machines behind them and a router of somebody else on the wire, with a
// server behind it.
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Json } from '../lab/controller.ts'
import { Cloud, warm, type Guest, type Network, type Subnet } from '../lab/cloud.ts'
import { Conversation } from '../lab/conversation.ts'
import type { Hypervisor, Machine } from '../lab/fabric.ts'
import { Load } from '../lab/load.ts'
import { pinging } from '../lab/losses.ts'
import { until } from '../lab/run.ts'
import { stream } from '../lab/stream.ts'
import { BRIDGE, Wire } from '../lab/wire.ts'

const TAKEOVER_SECONDS = 3
const PING_MILLISECONDS = 100
const SERVER = '198.51.100.7'
const UPSTREAM = '203.0.113.1'

let cloud: Cloud
let external: Network
let inside: Subnet
/** On the host without the wire, on the first and on the second host. */
let far: Guest
let first: Guest
let second: Guest
let router: string
let gatewayAddress: string
let gatewayMac: string
/** The upstream router, which is the server as well, and another machine on the wire. */
let upstream: Machine
let watcher: Machine

const get = (path: string): Promise<Json> => cloud.controller.call('GET', path)
const gatewayPort = async (): Promise<Json> => {
  const ports = (await get(`/v2.0/ports?device_owner=network:router_gateway&device_id=${router}`))['ports'] as Json[]
  return ports[0] ?? {}
}
const gatewayHost = async (): Promise<string> => String((await gatewayPort())['binding:host_id'])
const hostNamed = (name: string): Hypervisor => {
  const host = cloud.fabric.hosts.find((each) => each.name === name)
  if (host === undefined) throw new Error(`the gateway is on '${name}'`)
  return host
}
const agentId = async (host: Hypervisor): Promise<string> => {
  const agents = (await get('/v2.0/agents'))['agents'] as Json[]
  return String(agents.find((each) => each['host'] === host.name)?.['id'])
}

/** Places the gateway by the API, and waits until it works from there. */
async function pin(host: Hypervisor): Promise<void> {
  await cloud.controller.call('POST', `/v2.0/agents/${await agentId(host)}/l3-routers?wait=realized`, {
    router_id: router,
  })
  await until('the gateway is there', async () => (await gatewayHost()) === host.name)
  await warm(far.vm, SERVER)
}

const setSnat = (enable_snat: boolean): Promise<Json> =>
  cloud.update('router', router, { external_gateway_info: { network_id: external.id, enable_snat } })

beforeAll(async () => {
  cloud = await Cloud.start(3, '--gateway-takeover', String(TAKEOVER_SECONDS))
  const wire = await Wire.start(cloud.fabric)
  for (const host of [cloud.host(0), cloud.host(1)]) {
    await wire.connect(host)
    await host.ovs.vsctl('set', 'Open_vSwitch', '.', `external_ids:weft-bridge-mappings=physnet1:${BRIDGE}`)
  }
  upstream = await wire.machine('upstream', `${UPSTREAM}/24`, null)
  watcher = await wire.machine('watcher', '203.0.113.250/24', null)
  await upstream.exec('ip', 'link', 'set', 'lo', 'up')
  await upstream.exec('ip', 'addr', 'add', `${SERVER}/32`, 'dev', 'lo')
  // What it answers with must fit the overlay.
  await upstream.exec('ip', 'link', 'set', 'eth0', 'mtu', '1450')
  external = await cloud.network({
    'provider:network_type': 'flat',
    'provider:physical_network': 'physnet1',
    'router:external': true,
  })
  await cloud.subnet(external, '203.0.113.0/24', { enable_dhcp: false })
  const network = await cloud.network()
  inside = await cloud.subnet(network, '10.2.0.0/24')
  router = await cloud.router([inside], { external_gateway_info: { network_id: external.id } })
  const open = { default_ingress_action: 'allow' }
  ;[far, first, second] = await Promise.all([
    cloud.guest(cloud.host(2), network, inside, open),
    cloud.guest(cloud.host(0), network, inside, open),
    cloud.guest(cloud.host(1), network, inside, open),
  ])
  const port = await gatewayPort()
  gatewayMac = String(port['mac_address'])
  gatewayAddress = (port['fixed_ips'] as { ip_address: string }[])[0]?.ip_address ?? ''
  await Promise.all([far, first, second].map(({ vm }) => warm(vm, SERVER)))
})

afterAll(() => cloud?.stop())

describe('translated to the gateway’s address', () => {
  test('machines on any host reach a server outside, which sees the gateway', async () => {
    const capture = await upstream.capture('icmp')
    for (const { vm } of [far, first, second]) expect(await vm.ping(SERVER)).toBe(1)
    const frames = capture.frames()
    await capture.stop()
    expect(frames.length).toBeGreaterThan(0)
    for (const frame of frames) {
      expect(frame).toContain(`${gatewayAddress} > ${SERVER}`)
      expect(frame).toContain(gatewayMac)
    }
  })

  test('TCP passes unharmed, UDP and large packets pass both ways', async () => {
    const bytes = randomBytes(300_000)
    expect((await stream(far.vm, upstream, SERVER, bytes)).equals(bytes)).toBe(true)
    expect((await stream(first.vm, upstream, SERVER, bytes)).equals(bytes)).toBe(true)
    // It answers from this address, whichever was asked.
    const server = { vm: upstream, port: { address: UPSTREAM } }
    await using udp = await Conversation.start('udp', far, server, 5300)
    await udp.goesOn()
    await using large = await Conversation.start('udp', second, server, 5301, 4000)
    await large.goesOn()
    expect(await far.vm.ping(SERVER, '-s', '8000')).toBe(1)
  })

  test('traceroute shows the router, then what is outside; a closed port outside is reported', async () => {
    const hops = async (guest: Guest): Promise<string[]> => {
      const text = await guest.vm.exec('traceroute', '-n', '-q', '1', '-w', '2', SERVER)
      return text.split('\n').flatMap((line) => /^ *\d+ +([\d.]+) /.exec(line)?.[1] ?? [])
    }
    for (const guest of [far, first, second]) expect(await hops(guest)).toEqual([inside.gateway, SERVER])
  })

  test('the gateway’s address answers from inside and outside; nobody gets in by it', async () => {
    expect(await far.vm.ping(gatewayAddress)).toBe(1)
    expect(await upstream.ping(gatewayAddress)).toBe(1)
    await expect(upstream.exec('nc', '-z', '-w', '2', gatewayAddress, '22')).rejects.toThrow()
  })

  test('only the gateway’s host answers ARP for its address', async () => {
    const text = await watcher.exec('busybox', 'arping', '-c', '2', '-w', '4', '-I', 'eth0', gatewayAddress)
    expect([...text.matchAll(/\[([0-9a-f:]{17})\]/g)].map(([, mac]) => mac)).toEqual([gatewayMac, gatewayMac])
  })
})

test('a trace shows the way by the gateway’s host, and what is installed agrees', async () => {
  const question = { from: far.port.id, to: SERVER, protocol: 'tcp', destination_port: 80, live: true }
  const { outcome, hosts, live } = (await cloud.controller.call('POST', '/v1/trace', question)) as unknown as {
    readonly outcome: Json
    readonly hosts: readonly { readonly host: string }[]
    readonly live: { readonly agrees: boolean }
  }
  expect(outcome).toMatchObject({ kind: 'delivered', reason: 'it leaves for a physical network' })
  expect(hosts.map(({ host }) => host)).toEqual(expect.arrayContaining(['host3', await gatewayHost()]))
  expect(JSON.stringify(hosts)).toContain(`nw_src=${gatewayAddress},nw_dst=${SERVER}`)
  expect(live.agrees).toBe(true)
})

test('a next hop that comes back with another MAC is found, also when it says nothing', async () => {
  await upstream.exec('ip', 'link', 'set', 'eth0', 'down')
  await upstream.exec('ip', 'link', 'set', 'eth0', 'address', '02:cc:cc:cc:cc:01')
  await upstream.exec('ip', 'link', 'set', 'eth0', 'up')
  await until('the server is reached again', async () => (await far.vm.ping(SERVER, '-c', '1')) === 1, 40)
})

test('without translation machines are reached at their own addresses from outside', async () => {
  await setSnat(false)
  await upstream.exec('ip', 'route', 'add', '10.2.0.0/24', 'via', gatewayAddress)
  const capture = await upstream.capture('icmp', 'and', 'icmp[0]', '=', '8')
  for (const guest of [far, first, second]) {
    await warm(guest.vm, SERVER)
    expect(await upstream.ping(guest.port.address)).toBe(1)
  }
  for (const frame of capture.frames()) expect(frame).not.toContain(gatewayAddress)
  await capture.stop()
  const text = await upstream.exec('traceroute', '-n', '-q', '1', '-w', '2', far.port.address)
  expect(text).toMatch(new RegExp(`1 +${gatewayAddress.replaceAll('.', '\\.')} .*\n +2 +${far.port.address}`))
  await setSnat(true)
  await upstream.exec('ip', 'route', 'del', '10.2.0.0/24')
  await warm(far.vm, SERVER)
})

test('a gateway with a QoS policy lets out and in what the policy says', async () => {
  const made = await cloud.controller.call('POST', '/v2.0/qos/policies', { policy: {} })
  const policy = (made['policy'] as Json)['id'] as string
  for (const [direction, max_kbps] of [
    ['egress', 3000],
    ['ingress', 2000],
  ] as const) {
    const rule = { bandwidth_limit_rule: { direction, max_kbps, max_burst_kbps: 1000 } }
    await cloud.controller.call('POST', `/v2.0/qos/policies/${policy}/bandwidth_limit_rules`, rule)
  }
  const limit = (qos_policy_id: string | null): Promise<Json> =>
    cloud.update('router', router, { external_gateway_info: { network_id: external.id, qos_policy_id } })
  const rates = async (): Promise<string[]> => {
    const meters = await Promise.all(cloud.fabric.hosts.map(({ ovs }) => ovs.ofctl('dump-meters', 'br-int')))
    return meters.map((text) => [...text.matchAll(/rate=([23]000)/g)].map(([, rate]) => rate).join())
  }
  // The machine with the server answers from this address, whichever was asked.
  const flood = [UPSTREAM, '-u', '-l', '1200', '-b', '8M'] as const
  await using out = await Load.start(far.vm, upstream, ...flood)
  await using back = await Load.start(first.vm, upstream, ...flood, '-R')
  await limit(policy)
  await out.comesTo(2500, 3100)
  await back.comesTo(1600, 2100)
  expect((await rates()).toSorted()).toEqual(['', '', expect.stringMatching(/^(2000,3000|3000,2000)$/)])
  await limit(null)
  await out.comesTo(7000, 8700)
  await back.comesTo(7000, 8700)
  expect(await rates()).toEqual(['', '', ''])
})

describe('the host that stands for a router', () => {
  test('is the one that an operator names, and the wire hears of it', async () => {
    for (const host of [cloud.host(0), cloud.host(1)]) {
      if ((await gatewayHost()) === host.name) continue
      const capture = await watcher.capture('arp', 'and', 'ether', 'src', gatewayMac)
      await pin(host)
      const told = () => capture.frames().some((frame) => frame.includes(`${gatewayAddress} is-at ${gatewayMac}`))
      await until('the wire is told', told)
      await capture.stop()
      for (const { vm } of [far, first, second]) await warm(vm, SERVER)
    }
  })

  test('a restart of the controller changes nothing and loses nothing', async () => {
    const restart = async (): Promise<void> => {
      await cloud.controller.restart('SIGKILL')
      await cloud.settled()
    }
    const capture = await watcher.capture('arp', 'and', 'ether', 'src', gatewayMac)
    expect(await pinging(far.vm, SERVER, 10, restart)).toMatchObject({ lost: 0 })
    const sent = (await cloud.agents()).map(({ configurations: { flowMods, meterMods } }) => flowMods + meterMods)
    expect(sent).toEqual([0, 0, 0])
    // It may have ended before it could say that the gateway has moved.
    await until('the wire is told again', () => capture.frames().some((frame) => frame.includes(`is-at ${gatewayMac}`)))
    await capture.stop()
  })

  test('is replaced when it is lost', async () => {
    const old = hostNamed(await gatewayHost())
    const agent = await agentId(old)
    // Not pinned any more: it may move.
    await cloud.controller.call('DELETE', `/v2.0/agents/${agent}/l3-routers/${router}`)
    await until('the gateway has moved', async () => (await gatewayHost()) !== old.name)
    await warm(far.vm, SERVER)
    const lost = hostNamed(await gatewayHost())
    const capture = await watcher.capture('arp', 'and', 'ether', 'src', gatewayMac)
    const losses = await pinging(far.vm, SERVER, PING_MILLISECONDS, async () => {
      await lost.ovs.stopSwitch('SIGKILL')
      await until('another host has taken over', async () => (await gatewayHost()) !== lost.name, 30)
      await warm(far.vm, SERVER)
    })
    // None if it had been silent for a while already: then it is replaced at once. A switch that has lost its interfaces
    // with its life says no farewell.
    expect(losses.lost * PING_MILLISECONDS).toBeLessThan((TAKEOVER_SECONDS + 4) * 1000)
    await until('the wire is told', () => capture.frames().length > 0)
    await capture.stop()
    await lost.ovs.startSwitch()
    await cloud.settled()
    // It was taken from the other one, which has it only while this one is away.
    await until('the gateway is back', async () => (await gatewayHost()) === lost.name)
    for (const { vm } of [far, first, second]) await warm(vm, SERVER)
  })

  test('is waited for by a router that is not highly available', async () => {
    const lost = hostNamed(await gatewayHost())
    await cloud.update('router', router, { ha: false })
    await lost.ovs.stopSwitch('SIGKILL')
    await until('the host is lost', async () => !(await cloud.agent(lost)).alive)
    await sleep(TAKEOVER_SECONDS * 1000)
    expect(await gatewayHost()).toBe(lost.name)
    await cloud.controller.call('PUT', `/v2.0/routers/${router}`, { router: { ha: true } })
    await until('another host has taken over', async () => (await gatewayHost()) !== lost.name)
    await warm(far.vm, SERVER)
    await lost.ovs.startSwitch()
    await cloud.settled()
    await until('the gateway is back', async () => (await gatewayHost()) === lost.name)
    for (const { vm } of [far, first, second]) await warm(vm, SERVER)
  })
})

test('a router without its gateway leads nowhere outside, and nothing is left of it', async () => {
  await cloud.update('router', router, { external_gateway_info: null })
  await until('outside is out of reach', async () => (await far.vm.ping(SERVER, '-c', '1')) === 0)
  await warm(first.vm, far.port.address)
  const gone = async (): Promise<boolean> => {
    const flows = await Promise.all(cloud.fabric.hosts.map((host) => host.ovs.ofctl('dump-flows', 'br-int')))
    return flows.every((each) => !each.includes(gatewayMac))
  }
  await until('no flow speaks of the gateway', gone)
})

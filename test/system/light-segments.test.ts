// A network with two segments on real hosts: each host is on one, and a router that no controller knows joins them.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Cloud, warm, type Guest, type Network, type Port } from '../lab/cloud.ts'
import type { Hypervisor, Machine } from '../lab/fabric.ts'
import { until } from '../lab/run.ts'
import { BRIDGE, Wire } from '../lab/wire.ts'

let cloud: Cloud
let wires: Wire[]
let router: Machine
let network: Network
/** The first two are on the left segment, the third is on the right one. */
let guests: [Guest, Guest, Guest]

const VLANS = [10, 20]
const NAMES = ['left', 'right']
const map = (host: Hypervisor, ...mapped: readonly string[]) =>
  host.ovs.vsctl('set', 'Open_vSwitch', '.', `external_ids:weft-bridge-mappings="${mapped.join()}"`)
const alarms = async (host: Hypervisor) => (await cloud.agent(host)).configurations.alarms.join()

interface Shown {
  readonly fixed_ips: readonly { readonly ip_address: string }[]
  readonly ip_allocation: string
}
const shown = async ({ id }: Port): Promise<Shown> =>
  (await cloud.controller.call('GET', `/v2.0/ports/${id}`))['port'] as Shown

/** A machine that has asked for its address: its port had none before it was plugged in. */
async function guest(host: Hypervisor): Promise<Guest> {
  const port = await cloud.port(network, { default_ingress_action: 'allow', default_egress_action: 'allow' })
  expect([port.address, (await shown(port)).ip_allocation]).toEqual(['', 'deferred'])
  const vm = await cloud.fabric.addVm(host, port.id.slice(0, 8), port.mac, port.id)
  await cloud.becomes(port, 'ACTIVE')
  await until('the port has an address', async () => (await shown(port)).fixed_ips.length === 1)
  const address = (await shown(port)).fixed_ips[0]?.ip_address ?? ''
  expect((await vm.dhcp())['ip']).toBe(address)
  return { vm, port: { ...port, address } }
}

beforeAll(async () => {
  cloud = await Cloud.start(2)
  wires = [await Wire.start(cloud.fabric), await Wire.start(cloud.fabric)]
  for (const [i, wire] of wires.entries()) {
    await wire.connect(cloud.host(i))
    await map(cloud.host(i), `${NAMES[i]}:${BRIDGE}`)
  }
  const [left, right] = wires as [Wire, Wire]
  router = await left.machine('router', '10.1.0.1/24', VLANS[0] ?? null)
  await right.attach(router, 'eth1', '10.2.0.1/24', VLANS[1] ?? null)
  await router.exec('sysctl', '-qw', 'net.ipv4.ip_forward=1')
  network = await cloud.network({
    segments: NAMES.map((name, i) => ({
      'provider:network_type': 'vlan',
      'provider:physical_network': name,
      'provider:segmentation_id': VLANS[i],
    })),
  })
  for (const [i, name] of NAMES.entries()) {
    const found = await cloud.controller.call('GET', `/v2.0/segments?physical_network=${name}`)
    const [segment] = found['segments'] as { id: string }[]
    await cloud.subnet(network, `10.${i + 1}.0.0/24`, { segment_id: segment?.id })
  }
  guests = [await guest(cloud.host(0)), await guest(cloud.host(0)), await guest(cloud.host(1))]
})

afterAll(() => cloud?.stop())

describe('a network with a segment for each of two hosts', () => {
  test('machines get addresses of the segment that their host is on', () => {
    const prefixes = guests.map(({ port }) => port.address.split('.').slice(0, 2).join('.'))
    expect(prefixes).toEqual(['10.1', '10.1', '10.2'])
  })

  test('within a segment they reach each other at once, over segments by the router on the wires', async () => {
    const [a, b, c] = guests
    const ttl = async (from: Guest, to: Guest): Promise<string | undefined> => {
      await warm(from.vm, to.port.address)
      return /ttl=(\d+)/.exec(await from.vm.exec('ping', '-n', '-c', '1', '-W', '2', to.port.address))?.[1]
    }
    expect([await ttl(a, b), await ttl(a, c), await ttl(c, a)]).toEqual(['64', '63', '63'])
    expect(await cloud.host(0).ovs.ofctl('dump-ports', 'br-int', 'weft-vxlan')).toContain('tx pkts=0,')
  })

  test('a broadcast does not leave its segment', async () => {
    const [a, b, c] = guests
    const captures = await Promise.all([b.vm, c.vm].map((vm) => vm.capture('ether', 'broadcast', 'and', 'icmp')))
    await a.vm.exec('ping', '-n', '-b', '-c', '3', '-i', '0.2', '-W', '1', '10.1.0.255').catch(() => {})
    await until('the neighbour has heard it', () => captures[0]?.frames().length === 3)
    await warm(a.vm, c.port.address)
    expect(captures.map((each) => each.frames().length)).toEqual([3, 0])
    await Promise.all(captures.map((each) => each.stop()))
  })

  test('a host that is on both segments has an alarm and stays on the older one', async () => {
    const [a, , c] = guests
    const host = cloud.host(0)
    await map(host, `left:${BRIDGE}`, `right:${BRIDGE}`)
    await until('an alarm', async () => (await alarms(host)).includes(`several segments of network ${network.id}`))
    await warm(a.vm, c.port.address)
    await map(host, `left:${BRIDGE}`)
    await until('the alarm is over', async () => (await alarms(host)) === '')
  })

  test('a machine that is moved to a host of another segment is DOWN until it is back', async () => {
    const [, b] = guests
    await cloud.fabric.migrate(b.vm, cloud.host(1), b.port.id)
    await until('its host has changed', async () => {
      const port = (await cloud.controller.call('GET', `/v2.0/ports/${b.port.id}`))['port'] as Record<string, unknown>
      return port['binding:host_id'] === cloud.host(1).name
    })
    expect(await cloud.status(b.port)).toBe('DOWN')
    await cloud.fabric.migrate(b.vm, cloud.host(0), b.port.id)
    await cloud.becomes(b.port, 'ACTIVE')
    await warm(b.vm, guests[2].port.address)
  })

  test('a restart of the controller changes nothing', async () => {
    await cloud.controller.restart('SIGKILL')
    await cloud.settled()
    const sent = (await cloud.agents()).map(({ configurations: { flowMods, meterMods } }) => flowMods + meterMods)
    expect(sent).toEqual([0, 0])
    expect(await guests[0].vm.ping(guests[2].port.address)).toBe(1)
  })
})

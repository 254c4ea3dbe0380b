// Flat and VLAN networks on real hosts, with machines on the same wire that no controller knows.
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Cloud, warm, type Guest, type Network, type Subnet } from '../lab/cloud.ts'
import type { Hypervisor, Machine } from '../lab/fabric.ts'
import { until } from '../lab/run.ts'
import { stream } from '../lab/stream.ts'
import { BRIDGE, Wire } from '../lab/wire.ts'

interface Segment {
  readonly network: Network
  readonly subnet: Subnet
  /** On the first and the second host. */
  readonly a: Guest
  readonly b: Guest
  readonly machine: Machine
  readonly machineAddress: string
}

let cloud: Cloud
let wire: Wire
let flat: Segment
let vlan100: Segment
let vlan200: Segment
let overlay: Guest
let routerMac: string

const map = (host: Hypervisor, mappings: string) =>
  host.ovs.vsctl('set', 'Open_vSwitch', '.', `external_ids:weft-bridge-mappings="${mappings}"`)
const ports = async (host: Hypervisor, bridge: string): Promise<string[]> =>
  (await host.ovs.vsctl('list-ports', bridge)).split('\n').filter(Boolean)

/** Machines on the wire are in no security group, and speak first in some tests. */
const OPEN = { default_ingress_action: 'allow' }

/** A network on the wire, 10.N.0.0/24, with a guest on each of two hosts and a machine. */
async function segment(n: number, vlan: number | null): Promise<Segment> {
  const network = await cloud.network({
    'provider:network_type': vlan === null ? 'flat' : 'vlan',
    'provider:physical_network': 'physnet1',
    ...(vlan !== null && { 'provider:segmentation_id': vlan }),
  })
  const subnet = await cloud.subnet(network, `10.${n}.0.0/24`)
  const machineAddress = `10.${n}.0.99`
  const [a, b, machine] = await Promise.all([
    cloud.guest(cloud.host(0), network, subnet, OPEN),
    cloud.guest(cloud.host(1), network, subnet, OPEN),
    wire.machine(`machine${n}`, `${machineAddress}/24`, vlan),
  ])
  return { network, subnet, a, b, machine, machineAddress }
}

beforeAll(async () => {
  cloud = await Cloud.start(3)
  wire = await Wire.start(cloud.fabric)
  for (const host of [cloud.host(0), cloud.host(1)]) {
    await wire.connect(host)
    await map(host, `physnet1:${BRIDGE}`)
  }
  ;[flat, vlan100, vlan200] = await Promise.all([segment(1, null), segment(2, 100), segment(3, 200)])
  const network = await cloud.network()
  const subnet = await cloud.subnet(network, '10.4.0.0/24')
  const router = await cloud.router([subnet, vlan100.subnet])
  overlay = await cloud.guest(cloud.host(0), network, subnet)
  const query = `device_id=${router}&network_id=${vlan100.network.id}`
  const interfaces = (await cloud.controller.call('GET', `/v2.0/ports?${query}`))['ports'] as { mac_address: string }[]
  routerMac = interfaces[0]?.mac_address ?? ''
})

afterAll(() => cloud?.stop())

const each = (act: (segment: Segment) => Promise<void>) => Promise.all([flat, vlan100, vlan200].map(act))

describe('patch ports', () => {
  test('a mapping makes one pair, and nothing else on the bridge is touched', async () => {
    const host = cloud.host(0)
    expect(await ports(host, BRIDGE)).toEqual(['eth1', 'weft-phy-physnet1'])
    expect(await ports(host, 'br-int')).toContain('weft-int-physnet1')
    expect(await host.ovs.vsctl('get-controller', BRIDGE)).toBe('')
    expect(await host.ovs.ofctl('--no-stats', 'dump-flows', BRIDGE)).toContain('priority=0 actions=NORMAL')
  })
})

describe('reachability', () => {
  test('guests reach each other across hosts, by the wire and not by tunnels', async () => {
    await each(async ({ a, b }) => {
      await warm(a.vm, b.port.address)
      expect(await a.vm.ping(b.port.address)).toBe(1)
    })
    expect(await cloud.host(0).ovs.ofctl('dump-ports', 'br-int', 'weft-vxlan')).toContain('tx pkts=0,')
  })

  test('guests and machines of a network reach each other, on whichever host', async () => {
    await each(async ({ a, b, machine, machineAddress }) => {
      await warm(a.vm, machineAddress)
      expect(await b.vm.ping(machineAddress)).toBe(1)
      expect(await machine.ping(a.port.address)).toBe(1)
    })
  })

  test('TCP passes unharmed between guests and between a guest and a machine', async () => {
    const bytes = randomBytes(500_000)
    await each(async ({ a, b, machine, machineAddress }) => {
      expect((await stream(a.vm, b.vm, b.port.address, bytes)).equals(bytes)).toBe(true)
      expect((await stream(a.vm, machine, machineAddress, bytes)).equals(bytes)).toBe(true)
    })
  })

  test('VLANs stay apart, also from who is untagged', async () => {
    const { a } = vlan200
    for (const { machine } of [flat, vlan100]) {
      await machine.exec('ip', 'addr', 'add', '10.3.0.98/24', 'dev', 'eth0')
      expect(await machine.ping(a.port.address, '-c', '1', '-I', '10.3.0.98')).toBe(0)
      await machine.exec('ip', 'addr', 'del', '10.3.0.98/24', 'dev', 'eth0')
    }
  })

  test('a packet as large as the MTU of the wire passes', async () => {
    const { a, network, machineAddress } = vlan100
    expect(network.mtu).toBe(1500)
    await a.vm.exec('ip', 'link', 'set', 'eth0', 'mtu', '1500')
    expect(await a.vm.ping(machineAddress, '-M', 'do', '-s', '1472')).toBe(1)
  })
})

describe('broadcast, ARP and DHCP', () => {
  test('every other member gets one copy of a broadcast, the machine one, other networks none', async () => {
    const { a, b, machine } = vlan100
    const watching = [a.vm, b.vm, machine, vlan200.machine, flat.machine, flat.b.vm]
    const captures = await Promise.all(watching.map((each) => each.capture('icmp', 'and', 'ether', 'broadcast')))
    const counts = () => captures.map((each) => each.frames().length)
    await a.vm.exec('ping', '-n', '-b', '-c', '3', '-i', '0.2', '-W', '1', '10.2.0.255').catch(() => {})
    await until('the broadcasts have arrived', () => counts()[1] === 3 && counts()[2] === 3)
    expect(await machine.ping(b.port.address)).toBe(1)
    expect(counts()).toEqual([0, 3, 3, 0, 0, 0])
    await Promise.all(captures.map((each) => each.stop()))
  })

  test('ARP for a guest stays at home; a machine that has a guest’s address is found by who probes for it', async () => {
    const { a, b, machine } = flat
    const capture = await machine.capture('arp')
    const answer = await a.vm.exec('busybox', 'arping', '-c', '1', '-w', '2', '-I', 'eth0', b.port.address)
    expect(answer.toLowerCase()).toContain(b.port.mac)
    await warm(a.vm, flat.machineAddress)
    expect(capture.frames().filter((frame) => frame.includes(`who-has ${b.port.address}`))).toEqual([])
    await capture.stop()
    const probe = () =>
      a.vm.exec('busybox', 'arping', '-D', '-c', '2', '-w', '2', '-I', 'eth0', a.port.address).then(
        () => 'free',
        () => 'taken',
      )
    expect(await probe()).toBe('free')
    await machine.exec('ip', 'addr', 'add', `${a.port.address}/32`, 'dev', 'eth0')
    expect(await probe()).toBe('taken')
    await machine.exec('ip', 'addr', 'del', `${a.port.address}/32`, 'dev', 'eth0')
  })

  test('guests get their addresses by DHCP; machines get no answer, and hear no request of a guest', async () => {
    const { a, machine } = vlan100
    const capture = await machine.capture('udp', 'port', '67')
    expect((await a.vm.dhcp())['ip']).toBe(a.port.address)
    await expect(machine.dhcp('-t', '2')).rejects.toThrow('no lease')
    expect(capture.frames()).toEqual([])
    await capture.stop()
  })

  test('an address that is not the guest’s does not get to the wire', async () => {
    const { a, machine } = flat
    const capture = await machine.capture('src', 'host', '10.1.0.66')
    await a.vm.exec('ip', 'addr', 'add', '10.1.0.66/24', 'dev', 'eth0')
    expect(await a.vm.ping(flat.machineAddress, '-I', '10.1.0.66', '-c', '2')).toBe(0)
    await a.vm.exec('ip', 'addr', 'del', '10.1.0.66/24', 'dev', 'eth0')
    await warm(a.vm, flat.machineAddress)
    expect(capture.frames()).toEqual([])
    await capture.stop()
  })
})

describe('routing', () => {
  test('guests of an overlay and of a VLAN reach each other; the router’s MAC is never seen on the wire', async () => {
    const { a, b } = vlan100
    for (const guest of [a, b]) {
      await warm(overlay.vm, guest.port.address)
      expect(await overlay.vm.ping(guest.port.address)).toBe(1)
      expect(await guest.vm.ping(overlay.port.address)).toBe(1)
    }
    const learned = await wire.learned()
    expect(learned).not.toContain(routerMac)
    // The first host’s, which routes what the overlay’s guest sends.
    expect(learned.filter((mac) => mac.startsWith('06:'))).toHaveLength(1)
  })
})

describe('hosts without the physical network', () => {
  test('a port there is DOWN with a reason until the host is given a mapping, and again when it is taken away', async () => {
    const host = cloud.host(2)
    const { network, subnet, machineAddress } = flat
    const port = await cloud.port(network)
    const vm = await cloud.fabric.addVm(host, 'stranded', port.mac, port.id)
    await vm.address(`${port.address}/24`, subnet.gateway)
    const alarms = async () => (await cloud.agent(host)).configurations.alarms.join()
    await until('an alarm', async () => (await alarms()).includes("physical network 'physnet1'"))
    expect(await cloud.status(port)).toBe('DOWN')
    expect(await vm.ping(machineAddress, '-c', '1')).toBe(0)

    await wire.connect(host)
    await map(host, `physnet2:${BRIDGE}, physnet1:${BRIDGE}`)
    await cloud.becomes(port, 'ACTIVE')
    expect(await alarms()).toBe('')
    await warm(vm, machineAddress)
    expect(await ports(host, BRIDGE)).toEqual(['eth1', 'weft-phy-physnet1', 'weft-phy-physnet2'])

    await map(host, 'physnet1:br-nowhere')
    await cloud.becomes(port, 'DOWN')
    await until('the patch is gone', async () => (await ports(host, BRIDGE)).length === 1)
    expect(await ports(host, 'br-int')).not.toContain('weft-int-physnet1')
    expect(await alarms()).toContain("physical network 'physnet1'")
  })

  test('patch ports that somebody removes or changes come back', async () => {
    const host = cloud.host(0)
    const { ovs } = host
    const peer = async (name: string) => (await ovs.vsctl('get', 'interface', name, 'options:peer')).trim()
    await ovs.vsctl('set', 'interface', 'weft-int-physnet1', 'options:peer=nothing')
    await until('the peer is mended', async () => (await peer('weft-int-physnet1')) === 'weft-phy-physnet1')
    await ovs.vsctl('del-port', BRIDGE, 'weft-phy-physnet1')
    await until('the far end is back', async () => (await ports(host, BRIDGE)).includes('weft-phy-physnet1'))
    await ovs.vsctl('del-port', 'br-int', 'weft-int-physnet1')
    await until('the near end is back', async () => (await ports(host, 'br-int')).includes('weft-int-physnet1'))
    await warm(flat.a.vm, flat.machineAddress)
  })

  test('a restart of the controller sends nothing to hosts with wires', async () => {
    await cloud.controller.restart('SIGKILL')
    await cloud.settled()
    const sent = (await cloud.agents()).map(({ configurations: { flowMods, meterMods } }) => flowMods + meterMods)
    expect(sent).toEqual([0, 0, 0])
    expect(await flat.a.vm.ping(flat.machineAddress)).toBe(1)
  })
})

// What `dataplane` measures on: two hosts with the userspace datapath, two machines on each, forwarded by Weft, by OVN and,
// for what a plain bridge can, by NORMAL. The overlay is Geneve everywhere, with OVN's option the largest of headers, so
// all machines have the MTU that fits it.
import { Cloud } from '../lab/cloud.ts'
import { Fabric, type Hypervisor, type Vm } from '../lab/fabric.ts'
import { Ovn } from '../lab/ovn.ts'

const MTU = '1442'
const GROUP = 'pg_default'
const GENEVE_PORT = '65002'

export interface Machine {
  readonly vm: Vm
  readonly address: string
}

export interface Bed extends AsyncDisposable {
  readonly name: string
  readonly fabric: Fabric
  /** Two on the first host, one on the second, all of one network; one of another network on the second host. */
  readonly near: Machine
  readonly neighbour: Machine
  readonly far: Machine
  readonly routed: Machine | null
}

interface Plan {
  readonly network: 0 | 1
  readonly host: 0 | 1
  readonly mac: string
  readonly address: string
}

const plans = {
  near: { network: 0, host: 0, mac: '02:00:00:00:00:11', address: '10.0.0.11' },
  neighbour: { network: 0, host: 0, mac: '02:00:00:00:00:12', address: '10.0.0.12' },
  far: { network: 0, host: 1, mac: '02:00:00:00:00:13', address: '10.0.0.13' },
  routed: { network: 1, host: 1, mac: '02:00:00:00:00:21', address: '10.0.1.21' },
} as const satisfies Record<string, Plan>

const subnets = [
  { cidr: '10.0.0.0/24', gateway: '10.0.0.1', gatewayMac: '02:00:00:00:00:01' },
  { cidr: '10.0.1.0/24', gateway: '10.0.1.1', gatewayMac: '02:00:00:00:00:02' },
] as const

async function machine(fabric: Fabric, plan: Plan, name: string, portId: string): Promise<Machine> {
  const vm = await fabric.addVm(fabric.hosts[plan.host] as Hypervisor, name, plan.mac, portId)
  await vm.address(`${plan.address}/24`, subnets[plan.network].gateway)
  await vm.exec('ip', 'link', 'set', 'eth0', 'mtu', MTU)
  // Neighbour discovery and the like would be counted as traffic.
  await vm.exec('sysctl', '-q', '-w', 'net.ipv6.conf.eth0.disable_ipv6=1')
  return { vm, address: plan.address }
}

export async function normalBed(): Promise<Bed> {
  const fabric = await Fabric.start(2)
  const addresses = fabric.hosts.map(({ address }) => address)
  for (const [n, { ovs }] of fabric.hosts.entries()) {
    await makeBridge(ovs)
    await ovs.vsctl('set', 'bridge', 'br-int', 'fail_mode=standalone')
    const tunnel = [
      'type=geneve',
      `options:remote_ip=${addresses[1 - n]}`,
      'options:key=1',
      `ofport_request=${GENEVE_PORT}`,
    ]
    await ovs.vsctl('add-port', 'br-int', 'tunnel', '--', 'set', 'interface', 'tunnel', ...tunnel)
  }
  const { near, neighbour, far } = plans
  return {
    name: 'NORMAL',
    fabric,
    near: await machine(fabric, near, 'near', 'near'),
    neighbour: await machine(fabric, neighbour, 'neighbour', 'neighbour'),
    far: await machine(fabric, far, 'far', 'far'),
    routed: null,
    [Symbol.asyncDispose]: () => fabric.stop(),
  }
}

async function makeBridge(ovs: Hypervisor['ovs']): Promise<void> {
  await ovs.vsctl('add-br', 'br-int', '--', 'set', 'bridge', 'br-int', 'datapath_type=netdev', 'fail_mode=secure')
}

export async function ovnBed(): Promise<Bed> {
  const fabric = await Fabric.start(2)
  const ovn = await Ovn.start()
  for (const host of fabric.hosts) {
    await makeBridge(host.ovs)
    await ovn.addHost(host)
  }
  const { northbound } = ovn
  await northbound.addDefaultGroup(GROUP)
  await northbound.addRouter('router')
  for (const [n, subnet] of subnets.entries()) {
    await northbound.addNetwork(`network${n}`, subnet)
    await northbound.addInterface('router', `network${n}`, subnet)
  }
  const place = async (name: keyof typeof plans): Promise<Machine> => {
    const { network, mac, address } = plans[name]
    await northbound.addPorts(`network${network}`, subnets[network], [{ name, mac, address }], GROUP)
    return machine(fabric, plans[name], name, name)
  }
  const machines = {
    near: await place('near'),
    neighbour: await place('neighbour'),
    far: await place('far'),
    routed: await place('routed'),
  }
  await northbound.up(Object.keys(plans))
  await northbound.synchronized()
  return {
    name: 'OVN',
    fabric,
    ...machines,
    [Symbol.asyncDispose]: async () => {
      await ovn.stop()
      await fabric.stop()
    },
  }
}

export async function weftBed(): Promise<Bed> {
  const cloud = await Cloud.start(2)
  const networks = await Promise.all(subnets.map(() => cloud.network({ 'provider:network_type': 'geneve' })))
  const made = await Promise.all(subnets.map(({ cidr }, n) => cloud.subnet(networks[n] as never, cidr)))
  await cloud.router(made)
  const place = async (name: keyof typeof plans): Promise<Machine> => {
    const { network, mac, address } = plans[name]
    const port = await cloud.port(networks[network] as never, {
      mac_address: mac,
      fixed_ips: [{ ip_address: address }],
    })
    const placed = await machine(cloud.fabric, plans[name], name, port.id)
    await cloud.becomes(port, 'ACTIVE')
    return placed
  }
  return {
    name: 'Weft',
    fabric: cloud.fabric,
    near: await place('near'),
    neighbour: await place('neighbour'),
    far: await place('far'),
    routed: await place('routed'),
    [Symbol.asyncDispose]: () => cloud.stop(),
  }
}

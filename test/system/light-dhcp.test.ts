// DHCP as clients see it: every exchange of RFC 2131 §4.4 with busybox's udhcpc and ISC's dhclient on a real host.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cloud, type Guest, type Network, type Port, type Subnet } from '../lab/cloud.ts'
import { Dhclient } from '../lab/dhclient.ts'

let cloud: Cloud
let red: Network
let redSubnet: Subnet

beforeAll(async () => {
  cloud = await Cloud.start(1)
  red = await cloud.network()
  redSubnet = await cloud.subnet(red, '10.1.0.0/24')
})

afterAll(() => cloud?.stop())

/** A machine without an address. */
async function plugged(port: Port): Promise<Guest> {
  const vm = await cloud.fabric.addVm(cloud.host(0), port.id.slice(0, 8), port.mac, port.id)
  await cloud.becomes(port, 'ACTIVE')
  return { vm, port }
}

const ALL = '255.255.255.255 port 67'
const times = (lease: number, t1: number, t2: number) =>
  Object.entries({ 'lease-time': lease, T1: t1, T2: t2 }).map(([opt_name, value]) => ({
    opt_name,
    opt_value: String(value),
  }))

/** What a client says and hears when it gets an address for the first time. */
const selecting = (address: string, server: string): string[] => [
  `DHCPDISCOVER to ${ALL}`,
  `DHCPOFFER of ${address} from ${server}`,
  `DHCPREQUEST for ${address} to ${ALL}`,
  `DHCPACK of ${address} from ${server}`,
]

test('a machine gets its address, mask, router, DNS, MTU, routes, lease and options', async () => {
  const network = await cloud.network()
  const subnet = await cloud.subnet(network, '10.3.0.0/25', {
    dns_nameservers: ['192.0.2.53', '192.0.2.54'],
    host_routes: [{ destination: '198.51.100.0/24', nexthop: '10.3.0.9' }],
  })
  const extra_dhcp_opts = [
    { opt_name: 'domain-name', opt_value: 'red.example' },
    { opt_name: 'ntp-server', opt_value: '192.0.2.123' },
  ]
  const { vm, port } = await plugged(await cloud.port(network, { extra_dhcp_opts }))
  const lease = await vm.dhcp('-O', 'mtu', '-O', 'staticroutes', '-O', 'ntpsrv', '-O', 'domain', '-O', 'lease')
  expect(lease).toMatchObject({
    ip: port.address,
    mask: '25',
    router: subnet.gateway,
    dns: '192.0.2.53 192.0.2.54',
    mtu: String(network.mtu),
    lease: '86400',
    domain: 'red.example',
    ntpsrv: '192.0.2.123',
    serverid: subnet.gateway,
  })
  expect(lease['staticroutes']).toBe(`198.51.100.0/24 10.3.0.9 0.0.0.0/0 ${subnet.gateway}`)
  // What the client made of it.
  expect(await vm.exec('ip', 'route')).toContain('198.51.100.0/24 via 10.3.0.9')
  expect(await vm.exec('ip', 'link', 'show', 'eth0')).toContain(`mtu ${network.mtu} `)
})

test('a machine that asks for another address in its discover gets its own', async () => {
  const { vm, port } = await plugged(await cloud.port(red))
  expect((await vm.dhcp('-r', '10.1.0.250'))['ip']).toBe(port.address)
})

test.concurrent('a lease is renewed by unicast at T1, and given back at the end', async () => {
  const { vm, port } = await plugged(await cloud.port(red, { extra_dhcp_opts: times(60, 2, 50) }))
  await using client = await Dhclient.start(vm)
  const server = redSubnet.gateway as string
  const renewal = [`DHCPREQUEST for ${port.address} to ${server} port 67`, `DHCPACK of ${port.address} from ${server}`]
  await client.says([...selecting(port.address, server), ...renewal, ...renewal])
  expect(client.messages().filter((said) => said.includes(ALL))).toHaveLength(2)
  expect(await client.release()).toContain(`DHCPRELEASE of ${port.address} on eth0 to ${server} port 67`)
  // Given back or not, the address is the port's.
  expect((await vm.dhcp())['ip']).toBe(port.address)
})

test.concurrent('a shorter lease has an earlier T1 and T2 by itself', async () => {
  const extra_dhcp_opts = [{ opt_name: 'lease-time', opt_value: '4' }]
  const { vm, port } = await plugged(await cloud.port(red, { extra_dhcp_opts }))
  await using client = await Dhclient.start(vm)
  await client.says([`DHCPREQUEST for ${port.address} to ${redSubnet.gateway} port 67`])
})

test.concurrent('a lease whose server cannot be reached is extended by broadcast at T2', async () => {
  // Without a gateway there is no way to the server’s address.
  const network = await cloud.network()
  await cloud.subnet(network, '10.4.0.0/24', { gateway_ip: null })
  const { vm, port } = await plugged(await cloud.port(network, { extra_dhcp_opts: times(60, 2, 4) }))
  await using client = await Dhclient.start(vm)
  const server = '169.254.169.254'
  await client.says([
    ...selecting(port.address, server),
    `DHCPREQUEST for ${port.address} to ${server} port 67`,
    `DHCPREQUEST for ${port.address} to ${ALL}`,
    `DHCPACK of ${port.address} from ${server}`,
  ])
})

test('a machine that comes from another subnet is told at once, and takes the right address', async () => {
  const { vm, port } = await plugged(await cloud.port(red))
  await using client = await Dhclient.start(vm, { last: '192.168.7.7' })
  const server = redSubnet.gateway as string
  await client.says([
    `DHCPREQUEST for 192.168.7.7 to ${ALL}`,
    `DHCPNAK from ${server}`,
    ...selecting(port.address, server),
  ])
})

test('a machine that comes back asks for its address and gets it without a discover', async () => {
  const { vm, port } = await plugged(await cloud.port(red))
  await using client = await Dhclient.start(vm, { last: port.address })
  await client.says([
    `DHCPREQUEST for ${port.address} to ${ALL}`,
    `DHCPACK of ${port.address} from ${redSubnet.gateway}`,
  ])
})

test.concurrent('a port whose address has changed: its client hears so when it asks all servers, at T2', async () => {
  const { vm, port } = await plugged(await cloud.port(red, { extra_dhcp_opts: times(60, 2, 4) }))
  await using client = await Dhclient.start(vm)
  const server = redSubnet.gateway as string
  await client.says(selecting(port.address, server))
  await cloud.update('port', port.id, { fixed_ips: [{ subnet_id: redSubnet.id, ip_address: '10.1.0.201' }] })
  await client.says([
    `DHCPREQUEST for ${port.address} to ${ALL}`,
    `DHCPNAK from ${server}`,
    ...selecting('10.1.0.201', server),
  ])
})

test('a client that finds its address taken declines it; it stays the port’s', async () => {
  const { vm, port } = await plugged(await cloud.port(red))
  await using client = await Dhclient.start(vm, { refused: port.address })
  await client.says([
    ...selecting(port.address, redSubnet.gateway as string),
    `DHCPDECLINE of ${port.address} to ${ALL}`,
  ])
  expect((await vm.dhcp())['ip']).toBe(port.address)
})

test('a server that the port’s options name otherwise is the one that its client requests from', async () => {
  const extra_dhcp_opts = [{ opt_name: 'server-id-override', opt_value: '10.1.0.77' }]
  const { vm, port } = await plugged(await cloud.port(red, { extra_dhcp_opts }))
  expect(await vm.dhcp()).toMatchObject({ ip: port.address, serverid: '10.1.0.77' })
})

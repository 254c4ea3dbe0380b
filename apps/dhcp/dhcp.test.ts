import { expect, test } from 'vitest'
import type { Port, Reads, Subnet } from '../../controller/app.ts'
import { network, port, subnet, vif } from '../../controller/testing.ts'
import { composeDhcp, messageTypes, parseDhcp, type DhcpMessage } from '../../packet/dhcp.ts'
import { composeFrame, composeIpv4, composeUdp, parseFrame, parseIpv4, parseUdp } from '../../packet/frame.ts'
import { dhcp } from './index.ts'

const MAC = 0x0200_0000_010a
const ADDRESS = 0x0a00_010a
const SERVER = 0x0a00_0101

function world(portRow: Port = port(1, 10), subnetRow: Subnet = subnet(1)): Reads {
  return {
    network: () => network(1),
    subnet: () => subnetRow,
    port: (id: string) => (id === portRow.id ? portRow : undefined),
    vifAt: (host: string, ofport: number) => (host === 'host1' && ofport === 5 ? vif(1, 1, 10) : undefined),
  } as unknown as Reads
}

const message = (
  type: number,
  rest: Partial<DhcpMessage> = {},
  options: readonly (readonly [number, Uint8Array])[] = [],
): DhcpMessage => ({
  op: 1,
  xid: 0x1234,
  seconds: 0,
  broadcast: false,
  clientAddress: 0,
  yourAddress: 0,
  serverAddress: 0,
  relayAddress: 0,
  clientMac: MAC,
  serverName: '',
  bootFile: '',
  ...rest,
  options: new Map([[53, Uint8Array.of(type)], ...options]),
})

const address = (value: number): Uint8Array =>
  Uint8Array.of(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255)

/** What the port hears when it says this: the frame's parts, or null for silence. */
function ask(said: DhcpMessage, read: Reads = world(), inPort = 5) {
  const addresses = { source: said.clientAddress, destination: 0xffff_ffff }
  const udp = composeUdp({ sourcePort: 68, destinationPort: 67, payload: composeDhcp(said) }, addresses)
  const packet = composeIpv4({ ...addresses, protocol: 17, ttl: 64, dscp: 0, payload: udp })
  const data = composeFrame({ destination: 0xffff_ffff_ffff, source: MAC, etherType: 0x0800, payload: packet })
  const [out] = dhcp.packetIn?.(read, { host: 'host1', inPort, origin: '', metadata: new Map(), data }) ?? []
  if (out === undefined) return null
  expect(out).toHaveProperty('outPort', inPort)
  const frame = parseFrame(out.data)
  const ip = frame && parseIpv4(frame.payload)
  const datagram = ip && parseUdp(ip)
  const answer = datagram && parseDhcp(datagram.payload)
  if (!frame || !ip || !answer) throw new Error('the answer is no DHCP')
  return { frame, ip, answer, option: (tag: number) => [...(answer.options.get(tag) ?? [])] }
}

test('a discover gets an offer of the port’s address with mask, router, lease and MTU', () => {
  const heard = ask(message(messageTypes.discover))
  expect(heard?.answer).toMatchObject({ op: 2, xid: 0x1234, yourAddress: ADDRESS, clientMac: MAC })
  expect(heard?.option(53)).toEqual([messageTypes.offer])
  expect(heard?.option(1)).toEqual([255, 255, 255, 0])
  expect(heard?.option(3)).toEqual([10, 0, 1, 1])
  expect(heard?.option(54)).toEqual([10, 0, 1, 1])
  expect(heard?.option(51)).toEqual([...address(86_400)])
  expect(heard?.option(26)).toEqual([1450 >> 8, 1450 & 255])
  expect(heard?.ip).toMatchObject({ source: SERVER, destination: ADDRESS })
  expect(heard?.frame.destination).toBe(MAC)
})

test('a client that asks for broadcast gets it', () => {
  const heard = ask(message(messageTypes.discover, { broadcast: true }))
  expect(heard?.ip.destination).toBe(0xffff_ffff)
  expect(heard?.frame.destination).toBe(0xffff_ffff_ffff)
})

test('a request for the port’s address is acknowledged, when selecting, renewing and rebinding', () => {
  const selecting = message(messageTypes.request, {}, [
    [50, address(ADDRESS)],
    [54, address(SERVER)],
  ])
  const renewing = message(messageTypes.request, { clientAddress: ADDRESS })
  for (const said of [selecting, renewing]) {
    const heard = ask(said)
    expect(heard?.option(53)).toEqual([messageTypes.ack])
    expect(heard?.answer.yourAddress).toBe(ADDRESS)
  }
})

test('a request for another address gets a NAK by broadcast', () => {
  const heard = ask(message(messageTypes.request, {}, [[50, address(ADDRESS + 1)]]))
  expect(heard?.option(53)).toEqual([messageTypes.nak])
  expect(heard?.answer.yourAddress).toBe(0)
  expect(heard?.ip.destination).toBe(0xffff_ffff)
})

test.each([
  ['a request to another server', message(messageTypes.request, {}, [[54, address(0x0a00_0163)]])],
  ['a decline', message(messageTypes.decline, {}, [[50, address(ADDRESS)]])],
  ['a release', message(messageTypes.release, { clientAddress: ADDRESS })],
  ['a message for another MAC', message(messageTypes.discover, { clientMac: MAC + 1 })],
  ['a reply', message(messageTypes.offer, { op: 2 })],
])('%s is met with silence', (_, said) => {
  expect(ask(said)).toBeNull()
})

test('an inform is acknowledged without an address or a lease', () => {
  const heard = ask(message(messageTypes.inform, { clientAddress: ADDRESS }))
  expect(heard?.option(53)).toEqual([messageTypes.ack])
  expect(heard?.answer.yourAddress).toBe(0)
  expect(heard?.answer.options.has(51)).toBe(false)
})

test('host routes come as classless routes, with the default route beside them', () => {
  const read = world(port(1, 10), subnet(1, { host_routes: [{ destination: '172.16.0.0/12', nexthop: '10.0.1.9' }] }))
  expect(ask(message(messageTypes.discover), read)?.option(121)).toEqual([12, 172, 16, 10, 0, 1, 9, 0, 10, 0, 1, 1])
})

test('name servers and extra options are given; an extra option wins', () => {
  const extra = [
    { opt_name: 'mtu', opt_value: '1400', ip_version: 4 },
    { opt_name: 'domain-name', opt_value: 'weft.example', ip_version: 4 },
    { opt_name: '252', opt_value: 'x', ip_version: 4 },
    { opt_name: 'ntp-server', opt_value: '10.0.1.3,10.0.1.4', ip_version: 4 },
    { opt_name: 'dns-server', opt_value: 'fe80::1', ip_version: 6 },
  ]
  const read = world(port(1, 10, { extra_dhcp_opts: extra }), subnet(1, { dns_nameservers: ['8.8.8.8', '9.9.9.9'] }))
  const heard = ask(message(messageTypes.discover), read)
  expect(heard?.option(6)).toEqual([8, 8, 8, 8, 9, 9, 9, 9])
  expect(heard?.option(26)).toEqual([1400 >> 8, 1400 & 255])
  expect(String.fromCharCode(...(heard?.option(15) ?? []))).toBe('weft.example')
  expect(heard?.option(252)).toEqual([120])
  expect(heard?.option(42)).toEqual([10, 0, 1, 3, 10, 0, 1, 4])
})

test('the times of a lease follow its length, unless they are given, too', () => {
  const option = (opt_name: string, opt_value: string) => ({ opt_name, opt_value, ip_version: 4 })
  const heard = (...extra_dhcp_opts: readonly ReturnType<typeof option>[]) =>
    ask(message(messageTypes.discover), world(port(1, 10, { extra_dhcp_opts })))
  expect(heard(option('lease-time', '80'))?.option(58)).toEqual([0, 0, 0, 40])
  expect(heard(option('lease-time', '80'))?.option(59)).toEqual([0, 0, 0, 70])
  expect(heard(option('lease-time', '80'), option('T1', '9'))?.option(58)).toEqual([0, 0, 0, 9])
})

test('a server that is called otherwise answers requests under that name only', () => {
  const extra_dhcp_opts = [{ opt_name: 'server-id-override', opt_value: '10.0.1.77', ip_version: 4 }]
  const read = world(port(1, 10, { extra_dhcp_opts }))
  const request = (server: number) =>
    message(messageTypes.request, {}, [
      [50, address(ADDRESS)],
      [54, address(server)],
    ])
  expect(ask(request(0x0a00_014d), read)?.option(54)).toEqual([10, 0, 1, 77])
  expect(ask(request(SERVER), read)).toBeNull()
})

test('a client finds its identifier in each answer', () => {
  for (const type of [messageTypes.discover, messageTypes.request, messageTypes.inform]) {
    expect(ask(message(type, {}, [[61, Uint8Array.of(255, 1, 2)]]))?.option(61)).toEqual([255, 1, 2])
  }
})

test('an interface that no port has gets no answer', () => {
  expect(ask(message(messageTypes.discover), world(), 6)).toBeNull()
})

test('a subnet without DHCP gives none', () => {
  expect(ask(message(messageTypes.discover), world(port(1, 10), subnet(1, { enable_dhcp: false })))).toBeNull()
})

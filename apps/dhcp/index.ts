// DHCPv4 (RFC 2131) for every port with an address of a subnet that has it enabled. The API decides addresses, so there
// is no pool and nothing to store: the answer is a function of the port and its subnet. Requests come to the controller
// through a meter of their own per port, so that one virtual machine cannot starve the others.
import {
  arpAnswer,
  CLAIMED_MAC,
  DNS_DOMAIN,
  ipv4,
  isWired,
  load,
  mac,
  mark,
  marked,
  MARKS,
  move,
  portMeter,
  prefix,
  subnetMac,
  punt,
  type App,
  type Contribution,
  type FlowSpec,
  type Network,
  type PacketIn,
  type PacketOut,
  type Port,
  type Reads,
  type Subnet,
} from '../../controller/app.ts'
import {
  composeDhcp,
  DHCP_CLIENT_PORT,
  DHCP_SERVER_PORT,
  messageTypes,
  parseDhcp,
  type DhcpMessage,
} from '../../packet/dhcp.ts'
import {
  BROADCAST_MAC,
  composeUdpFrame,
  ETHERTYPE_IPV4,
  parseFrame,
  parseIpv4,
  parseUdp,
  PROTOCOL_UDP,
} from '../../packet/frame.ts'
import { classlessRoutes, extraOption, text, u16, u32, u8, type Route } from './options.ts'

const LEASE_SECONDS = 86_400
const PACKETS_PER_SECOND = 10
const BROADCAST = 0xffff_ffff
/** Names the server on a subnet that has no gateway; link-local, so that it is nobody's. */
const SERVER_WITHOUT_GATEWAY = '169.254.169.254'
const tags = {
  mask: 1,
  router: 3,
  dns: 6,
  requested: 50,
  lease: 51,
  type: 53,
  server: 54,
  message: 56,
  hostname: 12,
  domain: 15,
  mtu: 26,
  t1: 58,
  t2: 59,
  client: 61,
  routes: 121,
}

/** What a port is told: its address and the subnet that the address is on. */
interface Offer {
  readonly port: Port
  readonly subnet: Subnet
  readonly address: number
  readonly range: { readonly network: number; readonly mask: number; readonly length: number }
  readonly server: number
  readonly mtu: number
  readonly domain: string
}

function offerFor(read: Reads, port: Port): Offer | null {
  for (const fixed of port.fixed_ips) {
    const subnet = read.subnet(fixed.subnet_id)
    if (!subnet?.enable_dhcp || subnet.ip_version !== 4) continue
    const range = prefix(subnet.cidr)
    const address = ipv4(fixed.ip_address)
    const server = ipv4(subnet.gateway_ip ?? SERVER_WITHOUT_GATEWAY)
    const network = read.network(port.network_id)
    if (range && address !== null && server !== null && network !== undefined) {
      const domain = (network.dns_domain || DNS_DOMAIN).replace(/\.$/, '')
      return { port, subnet, address, range, server, mtu: network.mtu, domain }
    }
  }
  return null
}

/** What a port is told whatever it asks, and what that follows from. */
interface Grant {
  readonly from: readonly (Network | Subnet | undefined)[]
  readonly offer: Offer | null
  readonly options: ReadonlyMap<number, Uint8Array>
  readonly server: number | null
}

const NONE: ReadonlyMap<number, Uint8Array> = new Map()

/** Of ports that have asked: a row never changes, so what follows from the same rows is the same. */
const grants = new WeakMap<Port, Grant>()

function grantFor(read: Reads, port: Port): Grant {
  const from = [read.network(port.network_id), ...port.fixed_ips.map(({ subnet_id }) => read.subnet(subnet_id))]
  const known = grants.get(port)
  if (known?.from.every((row, i) => row === from[i])) return known
  const offer = offerFor(read, port)
  const options = offer === null ? NONE : optionsOf(offer)
  const grant = { from, offer, options, server: numberIn(options, tags.server) }
  grants.set(port, grant)
  return grant
}

/** RFC 3442: a client that reads option 121 ignores option 3, so the default route stands in both. */
function routesOf(subnet: Subnet): Route[] {
  const extra = subnet.host_routes.flatMap(({ destination, nexthop }) => {
    const range = prefix(destination)
    const nextHop = ipv4(nexthop)
    return range && nextHop !== null ? [{ network: range.network, length: range.length, nextHop }] : []
  })
  const gateway = ipv4(subnet.gateway_ip ?? '::')
  const hasDefault = extra.some(({ length }) => length === 0)
  return extra.length === 0 || gateway === null || hasDefault
    ? extra
    : [...extra, { network: 0, length: 0, nextHop: gateway }]
}

function optionsOf({ port, subnet, range, server, mtu, domain }: Offer): Map<number, Uint8Array> {
  const options = new Map<number, Uint8Array>([
    [tags.server, u32(server)],
    [tags.lease, u32(LEASE_SECONDS)],
  ])
  options.set(tags.mask, u32(range.mask))
  const gateway = ipv4(subnet.gateway_ip ?? '::')
  if (gateway !== null) options.set(tags.router, u32(gateway))
  const servers = subnet.dns_nameservers.flatMap((name) => ipv4(name) ?? [])
  if (servers.length > 0) options.set(tags.dns, Uint8Array.from(servers.flatMap((each) => [...u32(each)])))
  if (port.dns_name !== '') options.set(tags.hostname, text(port.dns_name))
  options.set(tags.domain, text(domain))
  options.set(tags.mtu, u16(mtu))
  const routes = routesOf(subnet)
  if (routes.length > 0) options.set(tags.routes, classlessRoutes(routes))
  for (const { opt_name, opt_value, ip_version } of port.extra_dhcp_opts) {
    const extra = ip_version === 4 && opt_value !== null ? extraOption(opt_name, opt_value) : null
    if (extra !== null) options.set(extra[0], extra[1])
  }
  return withTimes(options)
}

/** RFC 2131 §4.4.5: a client renews after half of the lease and turns to any server after seven eighths. */
function withTimes(options: Map<number, Uint8Array>): Map<number, Uint8Array> {
  const lease = numberIn(options, tags.lease) ?? LEASE_SECONDS
  return new Map([[tags.t1, u32(Math.floor(lease / 2))], [tags.t2, u32(Math.floor((lease * 7) / 8))], ...options])
}

function numberIn(options: ReadonlyMap<number, Uint8Array>, tag: number): number | null {
  const value = options.get(tag)
  return value?.length === 4 ? new DataView(value.buffer, value.byteOffset).getUint32(0) : null
}

/** The answer that RFC 2131 §4.3 prescribes; null for silence. */
function reply(message: DhcpMessage, offer: Offer, { options: granted, server }: Grant): DhcpMessage | null {
  const client = message.options.get(tags.client)
  const answer = (kind: number, yourAddress: number, options: Iterable<readonly [number, Uint8Array]>) => ({
    ...message,
    op: 2 as const,
    seconds: 0,
    yourAddress,
    serverAddress: 0,
    serverName: '',
    bootFile: '',
    // RFC 6842: a client finds its identifier again.
    options: new Map([[tags.type, u8(kind)], ...options, ...(client ? [[tags.client, client] as const] : [])]),
  })
  switch (message.options.get(tags.type)?.[0]) {
    case messageTypes.discover:
      return { ...answer(messageTypes.offer, offer.address, granted), serverAddress: offer.server }
    case messageTypes.request: {
      const chosen = numberIn(message.options, tags.server)
      // The client has chosen another server.
      if (chosen !== null && chosen !== server) return null
      const wanted = numberIn(message.options, tags.requested) ?? message.clientAddress
      if (wanted === offer.address) {
        return { ...answer(messageTypes.ack, offer.address, granted), serverAddress: offer.server }
      }
      const options = [
        [tags.server, u32(server ?? offer.server)],
        [tags.message, text('address is not of this port')],
      ] as const
      return { ...answer(messageTypes.nak, 0, options), clientAddress: 0, broadcast: true }
    }
    case messageTypes.inform: {
      const leaseless = Array.from(granted).filter(([tag]) => ![tags.lease, tags.t1, tags.t2].includes(tag))
      return answer(messageTypes.ack, 0, leaseless)
    }
    default:
      // A decline or release changes nothing: the address stays the port's.
      return null
  }
}

/** RFC 2131 §4.1: unicast to a client that has an address or can take one, else broadcast. */
function frameFor(message: DhcpMessage, offer: Offer): Uint8Array {
  const destination =
    message.clientAddress !== 0 ? message.clientAddress : message.broadcast ? BROADCAST : message.yourAddress
  return composeUdpFrame(
    {
      destination: destination === BROADCAST ? BROADCAST_MAC : message.clientMac,
      source: subnetMac(offer.subnet.id),
    },
    { source: offer.server, destination, ttl: 64, dscp: 0 },
    { sourcePort: DHCP_SERVER_PORT, destinationPort: DHCP_CLIENT_PORT, payload: composeDhcp(message) },
  )
}

function packetIn(read: Reads, packet: PacketIn): readonly PacketOut[] {
  const port = read.port(read.vifAt(packet.host, packet.inPort)?.port ?? '')
  const grant = port && grantFor(read, port)
  const offer = grant?.offer
  const frame = parseFrame(packet.data)
  const ip = frame && parseIpv4(frame.payload)
  const udp = ip && parseUdp(ip)
  const message = udp && parseDhcp(udp.payload)
  if (!offer || !message || message.op !== 1 || message.clientMac !== mac(offer.port.mac_address)) return []
  const answered = reply(message, offer, grant)
  return answered === null ? [] : [{ outPort: packet.inPort, data: frameFor(answered, offer) }]
}

const request = {
  eth_type: ETHERTYPE_IPV4,
  nw_proto: PROTOCOL_UDP,
  udp_src: DHCP_CLIENT_PORT,
  udp_dst: DHCP_SERVER_PORT,
} as const

/**
 * Requests of a port go to the controller, wherever they are addressed to and from whichever address: a client whose
 * port has got another address is told so when it asks for the old one. Nobody else hears of that address.
 */
const foreign: readonly FlowSpec[] = [
  {
    stage: 'port_security',
    priority: 40,
    match: request,
    actions: [move('eth_src', CLAIMED_MAC, 48), load(mark.foreign, 1)],
    to: 'hardware_security',
  },
  { stage: 'dhcp', priority: 50, match: { ...request, [MARKS]: marked({ foreign: 1 }) }, actions: [] },
]

function asked(read: Reads, key: string): readonly Contribution[] {
  const vif = read.vif(key)
  const port = vif && read.port(vif.port)
  if (!vif || !port?.admin_state_up || read.binding(port.id)?.host !== vif.host || offerFor(read, port) === null) {
    return []
  }
  const meter = portMeter(vif.ofport)
  const match = { in_port_oxm: vif.ofport, ...request }
  return [
    {
      scope: { kind: 'host', host: vif.host },
      object: port.id,
      limits: [{ meter, perSecond: PACKETS_PER_SECOND, burst: PACKETS_PER_SECOND }],
      flows: [{ stage: 'dhcp', priority: 100, match, actions: [punt], meter }],
    },
  ]
}

/**
 * A client that renews asks for the server by ARP: answered also where no router stands on the gateway address, unless a
 * machine on the wire may be the gateway.
 */
function present(read: Reads, id: string): readonly Contribution[] {
  const subnet = read.subnet(id)
  const network = subnet && read.network(subnet.network_id)
  const gateway = ipv4(subnet?.gateway_ip ?? '::')
  if (!subnet?.enable_dhcp || gateway === null || network === undefined || isWired(network)) return []
  return [
    {
      scope: { kind: 'network', network: subnet.network_id },
      flows: [arpAnswer(subnet.network_id, gateway, subnetMac(id), 50)],
    },
  ]
}

export const dhcp: App = {
  name: 'dhcp',
  stages: [{ name: 'dhcp', phase: 'respond', miss: 'next', matches: ['in_port_oxm', 'udp_src', 'udp_dst', MARKS] }],
  constant: { flows: foreign },
  rules: [
    { over: 'vif', contribute: asked },
    { over: 'subnet', contribute: present },
  ],
  packetIn,
}

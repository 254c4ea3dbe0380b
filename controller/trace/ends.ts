// A packet described by its ends, as its sender would make it: which of its addresses it uses, what its next hop is,
// and which MAC it learns for that by ARP, asked of the same tables that will carry the packet.
import { match, type MatchFields } from '../../ofproto/fields/build.ts'
import { bitsToBytes, bytesToBits } from '../../ofproto/fields/bits.ts'
import type { Match } from '../../ofproto/fields/match.ts'
import { ETH_TYPE, IP_PROTO } from '../../ofproto/fields/protocols.ts'
import { composeDhcp, DHCP_CLIENT_PORT, DHCP_SERVER_PORT, messageTypes } from '../../packet/dhcp.ts'
import { BROADCAST_MAC } from '../../packet/frame.ts'
import type { Port, Reads, Subnet } from '../app.ts'
import { asPrefix, linkLocal, mac } from '../address.ts'
import { formatIp, parseCidr, parseIp, within, type Ip, type IpVersion } from '../northbound/address.ts'

export interface Ends {
  /** The id of the port that sends. */
  readonly from: string
  readonly to: { readonly port: string } | { readonly address: string }
  /** An IP protocol by number; ARP asks who has the address, DHCP for the sender's own. */
  readonly protocol: number | 'arp' | 'dhcp'
  readonly sourcePort: number | null
  readonly destinationPort: number | null
  readonly icmpType: number | null
  readonly icmpCode: number | null
  readonly ttl: number | null
}

/** What was asked for cannot be traced: `field` of the request is to blame. */
export class TraceError extends Error {
  override readonly name = 'TraceError'
  readonly field: string

  constructor(field: string, message: string) {
    super(message)
    this.field = field
  }
}

export interface Sender {
  readonly port: Port
  readonly host: string
  readonly ofport: number
}

const DHCP_MESSAGE_TYPE = 53
const ECHO_REQUEST = 8
const ECHO_REQUEST_V6 = 128
/** From the range of ephemeral ports (RFC 6335 §6). */
const SOME_PORT = 50_000
const LINK_LOCAL = 'fe80::/10'

export function senderOf(read: Reads, id: string): Sender {
  const port = read.port(id)
  if (port === undefined) throw new TraceError('from', `port ${id} is not known to the hosts yet`)
  const binding = read.binding(id)
  if (binding === null) throw new TraceError('from', `port ${id} is not plugged in on any host`)
  return { port, host: binding.host, ofport: binding.ofport }
}

const inside = (cidr: string, { version, value }: Ip): boolean => {
  const range = parseCidr(cidr)
  return range?.version === version && within(range, value)
}

const linkLocalOf = (port: Port): Ip => ({ version: 6, value: bytesToBits(linkLocal(mac(port.mac_address))) })

interface Owned {
  readonly ip: Ip
  readonly subnet: Subnet | undefined
}

function addressesOf(read: Reads, port: Port, version: IpVersion): readonly Owned[] {
  return port.fixed_ips.flatMap(({ ip_address, subnet_id }) => {
    const ip = parseIp(ip_address)
    return ip?.version === version ? [{ ip, subnet: read.subnet(subnet_id) }] : []
  })
}

/** The address that the packet is for. */
function target(read: Reads, { port }: Sender, { to, protocol }: Ends): Ip {
  if ('address' in to) {
    const ip = parseIp(to.address)
    if (ip === undefined) throw new TraceError('to', `'${to.address}' is no address`)
    return ip
  }
  const other = read.port(to.port)
  if (other === undefined) throw new TraceError('to', `port ${to.port} is not known to the hosts yet`)
  const versions: readonly IpVersion[] = protocol === IP_PROTO.icmpv6 ? [6] : [4, 6]
  for (const version of versions) {
    const [first] = addressesOf(read, other, version)
    if (first !== undefined && addressesOf(read, port, version).length > 0) return first.ip
  }
  return linkLocalOf(other)
}

/** The sender's own address towards `to`: on the same subnet, else its first. */
function sourceFor(read: Reads, { port }: Sender, to: Ip): Owned {
  if (to.version === 6 && inside(LINK_LOCAL, to)) return { ip: linkLocalOf(port), subnet: undefined }
  const own = addressesOf(read, port, to.version)
  const found = own.find(({ subnet }) => subnet !== undefined && inside(subnet.cidr, to)) ?? own[0]
  if (found === undefined) throw new TraceError('from', `port ${port.id} has no IPv${to.version} address`)
  return found
}

/** Whose MAC the packet gets: of the destination itself, or of a router. */
function nextHop(to: Ip, { subnet }: Owned): Ip {
  if (subnet === undefined || inside(subnet.cidr, to)) return to
  const routes = subnet.host_routes.filter(({ destination }) => inside(destination, to))
  const length = ({ destination }: { readonly destination: string }): number => Number(destination.split('/')[1])
  const [best] = routes.toSorted((a, b) => length(b) - length(a))
  const hop = parseIp(best?.nexthop ?? subnet.gateway_ip ?? '')
  if (hop === undefined)
    throw new TraceError(
      'to',
      `${formatIp(to.version, to.value)} is not on the sender's subnet ${subnet.cidr}, which has no gateway`,
    )
  return hop
}

/** The MAC of a group (RFC 1112 §6.4, RFC 2464 §7); null for a single station. */
function groupMac({ version, value }: Ip): number | null {
  if (version === 6) return value >> 120n === 0xffn ? 0x3333_0000_0000 + Number(value & 0xffff_ffffn) : null
  if (value === 0xffff_ffffn) return BROADCAST_MAC
  return value >> 28n === 0xen ? 0x0100_5e00_0000 + Number(value & 0x7f_ffffn) : null
}

/** The MAC of the port of a network that has the address, or may have it. */
function macByIntent(read: Reads, network: string, ip: Ip): number | null {
  const text = formatIp(ip.version, ip.value)
  for (const id of read.portsOf(network)) {
    const port = read.port(id)
    if (port === undefined) continue
    if (port.fixed_ips.some(({ ip_address }) => ip_address === text)) return mac(port.mac_address)
    const pair = port.allowed_address_pairs.find(({ ip_address }) => inside(asPrefix(ip_address), ip))
    if (pair !== undefined) return mac(pair.mac_address)
    if (ip.version === 6 && linkLocalOf(port).value === ip.value) return mac(port.mac_address)
  }
  return null
}

export interface Described {
  readonly packet: Match
  readonly payload?: Uint8Array
  /** The address for which the sender finds no MAC: then the packet is its question. */
  readonly unanswered: string | null
}

const hardware = ({ port }: Sender): number => mac(port.mac_address)

/** A DHCPDISCOVER, as a machine without an address sends it. */
function discover(sender: Sender): Described {
  const payload = composeDhcp({
    op: 1,
    xid: 1,
    seconds: 0,
    broadcast: false,
    clientAddress: 0,
    yourAddress: 0,
    serverAddress: 0,
    relayAddress: 0,
    clientMac: hardware(sender),
    serverName: '',
    bootFile: '',
    options: new Map([[DHCP_MESSAGE_TYPE, Uint8Array.of(messageTypes.discover)]]),
  })
  const packet = match({
    in_port_oxm: sender.ofport,
    eth_src: hardware(sender),
    eth_dst: BROADCAST_MAC,
    ip_src: 0,
    ip_dst: 0xffff_ffff,
    udp_src: DHCP_CLIENT_PORT,
    udp_dst: DHCP_SERVER_PORT,
  })
  return { packet, payload, unanswered: null }
}

const arpRequest = (sender: Sender, own: Ip, wanted: Ip): Match =>
  match({
    in_port_oxm: sender.ofport,
    eth_src: hardware(sender),
    eth_dst: BROADCAST_MAC,
    arp_op: 1,
    arp_sha: hardware(sender),
    arp_spa: Number(own.value),
    arp_tpa: Number(wanted.value),
  })

function networkFields(from: Ip, to: Ip): MatchFields {
  return to.version === 4
    ? { eth_type: ETH_TYPE.ip, ip_src: Number(from.value), ip_dst: Number(to.value) }
    : { eth_type: ETH_TYPE.ipv6, ipv6_src: bitsToBytes(from.value, 16), ipv6_dst: bitsToBytes(to.value, 16) }
}

function transportFields(ends: Ends): MatchFields {
  const { protocol, icmpCode } = ends
  const source = ends.sourcePort ?? SOME_PORT
  const destination = ends.destinationPort ?? 0
  switch (protocol) {
    case IP_PROTO.tcp:
      return { nw_proto: protocol, tcp_src: source, tcp_dst: destination }
    case IP_PROTO.udp:
      return { nw_proto: protocol, udp_src: source, udp_dst: destination }
    case IP_PROTO.sctp:
      return { nw_proto: protocol, sctp_src: source, sctp_dst: destination }
    case IP_PROTO.icmp:
      return { nw_proto: protocol, icmp_type: ends.icmpType ?? ECHO_REQUEST, icmp_code: icmpCode ?? 0 }
    case IP_PROTO.icmpv6:
      return { nw_proto: protocol, icmpv6_type: ends.icmpType ?? ECHO_REQUEST_V6, icmpv6_code: icmpCode ?? 0 }
    default:
      return { nw_proto: Number(protocol) }
  }
}

/** The MAC that is answered to an ARP request. `unknown`: the request leaves for a physical network; null: silence. */
export type Answer = number | 'unknown' | null

/** Of a machine on a physical network; locally administered, and nobody's here. */
const SOMEBODY = 0x0200_0000_0000

export function describeEnds(read: Reads, sender: Sender, ends: Ends, resolve: (request: Match) => Answer): Described {
  if (ends.protocol === 'dhcp') return discover(sender)
  const to = target(read, sender, ends)
  const own = sourceFor(read, sender, to)
  if (ends.protocol === 'arp') {
    if (to.version === 6) throw new TraceError('protocol', 'ARP is for IPv4 addresses')
    return { packet: arpRequest(sender, own.ip, to), unanswered: null }
  }
  const hop = nextHop(to, own)
  const question = hop.version === 4 ? arpRequest(sender, own.ip, hop) : null
  const answer = question === null ? null : resolve(question)
  const known = typeof answer === 'number' ? answer : macByIntent(read, sender.port.network_id, hop)
  const destination = groupMac(to) ?? known ?? (answer === 'unknown' ? SOMEBODY : null)
  if (destination === null) {
    const address = formatIp(hop.version, hop.value)
    if (question === null) throw new TraceError('to', `no port of the sender's network has the address ${address}`)
    return { packet: question, unanswered: address }
  }
  const packet = match({
    in_port_oxm: sender.ofport,
    eth_src: hardware(sender),
    eth_dst: destination,
    ...networkFields(own.ip, to),
    ...(ends.ttl !== null && { nw_ttl: ends.ttl }),
    ...transportFields(ends),
  })
  return { packet, unanswered: null }
}

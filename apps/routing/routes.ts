// What all routes have in common: which comes first, how a packet leaves a router, and what a router's own addresses do.
import {
  decrementTtl,
  ipv4,
  mac,
  move,
  NETWORK,
  prefix,
  punt,
  resubmit,
  ROUTER,
  ROUTER_METER,
  SENDER,
  set,
  tag,
  type FlowAction,
  type FlowSpec,
  type Port,
  type Reads,
} from '../../controller/app.ts'
import type { Action } from '../../ofproto/actions/index.ts'

export const IPV4 = 0x0800
export const ICMP = 1
export const ECHO_REQUEST = 8
const TCP = 6
const UDP = 17
export const priorities = { echo: 30_000, closed: 29_500, self: 29_000, expired: 20_000, prefix: 100 } as const

/**
 * Longest prefix first; on one prefix a connected network before a route, and a route before a default gateway. `here`: on
 * the host that stands for the router the way out comes before the way to that host.
 */
export const routePriority = (length: number, kind: 'default' | 'route' | 'connected', here = false): number =>
  priorities.prefix + 6 * length + { default: 0, route: 2, connected: 4 }[kind] + (here ? 1 : 0)

interface Prefix {
  readonly network: number
  readonly mask: number
  readonly length: number
}

/** The prefixes of the subnets on which a router's port stands. */
export const subnetsOf = (read: Reads, port: Port): Prefix[] =>
  port.fixed_ips.flatMap(({ subnet_id }) => prefix(read.subnet(subnet_id)?.cidr ?? '::/0') ?? [])

export const ipv4Addresses = (port: Port): number[] =>
  port.fixed_ips.flatMap(({ ip_address }) => ipv4(ip_address) ?? [])

/** Whether the address is on one of the port's subnets. */
export const isNear = (read: Reads, port: Port, address: number): boolean =>
  subnetsOf(read, port).some(({ network, mask }) => (address & mask) >>> 0 === network)

/** Leaves the router by a port of it: from now on the packet is on that network. */
export const leave = (port: Port, nextHop: Action): Action[] => [
  decrementTtl,
  set('eth_src', mac(port.mac_address)),
  set(NETWORK, tag(port.network_id)),
  nextHop,
]

const MACS = {
  source: { field: 'eth_src', start: 0, bits: 48 },
  destination: { field: 'eth_dst', start: 0, bits: 48 },
} as const
/** Kept, as each router that forwards the packet puts its own MAC there. */
export const keepSender: Action = { kind: 'move', source: MACS.source, target: SENDER }
const restoreSender: Action = { kind: 'move', source: SENDER, target: MACS.source }
const swapEnds: readonly Action[] = [
  move('eth_dst', 'eth_src', 48),
  { kind: 'move', source: SENDER, target: MACS.destination },
]
/** What the router's answer to a packet is made of comes to the controller as its sender sent it. */
export const report: readonly FlowAction[] = [restoreSender, punt]

/** What is for an address of the router itself. */
export function ownAddress(router: bigint, address: number): FlowSpec[] {
  const match = { [ROUTER]: router, eth_type: IPV4, ip_dst: address }
  return [
    {
      stage: 'route',
      priority: priorities.echo,
      match: { ...match, nw_proto: ICMP, icmp_type: ECHO_REQUEST, icmp_code: 0 },
      actions: [
        ...swapEnds,
        move('ip_src', 'ip_dst', 32),
        set('ip_src', address),
        set('icmp_type', 0),
        set('nw_ttl', 64),
        resubmit('answer'),
      ],
    },
    ...[TCP, UDP].map((protocol): FlowSpec => ({
      stage: 'route',
      priority: priorities.closed,
      match: { ...match, nw_proto: protocol },
      actions: report,
      meter: ROUTER_METER,
    })),
    { stage: 'route', priority: priorities.self, match, actions: [] },
  ]
}

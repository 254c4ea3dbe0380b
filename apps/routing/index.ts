// Distributed routing: every host is every router. The host of the sender routes: it rewrites MACs, decrements TTL, and
// switches on the destination's network; the destination's host only switches. A router has one MAC and address per
// network, the same on every host, and answers pings and expiring packets itself.
import {
  bounce,
  decrementTtl,
  ROUTER_METER,
  ipv4,
  mac,
  MARKS,
  move,
  NETWORK,
  NEXT_HOP,
  prefix,
  punt,
  resubmit,
  ROUTER,
  ROUTER_INTERFACE,
  segmentsOf,
  SENDER,
  set,
  tag,
  type App,
  type Contribution,
  type FlowSpec,
  type Port,
  type Reads,
} from '../../controller/app.ts'
import type { Action } from '../../ofproto/actions/index.ts'
import { announce, gatewayMacs, packetIn } from './answers.ts'

const IPV4 = 0x0800
const ICMP = 1
const ECHO_REQUEST = 8
const TCP = 6
const UDP = 17
const priorities = { echo: 30_000, closed: 29_500, self: 29_000, expired: 20_000, prefix: 100 } as const

/** Longest prefix first; on one prefix a connected network before a route. */
const priorityOf = (length: number, connected: boolean): number => priorities.prefix + 2 * length + (connected ? 1 : 0)

/** The prefixes of the subnets on which a router's interface stands. */
function subnetsOf(read: Reads, port: Port): { network: number; mask: number; length: number }[] {
  return port.fixed_ips.flatMap(({ subnet_id }) => prefix(read.subnet(subnet_id)?.cidr ?? '::/0') ?? [])
}

/** Leaves the router by an interface: from now on the packet is on that network. */
const leave = (port: Port, nextHop: Action): Action[] => [
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
const keepSender: Action = { kind: 'move', source: MACS.source, target: SENDER }
const restoreSender: Action = { kind: 'move', source: SENDER, target: MACS.source }
const backToSender: readonly Action[] = [
  move('eth_dst', 'eth_src', 48),
  { kind: 'move', source: SENDER, target: MACS.destination },
]

function ownAddress(router: bigint, address: number): FlowSpec[] {
  const match = { [ROUTER]: router, eth_type: IPV4, ip_dst: address }
  return [
    {
      stage: 'route',
      priority: priorities.echo,
      match: { ...match, nw_proto: ICMP, icmp_type: ECHO_REQUEST, icmp_code: 0 },
      actions: [
        ...backToSender,
        move('ip_src', 'ip_dst', 32),
        set('ip_src', address),
        set('icmp_type', 0),
        set('nw_ttl', 64),
        bounce,
      ],
    },
    ...[TCP, UDP].map((protocol): FlowSpec => ({
      stage: 'route',
      priority: priorities.closed,
      match: { ...match, nw_proto: protocol },
      actions: [restoreSender, punt],
      meter: ROUTER_METER,
    })),
    { stage: 'route', priority: priorities.self, match, actions: [] },
  ]
}

/** An interface: the way into the router, its own addresses, and the way out to its subnets. */
function attached(read: Reads, id: string): readonly Contribution[] {
  const port = read.port(id)
  if (port?.device_owner !== ROUTER_INTERFACE || !port.admin_state_up) return []
  if (read.router(port.device_id)?.admin_state_up !== true) return []
  const router = tag(port.device_id)
  return [
    {
      scope: { kind: 'network', network: port.network_id },
      flows: [
        ...gatewayMacs(read, port).map((address): FlowSpec => ({
          stage: 'gateway',
          priority: 100,
          match: { [NETWORK]: tag(port.network_id), eth_dst: address, eth_type: IPV4 },
          actions: [set(ROUTER, router)],
          to: 'next',
        })),
        ...port.fixed_ips.flatMap(({ ip_address }) => {
          const address = ipv4(ip_address)
          return address === null ? [] : ownAddress(router, address)
        }),
        ...subnetsOf(read, port).map(({ network, mask, length }): FlowSpec => ({
          stage: 'route',
          priority: priorityOf(length, true),
          match: { [ROUTER]: router, eth_type: IPV4, ip_dst: [network, mask] },
          actions: leave(port, move('ip_dst', NEXT_HOP, 32)),
          to: 'neighbour',
        })),
      ],
    },
  ]
}

/** The interface whose subnet has the address. */
function interfaceTowards(read: Reads, router: string, address: number): Port | undefined {
  for (const id of read.interfacesOf(router)) {
    const port = read.port(id)
    const near = port && subnetsOf(read, port).some(({ network, mask }) => (address & mask) >>> 0 === network)
    if (near) return port
  }
  return undefined
}

function routed(read: Reads, id: string): readonly Contribution[] {
  const router = read.router(id)
  if (!router?.admin_state_up) return []
  let network: string | undefined
  const flows = router.routes.flatMap(({ destination, nexthop }): FlowSpec[] => {
    const range = prefix(destination)
    const hop = ipv4(nexthop)
    const port = hop === null ? undefined : interfaceTowards(read, id, hop)
    if (range === null || hop === null || port === undefined) return []
    network ??= port.network_id
    return [
      {
        stage: 'route',
        priority: priorityOf(range.length, false),
        match: { [ROUTER]: tag(id), eth_type: IPV4, ip_dst: [range.network, range.mask] },
        actions: leave(port, set(NEXT_HOP, hop)),
        to: 'neighbour',
      },
    ]
  })
  // The router's networks are needed by the same hosts, so any of them is the right scope.
  return network === undefined ? [] : [{ scope: { kind: 'network', network }, flows }]
}

/**
 * Where an address of a network is: no ARP between routers and ports that the controller knows. Ports ask too (the app
 * arp). A next hop that is another router routes in its turn; where routes make a circle, the TTL ends it.
 */
function neighbour(read: Reads, id: string): readonly Contribution[] {
  const port = read.port(id)
  const network = port && read.network(port.network_id)
  // Where there are several segments, who is near enough to be asked answers himself: the others are not to be found.
  if (!network || segmentsOf(network).length > 1) return []
  const isRouter = port.device_owner === ROUTER_INTERFACE
  if (isRouter && !(port.admin_state_up && read.router(port.device_id)?.admin_state_up)) return []
  const found = set('eth_dst', mac(port.mac_address))
  const fate = isRouter
    ? { actions: [found, set(ROUTER, tag(port.device_id)), resubmit('route')] }
    : { actions: [found], to: 'next' }
  return [
    {
      scope: { kind: 'network', network: port.network_id },
      flows: port.fixed_ips.flatMap(({ ip_address }): FlowSpec[] => {
        const address = ipv4(ip_address)
        if (address === null) return []
        const match = { [NETWORK]: tag(port.network_id), [NEXT_HOP]: address }
        return [{ stage: 'neighbour', priority: 100, match, ...fate }]
      }),
    },
  ]
}

const constant: Omit<Contribution, 'scope'> = {
  limits: [{ meter: ROUTER_METER, packetsPerSecond: 100, burst: 100 }],
  flows: [
    { stage: 'forward', priority: 100, match: { [ROUTER]: 0n }, actions: [], to: 'l2' },
    { stage: 'forward', priority: 90, match: {}, actions: [keepSender], to: 'next' },
    {
      stage: 'route',
      priority: priorities.expired,
      match: { eth_type: IPV4, nw_ttl: 1 },
      actions: [restoreSender, punt],
      meter: ROUTER_METER,
    },
    { stage: 'route', priority: priorities.expired, match: { eth_type: IPV4, nw_ttl: 0 }, actions: [] },
  ],
}

export const routing: App = {
  name: 'routing',
  stages: [
    { name: 'gateway', phase: 'gateway', miss: 'next', matches: [NETWORK, 'eth_dst'] },
    { name: 'forward', phase: 'forward', miss: 'drop', matches: [ROUTER] },
    {
      name: 'route',
      phase: 'route',
      miss: 'drop',
      lost: 'the router has no route for it',
      matches: [ROUTER, 'ip_dst', 'icmp_type', 'icmp_code', 'nw_ttl'],
    },
    {
      name: 'neighbour',
      phase: 'neighbour',
      miss: 'drop',
      lost: 'no port has the address',
      matches: [NETWORK, NEXT_HOP, MARKS],
    },
  ],
  rules: [
    { over: 'port', contribute: attached },
    { over: 'router', contribute: routed },
    { over: 'port', contribute: neighbour },
  ],
  constant,
  announce,
  packetIn,
}

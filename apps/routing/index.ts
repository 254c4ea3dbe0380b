// Distributed routing: every host is every router. The host of the sender routes: it rewrites MACs, decrements TTL, and
// switches on the destination's network; the destination's host only switches. A router has one MAC and address per
// network, the same on every host, and answers pings and expiring packets itself.
import {
  bounce,
  decrementTtl,
  EXPIRED_METER,
  ipv4,
  mac,
  move,
  NETWORK,
  NEXT_HOP,
  prefix,
  punt,
  ROUTER,
  ROUTER_INTERFACE,
  SCRATCH,
  set,
  subnetMac,
  tag,
  type App,
  type Contribution,
  type FlowSpec,
  type PacketIn,
  type PacketOut,
  type Port,
  type Reads,
} from '../../controller/app.ts'
import type { Action } from '../../ofproto/actions/index.ts'
import { parseFrame } from '../../packet/frame.ts'
import { timeExceeded } from '../../packet/icmp.ts'

const IPV4 = 0x0800
const ICMP = 1
const ECHO_REQUEST = 8
const priorities = { echo: 30_000, self: 29_000, expired: 20_000, prefix: 100 } as const

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

const swapMacs: readonly Action[] = [
  { kind: 'move', source: { field: 'eth_src', start: 0, bits: 48 }, target: SCRATCH },
  move('eth_dst', 'eth_src', 48),
  { kind: 'move', source: SCRATCH, target: { field: 'eth_dst', start: 0, bits: 48 } },
]

function ownAddress(router: bigint, address: number): FlowSpec[] {
  const match = { [ROUTER]: router, eth_type: IPV4, ip_dst: address }
  return [
    {
      stage: 'route',
      priority: priorities.echo,
      match: { ...match, nw_proto: ICMP, icmp_type: ECHO_REQUEST, icmp_code: 0 },
      actions: [
        ...swapMacs,
        move('ip_src', 'ip_dst', 32),
        set('ip_src', address),
        set('icmp_type', 0),
        set('nw_ttl', 64),
        bounce,
      ],
    },
    { stage: 'route', priority: priorities.self, match, actions: [] },
  ]
}

/** A guest that asked for its gateway before the router came has the subnet's MAC in its ARP cache, for up to minutes. */
const gatewayMacs = (read: Reads, port: Port): number[] => [
  mac(port.mac_address),
  ...port.fixed_ips
    .filter(({ subnet_id, ip_address }) => read.subnet(subnet_id)?.gateway_ip === ip_address)
    .map(({ subnet_id }) => subnetMac(subnet_id)),
]

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

/** Where an address of a network is: no ARP between routers and ports that the controller knows. */
function neighbour(read: Reads, id: string): readonly Contribution[] {
  const port = read.port(id)
  if (port === undefined || port.device_owner === ROUTER_INTERFACE) return []
  return [
    {
      scope: { kind: 'network', network: port.network_id },
      flows: port.fixed_ips.flatMap(({ ip_address }): FlowSpec[] => {
        const address = ipv4(ip_address)
        if (address === null) return []
        return [
          {
            stage: 'neighbour',
            priority: 100,
            match: { [NETWORK]: tag(port.network_id), [NEXT_HOP]: address },
            actions: [set('eth_dst', mac(port.mac_address))],
            to: 'next',
          },
        ]
      }),
    },
  ]
}

const constant: Omit<Contribution, 'scope'> = {
  limits: [{ meter: EXPIRED_METER, packetsPerSecond: 100, burst: 100 }],
  flows: [
    { stage: 'forward', priority: 100, match: { [ROUTER]: 0n }, actions: [], to: 'l2' },
    {
      stage: 'route',
      priority: priorities.expired,
      match: { eth_type: IPV4, nw_ttl: 1 },
      actions: [punt],
      meter: EXPIRED_METER,
    },
    { stage: 'route', priority: priorities.expired, match: { eth_type: IPV4, nw_ttl: 0 }, actions: [] },
  ],
}

/** A packet whose TTL runs out is answered by the interface that it was sent to. */
function packetIn(read: Reads, packet: PacketIn): readonly PacketOut[] {
  const frame = parseFrame(packet.data)
  const sender = read.port(read.vifAt(packet.host, packet.inPort)?.port ?? '')
  if (frame === null || sender === undefined) return []
  for (const id of read.portsOf(sender.network_id)) {
    const port = read.port(id)
    if (port?.device_owner !== ROUTER_INTERFACE || !gatewayMacs(read, port).includes(frame.destination)) continue
    const address = ipv4(port.fixed_ips[0]?.ip_address ?? '::')
    const data = address === null ? null : timeExceeded(packet.data, { mac: frame.destination, address })
    return data === null ? [] : [{ outPort: packet.inPort, data }]
  }
  return []
}

export const routing: App = {
  name: 'routing',
  stages: [
    { name: 'gateway', phase: 'gateway', miss: 'next', matches: [NETWORK, 'eth_dst'] },
    { name: 'forward', phase: 'forward', miss: 'next', matches: [ROUTER] },
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
      lost: 'no port has the address of the next hop',
      matches: [NETWORK, NEXT_HOP],
    },
  ],
  rules: [
    { over: 'port', contribute: attached },
    { over: 'router', contribute: routed },
    { over: 'port', contribute: neighbour },
  ],
  constant,
  packetIn,
}

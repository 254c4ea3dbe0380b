// Distributed routing: every host is every router. The host of the sender routes: it rewrites MACs, decrements TTL, and
// switches on the destination's network; the destination's host only switches. A router has one MAC and address per
// network, the same on every host, and answers pings and expiring packets itself. To its external network it goes by one
// host (external.ts).
import {
  bounce,
  ipv4,
  mac,
  marked,
  MARKS,
  move,
  NEIGHBOUR_METER,
  NETWORK,
  NEXT_HOP,
  prefix,
  resubmit,
  ROUTER,
  ROUTER_INTERFACE,
  ROUTER_METER,
  segmentsOf,
  set,
  tag,
  type App,
  type Contribution,
  type FlowSpec,
  type Port,
  type Reads,
} from '../../controller/app.ts'
import { announce, gatewayMacs, packetIn } from './answers.ts'
import { external, translation } from './external.ts'
import { learned, neighbourNews, unresolved } from './learned.ts'
import {
  ipv4Addresses,
  IPV4,
  isNear,
  keepSender,
  leave,
  ownAddress,
  priorities,
  report,
  routePriority,
  subnetsOf,
} from './routes.ts'

/** An interface: the way into the router, its own addresses, and the way out to its subnets. */
function attached(read: Reads, id: string): readonly Contribution[] {
  const port = read.port(id)
  if (!port?.admin_state_up) return []
  if (read.router(port.device_id)?.admin_state_up !== true) return []
  const router = tag(port.device_id)
  const own = mac(port.mac_address)
  return [
    {
      scope: { kind: 'network', network: port.network_id },
      flows: [
        ...gatewayMacs(read, port).map((address): FlowSpec => ({
          stage: 'gateway',
          priority: 100,
          match: { [NETWORK]: tag(port.network_id), eth_dst: address, eth_type: IPV4 },
          actions: [...(address === own ? [] : [set('eth_dst', own)]), set(ROUTER, router)],
          to: 'next',
        })),
        ...ipv4Addresses(port).flatMap((address) => ownAddress(router, address)),
        ...subnetsOf(read, port).map(({ network, mask, length }): FlowSpec => ({
          stage: 'route',
          priority: routePriority(length, 'connected'),
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
    if (port && isNear(read, port, address)) return port
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
        priority: routePriority(range.length, 'route'),
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
      flows: ipv4Addresses(port).map((address): FlowSpec => {
        const match = { [NETWORK]: tag(port.network_id), [NEXT_HOP]: address }
        return { stage: 'neighbour', priority: 100, match, ...fate }
      }),
    },
  ]
}

const constant: Omit<Contribution, 'scope'> = {
  limits: [ROUTER_METER, NEIGHBOUR_METER].map((meter) => ({ meter, perSecond: 100, burst: 100 })),
  flows: [
    ...translation,
    { stage: 'answer', priority: 100, match: { [MARKS]: marked({ entered: 0 }) }, actions: [bounce] },
    { stage: 'answer', priority: 90, match: {}, actions: [resubmit('l2')] },
    { stage: 'forward', priority: 100, match: { [ROUTER]: 0n }, actions: [], to: 'l2' },
    { stage: 'forward', priority: 90, match: {}, actions: [keepSender], to: 'next' },
    {
      stage: 'route',
      priority: priorities.expired,
      match: { eth_type: IPV4, nw_ttl: 1 },
      actions: report,
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
      name: 'untranslate',
      phase: 'forward',
      miss: 'route',
      matches: [ROUTER, NETWORK, 'ip_dst', 'icmp_type', 'icmp_code', 'nw_ttl'],
    },
    { name: 'untranslated', phase: 'forward', miss: 'drop', matches: ['ct_state', 'nw_ttl'] },
    {
      name: 'route',
      phase: 'route',
      miss: 'drop',
      lost: 'the router has no route for it',
      matches: [ROUTER, 'ip_dst', 'icmp_type', 'icmp_code', 'nw_ttl'],
    },
    {
      name: 'translated',
      phase: 'route',
      miss: 'drop',
      lost: 'its addresses cannot be translated',
      matches: ['ct_state'],
    },
    {
      name: 'neighbour',
      phase: 'neighbour',
      miss: 'drop',
      lost: 'no port has the address',
      matches: [NETWORK, NEXT_HOP, MARKS],
    },
    { name: 'answer', phase: 'lookup', miss: 'drop', matches: [MARKS] },
  ],
  rules: [
    { over: 'router_interface', contribute: attached },
    { over: 'router', contribute: routed },
    { over: 'port', contribute: neighbour },
    { over: 'router', contribute: external },
    { over: 'network', contribute: unresolved },
    { over: 'neighbour', contribute: learned },
  ],
  constant,
  announce,
  packetIn,
  neighbourNews,
}

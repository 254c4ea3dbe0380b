// A router's external network. One host stands for the router there: the others leave packets that go out as they are and
// switch them to the router's MAC, which is behind that host (the overlay's rule `located`). There they enter the router
// by the stage 'l2', like what comes from outside, are routed, and leave with the gateway's address as their source, unless
// the gateway does without translation. Answers come back by the same host, and from there by tunnel.
import {
  FROM_TUNNEL,
  hostMac,
  ipv4,
  isWired,
  l2Priorities,
  load,
  look,
  mac,
  mark,
  MARKS,
  move,
  NEIGHBOUR_METER,
  NETWORK,
  NEXT_HOP,
  prefix,
  punt,
  remember,
  resubmit,
  ROUTER,
  set,
  tag,
  trackNew,
  translateBack,
  translateSource,
  untrack,
  type Contribution,
  type FlowAction,
  type FlowSpec,
  type Port,
  type Reads,
  type Router,
} from '../../controller/app.ts'
import type { Action } from '../../ofproto/actions/index.ts'
import {
  ECHO_REQUEST,
  ICMP,
  ipv4Addresses,
  IPV4,
  isNear,
  keepSender,
  leave,
  ownAddress,
  report,
  routePriority,
  subnetsOf,
} from './routes.ts'

const ARP = 0x0806
const [REQUEST, REPLY] = [1, 2]

/** Bits of ct_state. */
const ct = { new: 1, reply: 8, invalid: 0x10, tracked: 0x20, snat: 0x40 } as const
const state = (bits: number): readonly [value: number, mask: number] => [
  ct.tracked | bits,
  ct.tracked | ct.invalid | bits,
]

/** A way out: what goes there, and who is next. */
interface Way {
  readonly match: FlowSpec['match']
  readonly length: number
  readonly kind: 'default' | 'route' | 'connected'
  readonly nextHop: Action
}

interface Gateway {
  readonly router: Router
  readonly port: Port
  readonly host: string
}

function gatewayOf(read: Reads, id: string): Gateway | null {
  const router = read.router(id)
  const port = read.gatewayPortOf(id)
  const host = read.hostOfRouter(id)
  if (!router?.admin_state_up || !port?.admin_state_up || host === undefined) return null
  return read.host(host) === undefined || read.network(port.network_id)?.admin_state_up !== true
    ? null
    : { router, port, host }
}

const interfacesOf = (read: Reads, router: string): Port[] =>
  read.interfacesOf(router).flatMap((id) => {
    const port = read.port(id)
    return port?.admin_state_up ? [port] : []
  })

function waysOf(read: Reads, { router, port }: Gateway): Way[] {
  const to = (network: number, mask: number): FlowSpec['match'] => ({
    [ROUTER]: tag(router.id),
    eth_type: IPV4,
    ...(mask !== 0 && { ip_dst: [network, mask] }),
  })
  const [first] = port.fixed_ips.flatMap(({ subnet_id, ip_address }) =>
    ipv4(ip_address) === null ? [] : (read.subnet(subnet_id)?.gateway_ip ?? []),
  )
  const upstream = first === undefined ? null : ipv4(first)
  return [
    ...subnetsOf(read, port).map(({ network, mask, length }): Way => ({
      match: to(network, mask),
      length,
      kind: 'connected',
      nextHop: move('ip_dst', NEXT_HOP, 32),
    })),
    ...router.routes.flatMap(({ destination, nexthop }): Way[] => {
      const [range, hop] = [prefix(destination), ipv4(nexthop)]
      if (range === null || hop === null || !isNear(read, port, hop)) return []
      return [
        { match: to(range.network, range.mask), length: range.length, kind: 'route', nextHop: set(NEXT_HOP, hop) },
      ]
    }),
    ...(upstream === null
      ? []
      : [{ match: to(0, 0), length: 0, kind: 'default', nextHop: set(NEXT_HOP, upstream) } as const]),
  ]
}

/** What comes to the router's MAC on a network, from other hosts and from outside. Its sender's policy is done with. */
function entry(router: string, on: FlowSpec['match'], first: readonly FlowAction[] = []): FlowSpec {
  return {
    stage: 'l2',
    priority: l2Priorities.service,
    match: { ...on, eth_type: IPV4 },
    actions: [
      ...first,
      ...remember,
      untrack,
      // It may leave by where it came from; for routers the TTL ends what goes round.
      load({ field: 'in_port', start: 0, bits: 16 }, 0),
      load(mark.fromTunnel, 0),
      load(mark.entered, 1),
      keepSender,
      set(ROUTER, tag(router)),
      resubmit('untranslate'),
    ],
  }
}

/** Machines on a wire, where no switch answers for others, learn from the gateway host where a router is. */
function answered(network: string, address: number, hardware: number, own: number): FlowSpec {
  return {
    stage: 'l2',
    priority: l2Priorities.service,
    match: {
      [NETWORK]: tag(network),
      [MARKS]: [FROM_TUNNEL, FROM_TUNNEL],
      eth_type: ARP,
      arp_op: REQUEST,
      arp_tpa: address,
    },
    actions: [
      move('eth_src', 'eth_dst', 48),
      // As it leaves, an interface's MAC is made this host's.
      set('eth_src', own),
      set('arp_op', REPLY),
      move('arp_sha', 'arp_tha', 48),
      set('arp_sha', hardware),
      move('arp_spa', 'arp_tpa', 32),
      set('arp_spa', address),
      load({ field: 'in_port', start: 0, bits: 16 }, 0),
      load(mark.fromTunnel, 0),
      resubmit('l2'),
    ],
  }
}

function entries(read: Reads, { router, port, host }: Gateway): FlowSpec[] {
  const onWire = (network: string): boolean => {
    const row = read.network(network)
    return row !== undefined && isWired(row)
  }
  const own = mac(port.mac_address)
  const external = { [NETWORK]: tag(port.network_id) }
  return [
    entry(router.id, { ...external, eth_dst: own }),
    ...(onWire(port.network_id)
      ? ipv4Addresses(port).map((address) => answered(port.network_id, address, own, own))
      : []),
    {
      stage: 'l2',
      priority: l2Priorities.service,
      match: { ...external, eth_type: ARP, arp_op: REPLY, eth_dst: own },
      actions: [punt],
      meter: NEIGHBOUR_METER,
    },
    ...interfacesOf(read, router.id).flatMap((each) => {
      const on = { [NETWORK]: tag(each.network_id) }
      const inside = mac(each.mac_address)
      const disguise = hostMac(host, each.id)
      const wired = onWire(each.network_id)
        ? [
            entry(router.id, { ...on, eth_dst: disguise }, [set('eth_dst', inside)]),
            ...ipv4Addresses(each).map((address) => answered(each.network_id, address, disguise, inside)),
          ]
        : []
      return [entry(router.id, { ...on, eth_dst: inside }), ...wired]
    }),
  ]
}

/** What comes from outside to the gateway's address may be for who sent what it answers. */
function incoming({ router, port }: Gateway, address: number, zone: number | undefined): FlowSpec[] {
  const on = { [ROUTER]: tag(router.id), [NETWORK]: tag(port.network_id), eth_type: IPV4 }
  const own = { ...on, ip_dst: address }
  const flow = (priority: number, match: FlowSpec['match'], actions: readonly FlowAction[]): FlowSpec => ({
    stage: 'untranslate',
    priority,
    match,
    actions: zone === undefined ? [] : actions,
  })
  const at = zone ?? 0
  return [
    // A ping is for the router.
    {
      ...flow(300, { ...own, nw_proto: ICMP, icmp_type: ECHO_REQUEST, icmp_code: 0 }, []),
      to: 'route',
    },
    // Whoever hears that it has expired must find in the answer what it has sent.
    flow(200, { ...own, nw_ttl: 1 }, [look(at, 'untranslated')]),
    flow(100, own, [translateBack(at, 'untranslated')]),
    // So that answers are not translated.
    flow(50, on, [trackNew(at, 'untranslated')]),
  ]
}

/** The same for every router. */
export const translation: readonly FlowSpec[] = [
  {
    stage: 'untranslated',
    priority: 200,
    match: { eth_type: IPV4, ct_state: state(ct.reply), nw_ttl: 1 },
    actions: [untrack, ...report],
  },
  {
    stage: 'untranslated',
    priority: 100,
    match: { eth_type: IPV4, ct_state: state(0) },
    actions: [untrack],
    to: 'route',
  },
  // Where no port is left OVS lets packets pass untranslated.
  ...[ct.snat, ct.reply].map((bits): FlowSpec => ({
    stage: 'translated',
    priority: 100,
    match: { eth_type: IPV4, ct_state: state(bits) },
    actions: [untrack],
    to: 'neighbour',
  })),
]

/** On the host that stands for the router. */
function stoodFor(read: Reads, gateway: Gateway): FlowSpec[] {
  const { router, port, host } = gateway
  const [address] = ipv4Addresses(port)
  const translates = router.external_gateway_info?.enable_snat !== false
  const zone = read.zone(`${host}/${router.id}`)?.zone
  const out = ({ nextHop }: Way): Pick<FlowSpec, 'actions' | 'to'> => {
    if (!translates) return { actions: leave(port, nextHop), to: 'neighbour' }
    // Until the zone is flushed.
    if (zone === undefined || address === undefined) return { actions: [] }
    return { actions: [...leave(port, nextHop), ...remember, translateSource(zone, 'translated', address)] }
  }
  return [
    ...entries(read, gateway),
    ...(translates && address !== undefined ? incoming(gateway, address, zone) : []),
    ...waysOf(read, gateway).map((way): FlowSpec => ({
      stage: 'route',
      priority: routePriority(way.length, way.kind, true),
      match: way.match,
      ...out(way),
    })),
  ]
}

export function external(read: Reads, id: string): readonly Contribution[] {
  const gateway = gatewayOf(read, id)
  if (gateway === null) return []
  const { port, host } = gateway
  const [inside] = interfacesOf(read, id)
  const own = ipv4Addresses(port).flatMap((address) => ownAddress(tag(id), address))
  const here = { scope: { kind: 'host', host }, flows: stoodFor(read, gateway) } as const
  if (inside === undefined) return [{ ...here, flows: [...here.flows, ...own] }]
  const away = waysOf(read, gateway).map(({ match, length, kind }): FlowSpec => ({
    stage: 'route',
    priority: routePriority(length, kind),
    match,
    actions: [],
    to: 'l2',
  }))
  // The router's networks are needed by the same hosts, so any of them is the right scope.
  return [here, { scope: { kind: 'network', network: inside.network_id }, flows: [...away, ...own] }]
}

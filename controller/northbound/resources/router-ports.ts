// What a router is connected with: its ports, their subnets, and the routes that these carry. Interfaces and routes are
// decided under the router's guard.
import { type Cidr, overlaps, parseCidr, parseIp, within } from '../address.ts'
import type { Reader } from '../cache.ts'
import { ApiError, badRequest, conflict } from '../errors.ts'
import {
  isRouterPort,
  type Port,
  type Route,
  type Router,
  routerGatewayOwner,
  routerInterfaceOwner,
  type Subnet,
} from '../model.ts'
import type { Transaction } from '../transaction.ts'

export const routerInterfaces = (reader: Reader, routerId: string): Port[] =>
  reader.select('ports', 'device_id', routerId).filter((port) => port.device_owner === routerInterfaceOwner)

export const gatewayPort = (reader: Reader, routerId: string): Port | undefined =>
  reader.select('ports', 'device_id', routerId).find((port) => port.device_owner === routerGatewayOwner)

export const gatewayPorts = (reader: Reader, networkId: string): Port[] =>
  reader.select('ports', 'network_id', networkId).filter((port) => port.device_owner === routerGatewayOwner)

export const connectedSubnets = (reader: Reader, ports: readonly Port[]): Subnet[] =>
  ports.flatMap((port) => port.fixed_ips.flatMap((ip) => reader.get('subnets', ip.subnet_id) ?? []))

const rangeOf = (subnet: Subnet): Cidr => parseCidr(subnet.cidr) as Cidr

const overlapping = (subnet: Subnet, others: readonly Subnet[]): Subnet | undefined =>
  others.find((other) => overlaps(rangeOf(subnet), rangeOf(other)))

/** Each address must have one place: neither two interfaces nor an interface and the external network may have it. */
export function refuseClash(present: readonly Subnet[], added: readonly Subnet[]): void {
  for (const subnet of added) {
    if (present.some((each) => each.id === subnet.id)) {
      throw badRequest(`Bad router request: Router already has a port on subnet ${subnet.id}`)
    }
    const other = overlapping(subnet, present)
    if (!other) continue
    throw badRequest(
      `Bad router request: Cidr ${subnet.cidr} of subnet ${subnet.id} overlaps with cidr ${other.cidr} of subnet ${other.id}`,
    )
  }
}

/** Of a network with several segments a host is on one only, and no router could reach them all. */
export function refuseSeveralSegments(tx: Transaction, networkId: string): void {
  tx.guard(`networks/${networkId}`)
  if ((tx.get('networks', networkId)?.segments.length ?? 0) === 0) return
  throw badRequest(
    `Bad router request: network ${networkId} has several segments, which are connected by routers on the wires only`,
  )
}

/** A next hop must be a neighbour: on a connected subnet, and not the router itself. */
export function checkRoutes(reader: Reader, router: Router): void {
  const ports = reader.select('ports', 'device_id', router.id).filter(isRouterPort)
  const ranges = connectedSubnets(reader, ports).map(rangeOf)
  const own = new Set(ports.flatMap((port) => port.fixed_ips.map((ip) => ip.ip_address)))
  for (const route of router.routes) {
    const reason = wrongRoute(route, ranges, own)
    if (!reason) continue
    throw new ApiError(
      400,
      'InvalidRoutes',
      `Invalid format for routes: ${route.destination} via ${route.nexthop}, ${reason}`,
    )
  }
}

function wrongRoute(route: Route, ranges: readonly Cidr[], own: ReadonlySet<string>): string | undefined {
  const nexthop = parseIp(route.nexthop)
  const destination = parseCidr(route.destination)
  if (!nexthop || !destination || nexthop.version !== destination.version) {
    return 'destination and nexthop are not of the same IP version'
  }
  if (!ranges.some((range) => range.version === nexthop.version && within(range, nexthop.value))) {
    return 'the nexthop is not connected with router'
  }
  return own.has(route.nexthop) ? 'the nexthop is used by router' : undefined
}

/** Refuses to take subnets from a router while next hops of its routes are on them. */
export function refuseRoutesThrough(router: Router, subnets: readonly Subnet[]): void {
  for (const subnet of subnets) {
    const range = rangeOf(subnet)
    const needed = router.routes.filter(({ nexthop }) => {
      const ip = parseIp(nexthop)
      return ip !== undefined && ip.version === range.version && within(range, ip.value)
    })
    if (needed.length === 0) continue
    const list = needed.map((route) => `${route.destination} via ${route.nexthop}`).join(', ')
    throw conflict(
      'RouterInterfaceInUseByRoute',
      `Router interface for subnet ${subnet.id} on router ${router.id} cannot be deleted, as it is required by one or more routes: ${list}.`,
    )
  }
}

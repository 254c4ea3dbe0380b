// Routers: their interfaces are ports; routes and interfaces are decided under the router's guard.
import { type Cidr, overlaps, parseCidr, parseIp, within } from '../address.ts'
import { type AttributeType, boolean, InvalidValue } from '../attribute-types.ts'
import type { Reader } from '../cache.ts'
import { ApiError, conflict, users } from '../errors.ts'
import { type Port, type Route, type Router, routerInterfaceOwner, type Subnet } from '../model.ts'
import { attribute, computed, fixed, type Resource, routes, standardAttributes, zoneHints } from '../resource.ts'
import type { Transaction } from '../transaction.ts'
import { statusType } from './shared.ts'

/** Clients clear a gateway with `{}` or null. */
const gatewayInfo: AttributeType = {
  schema: { oneOf: [{ type: 'object' }, { type: 'null' }] },
  parse(value) {
    if (value === null) return null
    if (typeof value !== 'object' || Array.isArray(value)) throw new InvalidValue('not a dictionary')
    return Object.keys(value).length === 0 ? null : value
  },
}

export const routers: Resource<'routers'> = {
  kind: 'routers',
  singular: 'router',
  label: 'Router',
  attributes: {
    ...standardAttributes,
    admin_state_up: attribute(boolean, { default: true }),
    routes: attribute(routes, { default: [], create: 'none' }),
    availability_zone_hints: fixed(zoneHints, { default: [] }),
    external_gateway_info: attribute(gatewayInfo, {
      computed: true,
      default: null,
      only: 'external gateways are not available',
    }),
    distributed: attribute(boolean, {
      computed: true,
      read: 'admin',
      default: true,
      only: 'every router is distributed over the hosts; a centralized one is not available',
    }),
    ha: attribute(boolean, {
      computed: true,
      read: 'admin',
      default: false,
      only: 'a distributed router runs on every host and has no standby; ha is not available',
    }),
    status: computed(statusType),
    availability_zones: computed(zoneHints),
  },

  create: (draft) => draft,

  update(before, after, { tx }) {
    if (after.routes !== before.routes) {
      tx.guard(`routers/${after.id}`)
      checkRoutes(tx, after)
    }
    return after
  },

  remove(router, { tx }) {
    const interfaces = routerInterfaces(tx, router.id)
    if (interfaces.length === 0) return
    const used = users(
      'port',
      interfaces.map((port) => port.id),
    )
    throw conflict('RouterInUse', `Router ${router.id} still has ports: ${used}.`)
  },

  shared: () => false,

  compute: () => ({
    status: 'ACTIVE',
    availability_zones: ['default'],
    external_gateway_info: null,
    distributed: true,
    ha: false,
  }),
}

export const routerInterfaces = (reader: Reader, routerId: string): Port[] =>
  reader.select('ports', 'device_id', routerId).filter((port) => port.device_owner === routerInterfaceOwner)

export const connectedSubnets = (reader: Reader, interfaces: readonly Port[]): Subnet[] =>
  interfaces.flatMap((port) => port.fixed_ips.flatMap((ip) => reader.get('subnets', ip.subnet_id) ?? []))

/** A next hop must be a neighbour: on a connected subnet, and not the router itself. */
export function checkRoutes(tx: Transaction, router: Router): void {
  const interfaces = routerInterfaces(tx, router.id)
  const ranges = connectedSubnets(tx, interfaces).map((subnet) => parseCidr(subnet.cidr) as Cidr)
  const own = new Set(interfaces.flatMap((port) => port.fixed_ips.map((ip) => ip.ip_address)))
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

/** Routes whose next hop only this subnet connects. */
export function routesThrough(router: Router, subnet: Subnet): Route[] {
  const range = parseCidr(subnet.cidr) as Cidr
  return router.routes.filter(({ nexthop }) => {
    const ip = parseIp(nexthop)
    return ip !== undefined && ip.version === range.version && within(range, ip.value)
  })
}

export const overlapping = (subnet: Subnet, others: readonly Subnet[]): Subnet | undefined =>
  others.find((other) => overlaps(parseCidr(subnet.cidr) as Cidr, parseCidr(other.cidr) as Cidr))

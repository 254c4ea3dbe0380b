// Routers: their interfaces are ports; routes and interfaces are decided under the router's guard.
import { boolean } from '../attribute-types.ts'
import { conflict, users } from '../errors.ts'
import type { LiveState, Status } from '../live.ts'
import type { Port } from '../model.ts'
import { attribute, computed, fixed, type Resource, routes, standardAttributes, zoneHints } from '../resource.ts'
import { changeGateway, gatewayInfo, removeGateway } from './router-gateway.ts'
import { checkRoutes, gatewayPort, routerInterfaces } from './router-ports.ts'
import { statusType } from './shared.ts'

export const routers: Resource<'routers'> = {
  kind: 'routers',
  singular: 'router',
  label: 'Router',
  attributes: {
    ...standardAttributes,
    admin_state_up: attribute(boolean, { default: true }),
    routes: attribute(routes, { default: [], create: 'none' }),
    availability_zone_hints: fixed(zoneHints, { default: [] }),
    external_gateway_info: attribute(gatewayInfo, { default: null }),
    distributed: attribute(boolean, {
      computed: true,
      read: 'admin',
      default: true,
      only: 'every router is distributed over the hosts; a centralized one is not available',
    }),
    ha: attribute(boolean, { create: 'admin', update: 'admin', read: 'admin', default: true }),
    status: computed(statusType),
    availability_zones: computed(zoneHints),
  },

  create: (draft, operation) => ({
    ...draft,
    external_gateway_info: changeGateway(draft, null, draft.external_gateway_info, operation),
  }),

  update(before, after, operation) {
    const { tx, given } = operation
    const present = before.external_gateway_info
    const external_gateway_info = given.has('external_gateway_info')
      ? changeGateway(after, present, after.external_gateway_info, operation)
      : present
    if (given.has('routes')) {
      tx.guard(`routers/${after.id}`)
      checkRoutes(tx, after)
    }
    return { ...after, external_gateway_info }
  },

  remove(router, operation) {
    const interfaces = routerInterfaces(operation.tx, router.id)
    if (interfaces.length === 0) return removeGateway(router, operation)
    const used = users(
      'port',
      interfaces.map((port) => port.id),
    )
    throw conflict('RouterInUse', `Router ${router.id} still has ports: ${used}.`)
  },

  shared: () => false,

  compute: (router, { cache, live }) => ({
    status: statusOf(gatewayPort(cache, router.id), live),
    availability_zones: ['default'],
    distributed: true,
  }),
}

/** Between the subnets, every host routes; the gateway needs a host that stands for the router. */
const statusOf = (gateway: Port | undefined, live: LiveState): Status =>
  gateway === undefined ? 'ACTIVE' : (live.portStatus(gateway.id) ?? 'DOWN')

// The member actions of routers: add_router_interface, remove_router_interface, add_extraroutes, remove_extraroutes.
// Each is one transaction like any other write.
import { type AttributeType, record, uuid } from '../attribute-types.ts'
import { ApiError, badRequest, conflict, forbidden, notFound } from '../errors.ts'
import { type Port, type Route, type Router, routerInterfaceOwner, type Subnet } from '../model.ts'
import { checkQuota } from '../quota.ts'
import { type Operation, parseOr, routes as routesType } from '../resource.ts'
import { createPort } from './ports.ts'
import {
  checkRoutes,
  connectedSubnets,
  refuseClash,
  refuseRoutesThrough,
  refuseSeveralSegments,
  routerInterfaces,
} from './router-ports.ts'
import { isMember, refuseGuest } from './shared.ts'

export interface RouterAction extends Operation {
  readonly router: Router
  readonly body: unknown
}

const interfaceBody = record({ subnet_id: { type: uuid, optional: true }, port_id: { type: uuid, optional: true } })

const extraRoutesBody = record({ router: { type: record({ routes: { type: routesType } }) } })

interface InterfaceRequest {
  readonly subnet_id?: string
  readonly port_id?: string
}

const parse = (type: AttributeType, body: unknown): unknown => parseOr(body, type, (reason) => badRequest(reason))

export function addRouterInterface(action: RouterAction): object {
  const request = parse(interfaceBody, action.body) as InterfaceRequest
  if ((request.subnet_id === undefined) === (request.port_id === undefined)) {
    throw badRequest('Bad router request: Either subnet_id or port_id must be specified')
  }
  action.tx.guard(`routers/${action.router.id}`)
  const port =
    request.port_id === undefined
      ? interfaceOnSubnet(action, request.subnet_id as string)
      : interfaceOfPort(action, request.port_id)
  action.tx.put('ports', port)
  return interfaceReply(action.router, port)
}

function interfaceOnSubnet(action: RouterAction, subnetId: string): Port {
  const { tx, router, settings, make } = action
  const subnet = visibleSubnet(action, subnetId)
  if (subnet.gateway_ip === null)
    throw badRequest('Bad router request: Subnet for router interface must have a gateway IP')
  refuseSeveralSegments(tx, subnet.network_id)
  refuseClash(takenSubnets(action), [subnet])
  checkQuota(tx, settings, 'ports', router.project_id)
  const fields = { network_id: subnet.network_id, port_security_enabled: false, ...routerSide(router) }
  const draft = make('ports', fields, router.project_id)
  return createPort(action, draft, [{ subnet_id: subnet.id, ip_address: subnet.gateway_ip }])
}

/** What makes a port the interface of a router: no guest speaks there, so no group may be held in use by it. */
const routerSide = (router: Router) => ({
  device_id: router.id,
  device_owner: routerInterfaceOwner,
  security_groups: [],
})

function visibleSubnet({ tx, context }: RouterAction, id: string): Subnet {
  const subnet = tx.get('subnets', id)
  const network = subnet && tx.get('networks', subnet.network_id)
  if (!subnet || !network) throw notFound('Subnet', id)
  if (!network['router:external'] && !isMember(network, context)) throw notFound('Subnet', id)
  refuseGuest(network, context, 'add_router_interface')
  return subnet
}

function interfaceOfPort(action: RouterAction, portId: string): Port {
  const { tx, context, router } = action
  const port = tx.get('ports', portId)
  const network = port && tx.get('networks', port.network_id)
  const seen = context.admin || port?.project_id === context.projectId || network?.project_id === context.projectId
  if (!port || !network || !seen) throw notFound('Port', portId)
  if (!context.admin && port.project_id !== context.projectId) throw forbidden('rule:add_router_interface')
  if (port.device_id !== '') {
    throw conflict(
      'PortInUse',
      `Unable to complete operation on port ${port.id} for network ${port.network_id}. Port already has an attached device ${port.device_id}.`,
    )
  }
  if (port.fixed_ips.length === 0) throw badRequest('Bad router request: Router port must have at least one fixed IP')
  const subnets = connectedSubnets(tx, [port])
  if (subnets.filter((subnet) => subnet.ip_version === 4).length > 1) {
    throw badRequest('Bad router request: Cannot have multiple IPv4 subnets on router port')
  }
  refuseClash(takenSubnets(action), subnets)
  // Its guard also keeps the port's subnets in their place, and their gateway.
  refuseSeveralSegments(tx, network.id)
  return action.touch(port, { ...port, ...routerSide(router) })
}

/** Every place where the router has addresses already, the whole external network among them. */
function takenSubnets({ tx, router }: RouterAction): Subnet[] {
  const external = router.external_gateway_info?.network_id
  return [
    ...connectedSubnets(tx, routerInterfaces(tx, router.id)),
    ...(external === undefined ? [] : tx.select('subnets', 'network_id', external)),
  ]
}

export function removeRouterInterface(action: RouterAction): object {
  const { tx, router } = action
  const request = parse(interfaceBody, action.body) as InterfaceRequest
  if (request.subnet_id === undefined && request.port_id === undefined) {
    throw badRequest('Bad router request: Either subnet_id or port_id must be specified')
  }
  tx.guard(`routers/${router.id}`)
  const port = wantedInterface(action, request)
  refuseRoutesThrough(router, connectedSubnets(tx, [port]))
  tx.delete('ports', port.id)
  return interfaceReply(router, port)
}

function wantedInterface({ tx, router }: RouterAction, request: InterfaceRequest): Port {
  const { subnet_id: subnetId, port_id: portId } = request
  const interfaces = routerInterfaces(tx, router.id)
  const on = (port: Port): boolean => port.fixed_ips.some((ip) => ip.subnet_id === subnetId)
  const port = interfaces.find((each) => (portId === undefined ? on(each) : each.id === portId))
  if (!port) {
    if (portId === undefined) {
      throw notFoundInterface('RouterInterfaceNotFoundForSubnet', router, `subnet ${subnetId}`)
    }
    throw notFoundInterface('RouterInterfaceNotFound', router, `port ${portId}`)
  }
  if (portId !== undefined && subnetId !== undefined && !on(port)) {
    throw conflict('SubnetMismatchForPort', `Subnet on port ${portId} does not match the requested subnet ${subnetId}.`)
  }
  return port
}

const notFoundInterface = (type: string, router: Router, what: string): ApiError =>
  new ApiError(404, type, `Router ${router.id} does not have an interface on ${what}`)

function interfaceReply(router: Router, port: Port): object {
  const subnetIds = port.fixed_ips.map((ip) => ip.subnet_id)
  return {
    id: router.id,
    project_id: router.project_id,
    tenant_id: router.project_id,
    network_id: port.network_id,
    port_id: port.id,
    subnet_id: subnetIds[0] ?? null,
    subnet_ids: subnetIds,
    tags: router.tags,
  }
}

export const addExtraRoutes = (action: RouterAction): Router =>
  changeRoutes(action, (present, given) => [
    ...present,
    ...given.filter((route) => !present.some((each) => same(each, route))),
  ])

export const removeExtraRoutes = (action: RouterAction): Router =>
  changeRoutes(action, (present, given) => present.filter((route) => !given.some((each) => same(each, route))))

const same = (a: Route, b: Route): boolean => a.destination === b.destination && a.nexthop === b.nexthop

function changeRoutes(
  { tx, router, body, touch }: RouterAction,
  change: (present: readonly Route[], given: readonly Route[]) => Route[],
): Router {
  const { router: wrapped } = parse(extraRoutesBody, body) as { router: { routes: Route[] } }
  tx.guard(`routers/${router.id}`)
  const after = touch(router, { ...router, routes: change(router.routes, wrapped.routes) })
  checkRoutes(tx, after)
  tx.put('routers', after)
  return after
}

// External gateways of routers: a port on an external network with addresses of that network, made, changed and
// deleted together with the router's `external_gateway_info`.
import { type AttributeType, boolean, InvalidValue, nullable, record, uuid } from '../attribute-types.ts'
import { badRequest, forbidden } from '../errors.ts'
import type { FixedIpRequest } from '../ipam.ts'
import { type GatewayInfo, type Network, type Port, type Router, routerGatewayOwner } from '../model.ts'
import type { Operation } from '../resource.ts'
import { addressesFor } from './port-addresses.ts'
import { createPort, fixedIps } from './ports.ts'
import { checkQosPolicy } from './qos-use.ts'
import {
  connectedSubnets,
  gatewayPort,
  refuseClash,
  refuseRoutesThrough,
  refuseSeveralSegments,
  routerInterfaces,
} from './router-ports.ts'
import { seenNetwork } from './shared.ts'

/** What a body may ask for. */
interface GatewayRequest {
  readonly network_id: string
  readonly enable_snat?: boolean
  readonly external_fixed_ips?: readonly FixedIpRequest[]
  readonly qos_policy_id?: string | null
}

const request = record({
  network_id: { type: uuid },
  enable_snat: { type: boolean, optional: true },
  external_fixed_ips: { type: fixedIps, optional: true },
  qos_policy_id: { type: nullable(uuid), optional: true },
})

/** Clients clear a gateway with `{}` or null. */
export const gatewayInfo: AttributeType = {
  schema: { oneOf: [request.schema, { type: 'null' }] },
  parse(value) {
    if (value === null) return null
    if (typeof value !== 'object' || Array.isArray(value)) throw new InvalidValue('not a dictionary')
    return Object.keys(value).length === 0 ? null : request.parse(value)
  },
}

/** How a router gets from the gateway that it has to the one that is asked for; the router has its new routes already. */
export function changeGateway(
  router: Router,
  present: GatewayInfo | null,
  wanted: GatewayRequest | null,
  operation: Operation,
): GatewayInfo | null {
  if (wanted === null && present === null) return null
  const { tx } = operation
  tx.guard(`routers/${router.id}`)
  const before = gatewayPort(tx, router.id)
  if (wanted !== null) refuseAdminFields(wanted, present === null ? 'create' : 'update', operation)
  const stays = wanted?.network_id === present?.network_id
  if (!stays) removeGateway(router, operation)
  const after = wanted && attach(router, stays ? before : undefined, wanted, operation)
  if (before) {
    const kept = new Set(after?.fixed_ips.map((ip) => ip.subnet_id))
    const lost = connectedSubnets(tx, [before]).filter(({ id }) => !kept.has(id))
    refuseRoutesThrough(router, lost)
  }
  if (!wanted || !after) return null
  const inherited = stays ? present : null
  const qos_policy_id = wanted.qos_policy_id === undefined ? (inherited?.qos_policy_id ?? null) : wanted.qos_policy_id
  checkQosPolicy(inherited?.qos_policy_id ?? null, { kind: 'router', id: router.id, qos_policy_id }, operation)
  return {
    network_id: wanted.network_id,
    // Only administrators may give it: whoever sets another attribute must not turn it on again.
    enable_snat: wanted.enable_snat ?? inherited?.enable_snat ?? true,
    external_fixed_ips: after.fixed_ips,
    qos_policy_id,
  }
}

/** The gateway goes with its router, and the choice of a host with the gateway. */
export function removeGateway(router: Router, { tx }: Operation): void {
  const port = gatewayPort(tx, router.id)
  if (port) tx.delete('ports', port.id)
  if (tx.get('router_hosts', router.id)) tx.delete('router_hosts', router.id)
}

function refuseAdminFields(wanted: GatewayRequest, action: 'create' | 'update', { context }: Operation): void {
  if (context.admin) return
  for (const name of ['enable_snat', 'external_fixed_ips'] as const) {
    if (wanted[name] === undefined) continue
    throw forbidden(`(rule:${action}_router) and (rule:${action}_router:external_gateway_info:${name})`)
  }
}

/** The gateway port with the wanted addresses, stored: the present one, or a new one. */
function attach(router: Router, present: Port | undefined, wanted: GatewayRequest, operation: Operation): Port {
  const { tx, make, touch } = operation
  const network = externalNetwork(wanted.network_id, operation)
  // An empty list asks for nothing, as in Neutron.
  const addresses = wanted.external_fixed_ips?.length ? wanted.external_fixed_ips : undefined
  refuseGatewayOfSubnet(network, addresses ?? [], operation)
  if (present) {
    if (!addresses) return present
    const port = { ...present, ...addressesFor(operation, present, undefined, addresses) }
    if (JSON.stringify(port) !== JSON.stringify(present)) tx.put('ports', touch(present, port))
    return port
  }
  refuseClash(connectedSubnets(tx, routerInterfaces(tx, router.id)), tx.select('subnets', 'network_id', network.id))
  const side = { device_id: router.id, device_owner: routerGatewayOwner, security_groups: [] }
  const port = createPort(
    operation,
    make('ports', { network_id: network.id, port_security_enabled: false, ...side }, ''),
    addresses,
  )
  if (port.fixed_ips.length === 0) {
    throw gatewayRefused('network_id', `Network ${network.id} has no subnet to take an address from`)
  }
  tx.put('ports', port)
  return port
}

const gatewayRefused = (field: string, reason: string): Error =>
  badRequest(`Bad router request: external_gateway_info.${field}: ${reason}`)

function externalNetwork(id: string, operation: Operation): Network {
  const network = seenNetwork(id, operation)
  // That it is external holds under the network's guard.
  if (!network['router:external']) throw gatewayRefused('network_id', `Network ${id} is not an external network`)
  refuseSeveralSegments(operation.tx, id)
  return network
}

function refuseGatewayOfSubnet(network: Network, wanted: readonly FixedIpRequest[], { tx }: Operation): void {
  const gateways = new Set(tx.select('subnets', 'network_id', network.id).map((subnet) => subnet.gateway_ip))
  const taken = wanted.find(({ ip_address }) => ip_address !== undefined && gateways.has(ip_address))
  if (taken) {
    throw gatewayRefused('external_fixed_ips', `External IP ${taken.ip_address} is the same as the gateway IP`)
  }
}

// Subnets: address range, gateway, allocation pools. Everything about them is decided under their network's guard.
import {
  type Cidr,
  formatCidr,
  formatIp,
  hostRange,
  type Ip,
  overlaps,
  parseCidr,
  parseIp,
  type Range,
  within,
  without,
} from '../address.ts'
import { boolean, cidr, integer, ipAddress, listOf, nullable, oneOf, record, text, uuid } from '../attribute-types.ts'
import { ApiError, badRequest, conflict, forbidden, invalidInput, notFound, users } from '../errors.ts'
import { subnetCidr } from '../ipam.ts'
import { type AllocationPool, routerGatewayOwner, routerInterfaceOwner, type Subnet } from '../model.ts'
import { attribute, fixed, type Operation, type Resource, routes, standardAttributes } from '../resource.ts'
import { allocatePrefix, checkAffinity, poolId, poolOf, type PrefixRequest } from './pool-allocation.ts'
import { connectedSubnets, gatewayPorts, refuseClash, routerInterfaces } from './router-ports.ts'
import { seenNetwork } from './shared.ts'

const ipv6Mode = nullable(oneOf('slaac', 'dhcpv6-stateful', 'dhcpv6-stateless'))

export const subnets: Resource<'subnets'> = {
  kind: 'subnets',
  singular: 'subnet',
  label: 'Subnet',
  attributes: {
    ...standardAttributes,
    network_id: fixed(uuid),
    ip_version: fixed(oneOf(4, 6)),
    // Absent: from the pool.
    cidr: fixed(cidr, { default: undefined }),
    subnetpool_id: fixed(poolId, { default: null }),
    prefixlen: fixed(integer(0, 128), { default: undefined }),
    use_default_subnetpool: fixed(boolean, { default: false }),
    // Absent: the first address of the subnet. null: none.
    gateway_ip: attribute(nullable(ipAddress), { default: undefined }),
    allocation_pools: attribute(listOf(record({ start: { type: ipAddress }, end: { type: ipAddress } }), 100), {
      default: undefined,
    }),
    dns_nameservers: attribute(listOf(ipAddress, 5), { default: [] }),
    host_routes: attribute(routes, { default: [] }),
    enable_dhcp: attribute(boolean, { default: true }),
    ipv6_ra_mode: fixed(ipv6Mode, { default: null }),
    ipv6_address_mode: fixed(ipv6Mode, { default: null }),
    service_types: attribute(listOf(text(255), 20), { default: [] }),
    dns_publish_fixed_ip: attribute(boolean, { default: false }),
    segment_id: attribute(nullable(uuid), { create: 'admin', update: 'admin', read: 'admin', default: null }),
  },

  create(body, operation) {
    const { tx, context } = operation
    const { prefixlen, use_default_subnetpool, ...wanted } = body as Subnet & PrefixRequest
    const request = { prefixlen, use_default_subnetpool }
    const network = seenNetwork(wanted.network_id, operation)
    if (!context.admin && network.project_id !== context.projectId) throw forbidden('rule:create_subnet')
    tx.guard(`networks/${network.id}`)
    const others = tx.select('subnets', 'network_id', network.id)
    const draft = withPrefix(wanted, request, others, operation)
    const range = subnetCidr(draft)
    checkRange(range, draft)
    refuseInterfaceClash(draft, tx)
    for (const other of others) {
      if (!overlaps(range, subnetCidr(other))) continue
      throw invalidInput(
        `Requested subnet with cidr: ${formatCidr(range)} for network: ${network.id} overlaps with subnet ${other.id} (${other.cidr})`,
      )
    }
    const gateway = draft.gateway_ip === undefined ? formatIp(range.version, hostRange(range).first) : draft.gateway_ip
    const subnet = { ...draft, gateway_ip: gateway }
    checkSegment(subnet, others, operation)
    return checked({ ...subnet, allocation_pools: draft.allocation_pools ?? defaultPools(subnet, range) })
  },

  update(before, after, operation) {
    const { tx } = operation
    tx.guard(`networks/${after.network_id}`)
    if (before.segment_id !== after.segment_id) changeSegment(before, after, operation)
    if (before.gateway_ip !== after.gateway_ip) {
      if (before.gateway_ip !== null) refuseUsedGateway(before, routerInterfaceOwner, tx)
      if (after.gateway_ip !== null) refuseUsedGateway(after, routerGatewayOwner, tx)
    }
    return checked(after)
  },

  remove(subnet, { tx }) {
    tx.guard(`networks/${subnet.network_id}`)
    const ports = tx.select('ports', 'subnet', subnet.id).map((port) => port.id)
    if (ports.length === 0) return
    throw conflict(
      'SubnetInUse',
      `Unable to complete operation on subnet ${subnet.id}: One or more ports have an IP allocation from this subnet: ${users('port', ports)}.`,
    )
  },

  shared: (subnet, reader) => {
    const network = reader.get('networks', subnet.network_id)
    return network !== undefined && (network.shared || network['router:external'])
  },
  alsoOwnedBy: (subnet, reader) => reader.get('networks', subnet.network_id)?.project_id,
  compute: () => ({}),
}

function withPrefix(wanted: Subnet, request: PrefixRequest, others: readonly Subnet[], operation: Operation): Subnet {
  const pool = poolOf(wanted, request, operation)
  checkAffinity(wanted, pool, others)
  if (pool) return { ...wanted, subnetpool_id: pool.id, cidr: allocatePrefix(pool, wanted, request, operation) }
  if (request.prefixlen !== undefined) throw badRequest('prefixlen: a subnetpool must be specified with it')
  if ((wanted.cidr as string | undefined) !== undefined) return wanted
  throw badRequest('a subnetpool must be specified in the absence of a cidr')
}

/** Ranges whose addresses no interface can have (RFC 6890; link-local IPv6 is made by the guests themselves). */
const unusable = ['0.0.0.0/8', '127.0.0.0/8', '224.0.0.0/3', '::/127', 'ff00::/8', 'fe80::/10'].map(
  (each) => parseCidr(each) as Cidr,
)

function checkRange(range: Cidr, subnet: Subnet): void {
  if (range.version !== subnet.ip_version) {
    throw badRequest(`cidr ${subnet.cidr} does not match the ip_version ${subnet.ip_version}`)
  }
  const bad = unusable.find((each) => overlaps(each, range))
  if (bad) throw invalidInput(`cidr ${subnet.cidr} lies in ${formatCidr(bad)}, whose addresses no port can have`)
  if (range.prefixLength > (range.version === 4 ? 31 : 127)) {
    throw invalidInput(`cidr ${subnet.cidr} has no room for a gateway and a port`)
  }
}

function checked(subnet: Subnet): Subnet {
  const range = subnetCidr(subnet)
  checkVersions(subnet)
  checkIpv6Modes(subnet)
  if (subnet.gateway_ip !== null) checkGateway(subnet.gateway_ip, range)
  checkPools(subnet, range)
  return subnet
}

/** Either all subnets of a network are for the hosts of one segment each, or none is. */
function checkSegment(subnet: Subnet, others: readonly Subnet[], { tx }: Operation): void {
  const { network_id: network, segment_id: id } = subnet
  if (others.some((other) => (other.segment_id === null) !== (id === null))) throw notAll(network)
  if (id === null) return
  const segment = tx.get('segments', id)
  if (!segment) throw notFound('Segment', id)
  if (segment.network_id === network) return
  throw new ApiError(
    400,
    'NetworkIdsDontMatch',
    `The subnet's network id, '${network}', doesn't match the network_id of segment '${id}'`,
  )
}

const notAll = (network: string): ApiError =>
  new ApiError(
    400,
    'SubnetsNotAllAssociatedWithSegments',
    `All of the subnets on network '${network}' must either all be associated with segments or all not associated with any segment.`,
  )

/** The first step from a network of one segment to one of several: later its ports' addresses would depend on it. */
function changeSegment(before: Subnet, after: Subnet, operation: Operation): void {
  const { network_id: network } = after
  if (before.segment_id !== null) {
    throw new ApiError(
      400,
      'SubnetSegmentAssociationChangeNotAllowed',
      'A subnet that is already associated with a segment cannot have its segment association changed.',
    )
  }
  if (operation.tx.select('subnets', 'network_id', network).length > 1) throw notAll(network)
  if (operation.tx.select('segments', 'network_id', network).length > 1) {
    throw new ApiError(
      400,
      'NoUpdateSubnetWhenMultipleSegmentsOnNetwork',
      `The network '${network}' has multiple segments, it is only possible to associate an existing subnet with a segment on networks with a single segment.`,
    )
  }
  checkSegment(after, [], operation)
}

function checkVersions(subnet: Subnet): void {
  for (const { destination, nexthop } of subnet.host_routes) {
    if (parseCidr(destination)?.version !== subnet.ip_version || parseIp(nexthop)?.version !== subnet.ip_version) {
      throw invalidInput(
        `host_routes: ${destination} via ${nexthop} does not match the ip_version ${subnet.ip_version}`,
      )
    }
  }
  const wrong = subnet.dns_nameservers.find((server) => parseIp(server)?.version !== subnet.ip_version)
  if (wrong) throw invalidInput(`dns_nameservers: ${wrong} does not match the ip_version ${subnet.ip_version}`)
}

function checkIpv6Modes(subnet: Subnet): void {
  const { ipv6_ra_mode: ra, ipv6_address_mode: mode } = subnet
  if (ra === null && mode === null) return
  if (subnet.ip_version === 4) throw invalidInput('ipv6_ra_mode and ipv6_address_mode are for IPv6 subnets')
  if (!subnet.enable_dhcp) throw invalidInput('ipv6_ra_mode and ipv6_address_mode need enable_dhcp')
  if (ra !== null && mode !== null && ra !== mode) {
    throw invalidInput(`ipv6_ra_mode '${ra}' with ipv6_address_mode '${mode}' is not valid: both must be the same`)
  }
  // RFC 4862 section 5.5.3: interface identifiers have 64 bits.
  if (mode !== null && mode !== 'dhcpv6-stateful' && subnetCidr(subnet).prefixLength !== 64) {
    throw invalidInput(`ipv6_address_mode '${mode}' needs a prefix length of 64`)
  }
}

function checkGateway(gateway: string, range: Cidr): void {
  const ip = parseIp(gateway) as Ip
  const linkLocal = ip.version === 6 && ip.value >> 118n === 0x3fan
  if (linkLocal && range.version === 6) return
  if (ip.version !== range.version || !within(hostRange(range), ip.value)) {
    throw invalidInput(`Gateway ${gateway} is not valid on subnet ${formatCidr(range)}`)
  }
}

function defaultPools(subnet: Subnet, range: Cidr): AllocationPool[] {
  const gateway = subnet.gateway_ip === null ? undefined : parseIp(subnet.gateway_ip)
  const hosts = hostRange(range)
  const parts = gateway?.version === range.version ? without(hosts, gateway.value) : [hosts]
  return parts.map((part) => ({ start: formatIp(range.version, part.first), end: formatIp(range.version, part.last) }))
}

function checkPools(subnet: Subnet, range: Cidr): void {
  const checkedPools: Range[] = []
  for (const pool of subnet.allocation_pools) {
    const name = `${pool.start}-${pool.end}`
    const [start, end] = [parseIp(pool.start) as Ip, parseIp(pool.end) as Ip]
    if (start.version !== range.version || end.version !== range.version || start.value > end.value) {
      throw new ApiError(400, 'InvalidAllocationPool', `The allocation pool ${name} is not valid.`)
    }
    const part = { first: start.value, last: end.value }
    const hosts = hostRange(range)
    if (!within(hosts, part.first) || !within(hosts, part.last)) {
      throw new ApiError(
        400,
        'OutOfBoundsAllocationPool',
        `The allocation pool ${name} spans beyond the subnet cidr ${subnet.cidr}.`,
      )
    }
    if (checkedPools.some((other) => overlaps(other, part))) {
      throw conflict(
        'OverlappingAllocationPools',
        `Found overlapping allocation pools: ${name} for subnet ${subnet.cidr}.`,
      )
    }
    const gateway = subnet.gateway_ip === null ? undefined : parseIp(subnet.gateway_ip)
    if (gateway && within(part, gateway.value)) {
      throw conflict(
        'GatewayConflictWithAllocationPools',
        `Gateway ip ${subnet.gateway_ip} conflicts with allocation pool ${name}.`,
      )
    }
    checkedPools.push(part)
  }
}

/** A router that is the gateway stays it; one whose own gateway is on the subnet cannot be its gateway. */
function refuseUsedGateway(subnet: Subnet, owner: string, tx: Operation['tx']): void {
  const holder = tx
    .select('ports', 'address', `${subnet.id}/${subnet.gateway_ip}`)
    .find((port) => port.device_owner === owner)
  if (!holder) return
  throw conflict('GatewayIpInUse', `gateway_ip ${subnet.gateway_ip} is in use by port ${holder.id}. Unable to update.`)
}

/** A router with its gateway on the network would have the addresses twice: there and on an interface. */
function refuseInterfaceClash(subnet: Subnet, tx: Operation['tx']): void {
  for (const { device_id: router } of gatewayPorts(tx, subnet.network_id)) {
    tx.guard(`routers/${router}`)
    refuseClash(connectedSubnets(tx, routerInterfaces(tx, router)), [subnet])
  }
}

// Addresses of ports: which subnet, which address, is it free. Every caller holds the network's guard, so what is free
// here is free for all controllers.
import { type Cidr, eui64, formatIp, hostRange, type Ip, parseCidr, parseIp, within } from './address.ts'
import { conflict, ApiError } from './errors.ts'
import type { FixedIp, Subnet } from './model.ts'
import type { Transaction } from './transaction.ts'

/** What a body may ask for: a subnet, an address, or both. */
export interface FixedIpRequest {
  readonly subnet_id?: string
  readonly ip_address?: string
}

export interface AddressOwner {
  readonly portId: string
  readonly networkId: string
  readonly mac: string
  readonly deviceOwner: string
  /** Addresses the port has now: a request for a subnet alone keeps them. */
  readonly current: readonly FixedIp[]
}

export const subnetCidr = (subnet: Subnet): Cidr => parseCidr(subnet.cidr) as Cidr

/** Stateless modes: the guest makes its address of prefix and MAC, so the allocation must say the same. */
const isStateless = (subnet: Subnet): boolean =>
  subnet.ipv6_address_mode === 'slaac' || subnet.ipv6_address_mode === 'dhcpv6-stateless'

/** Out of the subnets of a network; `requests` undefined: one address of each IP version that there is. */
export function assignAddresses(
  tx: Transaction,
  owner: AddressOwner,
  subnets: readonly Subnet[],
  requests: readonly FixedIpRequest[] | undefined,
): FixedIp[] {
  const search: Search = { tx, owner, subnets, assigned: [] }
  if (!requests) assignDefault(search)
  // Given addresses first: a request for any address must not take one that the same body names.
  for (const request of requests ?? []) if (request.ip_address !== undefined) assignGiven(search, request)
  for (const request of requests ?? []) if (request.ip_address === undefined) assignFrom(search, request)
  return search.assigned
}

interface Search {
  readonly tx: Transaction
  readonly owner: AddressOwner
  readonly subnets: readonly Subnet[]
  readonly assigned: FixedIp[]
}

function assignDefault(search: Search): void {
  const { subnets, owner } = search
  const meant = subnets.filter((subnet) => subnet.service_types.includes(owner.deviceOwner))
  const candidates = meant.length > 0 ? meant : subnets.filter((subnet) => subnet.service_types.length === 0)
  if (subnets.length > 0 && candidates.length === 0) {
    throw conflict('IpAddressGenerationFailureNoMatchingSubnet', 'No valid service subnet for the given device owner.')
  }
  for (const version of [4, 6]) {
    const ofVersion = candidates.filter((subnet) => subnet.ip_version === version && !isStateless(subnet))
    if (ofVersion.length === 0) continue
    const found = ofVersion.map((subnet) => freeAddress(search, subnet)).find((each) => each !== undefined)
    if (!found) throw exhausted(`No more IP addresses available on network ${owner.networkId}.`)
    search.assigned.push(found)
  }
  for (const subnet of candidates.filter(isStateless)) search.assigned.push(statelessAddress(search, subnet))
}

const exhausted = (message: string): ApiError => conflict('IpAddressGenerationFailure', message)

function assignGiven(search: Search, request: FixedIpRequest): void {
  const ip = parseIp(request.ip_address ?? '') as Ip
  const subnet = request.subnet_id === undefined ? containing(search, ip) : subnetOf(search, request.subnet_id)
  const cidr = subnetCidr(subnet)
  if (cidr.version !== ip.version || !within(hostRange(cidr), ip.value)) {
    throw new ApiError(
      400,
      'InvalidIpForSubnet',
      `IP address ${request.ip_address} is not a valid IP for the specified subnet.`,
    )
  }
  const fixedIp = { subnet_id: subnet.id, ip_address: formatIp(ip.version, ip.value) }
  if (!isFree(search, fixedIp)) {
    throw conflict(
      'IpAddressAlreadyAllocated',
      `IP address ${fixedIp.ip_address} already allocated in subnet ${subnet.id}`,
    )
  }
  search.assigned.push(fixedIp)
}

function containing(search: Search, ip: Ip): Subnet {
  const found = search.subnets.find(
    (subnet) => subnet.ip_version === ip.version && within(subnetCidr(subnet), ip.value),
  )
  if (found) return found
  const text = formatIp(ip.version, ip.value)
  throw new ApiError(
    400,
    'InvalidIpForNetwork',
    `IP address ${text} is not a valid IP for any of the subnets on the specified network.`,
  )
}

function subnetOf(search: Search, id: string): Subnet {
  const found = search.subnets.find((subnet) => subnet.id === id)
  if (found) return found
  throw new ApiError(
    400,
    'InvalidInput',
    `Invalid input for operation: Failed to create port on network ${search.owner.networkId}, because fixed_ips included invalid subnet ${id}.`,
  )
}

function assignFrom(search: Search, request: FixedIpRequest): void {
  const subnet = subnetOf(search, request.subnet_id ?? '')
  const kept = search.owner.current.find((ip) => ip.subnet_id === subnet.id && !isAssigned(search, ip))
  const found = kept ?? (isStateless(subnet) ? statelessAddress(search, subnet) : freeAddress(search, subnet))
  if (!found) throw exhausted(`No more IP addresses available on subnet ${subnet.id}.`)
  search.assigned.push(found)
}

function statelessAddress(search: Search, subnet: Subnet): FixedIp {
  const fixedIp = { subnet_id: subnet.id, ip_address: formatIp(6, eui64(subnetCidr(subnet), search.owner.mac)) }
  if (isFree(search, fixedIp)) return fixedIp
  throw conflict(
    'IpAddressAlreadyAllocated',
    `IP address ${fixedIp.ip_address} already allocated in subnet ${subnet.id}`,
  )
}

const isAssigned = ({ assigned }: Search, ip: FixedIp): boolean =>
  assigned.some((each) => each.subnet_id === ip.subnet_id && each.ip_address === ip.ip_address)

function isFree(search: Search, ip: FixedIp): boolean {
  if (isAssigned(search, ip)) return false
  const users = search.tx.select('ports', 'address', `${ip.subnet_id}/${ip.ip_address}`)
  return users.every((port) => port.id === search.owner.portId)
}

/**
 * The next free address after the one assigned last, going round: a released address rests as long as possible, so that
 * caches of its former owner's MAC run out, and the search does not start over the used ones each time.
 */
function freeAddress(search: Search, subnet: Subnet): FixedIp | undefined {
  const pools = subnet.allocation_pools.map(({ start, end }) => ({
    first: (parseIp(start) as Ip).value,
    last: (parseIp(end) as Ip).value,
  }))
  const hint = search.tx.allocationHints.get(subnet.id) ?? 0n
  const after = pools.map(({ first, last }) => ({ first: first > hint ? first : hint, last }))
  const before = pools.map(({ first, last }) => ({ first, last: last < hint ? last : hint - 1n }))
  for (const { first, last } of [...after, ...before]) {
    for (let value = first; value <= last; value++) {
      const fixedIp = { subnet_id: subnet.id, ip_address: formatIp(subnet.ip_version, value) }
      if (!isFree(search, fixedIp)) continue
      search.tx.allocationHints.set(subnet.id, value + 1n)
      return fixedIp
    }
  }
  return undefined
}

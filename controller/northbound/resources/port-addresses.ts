// The addresses of a port. Where the subnets of a network belong to its segments, a port can only use those of the segment
// that its host is on, and waits for addresses until its host is known.
import { ApiError, conflict } from '../errors.ts'
import { assignAddresses, type FixedIpRequest } from '../ipam.ts'
import { type FixedIp, isRouterPort, type Port, type Subnet } from '../model.ts'
import type { Operation } from '../resource.ts'
import { segmentAt } from './segment-hosts.ts'

export type Addresses = Pick<Port, 'fixed_ips' | 'ip_allocation'>

/** For a port that has `fixed_ips` and is or will be on the host; `wanted` undefined: whatever is free. */
export function addressesFor(
  operation: Operation,
  port: Port,
  host: string | undefined,
  wanted: readonly FixedIpRequest[] | undefined,
): Addresses {
  const { tx } = operation
  tx.guard(`networks/${port.network_id}`)
  const subnets = tx.select('subnets', 'network_id', port.network_id)
  // Networks with routers have one segment.
  const routed = isRouted(subnets) && !isRouterPort(port)
  if (routed && host === undefined && wanted === undefined) return { fixed_ips: [], ip_allocation: 'deferred' }
  const ofHost = routed && host !== undefined ? subnetsOf(operation, port, host, subnets) : subnets
  const owner = {
    portId: port.id,
    networkId: port.network_id,
    mac: port.mac_address,
    deviceOwner: port.device_owner,
    current: port.fixed_ips,
  }
  const fixed_ips = assignAddresses(tx, owner, wanted === undefined ? ofHost : subnets, wanted)
  refuseScattered(port, host, fixed_ips, ofHost)
  return { fixed_ips, ip_allocation: 'immediate' }
}

/** A port that gets another host must be able to use its addresses there; one that waits for a host gets some. */
export function addressesOn(operation: Operation, port: Port, host: string): Addresses {
  if (port.ip_allocation === 'deferred') return addressesFor(operation, port, host, undefined)
  const { tx } = operation
  tx.guard(`networks/${port.network_id}`)
  const subnets = tx.select('subnets', 'network_id', port.network_id)
  if (isRouted(subnets)) refuseScattered(port, host, port.fixed_ips, subnetsOf(operation, port, host, subnets))
  return { fixed_ips: port.fixed_ips, ip_allocation: port.ip_allocation }
}

const isRouted = (subnets: readonly Subnet[]): boolean => subnets.some(({ segment_id }) => segment_id !== null)

function subnetsOf({ tx, live }: Operation, port: Port, host: string, subnets: readonly Subnet[]): Subnet[] {
  const segment = segmentAt(tx, live, port.network_id, host)
  if (segment === undefined) {
    throw conflict(
      'HostNotConnectedToAnySegment',
      `Host ${host} is not connected to any segments on routed provider network '${port.network_id}'. It should be connected to one.`,
    )
  }
  const found = subnets.filter(({ segment_id }) => segment_id === segment.id)
  if (found.length > 0) return found
  throw conflict(
    'IpAddressGenerationFailureNoMatchingSubnet',
    `Network ${port.network_id} has no subnet for segment ${segment.id}, on which host ${host} is.`,
  )
}

function refuseScattered(
  port: Port,
  host: string | undefined,
  ips: readonly FixedIp[],
  ofHost: readonly Subnet[],
): void {
  const subnets = ips.map(({ subnet_id }) => ofHost.find(({ id }) => id === subnet_id))
  if (subnets.includes(undefined)) {
    throw conflict(
      'HostNotCompatibleWithFixedIps',
      `Host ${host} is not connected to a segment where the existing fixed_ips on port ${port.id} will function given the routed network topology.`,
    )
  }
  if (new Set(subnets.map((subnet) => subnet?.segment_id)).size < 2) return
  throw new ApiError(400, 'FixedIpsSubnetsNotOnSameSegment', 'Cannot allocate addresses from different segments.')
}

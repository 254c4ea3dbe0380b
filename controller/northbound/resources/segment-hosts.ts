// Which segment of a network a host is on: by the physical networks that the host has a way to.
import { isWired, segmentsAt, segmentsOf, type Segment as ProviderSegment } from '../../segments.ts'
import type { Reader } from '../cache.ts'
import type { LiveState } from '../live.ts'
import type { Port, Segment } from '../model.ts'
import { providerSegment } from './segment-allocation.ts'

/** Where a port is plugged in, or else where it is to be. */
export const hostOf = (port: Port, live: LiveState): string | undefined =>
  live.portHost(port.id) ?? (port['binding:host_id'] || undefined)

export const sameSegment = (a: ProviderSegment, b: ProviderSegment): boolean =>
  a['provider:network_type'] === b['provider:network_type'] &&
  a['provider:physical_network'] === b['provider:physical_network'] &&
  a['provider:segmentation_id'] === b['provider:segmentation_id']

/** It is plugged in on a host that is not on the segment of its addresses. */
export function isMisplaced(reader: Reader, live: LiveState, port: Port): boolean {
  const segment = reader.get('subnets', port.fixed_ips[0]?.subnet_id ?? '')?.segment_id ?? null
  const host = segment === null ? undefined : live.portHost(port.id)
  return host !== undefined && segmentAt(reader, live, port.network_id, host)?.id !== segment
}

/** Undefined for a host that is not known, or on none of them. */
export function segmentAt(reader: Reader, live: LiveState, networkId: string, host: string): Segment | undefined {
  const network = reader.get('networks', networkId)
  const physical = live.physicalNetworks(host)
  if (network === undefined || physical === undefined) return undefined
  // A tunnel reaches every host.
  const [at] = isWired(network) ? segmentsAt(network, (name) => physical.has(name)) : segmentsOf(network)
  if (at === undefined) return undefined
  const rows = reader.select('segments', 'network_id', networkId)
  return rows.find((row) => sameSegment(at, providerSegment(row)))
}

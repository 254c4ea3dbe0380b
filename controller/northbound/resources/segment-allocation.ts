// Where a segment is: what a body may ask for, and the next free VLAN or tunnel id where it does not say.
import { segmentPlace } from '../cache.ts'
import { conflict, invalidInput } from '../errors.ts'
import type { NetworkType, Segment as ProviderSegment } from '../../segments.ts'
import type { Network, Segment } from '../model.ts'
import type { Operation, Settings } from '../resource.ts'

export const networkTypes = ['vxlan', 'geneve', 'gre', 'flat', 'vlan'] as const satisfies readonly NetworkType[]
export const MAXIMUM_SEGMENTATION_ID = 16_777_215
const MAXIMUM_VLAN = 4094

/** Bytes that the outer headers take from the underlay's MTU (IPv4 underlay; Geneve with two 4-byte options, GRE with a key). */
export const overheadBytes: Readonly<Record<NetworkType, number>> = { vxlan: 50, geneve: 58, gre: 42, flat: 0, vlan: 0 }

export type Place = Pick<Segment, 'network_type' | 'physical_network' | 'segmentation_id'>

/** With a number of its own, where it needs one; a place that another segment has is refused. */
export function allocateSegment(wanted: Place, operation: Operation): Place {
  refuseSenseless(wanted)
  operation.tx.guard('segments')
  const place = { ...wanted, segmentation_id: wanted.segmentation_id ?? freeNumber(wanted, operation) }
  // Which network has it is told to nobody: it may be another project's.
  if (operation.tx.select('segments', 'place', segmentPlace(place)).length > 0) throw inUse(place)
  return place
}

function refuseSenseless({ network_type: type, physical_network: physical, segmentation_id: id }: Place): void {
  if (type !== 'flat' && type !== 'vlan') {
    if (physical) throw invalidInput(`physical_network must not be given for a ${type} network`)
    return
  }
  if (!physical) throw invalidInput(`physical_network is required for a ${type} network`)
  if (type === 'flat' && id !== null) throw invalidInput('segmentation_id must not be given for a flat network')
  if (type === 'vlan' && id !== null && id > MAXIMUM_VLAN) {
    throw invalidInput(`segmentation_id of a vlan network must be in the range 1 to ${MAXIMUM_VLAN}`)
  }
}

function inUse({ network_type: type, physical_network: physical, segmentation_id: id }: Place): Error {
  const refusal = 'Unable to create the network'
  if (type === 'flat') {
    return conflict('FlatNetworkInUse', `Unable to create the flat network. Physical network ${physical} is in use.`)
  }
  if (type === 'vlan') {
    return conflict('VlanIdInUse', `${refusal}. The VLAN ${id} on physical network ${physical} is in use.`)
  }
  return conflict('TunnelIdInUse', `${refusal}. The tunnel ID ${id} is in use.`)
}

function freeNumber(wanted: Place, operation: Operation): number | null {
  switch (wanted.network_type) {
    case 'flat':
      return null
    case 'vlan':
      return freeVlan(wanted, operation)
    default:
      return freeTunnelId(operation)
  }
}

function freeVlan(wanted: Place, { tx, settings }: Operation): number {
  const ranges = settings.vlanRanges.filter(({ physical }) => physical === wanted.physical_network)
  for (const { first, last } of ranges) {
    for (let id = first; id <= last; id++) {
      if (tx.select('segments', 'place', segmentPlace({ ...wanted, segmentation_id: id })).length === 0) return id
    }
  }
  if (ranges.length > 0) throw exhausted()
  throw invalidInput(
    `segmentation_id is required for a vlan network: vlan-ranges of the controller has none of ${wanted.physical_network}`,
  )
}

function freeTunnelId({ tx, settings }: Operation): number {
  const { first, last } = settings.segmentRange
  const size = last - first + 1
  const start = Number(tx.allocationHints.get('segments') ?? 0n)
  for (let i = 0; i < size; i++) {
    const offset = (start + i) % size
    const place = { network_type: 'vxlan', physical_network: null, segmentation_id: first + offset } as const
    if (tx.select('segments', 'place', segmentPlace(place)).length > 0) continue
    tx.allocationHints.set('segments', BigInt(offset + 1))
    return first + offset
  }
  throw exhausted()
}

const exhausted = (): Error =>
  conflict('NoNetworkAvailable', 'Unable to create the network. No segmentation id is free.')

export const placeOf = (wanted: Partial<ProviderSegment>, { defaultNetworkType }: Settings): Place => ({
  network_type: wanted['provider:network_type'] ?? defaultNetworkType,
  physical_network: wanted['provider:physical_network'] ?? null,
  segmentation_id: wanted['provider:segmentation_id'] ?? null,
})

export const providerSegment = (segment: Place): ProviderSegment => ({
  'provider:network_type': segment.network_type,
  'provider:physical_network': segment.physical_network,
  'provider:segmentation_id': segment.segmentation_id,
})

const NONE = { 'provider:network_type': null, 'provider:physical_network': null, 'provider:segmentation_id': null }

/** The attributes of a network that say what carries it. */
export function carriedBy(segments: readonly ProviderSegment[]): ProviderSegment & Pick<Network, 'segments'> {
  const shown = segments.map((each): ProviderSegment => ({
    'provider:network_type': each['provider:network_type'],
    'provider:physical_network': each['provider:physical_network'],
    'provider:segmentation_id': each['provider:segmentation_id'],
  }))
  const [first = NONE] = shown
  if (shown.length === 1) return { ...first, segments: [] }
  // Tunnels reach every host: there is nothing that a second segment could add to them.
  if (segments.every((each) => each['provider:physical_network'] !== null)) return { ...NONE, segments: shown }
  throw invalidInput('a network has one tunnel, or any number of segments on physical networks')
}

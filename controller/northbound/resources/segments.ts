// Segments: each network has the one that it was made with, and may get more on other physical networks. Nothing that says
// where a segment is can be changed, so the network's own copy of it (`carriedBy`) stays true.
import { integer, nullable, oneOf, text, uuid } from '../attribute-types.ts'
import { conflict, notFound, users } from '../errors.ts'
import { isRouterPort, type Network, type Segment } from '../model.ts'
import { attribute, fixed, type Operation, type Resource, standardAttributes } from '../resource.ts'
import { segmentsOf } from '../../segments.ts'
import {
  allocateSegment,
  carriedBy,
  MAXIMUM_SEGMENTATION_ID,
  networkTypes,
  providerSegment,
} from './segment-allocation.ts'
import { hostOf, sameSegment, segmentAt } from './segment-hosts.ts'

export const segments: Resource<'segments'> = {
  kind: 'segments',
  singular: 'segment',
  label: 'Segment',
  attributes: {
    ...standardAttributes,
    // Clients send null where there is none.
    name: attribute({ ...nullable(text(255)), parse: (value) => text(255).parse(value ?? '') }, { default: '' }),
    network_id: fixed(uuid, { create: 'admin' }),
    network_type: fixed(oneOf(...networkTypes)),
    physical_network: fixed(nullable(text(64)), { default: null }),
    segmentation_id: fixed(nullable(integer(1, MAXIMUM_SEGMENTATION_ID)), { default: null }),
  },

  create(draft, operation) {
    const { tx, touch } = operation
    const network = tx.get('networks', draft.network_id)
    if (!network) throw notFound('Network', draft.network_id)
    tx.guard(`networks/${network.id}`)
    refuseRouters(network, operation)
    const segment = { ...draft, ...allocateSegment(draft, operation) }
    tx.put('networks', touch(network, { ...network, ...carriedBy([...segmentsOf(network), providerSegment(segment)]) }))
    return segment
  },

  update: (_, after) => after,

  remove(segment, operation) {
    const { tx, touch } = operation
    tx.guard(`networks/${segment.network_id}`)
    const network = tx.get('networks', segment.network_id)
    if (!network) return
    refuseUsed(segment, operation)
    const rest = segmentsOf(network).filter((each) => !sameSegment(each, providerSegment(segment)))
    if (rest.length === 0) throw inUse(segment, `it is the only one of network ${network.id}`)
    tx.put('networks', touch(network, { ...network, ...carriedBy(rest) }))
  },

  owner: (draft, reader) => reader.get('networks', draft.network_id)?.project_id,
  shared: () => false,
  hidden: () => true,
  locked: () => true,
  compute: () => ({}),
}

/** A router of Weft stands on every host, and could not reach the segments that a host is not on. */
function refuseRouters(network: Network, { tx }: Operation): void {
  const ports = tx.select('ports', 'network_id', network.id).filter(isRouterPort)
  const used = users(
    'port',
    ports.map(({ id }) => id),
  )
  if (ports.length > 0)
    throw conflict('NetworkInUse', `Network ${network.id} has a router, by ${used}: no more segments.`)
}

function refuseUsed(segment: Segment, { tx, live }: Operation): void {
  const subnets = tx.select('subnets', 'segment_id', segment.id).map(({ id }) => id)
  if (subnets.length > 0) throw inUse(segment, `the segment is still associated with ${users('subnet', subnets)}`)
  const ports = tx.select('ports', 'network_id', segment.network_id).filter((port) => {
    const host = hostOf(port, live)
    return host !== undefined && segmentAt(tx, live, segment.network_id, host)?.id === segment.id
  })
  const ids = ports.map(({ id }) => id)
  if (ids.length > 0) throw inUse(segment, `the hosts of ${users('port', ids)} use it`)
}

const inUse = ({ id }: Segment, reason: string): Error =>
  conflict('SegmentInUse', `Segment '${id}' cannot be deleted: ${reason}.`)

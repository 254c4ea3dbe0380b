// The segments of a network: where it is carried. Most networks have one, an overlay or a place on a physical network. One
// with several (a routed provider network) is on each host by the segment whose physical network the host has a way to.
// Which one that is decides about flows and about addresses, so both ask here.

export type NetworkType = 'vxlan' | 'geneve' | 'gre' | 'flat' | 'vlan'

/** In the words of the API: a network with one segment is itself one. */
export interface Segment {
  readonly 'provider:network_type': NetworkType | null
  /** What a flat or VLAN network is on. */
  readonly 'provider:physical_network': string | null
  /** The VNI of an overlay network, the VLAN of a vlan network. */
  readonly 'provider:segmentation_id': number | null
}

interface Segmented extends Segment {
  /** Where there are several: all, the oldest first, and the network's own attributes are null. */
  readonly segments?: readonly Segment[]
}

export const segmentsOf = (network: Segmented): readonly Segment[] =>
  network.segments !== undefined && network.segments.length > 0 ? network.segments : [network]

/** It is on physical networks, and so may be machines that the API does not know. One with a tunnel has no other segment. */
export const isWired = (network: Segmented): boolean => segmentsOf(network)[0]?.['provider:physical_network'] !== null

/** The physical networks that a network is on; none for an overlay. */
export const physicalNetworks = (network: Segmented): readonly string[] => [
  ...new Set(segmentsOf(network).flatMap((each) => each['provider:physical_network'] ?? [])),
]

/** Those on physical networks that a host has a way to. The host is on the first; it should have one only. */
export const segmentsAt = (network: Segmented, reaches: (physical: string) => boolean): readonly Segment[] =>
  segmentsOf(network).filter(({ 'provider:physical_network': name }) => name !== null && reaches(name))

/** Whether packets of the network reach a host with these ports to physical networks: those of an overlay reach all. */
export const carries = (uplinks: Readonly<Record<string, number>>, network: Segmented): boolean =>
  !isWired(network) || segmentsAt(network, (physical) => Object.hasOwn(uplinks, physical)).length > 0

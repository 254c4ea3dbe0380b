// Flat and VLAN networks: a host reaches the physical network by a patch port (`uplinks` of the host), untagged or in the
// network's VLAN. Inside the pipeline packets have no tag: it comes off in the first stage and on in the last one.
//
// Routers stand on every host with one MAC, which switches on the wire would see move from port to port. So each host
// sends what it has routed under a MAC of its own (as Neutron's DVR and OVN's chassis MACs do), and the receiving host
// puts the interface's MAC back. To the wire the router does not exist: it answers no machine there.
//
// Of a network with several segments each host is on one, and nothing here joins them: that is for routers on the wires.
import {
  FROM_TUNNEL,
  hostMac,
  isWired,
  mac,
  MARKS,
  NETWORK,
  OUTPORT,
  output,
  resubmit,
  segmentsAt,
  set,
  tag,
  type Contribution,
  type FlowSpec,
  type Network,
  type Reads,
} from '../../controller/app.ts'
import type { Action } from '../../ofproto/actions/index.ts'
import { toWire } from './flood.ts'

const VLAN = 0x8100
/** OFPVID_PRESENT: there is a tag. */
const TAGGED = 0x1000
const NO_TAG = 0

interface Wire {
  readonly port: number
  readonly vlan: number | null
}

/** How a host reaches a network that is on physical networks; null if it does not, or the network is on none. */
export function wireOf(read: Reads, host: string, network: Network): Wire | null {
  const uplinks = read.host(host)?.uplinks ?? {}
  const [segment] = segmentsAt(network, (physical) => Object.hasOwn(uplinks, physical))
  const port = uplinks[segment?.['provider:physical_network'] ?? '']
  if (segment === undefined || port === undefined) return null
  return { port, vlan: segment['provider:network_type'] === 'vlan' ? segment['provider:segmentation_id'] : null }
}

const onHost = (host: string, flows: readonly FlowSpec[]): Contribution => ({ scope: { kind: 'host', host }, flows })

/** The wires of a network, each with its host. */
function wiresOf(read: Reads, network: Network): { host: string; wire: Wire }[] {
  if (!isWired(network) || !network.admin_state_up) return []
  return read.hostsOf(network.id).flatMap((host) => {
    const wire = wireOf(read, host, network)
    return wire === null ? [] : [{ host, wire }]
  })
}

/** What comes from the wire is for local ports: it is neither answered nor routed. */
export function entered(read: Reads, id: string): readonly Contribution[] {
  const network = read.network(id)
  if (network === undefined) return []
  return wiresOf(read, network).map(({ host, wire: { port, vlan } }) => {
    const untagged: Action[] = vlan === null ? [] : [{ kind: 'pop_vlan' }]
    const flow: FlowSpec = {
      stage: 'classify',
      priority: 100,
      match: { in_port_oxm: port, vlan_vid: vlan === null ? NO_TAG : TAGGED | vlan },
      actions: [...untagged, set(NETWORK, tag(id)), set(MARKS, FROM_TUNNEL), resubmit('wire_source')],
      to: 'l2',
    }
    return onHost(host, [flow])
  })
}

const out = ({ port, vlan }: Wire): Action[] =>
  vlan === null
    ? [output(port)]
    : [{ kind: 'push_vlan', etherType: VLAN }, set('vlan_vid', TAGGED | vlan), output(port)]

/** What leaves for the wire gets the network's tag; what is flooded leaves for it too. */
export function left(read: Reads, id: string): readonly Contribution[] {
  const network = read.network(id)
  if (network === undefined) return []
  return wiresOf(read, network).map(({ host, wire }) => {
    const on = { [NETWORK]: tag(id) }
    return onHost(host, [
      { stage: 'output', priority: 110, match: { [OUTPORT]: wire.port, ...on }, actions: out(wire) },
      toWire(on, wire.port),
    ])
  })
}

/** What a router sends by this interface has the host's MAC on the wire. */
export function disguised(read: Reads, id: string): readonly Contribution[] {
  const port = read.port(id)
  const network = port && read.network(port.network_id)
  if (!port || !network) return []
  const on = { [NETWORK]: tag(network.id) }
  const own = mac(port.mac_address)
  const wires = wiresOf(read, network)
  const sent = wires.map(({ host, wire }) =>
    onHost(host, [
      {
        stage: 'output',
        priority: 120,
        match: { [OUTPORT]: wire.port, ...on, eth_src: own },
        actions: [set('eth_src', hostMac(host, id)), ...out(wire)],
      },
    ]),
  )
  const heard = wires.map(({ host }): FlowSpec => ({
    stage: 'wire_source',
    priority: 100,
    match: { ...on, eth_src: hostMac(host, id) },
    actions: [set('eth_src', own)],
  }))
  return [...sent, { scope: { kind: 'network', network: network.id }, flows: heard }]
}

// Overlay networks: by which tunnel a packet comes and goes, with the network's VNI.
import {
  FROM_TUNNEL,
  ipv4,
  isTunnelType,
  l2Priorities,
  mac,
  MARKS,
  NETWORK,
  OUTPORT,
  set,
  tag,
  TUNNEL_PORTS,
  type Contribution,
  type FlowSpec,
  type Network,
  type Reads,
} from '../../controller/app.ts'
import type { Action } from '../../ofproto/actions/index.ts'

interface Tunnel {
  readonly port: number
  readonly vni: bigint
}

/** Null for a network that is not carried by tunnels. */
export function tunnelOf(network: Network): Tunnel | null {
  const type = network['provider:network_type']
  const vni = network['provider:segmentation_id']
  return isTunnelType(type) && vni !== null ? { port: TUNNEL_PORTS[type], vni: BigInt(vni) } : null
}

/** Makes the packet one for a host's end of the tunnel; null while that is not known. */
function towards(read: Reads, tunnel: Tunnel, host: string): Action[] | null {
  const address = ipv4(read.host(host)?.encapIp ?? '0.0.0.0')
  return address ? [set('tun_id', tunnel.vni), set('tun_dst', address)] : null
}

/** What comes by a tunnel with the network's VNI is on the network. */
export function received(read: Reads, id: string): readonly Contribution[] {
  const network = read.network(id)
  const tunnel = network && tunnelOf(network)
  if (!tunnel) return []
  const flow: FlowSpec = {
    stage: 'classify',
    priority: 100,
    match: { in_port_oxm: tunnel.port, tun_id: tunnel.vni },
    actions: [set(NETWORK, tag(id)), set(MARKS, FROM_TUNNEL)],
    to: 'l2',
  }
  return [{ scope: { kind: 'network', network: id }, flows: [flow] }]
}

/** A port's MAC is behind the host that has the port; a router's, for those that do not know it, behind its gateway host. */
export function located(read: Reads, id: string): readonly Contribution[] {
  const port = read.port(id)
  const network = port && read.network(port.network_id)
  const tunnel = network && tunnelOf(network)
  const host = tunnel && (read.binding(id)?.host ?? read.standIn(id))
  const addressed = host && towards(read, tunnel, host)
  if (!port || !addressed) return []
  const flow: FlowSpec = {
    stage: 'l2',
    priority: l2Priorities.remote,
    match: { [NETWORK]: tag(port.network_id), [MARKS]: [0, FROM_TUNNEL], eth_dst: mac(port.mac_address) },
    actions: [...addressed, set(OUTPORT, tunnel.port)],
    to: 'next',
  }
  return [{ scope: { kind: 'network', network: port.network_id }, flows: [flow] }]
}

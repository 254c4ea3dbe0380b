// Layer 2 over tunnels: which network a packet is on, and where its destination is plugged in. Known unicast goes
// straight to the one host; broadcast and multicast are copied to each host with a member (head-end replication) and
// copied to local ports there, never to a tunnel again.
import {
  FROM_TUNNEL,
  ipv4,
  isTunnelType,
  mac,
  MARKS,
  NETWORK,
  OUTPORT,
  output,
  outputTo,
  resubmit,
  set,
  tag,
  TUNNEL_PORTS,
  type App,
  type Contribution,
  type FlowAction,
  type FlowSpec,
  type LocalPort,
  type Network,
  type Reads,
} from '../../controller/app.ts'
import type { Action } from '../../ofproto/actions/index.ts'

const MULTICAST = 0x0100_0000_0000
const priorities = { local: 110, remote: 100, multicast: 90, unknown: 80 } as const

interface Tunnel {
  readonly port: number
  readonly vni: bigint
}

function tunnelOf(network: Network): Tunnel | null {
  const type = network['provider:network_type']
  const vni = network['provider:segmentation_id']
  return isTunnelType(type) && vni !== null ? { port: TUNNEL_PORTS[type], vni: BigInt(vni) } : null
}

/** Makes the packet one for a host's end of the tunnel; null while that is not known. */
function towards(read: Reads, tunnel: Tunnel, host: string): Action[] | null {
  const address = ipv4(read.host(host)?.encapIp ?? '0.0.0.0')
  return address ? [set('tun_id', tunnel.vni), set('tun_dst', address)] : null
}

/** A copy to a host. */
function copyTo(read: Reads, tunnel: Tunnel, host: string): Action[] {
  const addressed = towards(read, tunnel, host)
  return addressed === null ? [] : [...addressed, output(tunnel.port)]
}

/** What a plugged-in port sends is on its network; what is for its MAC goes out there. */
function plugged(read: Reads, key: string): readonly Contribution[] {
  const vif = read.vif(key)
  const port = vif && read.port(vif.port)
  const network = port && read.network(port.network_id)
  if (!vif || !port?.admin_state_up || !network?.admin_state_up) return []
  const binding = read.binding(port.id)
  if (binding?.host !== vif.host || binding.ofport !== vif.ofport) return []
  const onNetwork = tag(network.id)
  return [
    {
      scope: { kind: 'host', host: vif.host },
      object: port.id,
      flows: [
        {
          stage: 'classify',
          priority: 100,
          match: { in_port_oxm: vif.ofport },
          actions: [set(NETWORK, onNetwork)],
          to: 'next',
        },
        {
          stage: 'l2',
          priority: priorities.local,
          match: { [NETWORK]: onNetwork, eth_dst: mac(port.mac_address) },
          actions: [set(OUTPORT, vif.ofport)],
          to: 'next',
        },
      ],
    },
  ]
}

/** What comes by a tunnel with the network's VNI is on the network. */
function received(read: Reads, id: string): readonly Contribution[] {
  const network = read.network(id)
  const tunnel = network && tunnelOf(network)
  if (!tunnel) return []
  const flow: FlowSpec = {
    stage: 'classify',
    priority: 100,
    match: { in_port_oxm: tunnel.port, tun_id: tunnel.vni },
    actions: [set(NETWORK, tag(id)), set(MARKS, FROM_TUNNEL)],
    to: 'zone',
  }
  return [{ scope: { kind: 'network', network: id }, flows: [flow] }]
}

/** A port's MAC is behind the host that has the port. */
function located(read: Reads, id: string): readonly Contribution[] {
  const port = read.port(id)
  const network = port && read.network(port.network_id)
  const tunnel = network && tunnelOf(network)
  const binding = tunnel && read.binding(id)
  const addressed = binding && towards(read, tunnel, binding.host)
  if (!port || !addressed) return []
  const flow: FlowSpec = {
    stage: 'l2',
    priority: priorities.remote,
    match: { [NETWORK]: tag(port.network_id), [MARKS]: [0, FROM_TUNNEL], eth_dst: mac(port.mac_address) },
    actions: [...addressed, set(OUTPORT, tunnel.port)],
    to: 'next',
  }
  return [{ scope: { kind: 'network', network: port.network_id }, flows: [flow] }]
}

/** An open port that may use MACs which no other port says it has: unknown unicast must reach it. */
function listensToAll(read: Reads, id: string): boolean {
  const port = read.port(id)
  if (port === undefined) return false
  return !port.port_security_enabled || port.allowed_address_pairs.some((pair) => pair.mac_address !== port.mac_address)
}

/** Copies to local ports go on one by one, as each port has rules of its own. */
const localCopies = (ports: readonly LocalPort[]): FlowAction[] =>
  ports.flatMap(({ ofport, up }) => (up ? [set(OUTPORT, ofport), resubmit('next')] : []))

/** How each host with ports of a network copies what is not for one known port. */
function copied(read: Reads, id: string): readonly Contribution[] {
  const network = read.network(id)
  if (!network?.admin_state_up) return []
  const tunnel = tunnelOf(network)
  const members = read.membersOf(id).map((host) => ({
    host,
    ports: read.localPorts(host, id),
    copy: tunnel ? copyTo(read, tunnel, host) : [],
  }))
  const listening = new Set(read.openPorts(id).filter((port) => listensToAll(read, port)))
  const on = { [NETWORK]: tag(id) }
  const floods = (priority: number, match: object, wants: (port: LocalPort) => boolean) => {
    const wanting = members.map(({ host, ports, copy }) => ({ host, ports: ports.filter(wants), copy }))
    const remote = wanting.filter(({ ports }) => ports.length > 0)
    return (to: string): FlowSpec[] => {
      const local = localCopies(wanting.find(({ host }) => host === to)?.ports ?? [])
      const copies = remote.flatMap(({ host, copy }) => (host === to ? [] : copy))
      const whole = { ...on, ...match }
      return [
        { stage: 'l2', priority, match: { ...whole, [MARKS]: [0, FROM_TUNNEL] }, actions: [...local, ...copies] },
        { stage: 'l2', priority, match: { ...whole, [MARKS]: [FROM_TUNNEL, FROM_TUNNEL] }, actions: local },
      ]
    }
  }
  const multicast = floods(priorities.multicast, { eth_dst: [MULTICAST, MULTICAST] }, () => true)
  const unknown = floods(priorities.unknown, {}, (port) => listening.has(port.id))
  return members.map(({ host }) => ({
    scope: { kind: 'host', host },
    flows: [...multicast(host), ...(listening.size === 0 ? [] : unknown(host))],
  }))
}

export const overlay: App = {
  name: 'overlay',
  stages: [
    { name: 'classify', phase: 'classify', miss: 'drop', matches: ['in_port_oxm', 'tun_id'] },
    { name: 'l2', phase: 'switch', miss: 'drop', matches: [NETWORK, MARKS, 'eth_dst'] },
    { name: 'output', phase: 'output', miss: 'drop', matches: [] },
  ],
  rules: [
    { over: 'vif', contribute: plugged },
    { over: 'network', contribute: received },
    { over: 'port', contribute: located },
    { over: 'network', contribute: copied },
  ],
  constant: { flows: [{ stage: 'output', priority: 100, match: {}, actions: [outputTo(OUTPORT)] }] },
}

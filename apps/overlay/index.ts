// Layer 2: which network a packet is on, and where its destination is plugged in. On an overlay, known unicast goes
// straight to the one host; broadcast and multicast are copied to each host with a member (head-end replication). On a
// flat or VLAN network all that is not for a port here goes to the wire, once. What came from outside is copied to local
// ports only, never to a tunnel or a wire again.
import {
  FROM_TUNNEL,
  mac,
  MARKS,
  NETWORK,
  OUTPORT,
  outputTo,
  resubmit,
  set,
  tag,
  type App,
  type Contribution,
  type FlowAction,
  type FlowSpec,
  type LocalPort,
  type Reads,
} from '../../controller/app.ts'
import { priorities } from './priorities.ts'
import { copyTo, located, received, tunnelOf } from './tunnels.ts'
import { entered, left, marked, wireOf } from './wires.ts'

const MULTICAST = 0x0100_0000_0000

/** What a plugged-in port sends is on its network; what is for its MAC goes out there. */
function plugged(read: Reads, key: string): readonly Contribution[] {
  const vif = read.vif(key)
  const port = vif && read.port(vif.port)
  const network = port && read.network(port.network_id)
  if (!vif || !port?.admin_state_up || !network?.admin_state_up) return []
  const binding = read.binding(port.id)
  if (binding?.host !== vif.host || binding.ofport !== vif.ofport) return []
  const overlay = tunnelOf(network) !== null
  if (!overlay && wireOf(read, vif.host, network) === null) return []
  const onNetwork = tag(network.id)
  return [
    {
      scope: { kind: 'host', host: vif.host },
      object: port.id,
      flows: [
        {
          stage: 'classify',
          priority: 100,
          // A tag of the guest's own would lead it to another VLAN of the wire.
          match: { in_port_oxm: vif.ofport, ...(!overlay && { vlan_vid: 0 }) },
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

/** An open port that may use MACs which no other port says it has: unknown unicast must reach it. */
function listensToAll(read: Reads, id: string): boolean {
  const port = read.port(id)
  if (port === undefined) return false
  return !port.port_security_enabled || port.allowed_address_pairs.some((pair) => pair.mac_address !== port.mac_address)
}

/** Copies to local ports go on one by one, as each port has rules of its own. */
const localCopies = (ports: readonly LocalPort[]): FlowAction[] =>
  ports.flatMap(({ ofport, up }) => (up ? [set(OUTPORT, ofport), resubmit('next')] : []))

/** Remembers the connection before copies leave that no port's rules are asked about here: answers come back here. */
const remember: readonly FlowAction[] = [set(OUTPORT, 0), resubmit('commit')]

/** How each host that carries a network copies what is not for one known port. */
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
    return (to: string, wire: readonly FlowAction[]): FlowSpec[] => {
      const local = localCopies(wanting.find(({ host }) => host === to)?.ports ?? [])
      const copies = remote.flatMap(({ host, copy }) => (host === to ? [] : copy))
      const away = copies.length === 0 ? [] : [...remember, ...copies]
      const whole = { ...on, ...match }
      const actions = [...local, ...away, ...wire]
      return [
        { stage: 'l2', priority, match: { ...whole, [MARKS]: [0, FROM_TUNNEL] }, actions },
        { stage: 'l2', priority, match: { ...whole, [MARKS]: [FROM_TUNNEL, FROM_TUNNEL] }, actions: local },
      ]
    }
  }
  const multicast = floods(priorities.multicast, { eth_dst: [MULTICAST, MULTICAST] }, () => true)
  const unknown = floods(priorities.unknown, {}, (port) => listening.has(port.id))
  const hosts = tunnel ? members.map(({ host }) => host) : read.hostsOf(id)
  return hosts.map((host) => {
    const wire = wireOf(read, host, network)
    // The wire comes last: its copy is changed on the way out.
    const copy = wire === null ? [] : [set(OUTPORT, wire.port), resubmit('next')]
    const rest = wire === null && listening.size === 0 ? [] : unknown(host, copy)
    return { scope: { kind: 'host', host }, flows: [...multicast(host, copy), ...rest] }
  })
}

export const overlay: App = {
  name: 'overlay',
  stages: [
    {
      name: 'classify',
      phase: 'classify',
      miss: 'drop',
      lost: 'nothing that is up is plugged in there',
      matches: ['in_port_oxm', 'tun_id', 'vlan_vid'],
    },
    {
      name: 'l2',
      phase: 'switch',
      miss: 'drop',
      lost: 'no port that is plugged in has the MAC it is for',
      matches: [NETWORK, MARKS, 'eth_dst'],
    },
    { name: 'output', phase: 'output', miss: 'drop', matches: [NETWORK, OUTPORT, 'eth_src'] },
    { name: 'wire_source', phase: 'lookup', miss: 'drop', matches: [NETWORK, 'eth_src'] },
  ],
  rules: [
    { over: 'vif', contribute: plugged },
    { over: 'network', contribute: received },
    { over: 'port', contribute: located },
    { over: 'network', contribute: copied },
    { over: 'network', contribute: entered },
    { over: 'network', contribute: left },
    { over: 'port', contribute: marked },
  ],
  constant: {
    flows: [
      { stage: 'output', priority: 200, match: { [OUTPORT]: 0 }, actions: [] },
      { stage: 'output', priority: 100, match: {}, actions: [outputTo(OUTPORT)] },
    ],
  },
}

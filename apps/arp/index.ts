// ARP proxy: every address of a network is answered where the question is asked, in flows. Where an address is, routers
// have to know as well: the same flow tells both (controller/arp-answer.ts). Questions about addresses that nobody has
// are dropped: a network's addresses are all known, unless a port may use addresses that the API does not tie to one port
// (allowed address pairs, as for VRRP, or no port security), or there are other machines on a wire: then they are flooded.
import {
  arpAnswer,
  bounce,
  ipv4,
  isWired,
  load,
  mac,
  mark,
  marked,
  MARKS,
  move,
  NETWORK,
  NEXT_HOP,
  set,
  tag,
  type App,
  type Contribution,
  type FlowSpec,
  type Port,
  type Reads,
} from '../../controller/app.ts'

const ARP = 0x0806
const REQUEST = 1
const REPLY = 2
/** In the stages 'arp', 'neighbour' (where ports have 100) and 'l2'. */
const priorities = { own: 110, request: 100, router: 110, unknown: 10, answer: 200 } as const

/** There may be machines that the API does not know. */
function onWire(read: Reads, id: string): boolean {
  const network = read.network(id)
  return network !== undefined && isWired(network)
}

const addressesOf = (port: Port): number[] => port.fixed_ips.flatMap(({ ip_address }) => ipv4(ip_address) ?? [])

/** As a next hop a router's address leads into the router, and only while the router is up; asked for, it has a MAC. */
function routers(read: Reads, id: string): readonly Contribution[] {
  const port = read.port(id)
  if (port === undefined) return []
  const hardware = mac(port.mac_address)
  const flows = addressesOf(port).map((address) => arpAnswer(port.network_id, address, hardware, priorities.router))
  return [{ scope: { kind: 'network', network: port.network_id }, flows }]
}

/**
 * A port that probes for its own address must hear nothing (RFC 5227 §2.1.1) unless a machine on the wire has it, too; it
 * can only ask where it is plugged in.
 */
function probed(read: Reads, key: string): readonly Contribution[] {
  const vif = read.vif(key)
  const port = vif && read.port(vif.port)
  const binding = port && read.binding(port.id)
  if (!vif || !port || binding?.host !== vif.host || binding.ofport !== vif.ofport) return []
  const ask = { [NETWORK]: tag(port.network_id), eth_type: ARP, arp_op: REQUEST, arp_sha: mac(port.mac_address) }
  const flows = addressesOf(port).map((address): FlowSpec => ({
    stage: 'arp',
    priority: priorities.own,
    match: { ...ask, arp_tpa: address },
    actions: [],
    ...(onWire(read, port.network_id) && { to: 'next' }),
  }))
  return [{ scope: { kind: 'host', host: vif.host }, object: port.id, flows }]
}

/** Silence for unknown addresses, unless somebody may have others than the API knows. */
function unknown(read: Reads, id: string): readonly Contribution[] {
  if (!onWire(read, id) && read.openPorts(id).length === 0) return []
  const flooded: FlowSpec = {
    stage: 'neighbour',
    priority: priorities.unknown,
    match: { [NETWORK]: tag(id), [MARKS]: marked({ asked: 1 }) },
    actions: [load(mark.asked, 0)],
    to: 'next',
  }
  return [{ scope: { kind: 'network', network: id }, flows: [flooded] }]
}

const constant: readonly FlowSpec[] = [
  {
    stage: 'arp',
    priority: priorities.request,
    match: { eth_type: ARP, arp_op: REQUEST },
    actions: [move('arp_tpa', NEXT_HOP, 32), load(mark.asked, 1)],
    to: 'neighbour',
  },
  {
    stage: 'l2',
    priority: priorities.answer,
    match: { eth_type: ARP, [MARKS]: marked({ asked: 1 }) },
    actions: [
      set('arp_op', REPLY),
      move('arp_sha', 'arp_tha', 48),
      move('eth_dst', 'arp_sha', 48),
      move('eth_src', 'eth_dst', 48),
      move('arp_sha', 'eth_src', 48),
      move('arp_spa', 'arp_tpa', 32),
      move(NEXT_HOP, 'arp_spa', 32),
      bounce,
    ],
  },
]

export const arp: App = {
  name: 'arp',
  stages: [{ name: 'arp', phase: 'respond', miss: 'next', matches: [NETWORK, 'arp_op', 'arp_tpa', 'arp_sha'] }],
  rules: [
    { over: 'router_interface', contribute: routers },
    { over: 'vif', contribute: probed },
    { over: 'network', contribute: unknown },
  ],
  constant: { flows: constant },
}

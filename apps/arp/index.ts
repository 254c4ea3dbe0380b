// ARP proxy: every address of a network is answered where the question is asked, in flows. Questions about addresses
// that nobody has are dropped: a network's addresses are all known, unless a port may use addresses that the API does
// not tie to one port (allowed address pairs, as for VRRP, or no port security), or there are other machines on a wire:
// then they are flooded.
import {
  arpAnswer,
  ipv4,
  isWired,
  mac,
  NETWORK,
  segmentsOf,
  tag,
  type App,
  type Contribution,
  type FlowSpec,
  type Port,
  type Reads,
} from '../../controller/app.ts'

const ARP = 0x0806
const REQUEST = 1
const priorities = { own: 110, answer: 100, unknown: 10 } as const

/** There may be machines that the API does not know. */
function onWire(read: Reads, id: string): boolean {
  const network = read.network(id)
  return network !== undefined && isWired(network)
}

const addressesOf = (port: Port): number[] => port.fixed_ips.flatMap(({ ip_address }) => ipv4(ip_address) ?? [])

/** On a network with several segments who is near enough to be asked answers himself: the others are not to be found. */
function owned(read: Reads, id: string): readonly Contribution[] {
  const port = read.port(id)
  const network = port && read.network(port.network_id)
  if (!network || segmentsOf(network).length > 1) return []
  const hardware = mac(port.mac_address)
  const flows = addressesOf(port).map((address) => arpAnswer(port.network_id, address, hardware, priorities.answer))
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
  if (read.network(id) === undefined) return []
  const open = onWire(read, id) || read.openPorts(id).length > 0
  const match = { [NETWORK]: tag(id), eth_type: ARP, arp_op: REQUEST }
  const silence: FlowSpec = {
    stage: 'arp',
    priority: priorities.unknown,
    match,
    actions: [],
    ...(open && { to: 'next' }),
  }
  return [{ scope: { kind: 'network', network: id }, flows: [silence] }]
}

export const arp: App = {
  name: 'arp',
  stages: [{ name: 'arp', phase: 'respond', miss: 'next', matches: [NETWORK, 'arp_op', 'arp_tpa', 'arp_sha'] }],
  rules: [
    { over: 'port', contribute: owned },
    { over: 'vif', contribute: probed },
    { over: 'network', contribute: unknown },
  ],
}

// Machines that are next to a router on its external network and that the API does not know: the gateway host asks for
// them by ARP. What was learned is stored as facts (controller/neighbours.ts), from which these flows follow.
import {
  ipv4,
  mac,
  marked,
  MARKS,
  NEIGHBOUR_METER,
  NETWORK,
  NEXT_HOP,
  punt,
  prefix,
  set,
  tag,
  tell,
  type Contribution,
  type FlowSpec,
  type NeighbourNews,
  type PacketIn,
  type Reads,
} from '../../controller/app.ts'
import { formatEthernet, formatIpv4 } from '../../ofproto/fields/addresses.ts'
import { parseArp } from '../../packet/arp.ts'
import { networkOf, waits } from './answers.ts'

const ARP = 0x0806
const priorities = { learned: 50, unresolved: 10 } as const

/** What waits for an answer goes to the controller. */
export function unresolved(read: Reads, id: string): readonly Contribution[] {
  if (read.gatewayPortsOn(id).length === 0) return []
  const ask: FlowSpec = {
    stage: 'neighbour',
    priority: priorities.unresolved,
    match: { [NETWORK]: tag(id), [MARKS]: marked({ asked: 0 }) },
    actions: [punt],
    meter: NEIGHBOUR_METER,
  }
  return [{ scope: { kind: 'external', network: id }, flows: [ask] }]
}

/** The neighbour (of whom ports ask the wire itself), and, as far as a wire says so unasked, that it has another MAC now. */
export function learned(read: Reads, key: string): readonly Contribution[] {
  const row = read.neighbour(key)
  const address = row ? ipv4(row.address) : null
  if (!row || address === null) return []
  const on = { [NETWORK]: tag(row.network) }
  const hardware = mac(row.mac_address)
  const said = { ...on, eth_type: ARP, arp_spa: address }
  return [
    {
      scope: { kind: 'external', network: row.network },
      object: row.network,
      flows: [
        {
          stage: 'neighbour',
          priority: priorities.learned,
          match: { ...on, [NEXT_HOP]: address, [MARKS]: marked({ asked: 0 }) },
          actions: [set('eth_dst', hardware)],
          to: 'next',
        },
        { stage: 'wire_source', priority: 60, match: { ...said, arp_sha: hardware }, actions: [] },
        { stage: 'wire_source', priority: 50, match: said, actions: [tell(NEIGHBOUR_METER)] },
      ],
    },
  ]
}

const isOn = (read: Reads, network: string, address: number): boolean =>
  read.subnetsOf(network).some((id) => {
    const range = prefix(read.subnet(id)?.cidr ?? '::/0')
    return range !== null && (address & range.mask) >>> 0 === range.network
  })

export function neighbourNews(read: Reads, packet: PacketIn): NeighbourNews | null {
  const network = networkOf(read, packet)
  if (network === undefined) return null
  if (waits(packet, network)) {
    const wanted = packet.metadata.get(NEXT_HOP)
    const address = typeof wanted === 'number' ? formatIpv4(BigInt(wanted)) : ''
    return { kind: 'wanted', network: network.id, address, data: packet.data }
  }
  const arp = parseArp(packet.data)
  if (arp === null || !isOn(read, network.id, arp.spa)) return null
  const neighbour = {
    network: network.id,
    address: formatIpv4(BigInt(arp.spa)),
    mac_address: formatEthernet(BigInt(arp.sha)),
  }
  return { kind: 'heard', neighbour }
}

// What a router says through the controller: answers, and where its addresses are.
import {
  ipv4,
  mac,
  objectDigits,
  subnetMac,
  type Announcement,
  type Network,
  type PacketIn,
  type PacketOut,
  type Port,
  type Reads,
} from '../../controller/app.ts'
import { announcement, parseArp } from '../../packet/arp.ts'
import { parseFrame } from '../../packet/frame.ts'
import { timeExceeded } from '../../packet/icmp.ts'
import { nobodyListens } from '../../packet/refusal.ts'
import { ipv4Addresses } from './routes.ts'

/** A guest that asked for its gateway before the router came has the subnet's MAC in its ARP cache, for up to minutes. */
export const gatewayMacs = (read: Reads, port: Port): number[] => [
  mac(port.mac_address),
  ...port.fixed_ips
    .filter(({ subnet_id, ip_address }) => read.subnet(subnet_id)?.gateway_ip === ip_address)
    .map(({ subnet_id }) => subnetMac(subnet_id)),
]

/** The network that the packet is on. */
export function networkOf(read: Reads, { metadata }: PacketIn): Network | undefined {
  const [high = 0, low = 0] = ['reg0', 'reg1'].map((half) => Number(metadata.get(half) ?? 0))
  return read.networkTagged((BigInt(high) << 32n) | BigInt(low))
}

/** Whether the packet came because nobody knows its next hop's MAC: what asks for these is the network's. */
export const waits = (packet: PacketIn, network: Network): boolean =>
  packet.origin === objectDigits(network.id) && parseArp(packet.data) === null

/** The port of a router with a MAC: on the network, else on the next ones that can be reached from there. */
function routerPortWith(read: Reads, hardware: number, network: string): Port | undefined {
  const networks = new Set([network])
  for (const each of networks) {
    for (const id of [...read.gatewaysOf(each), ...read.gatewayPortsOn(each)]) {
      const port = read.port(id)
      if (port === undefined) continue
      if (gatewayMacs(read, port).includes(hardware)) return port
      for (const other of read.interfacesOf(port.device_id)) {
        const beyond = read.port(other)?.network_id
        if (beyond !== undefined) networks.add(beyond)
      }
    }
  }
  return undefined
}

/** In the cookies of flows that are there for every router: of these, the ones for packets whose TTL runs out. */
const NO_OBJECT = '000000000000'

/** Nothing listens on a router's addresses. A packet whose TTL runs out is answered by the port that it was sent to. */
export function packetIn(read: Reads, packet: PacketIn): readonly PacketOut[] {
  const frame = parseFrame(packet.data)
  const network = networkOf(read, packet)
  if (network === undefined || waits(packet, network)) return []
  const sender = read.port(read.vifAt(packet.host, packet.inPort)?.port ?? '')
  const port = frame && routerPortWith(read, frame.destination, sender?.network_id ?? network.id)
  const [address] = port ? ipv4Addresses(port) : []
  if (!port || address === undefined) return []
  const data =
    packet.origin === NO_OBJECT
      ? timeExceeded(packet.data, { mac: frame.destination, address })
      : nobodyListens(packet.data)
  if (data === null) return []
  return [sender === undefined ? { network: network.id, data } : { outPort: packet.inPort, data }]
}

const announced = (port: Port, hardware = mac(port.mac_address)): Announcement[] =>
  port.fixed_ips.flatMap(({ ip_address }) => {
    const address = ipv4(ip_address)
    if (address === null) return []
    return [{ network: port.network_id, address: ip_address, data: announcement(hardware, address) }]
  })

/**
 * Guests learn the MAC of an interface that has come; in place of another one with its address, too. Where another host
 * stands for a router, the wire learns where its MAC is now.
 */
export function announce(read: Reads, id: string): readonly Announcement[] {
  if (read.router(id)?.admin_state_up !== true) return []
  const host = read.hostOfRouter(id)
  const gateway = read.gatewayPortOf(id)
  const outside = host !== undefined && gateway?.admin_state_up ? announced(gateway) : []
  const inside = read.interfacesOf(id).flatMap((key) => {
    const port = read.port(key)
    return port?.admin_state_up ? [port] : []
  })
  return [
    ...inside.flatMap((port) => announced(port)),
    ...(host === undefined ? [] : outside.map((each) => ({ ...each, host }))),
  ]
}

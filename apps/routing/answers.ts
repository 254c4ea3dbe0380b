// What a router says through the controller: answers, and where its addresses are.
import {
  ipv4,
  mac,
  subnetMac,
  type Announcement,
  type PacketIn,
  type PacketOut,
  type Port,
  type Reads,
} from '../../controller/app.ts'
import { announcement } from '../../packet/arp.ts'
import { parseFrame, parseIpv4 } from '../../packet/frame.ts'
import { timeExceeded } from '../../packet/icmp.ts'
import { nobodyListens } from '../../packet/refusal.ts'

/** A guest that asked for its gateway before the router came has the subnet's MAC in its ARP cache, for up to minutes. */
export const gatewayMacs = (read: Reads, port: Port): number[] => [
  mac(port.mac_address),
  ...port.fixed_ips
    .filter(({ subnet_id, ip_address }) => read.subnet(subnet_id)?.gateway_ip === ip_address)
    .map(({ subnet_id }) => subnetMac(subnet_id)),
]

/** The interface with a MAC: of a router on the network, else of the next ones that can be reached from there. */
function interfaceWith(read: Reads, hardware: number, network: string): Port | undefined {
  const networks = new Set([network])
  for (const each of networks) {
    for (const id of read.gatewaysOf(each)) {
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

function isOwn(read: Reads, router: string, address: number): boolean {
  const ports = read.interfacesOf(router).flatMap((id) => read.port(id) ?? [])
  return ports.some((port) => port.fixed_ips.some(({ ip_address }) => ipv4(ip_address) === address))
}

/** Nothing listens on a router's addresses. A packet whose TTL runs out is answered by the interface it was sent to. */
export function packetIn(read: Reads, packet: PacketIn): readonly PacketOut[] {
  const frame = parseFrame(packet.data)
  const ip = frame && parseIpv4(frame.payload)
  const sender = read.port(read.vifAt(packet.host, packet.inPort)?.port ?? '')
  const port = frame && sender && interfaceWith(read, frame.destination, sender.network_id)
  const address = ipv4(port?.fixed_ips[0]?.ip_address ?? '::')
  if (!ip || !port || address === null) return []
  const data = isOwn(read, port.device_id, ip.destination)
    ? nobodyListens(packet.data)
    : timeExceeded(packet.data, { mac: frame.destination, address })
  return data === null ? [] : [{ outPort: packet.inPort, data }]
}

/** Guests learn the MAC of an interface that has come; in place of another one with its address, too. */
export function announce(read: Reads, id: string): readonly Announcement[] {
  if (read.router(id)?.admin_state_up !== true) return []
  return read.interfacesOf(id).flatMap((key) => {
    const port = read.port(key)
    if (port?.admin_state_up !== true) return []
    return port.fixed_ips.flatMap(({ ip_address }) => {
      const address = ipv4(ip_address)
      if (address === null) return []
      return [{ network: port.network_id, address: ip_address, data: announcement(mac(port.mac_address), address) }]
    })
  })
}

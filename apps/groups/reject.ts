// Rejected packets come to the controller, which answers their sender, on whichever host that is: a packet is rejected
// where it enters, or where its receiver is, by then rewritten if it was routed.
import {
  mac,
  OUTPORT,
  ROUTER_INTERFACE,
  type PacketIn,
  type PacketOut,
  type Port,
  type Reads,
} from '../../controller/app.ts'
import { parseFrame, parseIpv4, type Frame } from '../../packet/frame.ts'
import { refusal } from '../../packet/refusal.ts'

/** The bit for groups, in the first byte. */
const isMulticast = (address: number): boolean => (Math.floor(address / 2 ** 40) & 1) === 1

/** A port, and the MAC by which it knows the other end. */
interface Sender {
  readonly port: Port
  readonly peer: number
}

const portsOf = (read: Reads, network: string): Port[] => read.portsOf(network).flatMap((id) => read.port(id) ?? [])
const interfacesOf = (read: Reads, router: string): Port[] =>
  read.interfacesOf(router).flatMap((id) => read.port(id) ?? [])

function hasAddress(port: Port, frame: Frame): boolean {
  const source = parseIpv4(frame.payload)?.source
  if (source === undefined) return false
  const text = [24, 16, 8, 0].map((shift) => (source >>> shift) & 0xff).join('.')
  return port.fixed_ips.some(({ ip_address }) => ip_address === text)
}

/** Who sent a packet that is on the way to `receiver`; `from`: the port where it came in, if that is on the same host. */
function senderTo(read: Reads, receiver: Port, frame: Frame, from: Port | undefined): Sender | null {
  const near = portsOf(read, receiver.network_id)
  const gateway = near.find((port) => port.device_owner === ROUTER_INTERFACE && mac(port.mac_address) === frame.source)
  if (gateway === undefined) {
    const port = from ?? near.find(({ mac_address }) => mac(mac_address) === frame.source)
    return port === undefined ? null : { port, peer: frame.destination }
  }
  for (const entry of interfacesOf(read, gateway.device_id)) {
    const isSender = (port: Port): boolean =>
      port.device_owner !== ROUTER_INTERFACE && (from === undefined ? hasAddress(port, frame) : port.id === from.id)
    const port = portsOf(read, entry.network_id).find(isSender)
    if (port !== undefined) return { port, peer: mac(entry.mac_address) }
  }
  return null
}

export function rejected(read: Reads, packet: PacketIn): readonly PacketOut[] {
  // What a rule sent is for the log.
  if (read.ruleOfCookie(packet.origin) !== undefined) return []
  const frame = parseFrame(packet.data)
  if (frame === null || isMulticast(frame.destination)) return []
  const from = read.port(read.vifAt(packet.host, packet.inPort)?.port ?? '')
  const outPort = packet.metadata.get(OUTPORT)
  const receiver = typeof outPort === 'number' ? read.port(read.vifAt(packet.host, outPort)?.port ?? '') : undefined
  const sender =
    receiver === undefined ? from && { port: from, peer: frame.destination } : senderTo(read, receiver, frame, from)
  const binding = sender && read.binding(sender.port.id)
  const data = sender && refusal(packet.data, sender.peer, mac(sender.port.mac_address))
  return binding && data ? [{ host: binding.host, outPort: binding.ofport, data }] : []
}

// What is logged of a rule with `log`: the first packet of each session, or each packet where there are no sessions, as
// far as the host's meter lets them through.
import ipaddr from 'ipaddr.js'
import { LOG_METER, SUBJECT, tell, type PacketIn, type Reads, type Report } from '../../controller/app.ts'
import { parseFrame, parseIpv4 } from '../../packet/frame.ts'
import { parseIpv6 } from '../../packet/ipv6.ts'
import { ICMP, SCTP, TCP, UDP } from './fields.ts'

/** What the meter holds back is not logged, yet goes its way. */
export const logged = tell(LOG_METER)

interface Packet {
  readonly source: string
  readonly destination: string
  readonly protocol: number
  readonly payload: Uint8Array
}

const dotted = (address: number): string => [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join('.')
const colons = (address: Uint8Array): string => new ipaddr.IPv6([...address]).toString()

function packetOf(data: Uint8Array): Packet | null {
  const payload = parseFrame(data)?.payload ?? new Uint8Array()
  const four = parseIpv4(payload)
  if (four !== null) return { ...four, source: dotted(four.source), destination: dotted(four.destination) }
  const six = parseIpv6(payload)
  return six && { ...six, source: colons(six.source), destination: colons(six.destination) }
}

function upper({ protocol, payload }: Packet): Readonly<Record<string, number>> {
  if (payload.length < 4) return {}
  const view = new DataView(payload.buffer, payload.byteOffset)
  if ([TCP, UDP, SCTP].includes(protocol))
    return { source_port: view.getUint16(0), destination_port: view.getUint16(2) }
  const isIcmp = protocol === ICMP.IPv4 || protocol === ICMP.IPv6
  return isIcmp ? { type: view.getUint8(0), code: view.getUint8(1) } : {}
}

export function report(read: Reads, packet: PacketIn): Report | null {
  const rule = read.ruleOfCookie(packet.origin)
  if (rule === undefined) return null
  const { id, security_group_id, direction, action } = rule
  const subject = packet.metadata.get(SUBJECT)
  const port = typeof subject === 'number' ? read.vifAt(packet.host, subject)?.port : undefined
  const content = packetOf(packet.data)
  const { source, destination, protocol } = content ?? {}
  const details = { security_group_id, direction, action, port, protocol, source, destination }
  return { kind: 'security_group_rule', id, ...details, ...(content && upper(content)) }
}

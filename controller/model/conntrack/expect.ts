// Connections that FTP and TFTP announce: what the helpers of conntrack read from control packets, as far as OVS's
// userspace datapath does (PORT and PASV over IPv4, EPRT and EPSV over IPv6).
import { parseIpv4, parseIpv6 } from '../../../ofproto/fields/addresses.ts'
import { IP_PROTO } from '../../../ofproto/fields/protocols.ts'
import type { ConnectionKey } from './key.ts'

export type Helper = 'ftp' | 'tftp'

const FTP = 21
const TFTP = 69
/** What of a control message is read. */
const MESSAGE = 127

/** The helper that the ct action names by its port: it takes any TCP, or UDP, for its protocol. */
export const helperOf = (port: number): Helper | null => (port === FTP ? 'ftp' : port === TFTP ? 'tftp' : null)

/** Whether the packet is a control packet of a protocol with a helper. */
export function controlOf(protocol: number, ports: readonly [number, number], named: Helper | null): Helper | null {
  const [source, destination] = ports
  if (protocol === IP_PROTO.udp) return destination === TFTP || (named === 'tftp' && destination !== 0) ? 'tftp' : null
  if (protocol !== IP_PROTO.tcp) return null
  return source === FTP || destination === FTP || (named === 'ftp' && destination !== 0) ? 'ftp' : null
}

/** A port that is announced; 'malformed' voids the packet. */
export type Announced = number | 'nothing' | 'malformed'

/** Null for what is no address. */
function addressOf(parse: (text: string) => bigint, text: string): bigint | null {
  try {
    return parse(text)
  } catch {
    return null
  }
}

const word = (high: string, low: string): number => Number(high) * 256 + Number(low)
const OCTET = 255

function overIpv4(text: string, { source, destination }: ConnectionKey): Announced {
  const [, keyword = ''] = /^(port|227)/i.exec(text) ?? []
  if (keyword === '') return 'nothing'
  const found = /^(?:port|227)[^ ]* \D*(\d+),(\d+),(\d+),(\d+),(\d{1,3}),(\d+)/i.exec(text)
  if (found === null) return 'malformed'
  const [high = '', low = ''] = found.slice(5)
  // Whoever announces must be the one who speaks: no bouncing.
  const owner = keyword === '227' ? destination : source
  const isOwn = addressOf(parseIpv4, found.slice(1, 5).join('.')) === owner
  return isOwn && Number(high) <= OCTET && Number(low) <= OCTET ? word(high, low) : 'malformed'
}

function overIpv6(text: string, { source }: ConnectionKey): Announced {
  const isActive = /^eprt/i.test(text)
  if (!isActive && !/extended passive/i.test(text)) return 'nothing'
  const [, address, port = ''] = isActive
    ? (/^eprt\D*2[^\d]([\da-f:.]+).(\d{1,5})/i.exec(text) ?? [])
    : (/\([^\d]*()(\d{1,5})/.exec(text) ?? [])
  if (port === '' || Number(port) > 0xffff) return 'malformed'
  return isActive && addressOf(parseIpv6, address ?? '') !== source ? 'malformed' : Number(port)
}

/** What an FTP control message announces; `key` is the control connection's, from client to server. */
export function announced(payload: Uint8Array, isIpv4: boolean, key: ConnectionKey): Announced {
  const text = Buffer.from(payload.subarray(0, Math.min(payload.length - 1, MESSAGE))).toString('latin1')
  return isIpv4 ? overIpv4(text, key) : overIpv6(text, key)
}

/** The key of connections that a control packet of `parent` announces: to its sender, from any port of the other end. */
export function expectedKey(parent: ConnectionKey, byServer: boolean, port: number): ConnectionKey {
  const [source, destination] = byServer ? [parent.source, parent.destination] : [parent.destination, parent.source]
  return { ...parent, source, destination, sourcePort: 0, destinationPort: port }
}

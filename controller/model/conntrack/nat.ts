// Translation of IPv4 addresses and ports by conntrack, as OVS's userspace datapath does it (nat_packet(),
// nat_get_unique_tuple()): which tuple a new connection gets, and what is rewritten in a packet, or in the packet that an
// ICMP error is about.
import { bytesToBits } from '../../../ofproto/fields/bits.ts'
import { IP_PROTO } from '../../../ofproto/fields/protocols.ts'
import type { FlowKey } from '../../../ofproto/packet/index.ts'
import { checksum } from '../../../packet/frame.ts'
import { patch, rewrite } from '../checksum.ts'
import { networkOffset } from '../place.ts'
import { reversed, type ConnectionKey } from './key.ts'

type Side = 'src' | 'dst'

/** What nat asks for: of a new connection this end gets the address; null: what the connection's entry says. */
export interface NatRequest {
  readonly side: Side | null
  readonly address: bigint | null
}

/** What happens to a packet: one of its ends is changed, to what stands in the tuple. */
export interface Translation {
  readonly side: Side
  readonly tuple: ConnectionKey
}

export const otherSide = (side: Side): Side => (side === 'src' ? 'dst' : 'src')

/** Ports that a translated one stays among: by where it was. */
const portRanges = [
  [1, 511],
  [600, 1023],
  [1024, 65_535],
] as const
/** More are not tried in order, but at random places. */
const ATTEMPTS = 128

/** The tuple by which answers to a new connection come; null where all are taken. */
export function answerTuple(
  key: ConnectionKey,
  { side, address }: NatRequest,
  isTaken: (tuple: ConnectionKey) => boolean,
): ConnectionKey | null {
  const plain = reversed(key)
  if (side === null || address === null) return plain
  const tuple = side === 'src' ? { ...plain, destination: address } : { ...plain, source: address }
  if (!isTaken(tuple)) return tuple
  if (key.protocol !== IP_PROTO.tcp && key.protocol !== IP_PROTO.udp) return null
  const [min, max] = portRanges.find(([, last]) => key.sourcePort <= last) ?? portRanges[2]
  let destinationPort = key.sourcePort
  for (let i = 1; i < ATTEMPTS; i += 1) {
    destinationPort = destinationPort < min || destinationPort >= max ? min : destinationPort + 1
    if (!isTaken({ ...tuple, destinationPort })) return { ...tuple, destinationPort }
  }
  return null
}

const hasPorts = ({ protocol }: ConnectionKey): boolean => protocol === IP_PROTO.tcp || protocol === IP_PROTO.udp
const [SOURCE, DESTINATION, HEADER_SUM, ICMP_HEADER] = [12, 16, 10, 8]
const at = (side: Side): number => (side === 'src' ? SOURCE : DESTINATION)
const endOf = ({ side, tuple }: Translation): bigint => (side === 'src' ? tuple.source : tuple.destination)

/** `bytes` are of a whole IPv4 packet. `error`: it is an ICMP error about one that went the other way. */
export function translate(bytes: Uint8Array, key: FlowKey, to: Translation, error: boolean): Uint8Array {
  const out = new Uint8Array(bytes)
  patch(out, key, networkOffset(bytes, key) + at(to.side), 4, endOf(to))
  if (error) translateQuoted(out, key, { side: otherSide(to.side), tuple: reversed(to.tuple) })
  else if (hasPorts(to.tuple)) {
    patch(out, key, key.transportOffset, 2, BigInt(to.tuple.sourcePort))
    patch(out, key, key.transportOffset + 2, 2, BigInt(to.tuple.destinationPort))
  }
  return out
}

/** Of the quoted packet there may be no more than 8 bytes behind the IPv4 header. */
function translateQuoted(bytes: Uint8Array, key: FlowKey, to: Translation): void {
  const start = key.transportOffset + ICMP_HEADER
  const l4 = start + ((bytes[start] ?? 0) & 0x0f) * 4
  const [sumAt, size] = to.tuple.protocol === IP_PROTO.tcp ? [l4 + 16, 20] : [l4 + 6, 8]
  const isUdp = to.tuple.protocol === IP_PROTO.udp
  const isSummed = hasPorts(to.tuple) && (!isUdp || bytesToBits(bytes.subarray(sumAt, sumAt + 2)) !== 0n)
  const sum = isSummed && l4 + size <= key.transportEnd ? [{ at: sumAt, isUdp }] : []
  if (hasPorts(to.tuple)) {
    rewrite(bytes, l4, 2, BigInt(to.tuple.sourcePort), sum)
    rewrite(bytes, l4 + 2, 2, BigInt(to.tuple.destinationPort), sum)
  }
  rewrite(bytes, start + at(to.side), 4, endOf(to), [{ at: start + HEADER_SUM, isUdp: false }, ...sum])
  const icmp = bytes.subarray(key.transportOffset, key.transportEnd)
  icmp.set([0, 0], 2)
  const sumOfAll = checksum(icmp)
  icmp.set([sumOfAll >>> 8, sumOfAll & 0xff], 2)
}

/** A fragment of a packet that was translated as a whole: addresses, and in the first one what follows the header. */
export function translateFragment(part: Uint8Array, key: FlowKey, whole: Uint8Array, wholeKey: FlowKey): Uint8Array {
  const out = new Uint8Array(part)
  const start = networkOffset(part, key)
  const isFirst = (key.fragment & 2) === 0
  for (const offset of [SOURCE, DESTINATION]) {
    const value = bytesToBits(whole.subarray(start + offset, start + offset + 4))
    rewrite(out, start + offset, 4, value, [{ at: start + HEADER_SUM, isUdp: false }])
  }
  if (isFirst) {
    const size = key.transportEnd - key.transportOffset
    out.set(whole.subarray(wholeKey.transportOffset, wholeKey.transportOffset + size), key.transportOffset)
  }
  return out
}

// Changes bytes of a packet and, with them, every checksum that covers them, by difference (RFC 1624): a checksum that
// was wrong before stays wrong, as in OVS.
import { bitsToBytes } from '../../ofproto/fields/bits.ts'
import { ETH_TYPE, IP_PROTO } from '../../ofproto/fields/protocols.ts'
import type { FlowKey } from '../../ofproto/packet/index.ts'
import { networkOffset } from './place.ts'

const word = (bytes: Uint8Array, at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)

/** Offset of the checksum in the transport header, and the size of the header. */
const transports: ReadonlyMap<number, readonly [at: number, size: number]> = new Map([
  [IP_PROTO.tcp, [16, 20]],
  [IP_PROTO.udp, [6, 8]],
  [IP_PROTO.icmp, [2, 8]],
  [IP_PROTO.icmpv6, [2, 8]],
])

/** Where the transport checksum is; null if there is none, or the packet is a later fragment, which does not have it. */
function transportChecksum(bytes: Uint8Array, key: FlowKey): number | null {
  const found = transports.get(key.protocol)
  if (found === undefined || key.transportOffset < 0 || (key.fragment & 2) !== 0) return null
  if (key.transportEnd - key.transportOffset < found[1]) return null
  const at = key.transportOffset + found[0]
  // A UDP checksum of zero says that the sender computed none.
  return key.protocol === IP_PROTO.udp && word(bytes, at) === 0 ? null : at
}

/** Whether a pseudo-header with the addresses goes into the transport checksum. */
const coversAddresses = (key: FlowKey): boolean => key.protocol !== IP_PROTO.icmp

/** The checksums that cover the byte at `at`. */
function covering(bytes: Uint8Array, key: FlowKey, at: number): number[] {
  if (key.transportOffset < 0) return []
  const start = networkOffset(bytes, key)
  const sums: number[] = []
  if (key.ethType === ETH_TYPE.ip && at >= start && at < key.transportOffset) sums.push(start + 10)
  const [firstAddress, endOfAddresses] =
    key.ethType === ETH_TYPE.ip ? [start + 12, start + 20] : [start + 8, start + 40]
  const isAddress = at >= firstAddress && at < endOfAddresses
  const isTransport = at >= key.transportOffset && at < key.transportEnd
  const transport = transportChecksum(bytes, key)
  if (transport !== null && (isTransport || (isAddress && coversAddresses(key)))) sums.push(transport)
  return sums
}

function adjust(bytes: Uint8Array, at: number, before: number, after: number, isUdp: boolean): void {
  let sum = (~word(bytes, at) & 0xffff) + (~before & 0xffff) + after
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  const result = ~sum & 0xffff || (isUdp ? 0xffff : 0)
  bytes[at] = result >>> 8
  bytes[at + 1] = result & 0xff
}

/** A checksum, and whether it is UDP's, where 0 says that there is none. */
interface Sum {
  readonly at: number
  readonly isUdp: boolean
}

/** Writes `value` to `size` bytes at `at`, and adjusts the checksums. Headers start at even offsets: words are words of sums. */
export function rewrite(bytes: Uint8Array, at: number, size: number, value: bigint, sums: readonly Sum[]): void {
  const first = at & ~1
  const before: number[] = []
  for (let i = first; i < at + size; i += 2) before.push(word(bytes, i))
  bytes.set(bitsToBytes(value, size), at)
  for (const sum of sums) before.forEach((old, i) => adjust(bytes, sum.at, old, word(bytes, first + 2 * i), sum.isUdp))
}

/** The same, and adjusts every checksum that covers these bytes. */
export function patch(bytes: Uint8Array, key: FlowKey, at: number, size: number, value: bigint): void {
  const isUdp = (sum: number): boolean => key.protocol === IP_PROTO.udp && sum >= key.transportOffset
  const sums = covering(bytes, key, at).map((sum) => ({ at: sum, isUdp: isUdp(sum) }))
  rewrite(bytes, at, size, value, sums)
}

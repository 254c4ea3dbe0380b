// IP and MAC arithmetic for validation and allocation. An address is a version and a bigint, so that IPv4 and IPv6
// share every rule; text is parsed strictly (no octal, no short forms of IPv4) and printed canonically (RFC 5952).
import { isIPv4, isIPv6 } from 'node:net'

export type IpVersion = 4 | 6

export interface Ip {
  readonly version: IpVersion
  readonly value: bigint
}

export interface Cidr {
  readonly version: IpVersion
  readonly first: bigint
  readonly last: bigint
  readonly prefixLength: number
}

export interface Range {
  readonly first: bigint
  readonly last: bigint
}

const widthBits = (version: IpVersion): number => (version === 4 ? 32 : 128)

export function parseIp(text: string): Ip | undefined {
  if (isIPv4(text)) {
    return { version: 4, value: text.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n) }
  }
  if (!isIPv6(text) || text.includes('%')) return undefined
  return { version: 6, value: ipv6Value(text) }
}

function ipv6Value(text: string): bigint {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text)
  let plain = text
  if (dotted) {
    const [a = 0, b = 0, c = 0, d = 0] = (dotted[2] ?? '').split('.').map(Number)
    plain = `${dotted[1]}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
  }
  const [head = '', tail] = plain.split('::')
  const front = head === '' ? [] : head.split(':')
  const back = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : 8 - front.length - back.length
  const groups = [...front, ...Array<string>(zeros).fill('0'), ...back]
  return groups.reduce((sum, group) => sum * 65536n + BigInt(`0x${group}`), 0n)
}

export function formatIp(version: IpVersion, value: bigint): string {
  if (version === 4) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join('.')
  const groups = Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(112 - 16 * i)) & 0xffffn))
  const run = longestZeroRun(groups)
  const hex = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':')
  if (run.length < 2) return hex(groups)
  return `${hex(groups.slice(0, run.start))}::${hex(groups.slice(run.start + run.length))}`
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  for (let start = 0; start < groups.length; start++) {
    let length = 0
    while (groups[start + length] === 0) length++
    if (length > best.length) best = { start, length }
  }
  return best
}

/** The network of `text`; bits set beyond the prefix are cleared, as Neutron does. */
export function parseCidr(text: string): Cidr | undefined {
  const match = /^([^/]+)\/(\d{1,3})$/.exec(text)
  const ip = parseIp(match?.[1] ?? '')
  const prefixLength = Number(match?.[2])
  if (!ip || prefixLength > widthBits(ip.version)) return undefined
  const size = 1n << BigInt(widthBits(ip.version) - prefixLength)
  const first = ip.value - (ip.value % size)
  return { version: ip.version, first, last: first + size - 1n, prefixLength }
}

export const formatCidr = (cidr: Cidr): string => `${formatIp(cidr.version, cidr.first)}/${cidr.prefixLength}`

export const overlaps = (a: Range & { version?: IpVersion }, b: Range & { version?: IpVersion }): boolean =>
  a.version === b.version && a.first <= b.last && b.first <= a.last

export const within = (range: Range, value: bigint): boolean => range.first <= value && value <= range.last

/** The same addresses in as few prefixes as possible, in order. */
export function compact(prefixes: readonly Cidr[]): Cidr[] {
  const compacted: Cidr[] = []
  for (const prefix of prefixes.toSorted((a, b) =>
    a.first === b.first ? a.prefixLength - b.prefixLength : a.first < b.first ? -1 : 1,
  )) {
    const before = compacted.at(-1)
    if (before && within(before, prefix.last)) continue
    compacted.push(prefix)
    mergeLast(compacted)
  }
  return compacted
}

/** Two halves of a prefix become it, as often as possible. */
function mergeLast(list: Cidr[]): void {
  for (;;) {
    const [a, b] = list.slice(-2)
    if (!a || !b || a.prefixLength !== b.prefixLength || a.last + 1n !== b.first) return
    const size = b.last - a.first + 1n
    if (a.first % size !== 0n) return
    list.splice(-2, 2, { ...a, last: b.last, prefixLength: a.prefixLength - 1 })
  }
}

/** Addresses a host may have: without network and broadcast address in IPv4, without the anycast one in IPv6. */
export function hostRange(cidr: Cidr): Range {
  const size = cidr.last - cidr.first + 1n
  if (size <= 2n) return { first: cidr.first, last: cidr.last }
  return { first: cidr.first + 1n, last: cidr.version === 4 ? cidr.last - 1n : cidr.last }
}

/** The parts of `range` left after taking out single values. */
export function without(range: Range, value: bigint): Range[] {
  if (!within(range, value)) return [range]
  return [
    { first: range.first, last: value - 1n },
    { first: value + 1n, last: range.last },
  ].filter((part) => part.first <= part.last)
}

/** RFC 4291 appendix A: interface identifier from a MAC, universal/local bit inverted. */
export function eui64(cidr: Cidr, mac: string): bigint {
  const value = BigInt(`0x${mac.replaceAll(':', '')}`)
  const upper = (value >> 24n) ^ 0x020000n
  return cidr.first | (upper << 40n) | (0xfffen << 24n) | (value & 0xffffffn)
}

/** Lower case with colons; undefined for anything that is not a 48-bit MAC. */
export function parseMac(text: string): string | undefined {
  const mac = text.toLowerCase().replaceAll('-', ':')
  return /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(mac) ? mac : undefined
}

/** The group bit (IEEE 802, least significant of the first octet): such an address belongs to no interface. */
export const isMulticastMac = (mac: string): boolean => (Number.parseInt(mac.slice(0, 2), 16) & 1) === 1

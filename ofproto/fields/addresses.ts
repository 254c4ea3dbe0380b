// Ethernet, IPv4 and IPv6 addresses as text, as OVS and inet_ntop() write and read them.
import { TextError } from '../text/tokens.ts'
import { bitsToBytes, bytesToBits } from './bits.ts'

const hex2 = (byte: number): string => byte.toString(16).padStart(2, '0')

export function formatEthernet(address: bigint): string {
  return [...bitsToBytes(address, 6)].map(hex2).join(':')
}

export function parseEthernet(text: string): bigint {
  if (!/^[0-9a-f]{1,2}(:[0-9a-f]{1,2}){5}$/i.test(text)) throw new TextError(`${text}: invalid Ethernet address`)
  return bytesToBits(Uint8Array.from(text.split(':'), (part) => Number.parseInt(part, 16)))
}

export function formatIpv4(address: bigint): string {
  return bitsToBytes(address, 4).join('.')
}

export function parseIpv4(text: string): bigint {
  const parts = text.split('.')
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256)) {
    throw new TextError(`${text}: invalid IP address`)
  }
  return bytesToBits(Uint8Array.from(parts, Number))
}

/** The first of the longest runs of at least two zero groups. */
function zeroRun(groups: readonly number[]): { readonly at: number; readonly length: number } {
  let best = { at: -1, length: 1 }
  for (let i = 0; i < 8; i += 1) {
    let end = i
    while (end < 8 && groups[end] === 0) end += 1
    if (end - i > best.length) best = { at: i, length: end - i }
    if (end > i) i = end
  }
  return best
}

/** RFC 5952, with the last 32 bits as IPv4 where inet_ntop() does so (::1.2.3.4 and ::ffff:1.2.3.4). */
export function formatIpv6(address: bigint): string {
  const groups = Array.from({ length: 8 }, (_, i) => Number((address >> BigInt(112 - 16 * i)) & 0xffffn))
  const { at, length } = zeroRun(groups)
  if (at === 0 && (length === 6 || (length === 5 && groups[5] === 0xffff))) {
    return `${length === 6 ? '::' : '::ffff:'}${formatIpv4(address & 0xffff_ffffn)}`
  }
  const text = groups.map((group) => group.toString(16))
  if (at < 0) return text.join(':')
  return `${text.slice(0, at).join(':')}::${text.slice(at + length).join(':')}`
}

export function parseIpv6(text: string): bigint {
  const fail = (): never => {
    throw new TextError(`${text}: invalid IPv6 address`)
  }
  const groupsOf = (part: string): number[] => {
    if (part === '') return []
    return part.split(':').flatMap((group, i, all) => {
      if (i === all.length - 1 && group.includes('.')) {
        const ipv4 = Number(parseIpv4(group))
        return [ipv4 >>> 16, ipv4 & 0xffff]
      }
      return [/^[0-9a-f]{1,4}$/i.test(group) ? Number.parseInt(group, 16) : fail()]
    })
  }
  const halves = text.split('::')
  if (halves.length > 2 || (halves.length === 2 && halves[0]?.includes('.'))) fail()
  const [head = [], tail = []] = halves.map(groupsOf)
  const missing = 8 - head.length - tail.length
  if (halves.length === 2 ? missing < 1 : missing !== 0) fail()
  const groups = [...head, ...Array.from({ length: missing }, () => 0), ...tail]
  return groups.reduce((value, group) => (value << 16n) | BigInt(group), 0n)
}

/** The prefix length of a mask that is one, otherwise null; a mask of zeros is the prefix 0. */
export function prefixLength(mask: bigint, bits: number): number | null {
  const zeros = (~mask & ((1n << BigInt(bits)) - 1n)).toString(2)
  if (zeros === '0') return bits
  return zeros.includes('0') ? null : bits - zeros.length
}

export function prefixMask(length: number, bits: number): bigint {
  return ((1n << BigInt(length)) - 1n) << BigInt(bits - length)
}

// IPv6 addresses as text and as bytes, for text that the API has validated. ipaddr.js takes 5 µs for either, most of what
// the flows of a port with a few addresses took.
import ipaddr from 'ipaddr.js'
import { hexBits } from './pipeline/hex.ts'

const GROUPS = 8

/** IPv4 in the last part, or a zone. */
const isUnusual = (text: string): boolean => text.includes('.') || text.includes('%')

export function ipv6Bytes(text: string): Uint8Array {
  if (isUnusual(text)) return Uint8Array.from(ipaddr.IPv6.parse(text).toByteArray())
  const [head = '', tail] = text.split('::')
  const bytes = new Uint8Array(16)
  const put = (part: string, from: (count: number) => number): void => {
    if (part === '') return
    const groups = part.split(':')
    let at = from(groups.length)
    for (const group of groups) {
      const bits = hexBits(group, 0, 4)
      bytes[at] = bits >> 8
      bytes[at + 1] = bits
      at += 2
    }
  }
  put(head, () => 0)
  if (tail !== undefined) put(tail, (count) => 2 * (GROUPS - count))
  return bytes
}

/** As RFC 5952 writes it: the longest run of groups that are 0, of two at least and the first of several, is left out. */
export function ipv6Text(bytes: Uint8Array): string {
  const groups = Array.from(
    { length: GROUPS },
    (_, i) => ((bytes[2 * i] as number) << 8) | (bytes[2 * i + 1] as number),
  )
  let [from, longest] = [0, 1]
  for (let i = 0, run = 0; i < GROUPS; i += 1) {
    run = groups[i] === 0 ? run + 1 : 0
    if (run > longest) [from, longest] = [i + 1 - run, run]
  }
  const text = (some: readonly number[]): string => some.map((group) => group.toString(16)).join(':')
  if (longest === 1) return text(groups)
  return `${text(groups.slice(0, from))}::${text(groups.slice(from + longest))}`
}

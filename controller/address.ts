// Addresses as the API writes them and as the wire has them: numbers for IPv4 and MAC, bytes for IPv6.
import { hexBits } from './pipeline/hex.ts'

// Character by character: splitting and converting took a fifth of the time that a rule's flows took.
const ZERO = 48
const DOT = 46
const COLON = 58

/** The 32 bits of an IPv4 address; null for IPv6. The API has validated the text. */
export function ipv4(text: string): number | null {
  let bits = 0
  let part = 0
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i)
    if (code === COLON) return null
    if (code === DOT) {
      bits = bits * 256 + part
      part = 0
    } else part = part * 10 + code - ZERO
  }
  return bits * 256 + part
}

export const mac = (text: string): number => hexBits(text, 0, 12)

/** An IPv4 prefix as network address, mask and length; null for IPv6. */
export function prefix(cidr: string): { network: number; mask: number; length: number } | null {
  const slash = cidr.indexOf('/')
  const address = ipv4(cidr.slice(0, slash))
  if (address === null) return null
  const length = Number(cidr.slice(slash + 1))
  const mask = length === 0 ? 0 : (0xffff_ffff << (32 - length)) >>> 0
  return { network: (address & mask) >>> 0, mask, length }
}

/**
 * The MAC of what stands on a subnet without a port: its DHCP server, which also answers ARP for the gateway address while
 * no router stands there. Locally administered, from the subnet's id, so that all hosts agree.
 */
export const subnetMac = (subnet: string): number =>
  0x0200_0000_0000 + Number.parseInt(subnet.replaceAll('-', '').slice(0, 8), 16)

// Addresses as the API writes them and as the wire has them: numbers for IPv4 and MAC, bytes for IPv6.
import { createHash } from 'node:crypto'

/** The 32 bits of an IPv4 address; null for IPv6. The API has validated the text. */
export function ipv4(text: string): number | null {
  if (text.includes(':')) return null
  let bits = 0
  for (const part of text.split('.')) bits = bits * 256 + Number(part)
  return bits
}

export const mac = (text: string): number => Number.parseInt(text.replaceAll(':', ''), 16)

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

/**
 * The MAC by which a router's interface sends from one host onto a wire: the interface's own stands on every host, and
 * switches on the wire would see it move with each packet. Locally administered, apart from those of subnets.
 */
export const hostMac = (host: string, routerInterface: string): number =>
  0x0600_0000_0000 + createHash('sha256').update(`${host} ${routerInterface}`).digest().readUIntBE(0, 5)

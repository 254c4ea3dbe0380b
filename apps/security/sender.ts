// With what a port may send.
import { asPrefix, ipv6Prefix, mac, prefix, type Port } from '../../controller/app.ts'

export interface Sender {
  readonly mac: number
  /** Address and mask. */
  readonly v4: readonly (readonly [number, number])[]
  readonly v6: readonly (readonly [Uint8Array, Uint8Array])[]
}

/** The MACs that a port may use, each with its addresses. */
export function sendersOf(port: Port): Sender[] {
  const pairs = [
    ...port.fixed_ips.map(({ ip_address }) => ({ mac_address: port.mac_address, ip_address })),
    ...port.allowed_address_pairs,
  ]
  const macs = new Set([port.mac_address, ...pairs.map((pair) => pair.mac_address)])
  return Array.from(macs, (text) => {
    const ranges = pairs.filter((pair) => pair.mac_address === text).map(({ ip_address }) => asPrefix(ip_address))
    return {
      mac: mac(text),
      v4: ranges.flatMap((range) => {
        const at = prefix(range)
        return at === null ? [] : [[at.network, at.mask] as const]
      }),
      v6: ranges.flatMap((range) => {
        const at = ipv6Prefix(range)
        return at === null ? [] : [[at.network, at.mask] as const]
      }),
    }
  })
}

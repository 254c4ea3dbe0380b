// The fields of a packet, and those that conntrack remembers of the first packet of its connection, for both families.
import { ipv6Prefix, prefix, type FlowSpec } from '../../controller/app.ts'

export type Match = FlowSpec['match']
export type Family = 'IPv4' | 'IPv6'
export const families: readonly Family[] = ['IPv4', 'IPv6']

export const ETHER_TYPES = { IPv4: 0x0800, IPv6: 0x86dd } as const
export const TCP = 6
export const UDP = 17
export const SCTP = 132
export const ICMP = { IPv4: 1, IPv6: 58 } as const
/** What conntrack can follow. */
export const trackedProtocols = (family: Family): readonly number[] => [TCP, UDP, SCTP, ICMP[family]]

/** Bits of ct_state. */
export const ct = { new: 1, related: 4, reply: 8, invalid: 0x10, tracked: 0x20 } as const
/** Tracked and not invalid: what a match on a connection's tuple requires. */
const VALID = ct.tracked | ct.invalid

/** A match on a valid connection, and on whether some more bits are set. */
export const valid = (bits: Partial<Record<'new' | 'related' | 'reply', boolean>> = {}): Match => {
  let [value, mask]: [number, number] = [ct.tracked, VALID]
  for (const [name, set] of Object.entries(bits)) {
    mask |= ct[name as keyof typeof ct]
    if (set) value |= ct[name as keyof typeof ct]
  }
  return { ct_state: [value, mask] }
}

/** Field names of the source or destination address. */
const addressFields = {
  connection: { IPv4: { src: 'ct_nw_src', dst: 'ct_nw_dst' }, IPv6: { src: 'ct_ipv6_src', dst: 'ct_ipv6_dst' } },
  packet: { IPv4: { src: 'ip_src', dst: 'ip_dst' }, IPv6: { src: 'ipv6_src', dst: 'ipv6_dst' } },
} as const
export type Of = keyof typeof addressFields
export type End = 'src' | 'dst'

export const addressField = (of: Of, family: Family, end: End) => addressFields[of][family][end]

/** A match on one end's address; nothing for a prefix of length 0. */
export function within(of: Of, end: End, cidr: string): Match {
  const four = prefix(cidr)
  if (four !== null) {
    return four.length === 0 ? {} : { [addressField(of, 'IPv4', end)]: [four.network, four.mask] }
  }
  const six = ipv6Prefix(cidr)
  return six === null || six.length === 0 ? {} : { [addressField(of, 'IPv6', end)]: [six.network, six.mask] }
}

/** The fewest values with masks that cover a range of 16-bit numbers. */
export function masks(from: number, to: number): readonly (readonly [value: number, mask: number])[] {
  const out: (readonly [number, number])[] = []
  for (let at = from; at <= to;) {
    let size = 1
    while (at % (size * 2) === 0 && at + size * 2 - 1 <= to) size *= 2
    out.push([at, 0x1_0000 - size])
    at += size
  }
  return out
}

// IP protocols as rules of security groups name them (Neutron's names, IANA's numbers).

export const protocolNumbers: Readonly<Record<string, number>> = {
  icmp: 1,
  igmp: 2,
  ipip: 4,
  tcp: 6,
  egp: 8,
  udp: 17,
  dccp: 33,
  'ipv6-encap': 41,
  'ipv6-route': 43,
  'ipv6-frag': 44,
  rsvp: 46,
  gre: 47,
  esp: 50,
  ah: 51,
  'ipv6-icmp': 58,
  'ipv6-nonxt': 59,
  'ipv6-opts': 60,
  ospf: 89,
  vrrp: 112,
  pgm: 113,
  sctp: 132,
  udplite: 136,
}

const aliases: Readonly<Record<string, string>> = { icmpv6: 'ipv6-icmp', icmp6: 'ipv6-icmp' }
/** 0 too, as in Neutron: as a protocol it would be IPv6's hop-by-hop header, which no rule can match. */
const any: ReadonlySet<string> = new Set(['any', 'ip', '0'])
const names = new Map(Object.entries(protocolNumbers).map(([name, number]) => [number, name]))

/** The one spelling that is stored: null for any, a name where there is one, else the number; undefined for nonsense. */
export function canonicalProtocol(text: string): string | null | undefined {
  const word = text.toLowerCase()
  if (any.has(word)) return null
  if (/^\d{1,3}$/.test(word)) {
    const number = Number(word)
    return number > 255 ? undefined : (names.get(number) ?? String(number))
  }
  const name = aliases[word] ?? word
  return Object.hasOwn(protocolNumbers, name) ? name : undefined
}

// IP protocols by the names that Neutron has for them, and IANA's numbers.
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

/** The number that a name or a number in digits stands for. */
export function protocolNumber(text: string): number {
  const number = protocolNumbers[text] ?? Number(text)
  if (!Number.isInteger(number) || number < 0 || number > 255) throw new RangeError(`'${text}' is no IP protocol`)
  return number
}

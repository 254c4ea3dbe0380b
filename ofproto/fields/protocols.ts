// Numbers of the protocols whose headers OVS parses, and the words that stand for them in text (`tcp6`, `arp` ...).

export const ETH_TYPE = {
  ip: 0x0800,
  arp: 0x0806,
  rarp: 0x8035,
  vlan: 0x8100,
  qinq: 0x88a8,
  ipv6: 0x86dd,
  mpls: 0x8847,
  mplsMulticast: 0x8848,
  nsh: 0x894f,
} as const

export const IP_PROTO = { icmp: 1, igmp: 2, tcp: 6, udp: 17, gre: 47, icmpv6: 58, sctp: 132 } as const

export const ND = { solicit: 135, advert: 136 } as const

const { ip, ipv6 } = ETH_TYPE
/** Word to Ethernet type and IP protocol (0: any), first the word that OVS prints. */
const words: readonly (readonly [string, number, number])[] = [
  ['ip', ip, 0],
  ['ipv4', ip, 0],
  ['ip4', ip, 0],
  ['arp', ETH_TYPE.arp, 0],
  ['icmp', ip, IP_PROTO.icmp],
  ['tcp', ip, IP_PROTO.tcp],
  ['udp', ip, IP_PROTO.udp],
  ['sctp', ip, IP_PROTO.sctp],
  ['ipv6', ipv6, 0],
  ['ip6', ipv6, 0],
  ['icmp6', ipv6, IP_PROTO.icmpv6],
  ['tcp6', ipv6, IP_PROTO.tcp],
  ['udp6', ipv6, IP_PROTO.udp],
  ['sctp6', ipv6, IP_PROTO.sctp],
  ['rarp', ETH_TYPE.rarp, 0],
  ['mpls', ETH_TYPE.mpls, 0],
  ['mplsm', ETH_TYPE.mplsMulticast, 0],
]
const byWord = new Map(words.map(([word, ethType, protocol]) => [word, { ethType, protocol }]))
const byNumbers = new Map(words.toReversed().map(([word, ethType, protocol]) => [ethType * 256 + protocol, word]))

export const protocolOf = (word: string): { readonly ethType: number; readonly protocol: number } | undefined =>
  byWord.get(word)
/** The word for an Ethernet type and IP protocol. */
export const wordFor = (ethType: number, protocol: number): string | undefined =>
  byNumbers.get(ethType * 256 + protocol)

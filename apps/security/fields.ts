// The kinds of packets in which a port says who it is.
export const ARP = 0x0806
export const IPV4 = 0x0800
export const IPV6 = 0x86dd
export const UDP = 17
export const ICMPV6 = 58
export const [ROUTER_ADVERTISEMENT, SOLICITATION, ADVERTISEMENT, REDIRECT] = [134, 135, 136, 137]

/** Of neighbour discovery (RFC 4861). */
export const message = (type: number) => ({ eth_type: IPV6, nw_proto: ICMPV6, icmpv6_type: type, icmpv6_code: 0 })
/** RFC 4862 §5.4: duplicate address detection sends from the unspecified address. */
export const fromUnspecified = { eth_type: IPV6, nw_proto: ICMPV6, ipv6_src: new Uint8Array(16) } as const

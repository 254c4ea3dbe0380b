// What OVS's flow tables can see of a packet's bytes: the result of extraction, and what the software switch matches on.

export interface NshKey {
  readonly flags: number
  readonly ttl: number
  readonly mdtype: number
  readonly np: number
  readonly spi: number
  readonly si: number
  readonly context: readonly number[]
}

/** Members are 0 (addresses all zeros) where the packet has no such header. */
export interface FlowKey {
  /** Namespace in the upper, type in the lower 16 bits; 0 for Ethernet. */
  packetType: number
  ethSrc: number
  ethDst: number
  /** Of the payload behind VLAN tags; 0x05ff for frames without one (802.3). */
  ethType: number
  /** Tags, the outermost first, each with the CFI bit set to say that it is there; two at most. */
  vlans: number[]
  /** Label stack entries; three at most. */
  mpls: number[]
  ipSrc: number
  ipDst: number
  ipv6Src: Uint8Array
  ipv6Dst: Uint8Array
  ipv6Label: number
  /** IP protocol, or the lower 8 bits of the ARP operation. */
  protocol: number
  /** DSCP and ECN. */
  tos: number
  ttl: number
  /** 1: a fragment; 3: a fragment but the first. */
  fragment: number
  arpSha: number
  arpTha: number
  /** Ports, or ICMP and IGMP type and code. */
  tpSrc: number
  tpDst: number
  tcpFlags: number
  ndTarget: Uint8Array
  ndReserved: number
  ndOptionsType: number
  igmpGroup: number
  nsh: NshKey | null
  /** Where the transport header starts and the packet without padding ends; -1 without an IP payload. */
  transportOffset: number
  transportEnd: number
}

/** Shared by all keys without an address; never written to. */
const noAddress = new Uint8Array(16)

export function emptyKey(packetType: number): FlowKey {
  return {
    packetType,
    ethSrc: 0,
    ethDst: 0,
    ethType: 0,
    vlans: [],
    mpls: [],
    ipSrc: 0,
    ipDst: 0,
    ipv6Src: noAddress,
    ipv6Dst: noAddress,
    ipv6Label: 0,
    protocol: 0,
    tos: 0,
    ttl: 0,
    fragment: 0,
    arpSha: 0,
    arpTha: 0,
    tpSrc: 0,
    tpDst: 0,
    tcpFlags: 0,
    ndTarget: noAddress,
    ndReserved: 0,
    ndOptionsType: 0,
    igmpGroup: 0,
    nsh: null,
    transportOffset: -1,
    transportEnd: -1,
  }
}

// What the pipeline remembers about a packet between tables. Objects are named by the first 64 bits of their UUIDs: no
// allocation, so nothing to persist or to run out of.
import type { FieldName } from '../../ofproto/fields/table.ts'
import type { Subfield } from '../../ofproto/fields/subfield.ts'
import { hexBits } from './hex.ts'

/** The network that the packet is on now: routing changes it. */
export const NETWORK = 'xreg0' satisfies FieldName
/** The router that is forwarding the packet. */
export const ROUTER = 'xreg1' satisfies FieldName
/** IPv4 address of the next hop on the network, or the one that ARP asks for. */
export const NEXT_HOP = 'reg4' satisfies FieldName
/** Marks of a few bits each in reg5: see `mark`. */
export const MARKS = 'reg5' satisfies FieldName
/** The packet came in by a tunnel: it is for a port of this host, and never leaves by a tunnel again. */
export const FROM_TUNNEL = 1
/** The set of addresses that is looked up. */
export const SET = 'xreg3' satisfies FieldName
/** The OpenFlow port by which the packet leaves, a local port or a tunnel; tun_id and tun_dst are set by then. */
export const OUTPORT = 'reg8' satisfies FieldName
/** The conntrack zone of the network that the packet is on; 0: there is none (yet). */
export const ZONE = 'reg9' satisfies FieldName
export const ZONE_BITS: Subfield = { field: ZONE, start: 0, bits: 16 }
/** The zone in which the packet was tracked last. */
export const TRACKED_ZONE: Subfield = { field: 'ct_zone', start: 0, bits: 16 }
/** The OpenFlow number of the port whose policy is asked. */
export const SUBJECT = 'reg10' satisfies FieldName
/** One bit for each set that a group's rules speak of: whether the remote end is in it. */
export const HITS = 'reg11' satisfies FieldName
/** The address of the remote end, as the policy's subject sees it: 128 bits for IPv6, the low 32 for IPv4. */
export const REMOTE = 'xxreg3' satisfies FieldName
export const REMOTE_IPV4 = 'reg15' satisfies FieldName
/** The MAC that sent a packet to a router, while routers have it: between policies, whose REMOTE lies here, too. */
export const SENDER: Subfield = { field: 'xreg6', start: 0, bits: 48 }
/** The MAC that a packet says is its sender's, before it comes to routers. */
export const CLAIMED_MAC = 'xreg6' satisfies FieldName
/** The security group whose rules are asked. */
export const GROUP = 'metadata' satisfies FieldName

const part = (start: number, bits: number): Subfield => ({ field: MARKS, start, bits })

/** What a packet did to a port, and which of its rules are asked. */
export const directions = { egress: 0, ingress: 1 } as const
export const verdicts = { none: 0, allow: 1, deny: 2, reject: 3 } as const

/** The bits of MARKS. Those of one policy lie together, so that one action clears them. */
export const mark = {
  fromTunnel: part(0, 1),
  /** The subject has a stateful group. */
  stateful: part(1, 1),
  /** The packet's direction: it leaves the subject, or goes to it. */
  towards: part(2, 1),
  /** The connection's direction, which says whose rules are asked: the packet's own, or for a reply the other. */
  direction: part(3, 1),
  /** The group that is asked has no state: it is about the packet, not its connection. */
  byPacket: part(4, 1),
  verdict: part(5, 2),
  /** The remote end is in the set that was looked up last. */
  hit: part(7, 1),
  /** Which part of the group's rules is asked. */
  run: part(8, 8),
  /** The packet was tracked in the zone of the network that it is on. */
  sameZone: part(16, 1),
  /** An ARP request: the MAC that has the address of NEXT_HOP is looked up for whoever asks. */
  asked: part(17, 1),
  /** A DHCP request from an address that is not its sender's. */
  foreign: part(18, 1),
  /** It came to a router by the router's gateway host, which is not its sender's: there is no port here to answer to. */
  entered: part(19, 1),
} as const
/** What the rules of one policy work with: loading a direction here starts anew. */
export const POLICY = part(3, 13)

type Marks = Partial<Record<keyof typeof mark, number>>

/** Value and mask for a match on some of the marks. */
export function marked(marks: Marks): readonly [value: number, mask: number] {
  let [value, mask] = [0, 0]
  for (const [name, content] of Object.entries(marks)) {
    const { start, bits } = mark[name as keyof Marks]
    value |= content << start
    mask |= ((1 << bits) - 1) << start
  }
  return [value, mask]
}

const words = new DataView(new ArrayBuffer(8))

/** The number of an object in a register of 64 bits. */
export function tag(uuid: string): bigint {
  // By way of bytes, as arithmetic on bigints makes one at each step.
  words.setUint32(0, hexBits(uuid, 0, 8))
  words.setUint32(4, hexBits(uuid, 8, 8))
  return words.getBigUint64(0)
}

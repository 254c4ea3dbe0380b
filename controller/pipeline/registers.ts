// What the pipeline remembers about a packet between tables. Networks and routers are named by the first 64 bits of
// their UUIDs: no allocation, so nothing to persist or to run out of.
import type { FieldName } from '../../ofproto/fields/table.ts'
import type { Subfield } from '../../ofproto/fields/subfield.ts'

/** The network that the packet is on now: routing changes it. */
export const NETWORK = 'xreg0' satisfies FieldName
/** The router that is forwarding the packet. */
export const ROUTER = 'xreg1' satisfies FieldName
/** IPv4 address of the next hop on the network. */
export const NEXT_HOP = 'reg4' satisfies FieldName
/** Marks of one bit each in reg5. */
export const MARKS = 'reg5' satisfies FieldName
/** The packet came in by a tunnel: it is for a port of this host, and never leaves by a tunnel again. */
export const FROM_TUNNEL = 1

/** The OpenFlow port by which the packet leaves, a local port or a tunnel; tun_id and tun_dst are set by then. */
export const OUTPORT = 'reg8' satisfies FieldName

/** A scratch register, used within one flow. */
export const SCRATCH: Subfield = { field: 'xreg3', start: 0, bits: 48 }

/** The number of an object in NETWORK or ROUTER. */
export function tag(uuid: string): bigint {
  return BigInt(`0x${uuid.replaceAll('-', '').slice(0, 16)}`)
}

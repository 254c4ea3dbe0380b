// Small messages that OVS adds: what one connection asks of the switch, tunnel option mapping, conntrack flushing, and
// the counters of IPFIX exporters.
import { errorCodes } from '../wire/errors.ts'
import type { Reader } from '../wire/reader.ts'
import { list, oneOf, pad, struct, u16, u32, u64, u8, variant, zeros, type ValueOf } from '../wire/struct.ts'
import type { Writer } from '../wire/writer.ts'
import { checked, extension, NICIRA } from './frame.ts'
import { property, type UnknownProperty } from './property.ts'

/** Lets one connection be told from others: actions `controller(id=…)` reach it alone. */
export const setControllerId = extension('set_controller_id', NICIRA, 20, { pad: pad(6), controller: u16 })

const formats = { standard: 0, nxt_packet_in: 1, nxt_packet_in2: 2 } as const
export const setPacketInFormat = extension('set_packet_in_format', NICIRA, 16, {
  format: oneOf(u32, formats, errorCodes.permission, 'packet-in format'),
})

/** Meaningful for OpenFlow 1.0 only, yet known in every version. */
export const flowModTableId = extension('flow_mod_table_id', NICIRA, 15, { enabled: u8, pad: pad(7) })
export const flowAge = extension('flow_age', NICIRA, 18, {})

const TLV_MAX = 124
const TUN_METADATA_FIELDS = 64

/** A tunnel option (class, type, length in bytes) and the field tun_metadata`index` that stands for it. */
const tlvMap = checked(
  struct('tlv_map', { optionClass: u16, optionType: u8, optionLength: u8, index: u16, pad: pad(2) }),
  ({ optionLength }, r) => {
    if (optionLength % 4 !== 0 || optionLength > TLV_MAX) r.fail(errorCodes.badTlvLength, `length ${optionLength}`)
  },
)
export type TlvMap = ValueOf<typeof tlvMap>

function checkIndices(r: Reader, maps: readonly TlvMap[], fields: number): void {
  const bad = maps.find(({ index }) => index >= fields)
  if (bad !== undefined) r.fail(errorCodes.badTlvIndex, `index ${bad.index} of ${fields}`)
}

export const tlvTableMod = checked(
  extension('tlv_table_mod', NICIRA, 24, {
    command: oneOf(u16, { add: 0, delete: 1, clear: 2 }, errorCodes.badTlvCommand, 'tlv_table_mod command'),
    pad: pad(6),
    maps: list(tlvMap),
  }),
  ({ maps }, r) => checkIndices(r, maps, TUN_METADATA_FIELDS),
)
export const tlvTableRequest = extension('tlv_table_request', NICIRA, 25, {})
export const tlvTableReply = checked(
  extension('tlv_table_reply', NICIRA, 26, {
    maximumSpace: u32,
    maximumFields: u16,
    reserved: pad(10),
    maps: list(tlvMap),
  }),
  ({ maps, maximumFields }, r) => checkIndices(r, maps, maximumFields),
)

export const ctFlushZone = extension('ct_flush_zone', NICIRA, 29, { pad: pad(6), zone: u16 })

/** One side of a connection. Addresses are 16 bytes; IPv4 addresses are IPv4-mapped IPv6 ones. */
export type CtTupleProperty =
  | { readonly kind: 'source'; readonly address: Uint8Array }
  | { readonly kind: 'destination'; readonly address: Uint8Array }
  | { readonly kind: 'source_port'; readonly value: number }
  | { readonly kind: 'destination_port'; readonly value: number }
  | { readonly kind: 'icmp_id'; readonly value: number }
  | { readonly kind: 'icmp_type'; readonly value: number }
  | { readonly kind: 'icmp_code'; readonly value: number }
  | UnknownProperty

const ADDRESS = 16

const address = <const K extends 'source' | 'destination'>(kind: K, type: number) => ({
  type,
  size: ADDRESS,
  read: (r: Reader) => ({ kind, address: r.raw(ADDRESS) }),
  write: (w: Writer, p: { readonly address: Uint8Array }) => w.raw(p.address),
  loose: true as const,
})
const number16 = <const K extends string>(kind: K, type: number) => ({
  type,
  size: 2,
  read: (r: Reader) => ({ kind, value: r.u16() }),
  // ofpprop_put_be16() of OVS: two bytes of padding inside the length.
  write(w: Writer, p: { readonly value: number }) {
    w.u16(p.value)
    w.zeros(2)
  },
  loose: true as const,
})
const number8 = <const K extends string>(kind: K, type: number) => ({
  type,
  size: 1,
  read: (r: Reader) => ({ kind, value: r.u8() }),
  write: (w: Writer, p: { readonly value: number }) => w.u8(p.value),
  loose: true as const,
})

const tuple = list(
  property<CtTupleProperty>({
    source: address('source', 0),
    destination: address('destination', 1),
    source_port: number16('source_port', 2),
    destination_port: number16('destination_port', 3),
    icmp_id: number16('icmp_id', 4),
    icmp_type: number8('icmp_type', 5),
    icmp_code: number8('icmp_code', 6),
  }),
)

export type CtFlushProperty =
  | { readonly kind: 'original'; readonly tuple: readonly CtTupleProperty[] }
  | { readonly kind: 'reply'; readonly tuple: readonly CtTupleProperty[] }
  | { readonly kind: 'zone'; readonly value: number }
  | UnknownProperty

const nested = <const K extends 'original' | 'reply'>(kind: K, type: number) => ({
  type,
  size: 0,
  aligned: true as const,
  read: (r: Reader) => ({ kind, tuple: tuple.read(r) }),
  write: (w: Writer, p: { readonly tuple: readonly CtTupleProperty[] }) => tuple.write(w, p.tuple),
})

const V4_MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]

/** 4 or 6, or 0 for the address of all zeros, which stands for none. */
function family(address: Uint8Array): 0 | 4 | 6 {
  if (address.every((byte) => byte === 0)) return 0
  return V4_MAPPED.every((byte, i) => address[i] === byte) ? 4 : 6
}

/** An address after one of the other family is refused. */
function checkFamilies(r: Reader, properties: readonly CtFlushProperty[]): void {
  const addresses = properties
    .flatMap((p) => (p.kind === 'original' || p.kind === 'reply' ? p.tuple : []))
    .flatMap((p) => (p.kind === 'source' || p.kind === 'destination' ? [family(p.address)] : []))
  addresses.forEach((now, i) => {
    const before = addresses[i - 1] ?? 0
    if (before !== 0 && now !== 0 && before !== now) r.fail(errorCodes.badPropertyValue, 'IPv4 and IPv6')
  })
}

/** Flushes the connections that match; without properties, all of `ipProtocol` (0: of every protocol). */
export const ctFlush = checked(
  extension('ct_flush', NICIRA, 32, {
    ipProtocol: u8,
    reserved: zeros(7, errorCodes.mustBeZero),
    properties: list(
      property<CtFlushProperty>({
        original: nested('original', 0),
        reply: nested('reply', 1),
        zone: number16('zone', 2),
      }),
    ),
  }),
  ({ properties }, r) => checkFamilies(r, properties),
)

const ipfixStats = struct('ipfix_stats', {
  totalFlows: u64,
  currentFlows: u64,
  packets: u64,
  ipv4Packets: u64,
  ipv6Packets: u64,
  errorPackets: u64,
  ipv4ErrorPackets: u64,
  ipv6ErrorPackets: u64,
  sentPackets: u64,
  sendErrors: u64,
  collectorSet: u32,
  pad: pad(4),
})
export type IpfixStats = ValueOf<typeof ipfixStats>

export const ipfixBridgeRequest = variant('ipfix_bridge', {})
export const ipfixBridgeReply = variant('ipfix_bridge', { stats: ipfixStats })
export const ipfixFlowRequest = variant('ipfix_flow', {})
export const ipfixFlowReply = variant('ipfix_flow', { stats: list(ipfixStats) })

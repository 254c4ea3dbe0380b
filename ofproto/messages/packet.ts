// Packets to and from the controller: packet_in, its property-based form that OVS adds (NXT_PACKET_IN2, and NXT_RESUME,
// which sends a paused packet back), and packet_out.
import { actionList, type Action } from '../actions/index.ts'
import { looseMatchCodec, looseNxmList, looseOxmList, type Match } from '../fields/match.ts'
import { errorCodes } from '../wire/errors.ts'
import type { Reader } from '../wire/reader.ts'
import { list, pad, readWithin, rest, u16, u32, u64, u8, type Codec } from '../wire/struct.ts'
import { checked, checkPort, extension, message, NICIRA, ports, type MessageCodec } from './frame.ts'
import { property, type UnknownProperty } from './property.ts'

export const packetInReason = { noMatch: 0, action: 1, invalidTtl: 2, actionSet: 3, group: 4, packetOut: 5 } as const

export const packetIn = message('packet_in', 10, {
  bufferId: u32,
  totalLength: u16,
  reason: u8,
  table: u8,
  cookie: u64,
  match: looseMatchCodec,
  // Aligns the IP header of the frame to 4 bytes.
  pad: pad(2),
  data: rest,
})

/** Entries with NXM headers, `size` bytes of them, padded to 8 bytes. */
export function readNxm(r: Reader, size: number, list: Codec<Match>): Match {
  const start = r.offset
  const padded = (size + 7) & ~7
  r.need(padded, errorCodes.badLength)
  const match = readWithin(r, size, list, errorCodes.badMatchLength)
  r.offset = start + padded
  return match
}

export interface NxPacketIn {
  readonly kind: 'nx_packet_in'
  readonly xid: number
  readonly bufferId: number
  readonly totalLength: number
  readonly reason: number
  readonly table: number
  readonly cookie: bigint
  readonly match: Match
  readonly data: Uint8Array
}

const nxPacketInHeader = extension('nx_packet_in', NICIRA, 17, {
  bufferId: u32,
  totalLength: u16,
  reason: u8,
  table: u8,
  cookie: u64,
})

/** packet_in with NXM headers in its match, in the second format that a controller can ask for. */
export const nxPacketIn: MessageCodec<'nx_packet_in', NxPacketIn> = {
  ...nxPacketInHeader,
  read(r) {
    const header = nxPacketInHeader.read(r)
    const size = r.u16()
    r.skip(6)
    const match = readNxm(r, size, looseNxmList)
    r.skip(2)
    return { ...header, match, data: r.raw(r.remaining) }
  },
  write(w, value) {
    nxPacketInHeader.write(w, value)
    const at = w.reserve(8)
    w.view.setBigUint64(at, 0n)
    looseNxmList.write(w, value.match)
    w.patchLength(at, at + 8)
    w.align8(at + 8)
    w.zeros(2)
    w.raw(value.data)
  },
}

export interface PacketOut {
  readonly kind: 'packet_out'
  readonly xid: number
  readonly bufferId: number
  readonly inPort: number
  readonly actions: readonly Action[]
  readonly data: Uint8Array
}

/** Reserved ports that a packet may seem to come from. */
const SOURCES: ReadonlySet<number> = new Set([ports.local, ports.controller, ports.any])

const packetOutHeader = message('packet_out', 13, { bufferId: u32, inPort: u32 })

export const packetOut: MessageCodec<'packet_out', PacketOut> = {
  ...packetOutHeader,
  read(r) {
    const { xid, bufferId, inPort } = packetOutHeader.read(r)
    const size = r.u16()
    r.skip(6)
    checkPort(r, inPort)
    if (inPort >= 0xffffff00 && !SOURCES.has(inPort)) r.fail(errorCodes.badPort, `packet from port ${inPort}`)
    const actions = readWithin(r, size, actionList, errorCodes.badLength)
    return { kind: 'packet_out', xid, bufferId, inPort, actions, data: r.raw(r.remaining) }
  },
  write(w, value) {
    packetOutHeader.write(w, value)
    const at = w.reserve(8)
    w.view.setBigUint64(at, 0n)
    actionList.write(w, value.actions)
    w.patchLength(at, at + 8)
    w.raw(value.data)
  },
}

/** One property of NXT_PACKET_IN2; `continuation` is private to the switch and goes back to it untouched. */
export type PacketProperty =
  | { readonly kind: 'packet'; readonly bytes: Uint8Array }
  | { readonly kind: 'full_length'; readonly length: number }
  | { readonly kind: 'buffer_id'; readonly bufferId: number }
  | { readonly kind: 'table'; readonly table: number }
  | { readonly kind: 'cookie'; readonly cookie: bigint }
  | { readonly kind: 'reason'; readonly reason: number }
  | { readonly kind: 'metadata'; readonly match: Match }
  | { readonly kind: 'userdata'; readonly bytes: Uint8Array }
  | { readonly kind: 'continuation'; readonly bytes: Uint8Array }
  | UnknownProperty

const packetProperty = property<PacketProperty>({
  packet: {
    type: 0,
    size: 0,
    read: (r) => ({ kind: 'packet', bytes: r.raw(r.remaining) }),
    write: (w, p) => w.raw(p.bytes),
  },
  full_length: {
    type: 1,
    size: 4,
    read: (r) => ({ kind: 'full_length', length: r.u32() }),
    write: (w, p) => w.u32(p.length),
  },
  buffer_id: {
    type: 2,
    size: 4,
    read: (r) => ({ kind: 'buffer_id', bufferId: r.u32() }),
    write: (w, p) => w.u32(p.bufferId),
  },
  table: {
    type: 3,
    size: 1,
    loose: true,
    read: (r) => ({ kind: 'table', table: r.u8() }),
    write: (w, p) => w.u8(p.table),
  },
  cookie: {
    type: 4,
    size: 8,
    aligned: true,
    read: (r) => ({ kind: 'cookie', cookie: r.u64() }),
    write: (w, p) => w.u64(p.cookie),
  },
  reason: {
    type: 5,
    size: 1,
    loose: true,
    read: (r) => ({ kind: 'reason', reason: r.u8() }),
    write: (w, p) => w.u8(p.reason),
  },
  metadata: {
    type: 6,
    size: 0,
    read: (r) => ({ kind: 'metadata', match: looseOxmList.read(r) }),
    write: (w, p) => looseOxmList.write(w, p.match),
  },
  userdata: {
    type: 7,
    size: 0,
    read: (r) => ({ kind: 'userdata', bytes: r.raw(r.remaining) }),
    write: (w, p) => w.raw(p.bytes),
  },
  continuation: {
    type: 8,
    size: 0,
    aligned: true,
    read: (r) => ({ kind: 'continuation', bytes: r.raw(r.remaining) }),
    write: (w, p) => w.raw(p.bytes),
  },
})

function checkPacket(r: Reader, properties: readonly PacketProperty[]): void {
  let size = 0
  let fullLength = 0
  for (const p of properties) {
    if (p.kind === 'packet') size = p.bytes.length
    else if (p.kind === 'full_length') fullLength = p.length
  }
  if (size === 0) r.fail(errorCodes.badLength, 'no packet')
  if (fullLength !== 0 && fullLength < size) r.fail(errorCodes.badLength, `full length ${fullLength} of ${size} bytes`)
}

const packetIn2Members = { properties: list(packetProperty) }

export const packetIn2 = checked(extension('packet_in2', NICIRA, 30, packetIn2Members), (value, r) =>
  checkPacket(r, value.properties),
)
export const resume = checked(extension('resume', NICIRA, 28, packetIn2Members), (value, r) =>
  checkPacket(r, value.properties),
)

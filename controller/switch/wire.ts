// Flows, groups and meters as bytes. What Weft wants carries the message that adds it; removing it, changing it and
// comparing it with what a switch lists work on those bytes, so that 20,000 flows are compared without decoding one.
// Offsets are those of OpenFlow 1.3.5: ofp_flow_mod §7.3.4.2, ofp_group_mod §7.3.4.3, ofp_meter_mod §7.3.4.5,
// ofp_flow_stats §7.3.5.2, ofp_group_desc §7.3.5.7, ofp_meter_config §7.3.5.10.
import type { Item } from '../pipeline/value.ts'
import { flowKey } from '../pipeline/key.ts'
import { DecodeError, errorCodes } from '../../ofproto/wire/errors.ts'
import { Writer } from '../../ofproto/wire/writer.ts'

/** What a switch has or shall have: an Item, or what was found on the switch in the same form. */
export type Held = Pick<Item, 'kind' | 'key' | 'frame'>
export type Verb = 'put' | 'modify' | 'remove'

const VERSION = 4
const FLOW_MOD = 14
const GROUP_MOD = 15
const METER_MOD = 29
const LENGTH_AT = 2
const XID_AT = 4

const COOKIE_AT = 8
const COMMAND_AT = 25
const MATCH_AT = 48
const ANY = 0xffff_ffff
const DELETE_STRICT = 4

const ADD_OR_MODIFY_GROUP = 0x8000
const MODIFY_METER = 1
const DELETE = 2
/** Groups and meters: everything before their buckets or bands. */
const FIXED_LENGTH = 16

/** Where the struct ofp_match at `at` ends, padding included. */
const matchEnd = (view: DataView, at: number): number => at + ((view.getUint16(at + 2) + 7) & ~7)

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

/** Deletes exactly this flow, and only while it has our cookie. */
function writeFlowRemoval(w: Writer, frame: Uint8Array): void {
  const at = w.offset
  w.raw(frame.subarray(0, matchEnd(viewOf(frame), MATCH_AT)))
  w.bytes.fill(0xff, at + COOKIE_AT + 8, at + COOKIE_AT + 16)
  w.view.setUint8(at + COMMAND_AT, DELETE_STRICT)
  w.view.setUint32(at + 36, ANY)
  w.view.setUint32(at + 40, ANY)
  w.view.setUint16(at + 44, 0)
}

function writeRemoval(w: Writer, held: Held): void {
  if (held.kind === 'flow') return writeFlowRemoval(w, held.frame)
  const at = w.offset
  w.raw(held.frame.subarray(0, FIXED_LENGTH))
  w.view.setUint16(at + 8, DELETE)
}

/**
 * Appends the message that puts, modifies or removes `held`. A flow is always added anew, which replaces its like; a
 * group is added or modified in one command of OVS, whichever it takes; a meter must be told.
 */
export function writeOperation(w: Writer, verb: Verb, held: Held, xid: number): void {
  const at = w.offset
  if (verb === 'remove') writeRemoval(w, held)
  else {
    w.raw(held.frame)
    if (held.kind === 'group') w.view.setUint16(at + 8, ADD_OR_MODIFY_GROUP)
    if (held.kind === 'meter' && verb === 'modify') w.view.setUint16(at + 8, MODIFY_METER)
  }
  w.view.setUint32(at + XID_AT, xid)
  w.patchLength(at + LENGTH_AT, at)
}

/** One entry of a flow, group_desc or meter_config reply: `bytes` from `at` to `end`. */
export interface Entry {
  readonly kind: Item['kind']
  readonly key: string
  /** Of a group or meter. */
  readonly id: number
  readonly bytes: Buffer
  readonly view: DataView
  readonly at: number
  readonly end: number
}

const MULTIPART_BODY_AT = 16
const SMALLEST = { flow: 56, group: 8, meter: 8 } as const

function entryAt(kind: Item['kind'], bytes: Buffer, view: DataView, at: number): Entry {
  const length = bytes.length - at < 8 ? 0 : view.getUint16(at)
  const end = at + length
  if (length < SMALLEST[kind] || end > bytes.length) throw new DecodeError(errorCodes.badLength, `${kind} entry`, at)
  if (kind !== 'flow') {
    const id = view.getUint32(at + 4)
    return { kind, key: `${kind}:${id}`, id, bytes, view, at, end }
  }
  const matchTo = matchEnd(view, at + MATCH_AT)
  if (matchTo > end) throw new DecodeError(errorCodes.badMatchLength, 'match of a flow entry', at + MATCH_AT)
  const key = flowKey(view.getUint8(at + 2), view.getUint16(at + 12), bytes, at + MATCH_AT, matchTo)
  return { kind, key, id: 0, bytes, view, at, end }
}

/** Calls `visit` for each entry of the multipart reply `frame`; throws DecodeError. */
export function eachEntry(kind: Item['kind'], frame: Uint8Array, visit: (entry: Entry) => void): void {
  const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.length)
  const view = viewOf(frame)
  let at = MULTIPART_BODY_AT
  while (at < bytes.length) {
    const entry = entryAt(kind, bytes, view, at)
    visit(entry)
    at = entry.end
  }
}

/** Flags that are part of a flow; the others only say how to add it. */
const STATE_FLAGS = 0x19

/** The same `count` bytes; for so few a call of compare() costs more. */
function alike(a: Uint8Array, at: number, b: Uint8Array, bt: number, count: number): boolean {
  for (let i = 0; i < count; i += 1) if (a[at + i] !== b[bt + i]) return false
  return true
}

function sameFlow(frame: Uint8Array, { bytes, view, at, end }: Entry): boolean {
  const matchTo = matchEnd(view, at + MATCH_AT)
  return (
    // The matches are equal: so are the places where they end.
    frame.length === end - at &&
    alike(frame, COOKIE_AT, bytes, at + 24, 8) &&
    // Idle and hard timeout.
    alike(frame, 26, bytes, at + 14, 4) &&
    (((frame[45] as number) ^ (bytes[at + 19] as number)) & STATE_FLAGS) === 0 &&
    bytes.compare(frame, matchTo - at, frame.length, matchTo, end) === 0
  )
}

const sameGroup = (frame: Uint8Array, { bytes, at, end }: Entry): boolean =>
  frame[10] === bytes[at + 2] && bytes.compare(frame, FIXED_LENGTH, frame.length, at + 8, end) === 0

const sameMeter = (frame: Uint8Array, { bytes, at, end }: Entry): boolean =>
  bytes.compare(frame, 10, 12, at + 2, at + 4) === 0 &&
  bytes.compare(frame, FIXED_LENGTH, frame.length, at + 8, end) === 0

/** Whether the switch lists the very bytes that `held` says; both have the same key. */
export function same({ frame }: Held, entry: Entry): boolean {
  if (entry.kind === 'flow') return sameFlow(frame, entry)
  return entry.kind === 'group' ? sameGroup(frame, entry) : sameMeter(frame, entry)
}

const scratch = new Writer(1024)

function writeHeader(type: number): void {
  scratch.offset = 0
  scratch.u32(((VERSION << 24) | (type << 16)) >>> 0)
  scratch.u32(0)
}

function flowFrame({ bytes, view, at, end }: Entry): void {
  writeHeader(FLOW_MOD)
  scratch.u64(view.getBigUint64(at + 24))
  scratch.u64(0n)
  scratch.u8(view.getUint8(at + 2))
  scratch.u8(0)
  scratch.u32(view.getUint32(at + 14))
  scratch.u16(view.getUint16(at + 12))
  scratch.u32(ANY)
  scratch.u32(ANY)
  scratch.u32(ANY)
  scratch.u16(view.getUint16(at + 18))
  scratch.u16(0)
  scratch.raw(bytes.subarray(at + MATCH_AT, end))
}

/** What the entry says, as the message that would add it. */
export function observed(entry: Entry): Held {
  const { kind, key, bytes, view, at, end, id } = entry
  if (kind === 'flow') flowFrame(entry)
  else {
    writeHeader(kind === 'group' ? GROUP_MOD : METER_MOD)
    scratch.u16(0)
    // A group's type and padding, or a meter's flags.
    scratch.u16(view.getUint16(at + 2))
    scratch.u32(id)
    scratch.raw(bytes.subarray(at + 8, end))
  }
  scratch.patchLength(LENGTH_AT, 0)
  return { kind, key, frame: scratch.slice() }
}

/** Of a flow. */
export const listedCookie = ({ view, at }: Entry): bigint => view.getBigUint64(at + 24)
export const cookieOf = ({ frame }: Held): bigint => viewOf(frame).getBigUint64(COOKIE_AT)
/** Of a group or meter. */
export const idOf = ({ frame }: Held): number => viewOf(frame).getUint32(12)

/** Whether two Items of one key are the same on a switch. */
export const equal = (a: Held, b: Held): boolean => a === b || Buffer.compare(a.frame, b.frame) === 0

// Flows, groups and meters as bytes. What Weft wants carries the message that adds it; removing it, changing it and
// comparing it with what a switch lists work on those bytes, so that 20,000 flows are compared without decoding one.
// Offsets are those of OpenFlow 1.3.5: ofp_group_mod §7.3.4.3, ofp_meter_mod §7.3.4.5,
// ofp_flow_stats §7.3.5.2, ofp_group_desc §7.3.5.7, ofp_meter_config §7.3.5.10.
import { flowKey } from '../pipeline/key.ts'
import { Flow, isRest, restOf, writeFlow, writeRemovalOf } from '../pipeline/packed-flow.ts'
import type { Group, Item, Meter } from '../pipeline/value.ts'
import { DecodeError, errorCodes } from '../../ofproto/wire/errors.ts'
import { Writer } from '../../ofproto/wire/writer.ts'

/** What a switch has or shall have. */
export type Held = Item
export type Verb = 'put' | 'modify' | 'remove'

const VERSION = 4
const GROUP_MOD = 15
const METER_MOD = 29
const LENGTH_AT = 2
const XID_AT = 4

/** In ofp_flow_stats. */
const MATCH_AT = 48

const ADD_OR_MODIFY_GROUP = 0x8000
const MODIFY_METER = 1
const DELETE = 2
/** Groups and meters: everything before their buckets or bands. */
const FIXED_LENGTH = 16

/** Where the struct ofp_match at `at` ends, padding included. */
const matchEnd = (view: DataView, at: number): number => at + ((view.getUint16(at + 2) + 7) & ~7)

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

function writeRemoval(w: Writer, held: Group | Meter): void {
  const at = w.offset
  w.raw(held.frame.subarray(0, FIXED_LENGTH))
  w.view.setUint16(at + 8, DELETE)
}

/**
 * Appends the message that puts, modifies or removes `held`. A flow is always added anew, which replaces its like; a
 * group is added or modified in one command of OVS, whichever it takes; a meter must be told.
 */
export function writeOperation(w: Writer, verb: Verb, held: Held, xid: number): void {
  if (held.kind === 'flow') return verb === 'remove' ? writeRemovalOf(w, held, xid) : writeFlow(w, held, xid)
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

const timeouts = ({ view, at }: Entry): number => view.getUint32(at + 14)
const flags = ({ view, at }: Entry): number => view.getUint16(at + 18)
const instructionsAt = ({ view, at }: Entry): number => matchEnd(view, at + MATCH_AT)

const sameFlow = ({ cookie, rest }: Flow, entry: Entry): boolean =>
  cookie === listedCookie(entry) &&
  isRest(rest, timeouts(entry), flags(entry), entry.bytes, instructionsAt(entry), entry.end)

const sameGroup = (frame: Uint8Array, { bytes, at, end }: Entry): boolean =>
  frame[10] === bytes[at + 2] && bytes.compare(frame, FIXED_LENGTH, frame.length, at + 8, end) === 0

const sameMeter = (frame: Uint8Array, { bytes, at, end }: Entry): boolean =>
  bytes.compare(frame, 10, 12, at + 2, at + 4) === 0 &&
  bytes.compare(frame, FIXED_LENGTH, frame.length, at + 8, end) === 0

/** Whether the switch lists the very bytes that `held` says; both have the same key. */
export function same(held: Held, entry: Entry): boolean {
  if (held.kind === 'flow') return sameFlow(held, entry)
  return held.kind === 'group' ? sameGroup(held.frame, entry) : sameMeter(held.frame, entry)
}

const scratch = new Writer(1024)

/** What the entry says, as the message that would add it. */
export function observed(entry: Entry): Held {
  const { kind, key, bytes, view, at, end, id } = entry
  if (kind === 'flow') {
    const rest = restOf(timeouts(entry), flags(entry), bytes, instructionsAt(entry), end)
    return new Flow(key, listedCookie(entry), rest)
  }
  scratch.offset = 0
  scratch.u32(((VERSION << 24) | ((kind === 'group' ? GROUP_MOD : METER_MOD) << 16)) >>> 0)
  scratch.u32(0)
  scratch.u16(0)
  // A group's type and padding, or a meter's flags.
  scratch.u16(view.getUint16(at + 2))
  scratch.u32(id)
  scratch.raw(bytes.subarray(at + 8, end))
  scratch.patchLength(LENGTH_AT, 0)
  return { kind, key, id, frame: scratch.slice() }
}

/** Of a flow. */
export const listedCookie = ({ view, at }: Entry): bigint => view.getBigUint64(at + 24)

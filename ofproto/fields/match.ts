// Matches on the wire: a list of OXM entries (OpenFlow 1.3.5 §7.2.3), each a header word, a value and perhaps a mask.
// The value of a known field never depends on which of its headers it came with; writing uses the header that OVS uses
// on a 1.3 connection. Unknown fields keep header and bytes.
import { copy } from '../wire/copy.ts'
import { DecodeError, EncodeError, errorCodes } from '../wire/errors.ts'
import type { Reader } from '../wire/reader.ts'
import type { Codec } from '../wire/struct.ts'
import type { Writer } from '../wire/writer.ts'
import { MatchChecker } from './check.ts'
import {
  fieldByHeader,
  fieldOf,
  type AnyValue,
  type Field,
  type FieldName,
  type Header,
  type ValueOf,
} from './table.ts'

/** Bits of `value` count where `mask` has ones; `mask` null stands for all ones and no mask on the wire. */
export interface KnownEntry<N extends FieldName> {
  readonly kind: N
  readonly value: ValueOf<N>
  readonly mask: ValueOf<N> | null
}
export interface UnknownEntry {
  readonly kind: 'unknown'
  /** The 32-bit OXM header, length and mask bit included. */
  readonly header: number
  /** The experimenter id, if the header's class is 0xffff. */
  readonly experimenter: number | null
  readonly value: Uint8Array
  readonly mask: Uint8Array | null
}
export type FieldEntry = { [N in FieldName]: KnownEntry<N> }[FieldName]
export type MatchEntry = FieldEntry | UnknownEntry
/** Entries in wire order. */
export type Match = readonly MatchEntry[]

const HAS_MASK = 0x100
const EXPERIMENTER_CLASS = 0xffff
const OXM_MATCH = 1

function getValue(r: Reader, bytes: number, at: number, size: number): AnyValue {
  switch (bytes) {
    case 1:
      return r.view.getUint8(at)
    case 2:
      return r.view.getUint16(at)
    case 4:
      return r.view.getUint32(at)
    case 6:
      return r.view.getUint16(at) * 0x1_0000_0000 + r.view.getUint32(at + 2)
    case 8:
      return r.view.getBigUint64(at)
    default:
      return r.bytes.slice(at, at + size)
  }
}

export function putValue(w: Writer, bytes: number, at: number, value: AnyValue): void {
  switch (bytes) {
    case 1:
      w.view.setUint8(at, value as number)
      break
    case 2:
      w.view.setUint16(at, value as number)
      break
    case 4:
      w.view.setUint32(at, value as number)
      break
    case 6:
      w.view.setUint16(at, (value as number) / 0x1_0000_0000)
      w.view.setUint32(at + 2, (value as number) % 0x1_0000_0000)
      break
    case 8:
      w.view.setBigUint64(at, value as bigint)
      break
    default:
      w.bytes.set(value as Uint8Array, at)
  }
}

/** Value bits that the mask says do not count must be zero. */
function checkWildcards(r: Reader, at: number, width: number): void {
  for (let i = at; i < at + width; i += 1) {
    if (((r.bytes[i] as number) & ~(r.bytes[i + width] as number)) !== 0) {
      r.fail(errorCodes.badMatchWildcards, 'value has ones where its mask has zeros', at)
    }
  }
}

/** Reads one entry; a known field with a length that it cannot have counts as unknown, as in OVS. */
function readEntry(r: Reader, checker: MatchChecker | null): MatchEntry {
  const start = r.offset
  const word = r.view.getUint32(r.take(4, errorCodes.badMatchLength))
  let size = word & 0xff
  let experimenter = 0
  if (word >>> 16 === EXPERIMENTER_CLASS) {
    if (size < 4) r.fail(errorCodes.badMatchLength, `${size} bytes have no room for the experimenter id`)
    experimenter = r.view.getUint32(r.take(4, errorCodes.badMatchLength))
    size -= 4
  }
  const at = r.take(size, errorCodes.badMatchLength)
  const masked = (word & HAS_MASK) !== 0
  const width = masked ? size >> 1 : size
  if (masked) checkWildcards(r, at, width)
  const field = fieldByHeader(word, experimenter)
  if (field === undefined || !hasLength(field, size, masked)) return unknownEntry(r, word, experimenter, at, size)
  const value = getValue(r, field.bytes, at, width)
  const mask = masked ? getValue(r, field.bytes, at + width, width) : null
  const entry = { kind: field.name, value, mask } as FieldEntry
  const problem = checker === null ? null : checker.add(entry, field)
  if (problem !== null) r.fail(problem, `field ${entry.kind}`, start)
  return entry
}

function hasLength(field: Field, size: number, masked: boolean): boolean {
  if (field.variable) return masked ? size <= 2 * field.bytes && size % 2 === 0 : size <= field.bytes
  return size === (masked ? 2 * field.bytes : field.bytes)
}

function unknownEntry(r: Reader, header: number, experimenter: number, at: number, size: number): UnknownEntry {
  // An odd payload cannot be halved into value and mask: it is kept whole.
  const half = (header & HAS_MASK) !== 0 && size % 2 === 0
  const middle = half ? at + size / 2 : at + size
  return {
    kind: 'unknown',
    header,
    experimenter: header >>> 16 === EXPERIMENTER_CLASS ? experimenter : null,
    value: copy(r.bytes, at, middle),
    mask: half ? copy(r.bytes, middle, at + size) : null,
  }
}

/** The header word for a value of `size` bytes, which only tun_metadata varies. */
function headerWord(header: Header, field: Field, masked: boolean, size: number): number {
  const word = masked ? header.maskedWord : header.word
  if (!field.variable) return word
  const payload = masked ? 2 * size : size
  if (payload > 0xff) throw new EncodeError(`${field.name}: ${payload} bytes do not fit an 8-bit length`)
  return word - (word & 0xff) + payload
}

function writeKnown(w: Writer, entry: FieldEntry, legacy: boolean): void {
  const field = fieldOf(entry.kind)
  const header = legacy ? field.nxm : field.oxm
  if (header === null) throw new EncodeError(`${entry.kind} has no OXM header`)
  const { value, mask } = entry
  if (field.bytes > 8) checkWidths(field, value as Uint8Array, mask as Uint8Array | null)
  const size = field.variable ? (value as Uint8Array).length : field.bytes
  const headerSize = header.experimenter === 0 ? 4 : 8
  const at = w.reserve(headerSize + (mask === null ? size : 2 * size))
  w.view.setUint32(at, headerWord(header, field, mask !== null, size))
  if (header.experimenter !== 0) w.view.setUint32(at + 4, header.experimenter)
  putValue(w, field.bytes, at + headerSize, value)
  if (mask !== null) putValue(w, field.bytes, at + headerSize + size, mask)
}

/** Bytes that are too short or too long would shift everything after them. */
function checkWidths(field: Field, value: Uint8Array, mask: Uint8Array | null): void {
  const fits = field.variable ? value.length <= field.bytes : value.length === field.bytes
  if (!fits || (mask !== null && mask.length !== value.length)) {
    throw new EncodeError(`${field.name}: value of ${value.length} and mask of ${mask?.length ?? 'no'} bytes`)
  }
}

function writeUnknown(w: Writer, entry: UnknownEntry): void {
  w.u32(entry.header)
  if (entry.experimenter !== null) w.u32(entry.experimenter)
  w.raw(entry.value)
  if (entry.mask !== null) w.raw(entry.mask)
}

/** One entry, with the header that OVS sends on a 1.3 connection. */
export const oxmEntry: Codec<MatchEntry> = {
  read: (r) => readEntry(r, null),
  write(w, entry) {
    if (entry.kind === 'unknown') writeUnknown(w, entry)
    else writeKnown(w, entry, false)
  },
}

/** One entry, with the oldest header that the field has (Nicira messages that carry NXM). */
export const nxmEntry: Codec<MatchEntry> = {
  read: (r) => readEntry(r, null),
  write(w, entry) {
    if (entry.kind === 'unknown') writeUnknown(w, entry)
    else writeKnown(w, entry, true)
  },
}

function readEntries(r: Reader, strict: boolean): Match {
  const out: MatchEntry[] = []
  const checker = new MatchChecker(strict)
  try {
    while (r.offset < r.end) {
      out.push(readEntry(r, checker))
    }
  } catch (error) {
    throw error instanceof DecodeError ? error.within(`[${out.length}]`) : error
  }
  return out
}

const entriesCodec = (strict: boolean, entry: Codec<MatchEntry>): Codec<Match> => ({
  read: (r) => readEntries(r, strict),
  write(w, match) {
    for (let i = 0; i < match.length; i += 1) entry.write(w, match[i] as MatchEntry)
  },
})

/** Entries until `r.end`, without a header; duplicates, missing prerequisites and bad values are refused as by OVS. */
export const oxmList = entriesCodec(true, oxmEntry)
/** The same where OVS does not insist on prerequisites: the metadata of a packet-in. */
export const looseOxmList = entriesCodec(false, oxmEntry)
/** Entries with NXM headers, as nx_put_match() of OVS writes them. */
export const nxmList = entriesCodec(true, nxmEntry)
export const looseNxmList = entriesCodec(false, nxmEntry)

const structCodec = (entries: Codec<Match>): Codec<Match> => ({
  read(r) {
    const start = r.take(4, errorCodes.badMatchLength)
    const length = r.view.getUint16(start + 2)
    if (length < 4) r.fail(errorCodes.badMatchLength, `match length ${length}`, start + 2)
    const type = r.view.getUint16(start)
    if (type !== OXM_MATCH) r.fail(errorCodes.badMatchType, `match type ${type}`, start)
    const padded = (length + 7) & ~7
    r.need(padded - 4, errorCodes.badMatchLength)
    const outer = r.end
    r.end = start + length
    try {
      const match = entries.read(r)
      r.offset = start + padded
      return match
    } finally {
      r.end = outer
    }
  },
  write(w, match) {
    const start = w.reserve(4)
    w.view.setUint16(start, OXM_MATCH)
    entries.write(w, match)
    w.patchLength(start + 2, start)
    w.align8(start)
  },
})

/** struct ofp_match: type, length, entries, padding to 8 bytes. */
export const matchCodec = structCodec(oxmList)
/** The same without checking prerequisites, as OVS reads a packet-in's match. */
export const looseMatchCodec = structCodec(looseOxmList)

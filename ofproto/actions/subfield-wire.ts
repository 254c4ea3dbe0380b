// How actions name (parts of) fields on the wire: a header of 32 bits, or of 64 for an experimenter's field, with the
// position either in one 16-bit word (`ofs_nbits`) or in members of its own.
import { nxmHeader } from '../fields/header.ts'
import type { Subfield } from '../fields/subfield.ts'
import { fieldByHeader, fieldOf, type Field, type FieldName, type Header } from '../fields/table.ts'
import { EncodeError, errorCodes } from '../wire/errors.ts'
import type { Reader } from '../wire/reader.ts'
import type { Writer } from '../wire/writer.ts'

export type { Subfield }

const unknownField = (r: Reader, header: number, at: number): never =>
  r.fail(errorCodes.badSetType, `no field has header 0x${header.toString(16)}`, at)

/** What a header says: the field, and for a tun_metadata how many bytes of it the switch has mapped. */
export interface FieldOnWire {
  readonly field: FieldName
  readonly mappedBytes?: number
}
const onWire = (field: Field, bytes: number): FieldOnWire =>
  field.variable && bytes !== field.bytes ? { field: field.name, mappedBytes: bytes } : { field: field.name }

/** A field where only a header of 32 bits fits. */
export function readField32(r: Reader): FieldOnWire {
  return fieldAt(r, r.take(4, errorCodes.badActionLength))
}

/** The same at a place that is known to lie within the action. */
export function fieldAt(r: Reader, at: number): FieldOnWire {
  const header = r.view.getUint32(at)
  const field = header >>> 16 === 0xffff ? undefined : fieldByHeader(header, 0)
  if (field === undefined || !hasSize(field, header)) return unknownField(r, header, at)
  return onWire(field, header & 0xff)
}

function hasSize(field: Field, header: number): boolean {
  const size = header & 0xff
  if (field.variable) return size <= field.bytes
  return size === ((header & 0x100) === 0 ? field.bytes : 2 * field.bytes)
}

/** A field by a header of 32 or 64 bits. */
export function readFieldHeader(r: Reader): FieldOnWire {
  const at = r.offset
  const ref = nxmHeader.read(r)
  if (ref.kind === 'unknown') return unknownField(r, ref.header, at)
  if (ref.masked) r.fail(errorCodes.badMatchMask, `${ref.kind} with a mask`, at)
  return onWire(fieldOf(ref.kind), ref.bytes)
}

export function writeFieldHeader(w: Writer, part: FieldOnWire): void {
  writeHeader(w, part, fieldOf(part.field).nxm)
}

/** The same with the header that OpenFlow 1.3 itself has for the field. */
export function writeOxmHeader(w: Writer, part: FieldOnWire): void {
  writeHeader(w, part, fieldOf(part.field).oxm)
}

function writeHeader(w: Writer, part: FieldOnWire, header: Header | null): void {
  if (header === null) throw new EncodeError(`${part.field} has no OXM header`)
  w.u32(wordOf(part, header))
  if (header.experimenter !== 0) w.u32(header.experimenter)
}

const wordOf = ({ mappedBytes }: FieldOnWire, { word }: Header): number =>
  mappedBytes === undefined ? word : word - (word & 0xff) + mappedBytes

/** The header of a field where only 32 bits fit. */
export function header32(part: FieldOnWire): number {
  const header = fieldOf(part.field).nxm
  if (header === null || header.experimenter !== 0) throw new EncodeError(`${part.field} has no header of 32 bits`)
  return wordOf(part, header)
}

/** True if the field has a header of 64 bits only, which the older actions have no room for. */
export function needsLongHeader(field: FieldName): boolean {
  return fieldOf(field).nxm?.experimenter !== 0
}

/** Takes `ofs_nbits` apart: the first bit above, the number of bits less one in the low six bits. */
export function subfield(field: FieldOnWire, ofsNbits: number): Subfield {
  return partOf(field, ofsNbits >> 6, (ofsNbits & 0x3f) + 1)
}

export function partOf(field: FieldOnWire, start: number, bits: number): Subfield {
  const { mappedBytes } = field
  // Two shapes of object, the second for the rare mapped field.
  return mappedBytes === undefined
    ? { field: field.field, start, bits }
    : { field: field.field, start, bits, mappedBytes }
}

export function ofsNbits({ field, start, bits }: Subfield): number {
  if (bits > 64 || start > 1023) throw new EncodeError(`bits ${start}+${bits} of ${field} do not fit the action`)
  return (start << 6) | (bits - 1)
}

/** Refuses bits outside the field, as mf_check_src(). */
export function checkSource(part: Subfield, r: Reader, at: number): Subfield {
  const width = fieldOf(part.field).bits
  if (part.bits === 0 || part.start + part.bits > width) {
    r.fail(errorCodes.badSetLength, `bits ${part.start}+${part.bits} of ${part.field}, ${width} bits wide`, at)
  }
  return part
}

/** The same for a field that is written, as mf_check_dst(). */
export function checkTarget(part: Subfield, r: Reader, at: number): Subfield {
  checkSource(part, r, at)
  return checkWritable(part, r, at)
}

export function checkWritable(part: Subfield, r: Reader, at: number): Subfield {
  if (!fieldOf(part.field).writable) r.fail(errorCodes.badSetArgument, `${part.field} is read-only`, at)
  return part
}

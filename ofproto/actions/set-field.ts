// Writing a value into a field: set_field (OpenFlow 1.3, whole fields), load (NXAST_REG_LOAD, up to 64 bits of a field)
// and reg_load2 (NXAST_REG_LOAD2, any field and mask). Text that sets a part of a field becomes loads, one for each run
// of bits, or a reg_load2 where a load has no room for the field's header: as in OVS.
import { maskedValue, ones, toBits } from '../fields/bits.ts'
import { isValid } from '../fields/check.ts'
import { formatValue, parseValue } from '../fields/format.ts'
import { nxmEntry, oxmEntry, type MatchEntry } from '../fields/match.ts'
import { formatSubfield, parseSubfield } from '../fields/subfield.ts'
import { fieldByHeader, fieldByName, fieldOf, type Field } from '../fields/table.ts'
import { hex } from '../text/numbers.ts'
import { parseInteger, TextError } from '../text/tokens.ts'
import { errorCodes } from '../wire/errors.ts'
import type { Reader } from '../wire/reader.ts'
import { irregular, nx, of, restZero, sized, type ParseContext, type RowValue } from './row.ts'
import { checkTarget, needsLongHeader, ofsNbits, fieldAt, header32, subfield, type Subfield } from './subfield-wire.ts'
import type { Action } from './types.ts'

const VLAN_PRESENT = 0x1000

/** Sets a whole field: the entry has no mask. */
interface SetField {
  readonly kind: 'set_field'
  readonly field: MatchEntry
}
const setField = irregular<SetField>(
  'set_field',
  of(25),
  8,
  {
    read(r) {
      const at = r.offset
      const entry = readEntry(r, true)
      if (entry.kind === 'in_port_oxm') r.fail(errorCodes.badSetArgument, 'in_port cannot be set', at)
      if (entry.kind !== 'unknown') {
        const valid = isValid(fieldOf(entry.kind), entry.value)
        const untagged = entry.kind === 'vlan_vid' && (entry.value & VLAN_PRESENT) === 0
        if (!valid || untagged) r.fail(errorCodes.badSetArgument, `value of ${entry.kind}`, at)
      }
      return { kind: 'set_field', field: entry }
    },
    write: (w, a) => oxmEntry.write(w, a.field),
  },
  { format: (a) => formatSet(a.field), words: { set_field: parseSetField } },
)

/** Sets the bits of a field that the entry's mask has. */
interface RegLoad2 {
  readonly kind: 'reg_load2'
  readonly field: MatchEntry
}
const regLoad2 = irregular<RegLoad2>(
  'reg_load2',
  nx(33),
  16,
  {
    read: (r) => ({ kind: 'reg_load2', field: readEntry(r, false) }),
    write: (w, a) => nxmEntry.write(w, a.field),
  },
  { format: (a) => formatSet(a.field) },
)

/** One OXM entry of a writable field and zeros up to the end. */
function readEntry(r: Reader, exact: boolean): MatchEntry {
  const at = r.offset
  checkHeader(r, at)
  const entry = oxmEntry.read(r)
  if (exact && entry.mask !== null) r.fail(errorCodes.badSetMask, `${entry.kind} has a mask`, at)
  restZero(r, errorCodes.badSetArgument)
  const writable = entry.kind !== 'unknown' && fieldOf(entry.kind).writable
  if (!writable) r.fail(errorCodes.badSetArgument, `${entry.kind} is read-only`, at)
  return entry
}

/** The field must be known, and of the right size, before its value is looked at. */
function checkHeader(r: Reader, at: number): void {
  r.need(4, errorCodes.badMatchLength)
  const header = r.view.getUint32(at)
  const experimental = header >>> 16 === 0xffff
  if (experimental) r.need(8, errorCodes.badMatchLength)
  const field = fieldByHeader(header, experimental ? r.view.getUint32(at + 4) : 0)
  if (field === undefined) return r.fail(errorCodes.badSetType, `no field has header ${hex(header)}`, at)
  const size = (header & 0xff) - (experimental ? 4 : 0)
  const expected = (header & 0x100) === 0 ? field.bytes : 2 * field.bytes
  if (!field.variable && size !== expected) r.fail(errorCodes.badSetLength, `${field.name} of ${size} bytes`, at)
}

function formatSet(entry: MatchEntry): string {
  // Decoding never gives an unknown field here, but values made by hand may hold one.
  if (entry.kind === 'unknown') return `set_field:?->${hex(entry.header)}`
  return `set_field:${formatValue(entry.kind, entry.value as never, entry.mask as never)}->${entry.kind}`
}

/** Sets the bits of `target` to `value`. */
interface Load {
  readonly kind: 'load'
  readonly value: bigint
  readonly target: Subfield
}
const load = sized<Load>(
  'load',
  nx(7),
  24,
  {
    get(r, at) {
      const target = checkTarget(subfield(fieldAt(r, at + 12), r.view.getUint16(at + 10)), r, at + 10)
      const value = r.view.getBigUint64(at + 16)
      if (target.bits < 64 && value >> BigInt(target.bits) !== 0n) {
        r.fail(errorCodes.badActionArgument, `${hex(value)} does not fit ${target.bits} bits`, at + 16)
      }
      return { kind: 'load', value, target }
    },
    set(view, at, { value, target }) {
      view.setUint16(at + 10, ofsNbits(target))
      view.setUint32(at + 12, header32(target))
      view.setBigUint64(at + 16, value)
    },
  },
  {
    format: ({ value, target }) => `load:${hex(value)}->${formatSubfield(target)}`,
    words: { load: parseLoad },
  },
)

/** Splits `value->field`. */
export function splitArrow(text: string): readonly [value: string, field: string] {
  const at = text.indexOf('->')
  if (at < 0) throw new TextError(`${text}: missing \`->'`)
  if (at + 2 === text.length) throw new TextError(`${text}: missing field name following \`->'`)
  return [text.slice(0, at), text.slice(at + 2)]
}

function parseSetField(text: string, context: ParseContext): readonly Action[] {
  const [valueText, name] = splitArrow(text)
  const field = fieldByName(name)
  if (field === undefined) throw new TextError(`${name} is not a valid OXM field name`)
  if (!field.writable) throw new TextError(`${name} is read-only`)
  const { value, mask } = parseValue(field.name, valueText)
  if (!isValid(field, value)) throw new TextError(`${valueText} is not a valid value for field ${name}`)
  if (field.name === 'vlan_tci') retag(toBits(value), context)
  if (mask === null) {
    if (field.oxm === null) throw new TextError(`${name} cannot be set`)
    return [{ kind: 'set_field', field: { kind: field.name, value, mask: null } as MatchEntry }]
  }
  return partial(field, toBits(value), toBits(mask))
}

function parseLoad(text: string, context: ParseContext): readonly Action[] {
  const [valueText, targetText] = splitArrow(text)
  const target = parseSubfield(targetText)
  const field = fieldOf(target.field)
  const value = parseInteger(valueText, field.bytes * 8, 'value')
  if (value >> BigInt(target.bits) !== 0n) throw new TextError(`${text}: value does not fit into ${target.bits} bits`)
  if (field.name === 'vlan_tci') retag(value << BigInt(target.start), context)
  return partial(field, value << BigInt(target.start), ones(target.bits) << BigInt(target.start))
}

/** A TCI without the present bit takes the tag away. */
function retag(tci: bigint, context: ParseContext): void {
  context.vlans = (tci & BigInt(VLAN_PRESENT)) === 0n ? 0 : Math.max(1, context.vlans)
}

/** The actions that set the bits of `field` that `mask` has to those of `value`. */
function partial(field: Field, value: bigint, mask: bigint): readonly Action[] {
  if (field.variable || needsLongHeader(field.name)) {
    return [{ kind: 'reg_load2', field: { kind: field.name, ...maskedValue(field, { value, mask }) } as MatchEntry }]
  }
  const out: Action[] = []
  for (let start = 0; start < field.bits;) {
    const rest = mask >> BigInt(start)
    if ((rest & 1n) === 0n) {
      start += 1
      continue
    }
    let bits = 1
    while (bits < 64 && start + bits < field.bits && ((rest >> BigInt(bits)) & 1n) === 1n) bits += 1
    const part = (value >> BigInt(start)) & ones(bits)
    out.push({ kind: 'load', value: part, target: { field: field.name, start, bits } })
    start += bits
  }
  return out
}

export const setFieldRows = { set_field: setField, reg_load2: regLoad2, load }
export type SetFieldAction = RowValue<typeof setFieldRows>

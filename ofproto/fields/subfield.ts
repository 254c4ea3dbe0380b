// Subfields: runs of bits of a field, `NXM_NX_REG0[0..15]`, as actions name them (mf_parse_subfield, mf_format_subfield).
import { TextError } from '../text/tokens.ts'
import { fieldByHeaderName, fieldByName, fieldOf, type Field, type FieldName } from './table.ts'

/** `bits` bits of `field`, from bit `start` (0 is the least significant) upwards. */
export interface Subfield {
  readonly field: FieldName
  readonly start: number
  readonly bits: number
  /** Of a tun_metadata that the switch maps to fewer than its 124 bytes: how many; its header in actions says so. */
  readonly mappedBytes?: number
}

/** All bits of a field. */
export const wholeField = (field: FieldName): Subfield => ({ field, start: 0, bits: fieldOf(field).bits })

/** A field by any of its names: `ip_src`, `nw_src`, `NXM_OF_IP_SRC`, `OXM_OF_IPV4_SRC`. */
export const fieldByText = (name: string): Field | undefined =>
  fieldByHeaderName(name.endsWith('_W') ? name.slice(0, -2) : name) ?? fieldByName(name)

const BITS = /^\[(?:(\d+)(?:\.\.(\d+))?)?\]/

/** Parses a subfield at the start of `text`; `end` is the index of what follows it. */
export function parseSubfieldPrefix(text: string): { readonly subfield: Subfield; readonly end: number } {
  const nameEnd = text.search(/[[-]/)
  const name = nameEnd < 0 ? text : text.slice(0, nameEnd)
  const field = fieldByText(name)
  if (field === undefined) throw new TextError(`${text}: unknown field '${name}'`)
  let end = name.length
  let start = 0
  let last = field.bits - 1
  if (text[end] === '[') {
    const bits = BITS.exec(text.slice(end))
    if (bits === null) throw new TextError(`${text}: expected [] or [<bit>] or [<start>..<end>]`)
    end += bits[0].length
    if (bits[1] !== undefined) {
      start = Number(bits[1])
      last = Number(bits[2] ?? bits[1])
    }
  }
  if (start > last) throw new TextError(`${text}: starting bit ${start} is after ending bit ${last}`)
  if (last >= field.bits) {
    throw new TextError(`${text}: bit ${Math.min(start, last)}..${last} lies outside a field ${field.bits} bits wide`)
  }
  return { subfield: { field: field.name, start, bits: last - start + 1 }, end }
}

/** Parses text that is a subfield and nothing else. */
export function parseSubfield(text: string): Subfield {
  const { subfield, end } = parseSubfieldPrefix(text)
  if (end < text.length) throw new TextError(`${text}: unexpected '${text.slice(end)}' after the field`)
  return subfield
}

/** As OVS prints it: with the field's oldest OXM name, `[]` for all bits. */
export function formatSubfield({ field, start, bits }: Subfield): string {
  const row = fieldOf(field)
  const name = row.nxm?.name ?? row.name
  if (start === 0 && bits === row.bits) return `${name}[]`
  return bits === 1 ? `${name}[${start}]` : `${name}[${start}..${start + bits - 1}]`
}

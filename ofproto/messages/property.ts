// Properties (ofp_prop_header): type, length without padding, payload, padding to 8 bytes. Types of 0xffff, and in some
// places 0xfffe, are experimenters'. The errors are those of ofpprop_pull() of OVS.
import { errorCodes } from '../wire/errors.ts'
import type { Reader } from '../wire/reader.ts'
import type { Codec } from '../wire/struct.ts'
import type { Writer } from '../wire/writer.ts'

/** A property that this program does not know; an experimenter's has experimenter and its type at the start of `bytes`. */
export interface UnknownProperty {
  readonly kind: 'unknown'
  readonly type: number
  readonly bytes: Uint8Array
}

interface PropertyRow<P> {
  readonly type: number
  /** The least payload in bytes. */
  readonly size: number
  /** 4 bytes of padding between header and payload, as 64-bit and nested payloads have. */
  readonly aligned?: true
  /** More payload than is needed is no error (ofpprop_parse_u8 and _u16 of OVS). */
  readonly loose?: true
  read(r: Reader): P
  write(w: Writer, property: P): void
}

type Rows<P extends { readonly kind: string }> = {
  readonly [K in Exclude<P['kind'], 'unknown'>]: PropertyRow<Extract<P, { kind: K }>>
}

const HEADER = 4
const EXPERIMENTER_HEADER = 12
const EXPERIMENTER = 0xffff

/** Reads the header, bounds the payload by `r.end`, reads it, and skips the padding. */
function bounded<P>(r: Reader, experimenters: number, read: (type: number) => P): P {
  const start = r.offset
  r.need(HEADER, errorCodes.badPropertyLength)
  const type = r.u16()
  const length = r.u16()
  const padded = (length + 7) & ~7
  const minimum = type >= experimenters ? EXPERIMENTER_HEADER : HEADER
  if (length < minimum || padded > r.end - start)
    r.fail(errorCodes.badPropertyLength, `property length ${length}`, start)
  if (type >= experimenters && r.view.getUint32(start + 4) === 0)
    r.fail(errorCodes.badPropertyExperimenter, 'experimenter 0', start)
  const outer = r.end
  r.end = start + length
  try {
    const value = read(type)
    if (r.offset !== r.end) r.fail(errorCodes.badPropertyLength, `${r.end - r.offset} bytes too many`)
    return value
  } finally {
    r.end = outer
    if (r.offset === start + length) r.offset = start + padded
  }
}

function readKnown<P>(r: Reader, row: PropertyRow<P>): P {
  if (row.aligned) r.skip(4, errorCodes.badPropertyLength)
  r.need(row.size, errorCodes.badPropertyLength)
  const value = row.read(r)
  if (row.loose) r.offset = r.end
  return value
}

/** The codec of one property of a union. `experimenters` is the first type that is an experimenter's. */
export function property<P extends { readonly kind: string }>(
  rows: Rows<P>,
  experimenters = EXPERIMENTER,
): Codec<P | UnknownProperty> {
  const table = rows as unknown as Readonly<Record<string, PropertyRow<P | UnknownProperty>>>
  const byType = new Map(Object.values(table).map((row) => [row.type, row]))
  return {
    read: (r) =>
      bounded<P | UnknownProperty>(r, experimenters, (type) => {
        const row = byType.get(type)
        return row ? readKnown(r, row) : { kind: 'unknown', type, bytes: r.raw(r.remaining) }
      }),
    write(w, value) {
      const start = w.offset
      const row = table[value.kind]
      w.u16(row === undefined ? (value as UnknownProperty).type : row.type)
      w.u16(0)
      if (row === undefined) w.raw((value as UnknownProperty).bytes)
      else {
        if (row.aligned) w.zeros(4)
        row.write(w, value)
      }
      w.patchLength(start + 2, start)
      w.align8(start)
    },
  }
}

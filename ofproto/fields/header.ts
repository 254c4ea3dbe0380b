// OXM and NXM headers that stand alone: they name a field in actions (move, stack, learn ...) and in table features.
import { errorCodes } from '../wire/errors.ts'
import type { Codec } from '../wire/struct.ts'
import { fieldByHeader, fieldOf, type FieldName } from './table.ts'

/** The field that a header names, and whether the header has the mask bit set. */
export type FieldRef =
  | {
      readonly kind: FieldName
      readonly masked: boolean
      /** Bytes of one value: differs from the table's for tun_metadata only. */
      readonly bytes: number
    }
  | { readonly kind: 'unknown'; readonly header: number; readonly experimenter: number | null }

const headerCodec = (legacy: boolean): Codec<FieldRef> => ({
  read(r) {
    const header = r.view.getUint32(r.take(4, errorCodes.badMatchLength))
    const experimental = header >>> 16 === 0xffff
    const experimenter = experimental ? r.view.getUint32(r.take(4, errorCodes.badMatchLength)) : 0
    const field = fieldByHeader(header, experimenter)
    const masked = (header & 0x100) !== 0
    const bytes = ((header & 0xff) - (experimental ? 4 : 0)) / (masked ? 2 : 1)
    const fits = field !== undefined && (field.variable ? bytes >= 0 && bytes <= field.bytes : bytes === field.bytes)
    if (!fits) return { kind: 'unknown', header, experimenter: experimental ? experimenter : null }
    return { kind: field.name, masked, bytes }
  },
  write(w, ref) {
    if (ref.kind === 'unknown') {
      w.u32(ref.header)
      if (ref.experimenter !== null) w.u32(ref.experimenter)
      return
    }
    const field = fieldOf(ref.kind)
    const header = legacy ? field.nxm : field.oxm
    if (header === null) throw new RangeError(`${ref.kind} has no OXM header`)
    const word = ref.masked ? header.maskedWord : header.word
    w.u32(field.variable ? word - (word & 0xff) + ((ref.masked ? 2 * ref.bytes : ref.bytes) & 0xff) : word)
    if (header.experimenter !== 0) w.u32(header.experimenter)
  },
})

/** Written as OVS does for OpenFlow 1.3 (set_field, table features). */
export const oxmHeader = headerCodec(false)
/** Written as OVS does in Nicira actions (move, load, stack, learn ...): with the oldest header of the field. */
export const nxmHeader = headerCodec(true)

// Actions between fields: move (NXAST_REG_MOVE and the ONF form of it), the stack, deleting a tunnel option, and
// comparing the packet's length.
import { fieldByText, formatSubfield, parseSubfield, parseSubfieldPrefix } from '../fields/subfield.ts'
import { parseUint, TextError } from '../text/tokens.ts'
import type { Codec } from '../wire/struct.ts'
import { irregular, nx, onf, restZero, type ParseWord, type RowValue } from './row.ts'
import { splitArrow } from './set-field.ts'
import {
  checkSource,
  checkTarget,
  partOf,
  readFieldHeader,
  writeFieldHeader,
  writeOxmHeader,
  type Subfield,
} from './subfield-wire.ts'
import type { FieldName } from '../fields/table.ts'

interface Copy {
  readonly source: Subfield
  /** As wide as the source. */
  readonly target: Subfield
}
interface Move extends Copy {
  readonly kind: 'move'
}
const move = irregular<Move>('move', nx(6), 16, copyCodec('move', 0), {
  format: formatMove,
  words: { move: parseMove },
})

/** The same in ONF's encoding of OpenFlow 1.5's copy_field. */
interface CopyField extends Copy {
  readonly kind: 'copy_field'
}
const copyField = irregular<CopyField>('copy_field', onf(3200), 24, copyCodec('copy_field', 2), { format: formatMove })

/** n_bits, source offset, destination offset and the two headers, with `gap` bytes before and after the numbers. */
function copyCodec<K extends 'move' | 'copy_field'>(kind: K, gap: number): Codec<Copy & { readonly kind: K }> {
  const writeHeader = kind === 'move' ? writeFieldHeader : writeOxmHeader
  return {
    read(r) {
      const at = r.offset
      r.skip(gap)
      const bits = r.u16()
      const sourceStart = r.u16()
      const targetStart = r.u16()
      r.skip(gap)
      const source = partOf(readFieldHeader(r), sourceStart, bits)
      const target = partOf(readFieldHeader(r), targetStart, bits)
      restZero(r)
      return { kind, source: checkSource(source, r, at), target: checkTarget(target, r, at) }
    },
    write(w, { source, target }) {
      w.zeros(gap)
      w.u16(target.bits)
      w.u16(source.start)
      w.u16(target.start)
      w.zeros(gap)
      writeHeader(w, source)
      writeHeader(w, target)
    },
  }
}

function formatMove({ source, target }: Copy): string {
  return `move:${formatSubfield(source)}->${formatSubfield(target)}`
}

/** `source->target`, of equal widths. */
export function parseCopy(text: string): Copy {
  const { subfield: source, end } = parseSubfieldPrefix(text)
  if (!text.startsWith('->', end)) throw new TextError(`${text}: missing \`->' following source`)
  const target = parseSubfield(text.slice(end + 2))
  if (source.bits !== target.bits) {
    throw new TextError(`${text}: source field is ${source.bits} bits wide but destination is ${target.bits} bits wide`)
  }
  return { source, target }
}
function parseMove(...[text]: Parameters<ParseWord>): ReturnType<ParseWord> {
  return [{ kind: 'move', ...parseCopy(text) }]
}

interface Push {
  readonly kind: 'push'
  readonly source: Subfield
}
const push = irregular<Push>(
  'push',
  nx(27),
  24,
  {
    read(r) {
      const at = r.offset
      return { kind: 'push', source: checkSource(stackCodec.read(r), r, at) }
    },
    write: (w, a) => stackCodec.write(w, a.source),
  },
  {
    format: (a) => `push:${formatSubfield(a.source)}`,
    words: { push: (text) => [{ kind: 'push', source: parseSubfield(text) }] },
  },
  24,
)

interface Pop {
  readonly kind: 'pop'
  readonly target: Subfield
}
const pop = irregular<Pop>(
  'pop',
  nx(28),
  24,
  {
    read(r) {
      const at = r.offset
      return { kind: 'pop', target: checkTarget(stackCodec.read(r), r, at) }
    },
    write: (w, a) => stackCodec.write(w, a.target),
  },
  {
    format: (a) => `pop:${formatSubfield(a.target)}`,
    words: { pop: (text) => [{ kind: 'pop', target: parseSubfield(text) }] },
  },
  24,
)

/** Offset, header, number of bits, zeros up to 14 bytes. */
const stackCodec: Codec<Subfield> = {
  read(r) {
    const start = r.u16()
    const field = readFieldHeader(r)
    const bits = r.u16()
    restZero(r)
    return partOf(field, start, bits)
  },
  write(w, part) {
    const at = w.offset
    w.u16(part.start)
    writeFieldHeader(w, part)
    w.u16(part.bits)
    w.zeros(14 - (w.offset - at))
  },
}

interface DeleteField {
  readonly kind: 'delete_field'
  readonly field: FieldName
  /** As in a subfield. */
  readonly mappedBytes?: number
}
const deleteField = irregular<DeleteField>(
  'delete_field',
  nx(50),
  24,
  {
    read(r) {
      const field = readFieldHeader(r)
      // OVS ignores what follows the header.
      r.offset = r.end
      return { kind: 'delete_field', ...field }
    },
    write(w, a) {
      const at = w.offset
      writeFieldHeader(w, a)
      w.zeros(14 - (w.offset - at))
    },
  },
  {
    format: (a) => `delete_field:${a.field}`,
    words: {
      delete_field: (text) => {
        const field = fieldByText(text)
        if (field === undefined) throw new TextError(`${text}: unknown field`)
        return [{ kind: 'delete_field', field: field.name }]
      },
    },
  },
  24,
)

/** Sets one bit to whether the packet is longer than `length` bytes. */
interface CheckPktLarger {
  readonly kind: 'check_pkt_larger'
  readonly length: number
  readonly target: Subfield
}
const checkPktLarger = irregular<CheckPktLarger>(
  'check_pkt_larger',
  nx(49),
  24,
  {
    read(r) {
      const at = r.offset
      const length = r.u16()
      const start = r.u16()
      const target = partOf(readFieldHeader(r), start, 1)
      restZero(r)
      return { kind: 'check_pkt_larger', length, target: checkTarget(target, r, at) }
    },
    write(w, { length, target }) {
      const at = w.offset
      w.u16(length)
      w.u16(target.start)
      writeFieldHeader(w, target)
      w.zeros(14 - (w.offset - at))
    },
  },
  {
    format: ({ length, target }) => `check_pkt_larger(${length})->${formatSubfield(target)}`,
    words: {
      check_pkt_larger: (text) => {
        const [lengthText, targetText] = splitArrow(text)
        const target = parseSubfield(targetText)
        if (target.bits !== 1) throw new TextError('Only 1-bit destination field is allowed')
        const length = parseUint(lengthText.replace(/\)$/, ''), 16, 'length')
        return [{ kind: 'check_pkt_larger', length, target }]
      },
    },
  },
)

export const moveRows = {
  move,
  copy_field: copyField,
  push,
  pop,
  delete_field: deleteField,
  check_pkt_larger: checkPktLarger,
}
export type MoveAction = RowValue<typeof moveRows>

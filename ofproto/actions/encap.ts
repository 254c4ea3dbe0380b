// Generic encapsulation: encap pushes a header of any packet type, with properties; decap pops the outermost one.
import { hex, hexNumber } from '../text/numbers.ts'
import { items, parseUint, TextError } from '../text/tokens.ts'
import { errorCodes } from '../wire/errors.ts'
import type { Reader } from '../wire/reader.ts'
import { pad, u32 } from '../wire/struct.ts'
import type { Writer } from '../wire/writer.ts'
import { action, irregular, nx, type ParseWord, type RowValue } from './row.ts'

/** The NSH metadata format, 1 or 2, and a TLV of format 2. */
type EncapProperty =
  | { readonly kind: 'nsh_md_type'; readonly type: number }
  | { readonly kind: 'nsh_tlv'; readonly class: number; readonly type: number; readonly value: Uint8Array }

interface Encap {
  readonly kind: 'encap'
  /** Bytes, 0 if not said. */
  readonly headerSize: number
  /** Namespace in the upper 16 bits, type in the lower. */
  readonly packetType: number
  readonly properties: readonly EncapProperty[]
}

const packetTypes = new Map([
  [0, 'ethernet'],
  [0x1894f, 'nsh'],
  [0x18847, 'mpls'],
  [0x18848, 'mpls_mc'],
])
const packetTypeByName = new Map([...packetTypes].map(([type, name]) => [name, type]))
const NSH = 4
const MD_TYPE = 1
const TLV = 2

const encap = irregular<Encap>(
  'encap',
  nx(46),
  16,
  {
    read(r) {
      const headerSize = r.u16()
      const packetType = r.u32()
      if (!packetTypes.has(packetType)) r.fail(errorCodes.badHeaderType, `packet type ${hex(packetType)}`, r.offset - 4)
      const properties: EncapProperty[] = []
      while (r.offset < r.end) properties.push(readProperty(r))
      return { kind: 'encap', headerSize, packetType, properties }
    },
    write(w, a) {
      w.u16(a.headerSize)
      w.u32(a.packetType)
      for (const property of a.properties) writeProperty(w, property)
    },
  },
  { format, words: { encap: parseEncap } },
)

/** Class, type, length without padding, value, padding to 8 bytes. */
function readProperty(r: Reader): EncapProperty {
  const at = r.take(4, errorCodes.badActionLength)
  const length = r.view.getUint8(at + 3)
  const padded = (length + 7) & ~7
  if (length < 4) r.fail(errorCodes.badActionLength, `property length ${length}`, at)
  const value = r.take(padded - 4, errorCodes.badActionLength)
  const known = r.view.getUint16(at) === NSH
  const type = r.view.getUint8(at + 2)
  if (known && type === MD_TYPE) {
    if (length > 8) r.fail(errorCodes.badEncapProperty, `md_type of length ${length}`, at)
    return { kind: 'nsh_md_type', type: r.view.getUint8(value) }
  }
  if (!known || type !== TLV) return r.fail(errorCodes.unknownEncapProperty, `property type ${type}`, at)
  const size = length < 8 ? -1 : r.view.getUint8(value + 3)
  if (length !== 8 + ((size + 7) & ~7)) r.fail(errorCodes.badEncapProperty, `TLV of length ${length}`, at)
  return {
    kind: 'nsh_tlv',
    class: r.view.getUint16(value),
    type: r.view.getUint8(value + 2),
    value: r.bytes.slice(value + 4, value + 4 + size),
  }
}

function writeProperty(w: Writer, property: EncapProperty): void {
  const at = w.offset
  w.u16(NSH)
  if (property.kind === 'nsh_md_type') {
    w.u8(MD_TYPE)
    w.u8(5)
    w.u8(property.type)
  } else {
    w.u8(TLV)
    w.u8(8 + ((property.value.length + 7) & ~7))
    w.u16(property.class)
    w.u8(property.type)
    w.u8(property.value.length)
    w.raw(property.value)
  }
  w.align8(at)
}

function format({ packetType, properties }: Encap): string {
  const inner = properties.map(formatProperty).join(',')
  return `encap(${packetTypes.get(packetType) ?? 'UNKNOWN'}${inner === '' ? '' : `(${inner})`})`
}

function formatProperty(property: EncapProperty): string {
  if (property.kind === 'nsh_md_type') return `md_type=${property.type}`
  return `tlv(0x${property.class.toString(16).padStart(4, '0')},${property.type},${hexNumber(property.value)})`
}

function parseEncap(...[text, context]: Parameters<ParseWord>): ReturnType<ParseWord> {
  const [header] = items(text)
  if (header === undefined) throw new TextError(`Missing encap hdr: ${text}`)
  const packetType = packetTypeByName.get(header.key)
  if (packetType === undefined) throw new TextError(`Encap hdr not supported: ${header.key}`)
  const properties = items(header.value).map(({ key, value }) => parseProperty(header.key, key, value))
  if (packetType !== 0) context.ipProto = 0
  return [{ kind: 'encap', headerSize: 0, packetType, properties }]
}

function parseProperty(header: string, key: string, value: string): EncapProperty {
  if (header !== 'nsh' || (key !== 'md_type' && key !== 'tlv')) throw new TextError(`Invalid property: ${key}`)
  if (value === '') throw new TextError('Value missing for encap property')
  if (key === 'md_type') {
    const type = parseUint(value, 8, 'md_type')
    if (type < 1 || type > 2) throw new TextError('invalid md_type')
    return { kind: 'nsh_md_type', type }
  }
  const [, tlvClass, type, digits] = /^0x([0-9a-fA-F]{1,4}),(\d+),0x([0-9a-fA-F]{1,251})/.exec(value) ?? []
  if (tlvClass === undefined || type === undefined || digits === undefined) {
    throw new TextError(`Invalid NSH TLV header: ${value}`)
  }
  // OVS takes digits in pairs and leaves an odd one out.
  const bytes = Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
  return { kind: 'nsh_tlv', class: Number.parseInt(tlvClass, 16), type: parseUint(type, 8, 'TLV type'), value: bytes }
}

const NEXT_PROTOCOL = 0xfffe
const DECAP_LENGTH = 16

/** `packetType` of what remains; 0xfffe lets the popped header say it. */
const decap = {
  ...action(
    'decap',
    nx(47),
    DECAP_LENGTH,
    { padding: pad(2), packetType: u32 },
    {
      format: ({ packetType }) =>
        packetType === NEXT_PROTOCOL
          ? 'decap()'
          : `decap(packet_type(ns=${packetType >>> 16},type=${hex(packetType & 0xffff)}))`,
      words: { decap: parseDecap },
      check: (_, r, at) => {
        if (r.end - at > DECAP_LENGTH) r.fail(errorCodes.unknownEncapProperty, 'decap has no properties', at)
      },
    },
  ),
  max: 0xfff8,
}

function parseDecap(...[text]: Parameters<ParseWord>): ReturnType<ParseWord> {
  const [argument] = items(text)
  if (argument === undefined) return [{ kind: 'decap', packetType: NEXT_PROTOCOL }]
  if (argument.key !== 'packet_type') throw new TextError(`Invalid decap argument: ${argument.key}`)
  const [ns, type] = items(argument.value)
  if (ns?.key !== 'ns') throw new TextError('Missing packet_type attribute ns')
  if (type?.key !== 'type') throw new TextError('Missing packet_type attribute type')
  const namespace = parseUint(ns.value, 16, 'ns')
  if (namespace > 3) throw new TextError(`Unsupported ns value: ${namespace}`)
  return [{ kind: 'decap', packetType: namespace * 0x10000 + parseUint(type.value, 16, 'type') }]
}

export const encapRows = { encap, decap }
export type EncapAction = RowValue<typeof encapRows>

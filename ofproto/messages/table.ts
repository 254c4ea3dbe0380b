// Flow tables: their statistics, and their features (OpenFlow 1.3.5 §7.3.5.5), which say what may be matched, written and
// done in each.
import { errorCodes } from '../wire/errors.ts'
import type { Reader } from '../wire/reader.ts'
import { list, pad, struct, text, u32, u64, u8, variant, type Codec, type ValueOf } from '../wire/struct.ts'
import type { Writer } from '../wire/writer.ts'
import { checked, sized } from './frame.ts'
import { property, type UnknownProperty } from './property.ts'

export const tableStatsRequest = variant('table', {})
const tableStats = struct('table_stats', { table: u8, pad: pad(3), active: u32, lookups: u64, matched: u64 })
export type TableStats = ValueOf<typeof tableStats>
export const tableStatsReply = variant('table', { tables: list(tableStats) })

/** An instruction or action that a table supports: `bytes` is what an experimenter's id has beyond type and length. */
export interface TypeId {
  readonly type: number
  readonly bytes: Uint8Array
}

/** A field that a table supports: an OXM header, with the experimenter of class 0xffff. */
export interface FieldId {
  readonly header: number
  readonly experimenter: number | null
}

const FEATURES = {
  instructions: 0,
  instructions_miss: 1,
  next_tables: 2,
  next_tables_miss: 3,
  write_actions: 4,
  write_actions_miss: 5,
  apply_actions: 6,
  apply_actions_miss: 7,
  match: 8,
  wildcards: 10,
  write_setfield: 12,
  write_setfield_miss: 13,
  apply_setfield: 14,
  apply_setfield_miss: 15,
} as const

type TypeFeature =
  | 'instructions'
  | 'instructions_miss'
  | 'write_actions'
  | 'write_actions_miss'
  | 'apply_actions'
  | 'apply_actions_miss'
type TableFeature = 'next_tables' | 'next_tables_miss'
type FieldFeature =
  | 'match'
  | 'wildcards'
  | 'write_setfield'
  | 'write_setfield_miss'
  | 'apply_setfield'
  | 'apply_setfield_miss'

export type TableProperty =
  | { [K in TypeFeature]: { readonly kind: K; readonly types: readonly TypeId[] } }[TypeFeature]
  | { [K in TableFeature]: { readonly kind: K; readonly tables: Uint8Array } }[TableFeature]
  | { [K in FieldFeature]: { readonly kind: K; readonly fields: readonly FieldId[] } }[FieldFeature]
  | UnknownProperty

// These ids are not padded to 8 bytes, unlike actions and instructions themselves.
const typeId: Codec<TypeId> = {
  read(r) {
    r.need(4, errorCodes.badPropertyLength)
    const type = r.u16()
    const length = r.u16()
    if (length < 4 || length - 4 > r.remaining) r.fail(errorCodes.badPropertyLength, `id of ${length} bytes`)
    return { type, bytes: r.raw(length - 4) }
  },
  write(w, value) {
    w.u16(value.type)
    w.u16(4 + value.bytes.length)
    w.raw(value.bytes)
  },
}
const typeIds = list(typeId)

const fieldId: Codec<FieldId> = {
  read(r) {
    r.need(4, errorCodes.badMatchLength)
    const header = r.u32()
    if (header >>> 16 !== 0xffff) return { header, experimenter: null }
    r.need(4, errorCodes.badMatchLength)
    return { header, experimenter: r.u32() }
  },
  write(w, value) {
    w.u32(value.header)
    if (value.experimenter !== null) w.u32(value.experimenter)
  },
}
const fieldIds = list(fieldId)

const ofTypes = <const K extends TypeFeature>(kind: K) => ({
  type: FEATURES[kind],
  size: 0,
  read: (r: Reader) => ({ kind, types: typeIds.read(r) }),
  write: (w: Writer, { types }: { readonly types: readonly TypeId[] }) => typeIds.write(w, types),
})

const ofTables = <const K extends TableFeature>(kind: K) => ({
  type: FEATURES[kind],
  size: 0,
  read(r: Reader) {
    const tables = r.raw(r.remaining)
    if (tables.includes(255)) r.fail(errorCodes.badPropertyValue, 'table 255')
    return { kind, tables }
  },
  write: (w: Writer, { tables }: { readonly tables: Uint8Array }) => w.raw(tables),
})

const ofFields = <const K extends FieldFeature>(kind: K) => ({
  type: FEATURES[kind],
  size: 0,
  read: (r: Reader) => ({ kind, fields: fieldIds.read(r) }),
  write: (w: Writer, { fields }: { readonly fields: readonly FieldId[] }) => fieldIds.write(w, fields),
})

const tableProperty = property<TableProperty>({
  instructions: ofTypes('instructions'),
  instructions_miss: ofTypes('instructions_miss'),
  next_tables: ofTables('next_tables'),
  next_tables_miss: ofTables('next_tables_miss'),
  write_actions: ofTypes('write_actions'),
  write_actions_miss: ofTypes('write_actions_miss'),
  apply_actions: ofTypes('apply_actions'),
  apply_actions_miss: ofTypes('apply_actions_miss'),
  match: ofFields('match'),
  wildcards: ofFields('wildcards'),
  write_setfield: ofFields('write_setfield'),
  write_setfield_miss: ofFields('write_setfield_miss'),
  apply_setfield: ofFields('apply_setfield'),
  apply_setfield_miss: ofFields('apply_setfield_miss'),
})

const REQUIRED = [
  'instructions',
  'next_tables',
  'write_actions',
  'apply_actions',
  'match',
  'wildcards',
  'write_setfield',
  'apply_setfield',
] as const

const featuresBody = struct('table_features', {
  length: pad(2),
  table: u8,
  pad: pad(5),
  name: text(32),
  metadataMatch: u64,
  metadataWrite: u64,
  config: u32,
  maximumEntries: u32,
  properties: list(tableProperty),
})
export type TableFeatures = ValueOf<typeof featuresBody>

function checkFeatures(r: Reader, { table, properties }: TableFeatures): void {
  if (table === 255) r.fail(errorCodes.badFeatureTable, 'table 255')
  const seen = new Set<string>()
  for (const { kind } of properties) {
    if (seen.has(kind) && kind !== 'unknown') r.fail(errorCodes.badTableFeatures, `${kind} twice`)
    seen.add(kind)
  }
  const missing = REQUIRED.find((kind) => !seen.has(kind))
  if (missing !== undefined) r.fail(errorCodes.badTableFeatures, `${missing} is missing`)
}

export const tableFeatures = checked(sized(featuresBody, 64, errorCodes.badPropertyLength), (value, r) =>
  checkFeatures(r, value),
)

/** An empty request asks for the features; a filled one sets them. */
export const tableFeaturesRequest = variant('table_features', { tables: list(tableFeatures) })
export const tableFeaturesReply = variant('table_features', { tables: list(tableFeatures) })

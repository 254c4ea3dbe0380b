// Column values between JSON and JavaScript (RFC 7047 §5.1 <value>), with the differences of update2
// (ovsdb-server(7) §4.1.14). One DatumCodec per declared column, made once; replica, select and transactions share it.
import { OvsdbError } from '../errors.ts'
import { clip, isArray, type Json } from '../rpc/message.ts'
import type { Column } from '../schema/column.ts'
import { atomDecoder, badValue, defaultAtoms, encodeAtom, type AtomValue } from './atom.ts'

export type Datum = AtomValue | null | readonly AtomValue[] | ReadonlyMap<AtomValue, AtomValue>

export interface DatumCodec {
  readonly defaultValue: Datum
  decode(json: Json): Datum
  /** The new value, from the old one and the difference that update2 carries. */
  applyDiff(old: Datum, json: Json): Datum
  encode(value: unknown): Json
  equals(a: Datum, b: Datum): boolean
}

/** Shared by all rows: most sets and maps of a database are empty. */
const emptySet: readonly AtomValue[] = []
const emptyMap: ReadonlyMap<AtomValue, AtomValue> = new Map()

export function datumCodec(column: Column): DatumCodec {
  if (column.kind === 'map') return mapCodec(column)
  return { scalar: scalarCodec, optional: optionalCodec, set: setCodec }[column.kind](column)
}

/** The elements of a <set>; a lone atom stands for a set of one. */
function elements(json: Json): readonly Json[] {
  if (isArray(json) && json[0] === 'set') {
    const list = json[1]
    if (json.length !== 2 || !isArray(list)) throw badValue('["set", […]]', json)
    return list
  }
  return [json]
}

function scalarCodec({ key }: Column): DatumCodec {
  const atom = atomDecoder(key)
  const decode = (json: Json): Datum => {
    if (!isArray(json) || json[0] !== 'set') return atom(json)
    const list = elements(json)
    if (list.length !== 1) throw badValue('exactly one value', json)
    return atom(list[0] as Json)
  }
  return {
    defaultValue: defaultAtoms[key.type],
    decode,
    applyDiff: (_old, json) => decode(json),
    encode: (value) => encodeAtom(key, value),
    equals: Object.is,
  }
}

function optionalCodec({ key }: Column): DatumCodec {
  const atom = atomDecoder(key)
  const decode = (json: Json): Datum => {
    const list = elements(json)
    if (list.length > 1) throw badValue('at most one value', json)
    return list.length === 0 ? null : atom(list[0] as Json)
  }
  return {
    defaultValue: null,
    decode,
    // Not "composite": the difference of a column of at most one value is its new value.
    applyDiff: (_old, json) => decode(json),
    encode: (value) => (value === null ? ['set', []] : encodeAtom(key, value)),
    equals: Object.is,
  }
}

function setCodec({ key, min, max }: Column): DatumCodec {
  const atom = atomDecoder(key)
  const check = (values: readonly AtomValue[]): readonly AtomValue[] => {
    if (max !== 'unlimited' && values.length > max) throw badValue(`at most ${max} values`, values)
    return values.length === 0 ? emptySet : values
  }
  const decode = (json: Json): readonly AtomValue[] => check(sorted(elements(json).map(atom)))
  return {
    defaultValue: min === 0 ? emptySet : [defaultAtoms[key.type]],
    decode,
    applyDiff: (old, json) => check(symmetricDifference(old as readonly AtomValue[], sorted(elements(json).map(atom)))),
    encode: (value) => ['set', asArray(value).map((element) => encodeAtom(key, element))],
    equals: (a, b) => sameArray(a as readonly AtomValue[], b as readonly AtomValue[]),
  }
}

function mapCodec(column: Column & { kind: 'map' }): DatumCodec {
  const { key, value, max } = column
  const keyAtom = atomDecoder(key)
  const valueAtom = atomDecoder(value)
  const decode = (json: Json): ReadonlyMap<AtomValue, AtomValue> => {
    if (!isArray(json) || json.length !== 2 || json[0] !== 'map' || !isArray(json[1]))
      throw badValue('["map", […]]', json)
    if (json[1].length === 0) return emptyMap
    const result = new Map<AtomValue, AtomValue>()
    for (const pair of json[1]) {
      if (!isArray(pair) || pair.length !== 2) throw badValue('a pair', pair)
      result.set(keyAtom(pair[0] as Json), valueAtom(pair[1] as Json))
    }
    if (max !== 'unlimited' && result.size > max) throw badValue(`at most ${max} pairs`, json)
    return result
  }
  return {
    defaultValue: emptyMap,
    decode,
    applyDiff: (old, json) =>
      max === 1 ? decode(json) : applyMapDiff(old as ReadonlyMap<AtomValue, AtomValue>, decode(json)),
    encode: (entries) => ['map', asEntries(entries).map(([k, v]) => [encodeAtom(key, k), encodeAtom(value, v)])],
    equals: (a, b) => sameMap(a as ReadonlyMap<AtomValue, AtomValue>, b as ReadonlyMap<AtomValue, AtomValue>),
  }
}

/** Bytes that a value takes, roughly: enough to keep a peer from filling the memory. Shared empty values cost nothing. */
export function weigh(value: Datum): number {
  if (typeof value === 'string') return 16 + value.length
  if (typeof value !== 'object' || value === null) return 0
  let bytes = 0
  if (value instanceof Map)
    for (const [key, item] of value as Map<AtomValue, AtomValue>) bytes += 32 + weigh(key) + weigh(item)
  else for (const item of value as readonly AtomValue[]) bytes += 8 + weigh(item)
  return bytes
}

/** Values of one column have one type, so `<` orders them. The server sends them sorted nearly always. */
function sorted(values: AtomValue[]): AtomValue[] {
  for (let i = 1; i < values.length; i++) {
    if ((values[i - 1] as AtomValue) < (values[i] as AtomValue)) continue
    values.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
    return values.filter((value, index) => index === 0 || value !== values[index - 1])
  }
  return values
}

/** Merges two sorted arrays, keeping what only one of them holds. */
function symmetricDifference(a: readonly AtomValue[], b: readonly AtomValue[]): readonly AtomValue[] {
  const result: AtomValue[] = []
  let i = 0
  let j = 0
  while (i < a.length && j < b.length) {
    const left = a[i] as AtomValue
    const right = b[j] as AtomValue
    if (left === right) {
      i += 1
      j += 1
    } else if (left < right) {
      result.push(left)
      i += 1
    } else {
      result.push(right)
      j += 1
    }
  }
  while (i < a.length) result.push(a[i++] as AtomValue)
  while (j < b.length) result.push(b[j++] as AtomValue)
  return result
}

/** A pair whose key is new is added, whose value differs replaces, and that is already there goes. */
function applyMapDiff(
  old: ReadonlyMap<AtomValue, AtomValue>,
  diff: ReadonlyMap<AtomValue, AtomValue>,
): ReadonlyMap<AtomValue, AtomValue> {
  const result = new Map(old)
  for (const [key, value] of diff) {
    if (result.get(key) === value) result.delete(key)
    else result.set(key, value)
  }
  return result.size === 0 ? emptyMap : result
}

function sameArray(a: readonly AtomValue[], b: readonly AtomValue[]): boolean {
  return a === b || (a.length === b.length && a.every((value, index) => value === b[index]))
}

function sameMap(a: ReadonlyMap<AtomValue, AtomValue>, b: ReadonlyMap<AtomValue, AtomValue>): boolean {
  if (a === b) return true
  if (a.size !== b.size) return false
  for (const [key, value] of a) if (b.get(key) !== value) return false
  return true
}

function asArray(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value
  throw new OvsdbError('bad-argument', `not an array: ${clip(String(value))}`)
}

function asEntries(value: unknown): (readonly [unknown, unknown])[] {
  if (value instanceof Map) return [...(value as Map<unknown, unknown>)]
  throw new OvsdbError('bad-argument', `not a Map: ${clip(String(value))}`)
}

// Atoms between JSON and JavaScript (RFC 7047 §5.1 <atom>). Everything that comes from the peer is checked here, once:
// a row that reaches a caller has the types its declaration promises.
import { OvsdbError } from '../errors.ts'
import { clip, isArray, type Json } from '../rpc/message.ts'
import type { Atom, AtomType, NamedUuid } from '../schema/column.ts'

export type AtomValue = number | boolean | string

/** Lower case, as ovsdb-server prints it. */
const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

export function isUuid(text: unknown): text is string {
  return typeof text === 'string' && text.length === 36 && uuidPattern.test(text)
}

export function badValue(expected: string, found: unknown): OvsdbError {
  return new OvsdbError('bad-value', `expected ${expected}, found ${clip(JSON.stringify(found) ?? String(found))}`)
}

const decoders: Record<AtomType, (json: Json) => AtomValue> = {
  integer: (json) => {
    if (typeof json === 'number' && Number.isInteger(json)) return json
    throw badValue('an integer', json)
  },
  real: (json) => {
    if (typeof json === 'number') return json
    throw badValue('a real', json)
  },
  boolean: (json) => {
    if (typeof json === 'boolean') return json
    throw badValue('a boolean', json)
  },
  string: (json) => {
    if (typeof json === 'string') return json
    throw badValue('a string', json)
  },
  uuid: (json) => {
    if (isArray(json) && json.length === 2 && json[0] === 'uuid' && isUuid(json[1])) return json[1]
    throw badValue('["uuid", …]', json)
  },
}

export function atomDecoder(atom: Atom): (json: Json) => AtomValue {
  return decoders[atom.type]
}

/** Throws OvsdbError 'bad-argument': values from untyped callers must not reach the server as something else. */
export function encodeAtom(atom: Atom, value: unknown): Json {
  switch (atom.type) {
    case 'integer':
      if (typeof value === 'number' && Number.isSafeInteger(value)) return value
      break
    case 'real':
      if (typeof value === 'number' && Number.isFinite(value)) return value
      break
    case 'boolean':
      if (typeof value === 'boolean') return value
      break
    case 'string':
      if (typeof value === 'string') return value
      break
    case 'uuid':
      if (isUuid(value)) return ['uuid', value]
      if (isNamedUuid(value)) return ['named-uuid', value.uuidName]
      break
  }
  throw new OvsdbError('bad-argument', `not a valid ${atom.type}: ${clip(JSON.stringify(value) ?? String(value))}`)
}

function isNamedUuid(value: unknown): value is NamedUuid {
  return typeof value === 'object' && value !== null && typeof (value as NamedUuid).uuidName === 'string'
}

/** RFC 7047 §5.2.1: the default of a column whose minimum is 1. */
export const defaultAtoms: Record<AtomType, AtomValue> = {
  integer: 0,
  real: 0,
  boolean: false,
  string: '',
  uuid: '00000000-0000-0000-0000-000000000000',
}

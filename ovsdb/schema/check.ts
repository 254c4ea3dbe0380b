// Checks a declaration against the schema that a server reports (RFC 7047 §3.2, §4.1.2): every table and column that
// is declared must be there with the type that our static types promise. A server may have more of everything.
import { OvsdbError } from '../errors.ts'
import { clip, isArray, isObject, type Json, type JsonObject } from '../rpc/message.ts'
import type { Atom, Column, Limits } from './column.ts'
import type { Database } from './database.ts'

export interface SchemaMismatch {
  readonly table: string
  /** Null: the table itself. */
  readonly column: string | null
  readonly expected: string
  readonly found: string
}

export class SchemaMismatchError extends OvsdbError {
  readonly mismatches: readonly SchemaMismatch[]

  constructor(database: string, mismatches: readonly SchemaMismatch[]) {
    const lines = mismatches.map(
      ({ table, column, expected, found }) =>
        `${table}${column ? `.${column}` : ''}: expected ${expected}, found ${found}`,
    )
    super('schema-mismatch', `the server's ${database} is not the one declared: ${lines.join('; ')}`)
    this.name = 'SchemaMismatchError'
    this.mismatches = mismatches
  }
}

/** All differences that matter, in the order of the declaration. Empty: rows will have their declared types. */
export function checkSchema(database: Database, schema: Json): SchemaMismatch[] {
  const tables = isObject(schema) && isObject(schema['tables']) ? schema['tables'] : {}
  return Object.entries(database.tables).flatMap(([table, columns]): SchemaMismatch[] => {
    const found = member(tables, table)
    if (!isObject(found)) return [{ table, column: null, expected: 'a table', found: 'nothing' }]
    const foundColumns = isObject(found['columns']) ? found['columns'] : {}
    return Object.entries(columns).flatMap(([column, declared]) => {
      const mismatch = compareColumn(declared, member(foundColumns, column))
      return mismatch ? [{ table, column, ...mismatch }] : []
    })
  })
}

type Mismatch = Pick<SchemaMismatch, 'expected' | 'found'>

function compareColumn(declared: Column, found: Json | undefined): Mismatch | null {
  if (!isObject(found) || found['type'] === undefined) return { expected: describe(declared), found: 'nothing' }
  const server = serverColumn(found)
  if (!server) return { expected: describe(declared), found: clip(JSON.stringify(found['type'])) }
  const same =
    server.kind === declared.kind &&
    withinBounds(declared, server) &&
    sameAtom(declared.key, server.key) &&
    (declared.kind !== 'map' || (server.kind === 'map' && sameAtom(declared.value, server.value))) &&
    // A column that we mean to change must allow it.
    (!declared.mutable || server.mutable)
  return same ? null : { expected: describe(declared), found: describe(server) }
}

/** The maximum tells how update2 writes differences; a server with other bounds would be misread. */
function withinBounds(declared: Column, server: Column): boolean {
  return declared.min === server.min && declared.max === server.max
}

function sameAtom(declared: Atom, server: Atom): boolean {
  if (declared.type !== server.type) return false
  if (declared.refTable !== server.refTable && declared.refTable !== undefined) return false
  // Values that we may write must be allowed; those a newer server adds are read as OtherValue.
  return server.values === undefined || (declared.values?.every((value) => server.values?.includes(value)) ?? true)
}

function serverColumn({ type, mutable }: JsonObject): Column | null {
  if (typeof type === 'string') return column({ key: type }, mutable !== false)
  return isObject(type) ? column(type, mutable !== false) : null
}

function column(type: JsonObject, mutable: boolean): Column | null {
  const { min = 1, max = 1, value } = type
  const key = atom(type['key'])
  if (!key || typeof min !== 'number' || (typeof max !== 'number' && max !== 'unlimited')) return null
  const limits: Limits = { min, max, mutable }
  if (value !== undefined) {
    const valueAtom = atom(value)
    return valueAtom && { kind: 'map', key, value: valueAtom, ...limits }
  }
  if (max !== 1) return { kind: 'set', key, ...limits }
  return min === 1 ? { kind: 'scalar', key, ...limits } : { kind: 'optional', key, ...limits }
}

function atom(json: Json | undefined): Atom | null {
  if (typeof json === 'string') return isAtomType(json) ? { type: json } : null
  if (!isObject(json) || !isAtomType(json['type'])) return null
  const { type, refTable } = json
  const values = json['enum'] === undefined ? null : enumValues(json['enum'])
  return { type, ...(typeof refTable === 'string' ? { refTable } : {}), ...(values ? { values } : {}) }
}

/** An enumeration of one value is written as a lone atom. */
function enumValues(json: Json): string[] {
  const list = isArray(json) && json[0] === 'set' && isArray(json[1]) ? json[1] : [json]
  return list.map(String)
}

function isAtomType(type: unknown): type is Atom['type'] {
  return typeof type === 'string' && ['integer', 'real', 'boolean', 'string', 'uuid'].includes(type)
}

function member(object: JsonObject, name: string): Json | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined
}

/** A column type in words, such as "map of string to uuid of Datapath". */
function describe(column: Column): string {
  const words = {
    scalar: describeAtom(column.key),
    optional: `optional ${describeAtom(column.key)}`,
    set: `set of ${describeAtom(column.key)}${bounds(column)}`,
    map: `map of ${describeAtom(column.key)} to ${describeAtom((column as { value?: Atom }).value ?? column.key)}${bounds(column)}`,
  }
  return `${column.mutable ? '' : 'immutable '}${words[column.kind]}`
}

function bounds({ min, max }: Column): string {
  return min === 0 && max === 'unlimited' ? '' : ` (${min} to ${max})`
}

function describeAtom({ type, refTable, values }: Atom): string {
  if (refTable) return `uuid of ${refTable}`
  return values ? `one of ${values.join(', ')}` : type
}

// A small database in memory that does what RFC 7047 says of transactions: all or nothing, named UUIDs, conditions, rows
// that nothing refers to any more go. It serves the simulated hosts; what clients of it need and it has not, it refuses.
import { randomUUID } from 'node:crypto'
import { OvsdbError } from '../../ovsdb/errors.ts'
import { TableCodec, type AnyRow } from '../../ovsdb/data/table.ts'
import type { Datum } from '../../ovsdb/data/datum.ts'
import type { Database, Json } from '../../ovsdb/index.ts'
import { isArray, isObject, type JsonObject } from '../../ovsdb/rpc/message.ts'
import type { Column } from '../../ovsdb/schema/column.ts'

/** What a transaction did to one row. */
export interface RowChange {
  readonly table: string
  readonly uuid: string
  readonly before: AnyRow | null
  readonly after: AnyRow | null
}

/** Declared tables, with what reads and writes their rows; made once for any number of databases. */
export class Schema {
  readonly name: string
  readonly tables: ReadonlyMap<string, TableCodec>
  readonly columns: Database['tables']
  /** Tables whose rows stay without being referred to (RFC 7047 §3.2 "isRoot"). */
  readonly roots: ReadonlySet<string>
  readonly #references: ReadonlyMap<string, readonly (readonly [column: string, table: string])[]>

  constructor({ name, tables }: Database, roots: readonly string[]) {
    this.name = name
    this.columns = tables
    this.roots = new Set(roots)
    const entries = Object.entries(tables)
    this.tables = new Map(entries.map(([table, columns]) => [table, new TableCodec(table, columns)]))
    const refersTo = ([column, type]: readonly [string, Column]) => {
      const table = type.kind === 'map' ? type.value.refTable : type.key.refTable
      return table === undefined ? [] : [[column, table] as const]
    }
    this.#references = new Map(
      entries.map(([table, columns]) => [table, Object.entries(columns).flatMap((each) => refersTo(each))]),
    )
  }

  codec(table: string): TableCodec {
    const codec = this.tables.get(table)
    if (codec === undefined) throw refusal('unknown table', table)
    return codec
  }

  *referencesOf(table: string, row: AnyRow): Generator<readonly [table: string, uuid: string]> {
    for (const [column, target] of this.#references.get(table) ?? []) {
      const value = row[column] as Datum
      if (typeof value === 'string') yield [target, value]
      else if (value instanceof Map) for (const uuid of value.values()) yield [target, uuid as string]
      else for (const uuid of (value as readonly string[] | null) ?? []) yield [target, uuid]
    }
  }
}

/** An error as a transaction's result says it (RFC 7047 §4.1.3). */
class Refusal extends Error {
  readonly json: JsonObject
  constructor(error: string, details: string) {
    super(`${error}: ${details}`)
    this.json = { error, details }
  }
}
const refusal = (error: string, details: string): Refusal => new Refusal(error, details)

const isNamed = (json: Json): json is readonly ['named-uuid', string] =>
  isArray(json) && json.length === 2 && json[0] === 'named-uuid'

/** The value with named UUIDs replaced by real ones. */
function resolve(json: Json, names: ReadonlyMap<string, string>): Json {
  if (isNamed(json)) {
    const uuid = names.get(json[1])
    if (uuid === undefined) throw refusal('syntax error', `no row is named ${json[1]}`)
    return ['uuid', uuid]
  }
  if (isArray(json)) return json.map((each) => resolve(each, names))
  if (!isObject(json)) return json
  return Object.fromEntries(Object.entries(json).map(([key, value]) => [key, resolve(value, names)]))
}

export class MemoryDatabase {
  readonly schema: Schema
  /** Of the last transaction that changed something. */
  lastTransaction: string = randomUUID()
  readonly #rows: ReadonlyMap<string, Map<string, AnyRow>>
  readonly #listeners = new Set<(changes: readonly RowChange[]) => void>()
  #before = new Map<string, Map<string, AnyRow | null>>()

  constructor(schema: Schema) {
    this.schema = schema
    this.#rows = new Map(Array.from(schema.tables.keys(), (table) => [table, new Map()]))
  }

  table(name: string): ReadonlyMap<string, AnyRow> {
    return this.#rowsOf(name)
  }

  /** Called after each transaction that changed something; returns what ends it. */
  watch(listener: (changes: readonly RowChange[]) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Does all operations or none; the results, the last of which is an error if they failed (RFC 7047 §4.1.3). */
  transact(operations: readonly Json[]): Json[] {
    const results: Json[] = []
    this.#before = new Map()
    try {
      const names = new Map(
        operations.flatMap((each) =>
          isObject(each) && typeof each['uuid-name'] === 'string' ? [[each['uuid-name'], randomUUID()] as const] : [],
        ),
      )
      for (const operation of operations) results.push(this.#do(resolve(operation, names) as JsonObject, names))
      this.#collectGarbage()
    } catch (error) {
      if (!(error instanceof Refusal) && !(error instanceof OvsdbError)) throw error
      this.#rollBack()
      results.push(error instanceof Refusal ? error.json : { error: 'constraint violation', details: error.message })
      return results
    }
    this.#tell()
    return results
  }

  #rowsOf(table: string): Map<string, AnyRow> {
    const rows = this.#rows.get(table)
    if (rows === undefined) throw refusal('unknown table', table)
    return rows
  }

  #put(table: string, uuid: string, after: AnyRow | null): void {
    const rows = this.#rowsOf(table)
    let before = this.#before.get(table)
    if (before === undefined) this.#before.set(table, (before = new Map()))
    if (!before.has(uuid)) before.set(uuid, rows.get(uuid) ?? null)
    if (after === null) rows.delete(uuid)
    else rows.set(uuid, after)
  }

  #rollBack(): void {
    for (const [table, rows] of this.#before) for (const [uuid, before] of rows) this.#put(table, uuid, before)
  }

  #tell(): void {
    const changes: RowChange[] = []
    for (const [table, rows] of this.#before) {
      for (const [uuid, before] of rows) {
        const after = this.#rowsOf(table).get(uuid) ?? null
        const kept = before !== null && after !== null ? this.schema.codec(table).reuse(before, after) : after
        if (kept !== before) changes.push({ table, uuid, before, after })
      }
    }
    if (changes.length === 0) return
    this.lastTransaction = randomUUID()
    for (const listener of this.#listeners) listener(changes)
  }

  #do(operation: JsonObject, names: ReadonlyMap<string, string>): Json {
    const { op, table = '', where = [], row = {} } = operation
    if (op === 'comment') return {}
    if (typeof table !== 'string' || !isArray(where)) throw refusal('syntax error', JSON.stringify(operation))
    const codec = this.schema.codec(table)
    if (op === 'insert') {
      const uuid = names.get(operation['uuid-name'] as string) ?? randomUUID()
      this.#put(table, uuid, codec.decodeRow(uuid, row))
      return { uuid: ['uuid', uuid] }
    }
    const found = Array.from(this.#candidates(table, where)).filter(([uuid, each]) =>
      satisfies(codec, uuid, each, where),
    )
    if (op === 'select') return { rows: found.map(([uuid, each]) => wholeRow(codec, uuid, each)) }
    for (const [uuid, before] of found) {
      if (op === 'delete') this.#put(table, uuid, null)
      else if (op === 'update') this.#put(table, uuid, updated(codec, uuid, before, row))
      else if (op === 'mutate') this.#put(table, uuid, mutated(codec, uuid, before, operation['mutations']))
      else throw refusal('not supported', JSON.stringify(op))
    }
    return { count: found.length }
  }

  /** The rows that may be meant: one alone where its UUID is told, as nearly always. */
  #candidates(table: string, where: readonly Json[]): Iterable<readonly [uuid: string, row: AnyRow]> {
    const rows = this.#rowsOf(table)
    for (const [column, operator, value] of where as readonly (readonly [string, string, Json])[]) {
      if (column !== '_uuid' || operator !== '==' || !isArray(value)) continue
      const uuid = value[1] as string
      const row = rows.get(uuid)
      return row === undefined ? [] : [[uuid, row]]
    }
    return rows
  }

  /** Deletes the rows that no row of a root table leads to. */
  #collectGarbage(): void {
    const reached = new Set<string>()
    const queue: (readonly [string, string])[] = []
    for (const root of this.schema.roots) for (const uuid of this.#rowsOf(root).keys()) queue.push([root, uuid])
    for (const [table, uuid] of queue) {
      if (reached.has(uuid)) continue
      const row = this.#rowsOf(table).get(uuid)
      if (row === undefined) throw refusal('referential integrity violation', `no row ${uuid} in ${table}`)
      reached.add(uuid)
      queue.push(...this.schema.referencesOf(table, row))
    }
    for (const [table, rows] of this.#rows) {
      for (const uuid of rows.keys()) if (!reached.has(uuid)) this.#put(table, uuid, null)
    }
  }
}

const wholeRow = (codec: TableCodec, uuid: string, row: AnyRow): JsonObject => {
  const { _uuid, ...values } = row
  return { _uuid: ['uuid', uuid], ...codec.encodeRow(values) }
}

const updated = (codec: TableCodec, uuid: string, before: AnyRow, row: Json): AnyRow => {
  const after = codec.decodeRow(uuid, row)
  const named = Object.keys(row as JsonObject).map((column) => [column, after[column] as Datum])
  return { ...before, ...(Object.fromEntries(named) as AnyRow) }
}

const decode = (codec: TableCodec, column: string, value: Json): Datum => {
  const type = codec.columns.get(column)
  if (type === undefined) throw refusal('unknown column', column)
  return type.decode(value)
}

const entriesOf = (value: Datum): readonly (readonly [unknown, unknown])[] => {
  if (value instanceof Map) return [...(value as Map<unknown, unknown>)]
  return (Array.isArray(value) ? value : value === null ? [] : [value]).map((each: unknown) => [each, null])
}

/** RFC 7047 §5.1 <condition>, for ==, !=, includes and excludes. */
function satisfies(codec: TableCodec, uuid: string, row: AnyRow, where: readonly Json[]): boolean {
  return where.every((condition) => {
    const [column, operator, value] = condition as readonly [string, string, Json]
    if (column === '_uuid') return (isArray(value) && value[1] === uuid) === (operator === '==')
    const wanted = decode(codec, column, value)
    const found = row[column] as Datum
    if (operator === '==' || operator === '!=')
      return (codec.columns.get(column)?.equals(found, wanted) ?? false) === (operator === '==')
    const has = new Map(entriesOf(found))
    const includes = ([key, item]: readonly [unknown, unknown]): boolean => has.has(key) && has.get(key) === item
    if (operator === 'includes') return entriesOf(wanted).every(includes)
    if (operator === 'excludes') return !entriesOf(wanted).some(includes)
    throw refusal('not supported', operator)
  })
}

/** RFC 7047 §5.1 <mutation>, for insert and delete of sets and maps. */
function mutated(codec: TableCodec, uuid: string, before: AnyRow, mutations: Json | undefined): AnyRow {
  const row: Record<string, Datum> = { ...before }
  for (const mutation of (mutations ?? []) as readonly (readonly [string, string, Json])[]) {
    const [column, operator, value] = mutation
    const old = row[column] as Datum
    const isMap = old instanceof Map
    const result = new Map(entriesOf(old))
    const keysOnly = isMap && operator === 'delete' && isArray(value) && value[0] === 'set'
    const change: readonly (readonly [unknown, unknown])[] = keysOnly
      ? (value[1] as readonly Json[]).map((key) => [key, undefined])
      : entriesOf(decode(codec, column, value))
    for (const [key, item] of change) {
      if (operator === 'insert') result.set(key, result.get(key) ?? item)
      else if (operator !== 'delete') throw refusal('not supported', operator)
      else if (item === undefined || result.get(key) === item) result.delete(key)
    }
    const json = codec.encodeRow({ [column]: isMap ? result : [...result.keys()] })
    row[column] = codec.decodeRow(uuid, json)[column] as Datum
  }
  return row
}

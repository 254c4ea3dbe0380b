// A local copy of the declared part of a database, kept by monitor replies and updates (RFC 7047 §4.1.5 and .6,
// ovsdb-server(7) §4.1.12 to .16). Pure: values in, net row changes out. It outlives connections: after a reconnection
// it asks for what it missed, and when the server cannot say, compares everything, so that a caller sees the same
// net changes either way and never a row deleted and inserted again.
import { isUuid } from './data/atom.ts'
import { TableCodec, type AnyRow } from './data/table.ts'
import { OvsdbError } from './errors.ts'
import { clip, isArray, isObject, type Json, type JsonObject } from './rpc/message.ts'
import type { Uuid } from './schema/column.ts'
import type { Condition, Database, Row, TableName, Tables } from './schema/database.ts'

/** Net change of one row by one update: inserted (before null), deleted (after null) or modified. */
export type RowChange<T extends Tables = Tables> = {
  [N in TableName<T>]: {
    readonly table: N
    readonly uuid: Uuid<N>
    readonly before: Row<T, N> | null
    readonly after: Row<T, N> | null
  }
}[TableName<T>]

/** Rows of a table to replicate: all that satisfy any of the clauses; `false` alone: none; left out: all. */
export type Where<T extends Tables> = { readonly [N in TableName<T>]?: readonly (Condition<T[N], N> | boolean)[] }

export type MonitorMethod = 'monitor_cond_since' | 'monitor_cond' | 'monitor'

interface AnyChange {
  readonly table: string
  readonly uuid: string
  readonly before: AnyRow | null
  readonly after: AnyRow | null
}

export interface ReplicaOptions {
  /** Rough limit of the memory for all rows; a server that sends more is at fault ('replica-too-large'). */
  readonly maxBytes?: number
}

const defaultMaxBytes = 1024 * 1024 * 1024

const zeroUuid = '00000000-0000-0000-0000-000000000000'

export class Replica<T extends Tables> {
  readonly database: Database<T>
  readonly #codecs: ReadonlyMap<string, TableCodec>
  readonly #rows: ReadonlyMap<string, Map<string, AnyRow>>
  #where: Where<T>
  /** Latest transaction that the contents include; zero: unknown, the next connection must send everything. */
  #lastTransaction = zeroUuid
  readonly #maxBytes: number
  #bytes = 0
  /** Changes of #where that the server has not confirmed. */
  #unconfirmed = 0

  constructor(database: Database<T>, where: Where<T> = {}, options: ReplicaOptions = {}) {
    this.database = database
    this.#maxBytes = options.maxBytes ?? defaultMaxBytes
    this.#where = where
    const names = Object.keys(database.tables)
    this.#codecs = new Map(names.map((name) => [name, new TableCodec(name, database.tables[name] ?? {})]))
    this.#rows = new Map(names.map((name) => [name, new Map<string, AnyRow>()]))
  }

  /** The rows of a table by UUID: a live view, to be read and not kept across updates. */
  table<N extends TableName<T>>(name: N): ReadonlyMap<Uuid<N>, Row<T, N>> {
    return this.#rows.get(name) as ReadonlyMap<string, unknown> as ReadonlyMap<Uuid<N>, Row<T, N>>
  }

  get lastTransaction(): string {
    return this.#lastTransaction
  }

  /** The parameters of the monitor request with this id. */
  monitorParams(method: MonitorMethod, id: Json): Json[] {
    const params: Json[] = [this.database.name, id, this.#requests(method !== 'monitor')]
    if (method === 'monitor_cond_since') params.push(this.#lastTransaction)
    return params
  }

  /** The parameters of monitor_cond_change to replicate other rows from now on; the updates that follow tell which. */
  changeWhere(id: Json, where: Where<T>): Json[] {
    const requests: Record<string, Json> = {}
    for (const table of Object.keys(where)) requests[table] = [{ where: this.#encodeWhere(table, where) }]
    this.#where = { ...this.#where, ...where }
    // The server's history knows nothing of conditions: a connection lost before the reply must not be resumed.
    this.#unconfirmed += 1
    this.#lastTransaction = zeroUuid
    return [id, id, requests]
  }

  /** To be called when the reply to monitor_cond_change is there: the rows now are those that were asked for. */
  confirmWhere(): void {
    this.#unconfirmed -= 1
  }

  /** Takes the reply to the monitor request and returns what it changes here. */
  applyReply(method: MonitorMethod, result: Json): RowChange<T>[] {
    this.#unconfirmed = 0
    if (method === 'monitor') return this.#replace(this.#decodeAll(result, 1))
    if (method === 'monitor_cond') return this.#replace(this.#decodeAll(result, 2))
    if (!isArray(result) || result.length !== 3 || typeof result[0] !== 'boolean' || !isUuid(result[1]))
      throw malformed('the reply to monitor_cond_since is not [found, last-txn-id, table-updates2]')
    const [found, last, updates] = result as [boolean, string, Json]
    const changes = found ? this.#apply(updates, 2) : this.#replace(this.#decodeAll(updates, 2))
    this.#lastTransaction = last
    return changes
  }

  /** Takes the params of an update, update2 or update3 notification, and returns the net changes. */
  applyUpdate(method: 'update' | 'update2' | 'update3', params: readonly Json[]): RowChange<T>[] {
    if (method === 'update') return this.#apply(params[1], 1)
    if (method === 'update2') return this.#apply(params[1], 2)
    const last = params[1]
    if (!isUuid(last)) throw malformed('update3 has no transaction id')
    const changes = this.#apply(params[2], 2)
    if (this.#unconfirmed === 0) this.#lastTransaction = last
    return changes
  }

  #requests(conditional: boolean): JsonObject {
    const requests: Record<string, Json> = {}
    for (const [name, codec] of this.#codecs) {
      const request: Record<string, Json> = { columns: [...codec.columns.keys()] }
      if (conditional && this.#where[name]) request['where'] = this.#encodeWhere(name, this.#where)
      requests[name] = [request]
    }
    return requests
  }

  #encodeWhere(table: string, where: Where<T>): Json {
    const codec = this.#codec(table)
    const clauses = where[table] ?? [true]
    // An empty list means "all" on the wire; here no clause means that no row can satisfy one.
    if (clauses.length === 0) return [false]
    return clauses.map((clause) =>
      typeof clause === 'boolean' ? clause : codec.encodeCondition(clause as readonly [string, string, unknown]),
    )
  }

  #codec(table: string): TableCodec {
    const codec = this.#codecs.get(table)
    if (!codec) throw malformed(`an update names table ${clip(table)}, which is not monitored`)
    return codec
  }

  /** Applies <table-updates> (version 1) or <table-updates2>. All is decoded before anything is changed. */
  #apply(updates: Json | undefined, version: 1 | 2): RowChange<T>[] {
    const changes: AnyChange[] = []
    for (const [codec, uuid, update] of this.#rowUpdates(updates)) {
      const before = this.#rows.get(codec.name)?.get(uuid) ?? null
      const after = version === 1 ? rowAfter(codec, uuid, update) : rowAfter2(codec, uuid, update, before)
      if (before === null && after === null) continue
      const kept = before && after ? codec.reuse(before, after) : after
      if (kept !== before) changes.push({ table: codec.name, uuid, before, after: kept })
    }
    return this.#commit(changes)
  }

  /** Everything that a full reply holds, by table. */
  #decodeAll(updates: Json, version: 1 | 2): Map<string, Map<string, AnyRow>> {
    const tables = new Map<string, Map<string, AnyRow>>()
    for (const [codec, uuid, update] of this.#rowUpdates(updates)) {
      const after = version === 1 ? rowAfter(codec, uuid, update) : rowAfter2(codec, uuid, update, null)
      if (!after) throw malformed(`an initial reply deletes row ${uuid}`)
      let rows = tables.get(codec.name)
      if (!rows) tables.set(codec.name, (rows = new Map()))
      rows.set(uuid, after)
    }
    return tables
  }

  #replace(tables: ReadonlyMap<string, ReadonlyMap<string, AnyRow>>): RowChange<T>[] {
    const changes: AnyChange[] = []
    for (const [table, rows] of this.#rows) {
      const next = tables.get(table)
      for (const [uuid, before] of rows) if (!next?.has(uuid)) changes.push({ table, uuid, before, after: null })
      if (!next) continue
      const codec = this.#codec(table)
      for (const [uuid, row] of next) {
        const before = rows.get(uuid) ?? null
        const after = before ? codec.reuse(before, row) : row
        if (after !== before) changes.push({ table, uuid, before, after })
      }
    }
    return this.#commit(changes)
  }

  #commit(changes: readonly AnyChange[]): RowChange<T>[] {
    let bytes = this.#bytes
    for (const { table, before, after } of changes) {
      const codec = this.#codec(table)
      bytes += (after ? codec.weigh(after) : 0) - (before ? codec.weigh(before) : 0)
    }
    if (bytes > this.#maxBytes)
      throw new OvsdbError(
        'replica-too-large',
        `the rows of ${this.database.name} take more than ${this.#maxBytes} bytes`,
      )
    this.#bytes = bytes
    for (const { table, uuid, after } of changes) {
      if (after) this.#rows.get(table)?.set(uuid, after)
      else this.#rows.get(table)?.delete(uuid)
    }
    return changes as readonly unknown[] as RowChange<T>[]
  }

  *#rowUpdates(updates: Json | undefined): Generator<[TableCodec, string, JsonObject]> {
    if (!isObject(updates)) throw malformed('table updates are not an object')
    for (const [table, rows] of Object.entries(updates)) {
      const codec = this.#codec(table)
      if (!isObject(rows)) throw malformed(`the updates of table ${table} are not an object`)
      for (const uuid in rows) {
        if (!isUuid(uuid)) throw malformed(`table ${table} has a row named ${clip(uuid)}, which is not a UUID`)
        const update = rows[uuid]
        if (!isObject(update)) throw malformed(`the update of row ${uuid} is not an object`)
        yield [codec, uuid, update]
      }
    }
  }
}

/** RFC 7047 §4.1.6: 'new' has every monitored column; without it the row is gone. */
function rowAfter(codec: TableCodec, uuid: string, update: JsonObject): AnyRow | null {
  return update['new'] === undefined ? null : codec.decodeRow(uuid, update['new'])
}

/** ovsdb-server(7) §4.1.14. */
function rowAfter2(codec: TableCodec, uuid: string, update: JsonObject, before: AnyRow | null): AnyRow | null {
  if (update['modify'] !== undefined) {
    if (!before) throw malformed(`row ${uuid} of table ${codec.name} is modified but was never inserted`)
    return codec.applyDiff(before, uuid, update['modify'])
  }
  const whole = update['initial'] ?? update['insert']
  if (whole !== undefined) return codec.decodeRow(uuid, whole)
  if (update['delete'] !== undefined) return null
  throw malformed(`the update of row ${uuid} is none of initial, insert, modify and delete`)
}

function malformed(why: string): OvsdbError {
  return new OvsdbError('bad-message', why)
}

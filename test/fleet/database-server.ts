// What ovsdb-server says on one connection: the databases it has, their schemas, transactions, and monitors whose updates
// come before the answer to the transaction that caused them (RFC 7047 §4.1, ovsdb-server(7) §4.1.12 to .15).
import type { Json } from '../../ovsdb/index.ts'
import type { Datum } from '../../ovsdb/data/datum.ts'
import type { AnyRow } from '../../ovsdb/data/table.ts'
import { isObject, type JsonObject } from '../../ovsdb/rpc/message.ts'
import type { Serve } from '../../ovsdb/rpc/session.ts'
import type { MemoryDatabase, RowChange } from './database.ts'
import { schemaOf } from './schema.ts'

type Answer = ReturnType<Serve>
type Entries = ReadonlyMap<unknown, unknown>

interface Monitor {
  readonly id: Json
  readonly method: 'update2' | 'update3'
  /** By table. */
  readonly columns: ReadonlyMap<string, readonly string[]>
}

export class DatabaseServer {
  readonly #databases: ReadonlyMap<string, MemoryDatabase>
  readonly #notify: (method: string, params: readonly Json[]) => void
  /** Ends each monitor, by its id as text. */
  readonly #monitors = new Map<string, () => void>()

  constructor(databases: readonly MemoryDatabase[], notify: (method: string, params: readonly Json[]) => void) {
    this.#databases = new Map(databases.map((each) => [each.schema.name, each]))
    this.#notify = notify
  }

  /** The connection has ended. */
  close(): void {
    for (const end of this.#monitors.values()) end()
    this.#monitors.clear()
  }

  serve(method: string, params: readonly Json[]): Answer {
    const [first, ...rest] = params
    if (method === 'list_dbs') return { result: [...this.#databases.keys()] }
    if (method === 'set_db_change_aware') return { result: {} }
    if (method === 'monitor_cancel') return this.#cancel(JSON.stringify(first))
    const isKnown = ['get_schema', 'transact', 'monitor_cond', 'monitor_cond_since'].includes(method)
    if (!isKnown) return null
    const database = this.#databases.get(first as string)
    if (database === undefined) return { error: { error: 'unknown database', details: JSON.stringify(first) } }
    if (method === 'get_schema') return { result: schemaOf(database.schema) }
    if (method === 'transact') return { result: database.transact(rest) }
    return this.#monitor(database, method === 'monitor_cond_since', rest)
  }

  #cancel(key: string): Answer {
    const end = this.#monitors.get(key)
    if (end === undefined) return { error: 'unknown monitor' }
    end()
    this.#monitors.delete(key)
    return { result: {} }
  }

  #monitor(database: MemoryDatabase, since: boolean, [id = null, requests = {}, last]: readonly Json[]): Answer {
    const columns = new Map<string, readonly string[]>()
    for (const [table, list] of Object.entries(requests as JsonObject)) {
      const [request] = list as readonly JsonObject[]
      if (!isObject(request) || request['where'] !== undefined) return { error: 'conditions are not supported' }
      const names = request['columns'] as readonly string[]
      const unknown = names.find((name) => database.schema.codec(table).columns.get(name) === undefined)
      if (unknown !== undefined) return { error: { error: 'unknown column', details: unknown } }
      columns.set(table, names)
    }
    const monitor: Monitor = { id, method: since ? 'update3' : 'update2', columns }
    this.#monitors.set(
      JSON.stringify(id),
      database.watch((changes) => this.#update(database, monitor, changes)),
    )
    if (!since) return { result: initial(database, monitor) }
    const isCurrent = last === database.lastTransaction
    return { result: [isCurrent, database.lastTransaction, isCurrent ? {} : initial(database, monitor)] }
  }

  #update(database: MemoryDatabase, monitor: Monitor, changes: readonly RowChange[]): void {
    const updates = updatesOf(database, monitor, changes, 'insert')
    if (Object.keys(updates).length === 0) return
    const position = monitor.method === 'update3' ? [database.lastTransaction] : []
    this.#notify(monitor.method, [monitor.id, ...position, updates])
  }
}

function initial(database: MemoryDatabase, monitor: Monitor): Json {
  const rows = Array.from(monitor.columns.keys()).flatMap((table) =>
    Array.from(database.table(table), ([uuid, after]) => ({ table, uuid, before: null, after })),
  )
  return updatesOf(database, monitor, rows, 'initial')
}

/** <table-updates2>: of a new row what is not the default, of a changed one the differences. */
function updatesOf(
  { schema }: MemoryDatabase,
  { columns }: Monitor,
  changes: readonly RowChange[],
  newRow: 'initial' | 'insert',
): JsonObject {
  const tables: Record<string, Record<string, Json>> = {}
  const defaults = new Map<string, AnyRow>()
  const defaultsOf = (table: string): AnyRow => {
    let row = defaults.get(table)
    if (row === undefined) defaults.set(table, (row = schema.codec(table).decodeRow('', {})))
    return row
  }
  for (const { table, uuid, before, after } of changes) {
    const names = columns.get(table)
    if (names === undefined) continue
    const codec = schema.codec(table)
    const from = before ?? defaultsOf(table)
    const differing = after === null ? [] : names.filter((name) => !equals(name, from, after))
    if (after !== null && before !== null && differing.length === 0) continue
    const values = differing.map((name) => [
      name,
      before === null ? after?.[name] : difference(before[name], after?.[name]),
    ])
    const row = codec.encodeRow(Object.fromEntries(values) as Record<string, unknown>)
    const update: Json = after === null ? { delete: null } : before === null ? { [newRow]: row } : { modify: row }
    ;(tables[table] ??= {})[uuid] = update
    function equals(name: string, a: AnyRow, b: AnyRow): boolean {
      return codec.columns.get(name)?.equals(a[name] as Datum, b[name] as Datum) ?? true
    }
  }
  return tables
}

/** ovsdb-server(7) §4.1.14: of a set, what is in one of the two; of a map, also what has another value; else the value. */
function difference(before: Datum | undefined, after: Datum | undefined): unknown {
  if (Array.isArray(before) && Array.isArray(after)) {
    const [a, b] = [new Set<unknown>(before), new Set<unknown>(after)]
    return [...[...a].filter((each) => !b.has(each)), ...[...b].filter((each) => !a.has(each))]
  }
  if (!(before instanceof Map) || !(after instanceof Map)) return after
  const [a, b] = [before as Entries, after as Entries]
  const gone = Array.from(a).filter(([key]) => !b.has(key))
  const changed = Array.from(b).filter(([key, value]) => a.get(key) !== value)
  return new Map([...gone, ...changed])
}

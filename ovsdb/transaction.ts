// A transaction: operations collected in order and sent as one `transact` request (RFC 7047 §4.1.3, §5.2), which the
// server commits whole or not at all. Pure: it makes the parameters and reads the reply; a Connection sends it.
import { isUuid } from './data/atom.ts'
import { TableCodec } from './data/table.ts'
import { OvsdbError } from './errors.ts'
import { isArray, isObject, type Json, type JsonObject } from './rpc/message.ts'
import type { NamedUuid, Uuid } from './schema/column.ts'
import type { Condition, Database, Insert, Mutation, Row, TableName, Tables, Update } from './schema/database.ts'
import { toTransactionError, type TransactionError } from './transaction-error.ts'

declare const resultOf: unique symbol

/** Names the result of one operation of a transaction. */
export interface Step<Result> {
  readonly operation: number
  readonly [resultOf]?: Result
}

/** An inserted row: names it in later operations of the same transaction, and its UUID in the outcome. */
export type InsertStep<N extends string> = Step<Uuid<N>> & NamedUuid<N>

export type Outcome =
  | { readonly kind: 'committed'; readonly results: Results }
  | { readonly kind: 'failed'; readonly error: TransactionError }

export interface Results {
  get<Result>(step: Step<Result>): Result
}

type ReadResult = (json: Json) => unknown
type SelectedRow<T extends Tables, N extends TableName<T>, C> = Pick<Row<T, N>, '_uuid' | (C & keyof Row<T, N>)>

/** In a wait: the rows that the condition finds, compared in the columns given. */
export interface Wait<T extends Tables, N extends TableName<T>, C extends keyof T[N] & string> {
  readonly where: readonly Condition<T[N], N>[]
  readonly columns: readonly C[]
  readonly until: '==' | '!='
  readonly rows: readonly { readonly [K in C]: Insert<T[N]>[K] }[]
  /** Zero (the default) makes it a guard: fail at once with 'timed out' unless it holds. 'forever' waits. */
  readonly timeoutMilliseconds?: number | 'forever'
}

export class Transaction<T extends Tables> {
  readonly #database: Database<T>
  readonly #operations: JsonObject[] = []
  readonly #readers: ReadResult[] = []
  readonly #codecs = new Map<string, TableCodec>()

  constructor(database: Database<T>) {
    this.#database = database
  }

  get length(): number {
    return this.#operations.length
  }

  /** RFC 7047 §5.2.1. With `uuid` the row gets that UUID (OVS 2.13 and later). */
  insert<N extends TableName<T>>(table: N, row: Insert<T[N]>, uuid?: Uuid<N>): InsertStep<N> {
    const uuidName = `row${this.#operations.length}`
    const operation: Record<string, Json> = { op: 'insert', table, row: this.#codec(table).encodeRow(row) }
    operation['uuid-name'] = uuidName
    if (uuid !== undefined) operation['uuid'] = uuid
    return { ...this.#add<Uuid<N>>(operation, readUuid), uuidName, table }
  }

  /** RFC 7047 §5.2.2. The result has the columns asked for, all that are declared by default. */
  select<N extends TableName<T>, C extends keyof T[N] & string = keyof T[N] & string>(
    table: N,
    where: readonly Condition<T[N], N>[],
    columns?: readonly C[],
  ): Step<readonly SelectedRow<T, N, C>[]> {
    const codec = this.#codec(table)
    const selected = columns ? codec.narrow(columns) : codec
    const names = ['_uuid', ...selected.columns.keys()]
    return this.#add({ op: 'select', table, where: encodeWhere(codec, where), columns: names }, (json) =>
      readRows(selected, json),
    )
  }

  /** RFC 7047 §5.2.3. The result is the number of rows found, changed or not. */
  update<N extends TableName<T>>(table: N, where: readonly Condition<T[N], N>[], row: Update<T[N]>): Step<number> {
    const codec = this.#codec(table)
    return this.#add({ op: 'update', table, where: encodeWhere(codec, where), row: codec.encodeRow(row) }, readCount)
  }

  /** RFC 7047 §5.2.4. The result is the number of rows found. */
  mutate<N extends TableName<T>>(
    table: N,
    where: readonly Condition<T[N], N>[],
    mutations: readonly Mutation<T[N]>[],
  ): Step<number> {
    const codec = this.#codec(table)
    const encoded = mutations.map((mutation) => codec.encodeMutation(mutation as readonly [string, string, unknown]))
    return this.#add({ op: 'mutate', table, where: encodeWhere(codec, where), mutations: encoded }, readCount)
  }

  /** RFC 7047 §5.2.5. The result is the number of rows deleted. */
  delete<N extends TableName<T>>(table: N, where: readonly Condition<T[N], N>[]): Step<number> {
    const codec = this.#codec(table)
    return this.#add({ op: 'delete', table, where: encodeWhere(codec, where) }, readCount)
  }

  /** RFC 7047 §5.2.6. */
  wait<N extends TableName<T>, C extends keyof T[N] & string>(table: N, wait: Wait<T, N, C>): Step<void> {
    const codec = this.#codec(table)
    const operation: Record<string, Json> = {
      op: 'wait',
      table,
      where: encodeWhere(codec, wait.where),
      columns: wait.columns,
      until: wait.until,
      rows: wait.rows.map((row) => codec.encodeRow(row)),
    }
    const timeout = wait.timeoutMilliseconds ?? 0
    if (timeout !== 'forever') operation['timeout'] = timeout
    return this.#add(operation, readNothing)
  }

  /** RFC 7047 §5.2.7: with `durable` the reply comes only when the data is on disk. */
  commit(durable: boolean): Step<void> {
    return this.#add({ op: 'commit', durable }, readNothing)
  }

  /** RFC 7047 §5.2.8: fails the transaction with 'aborted'. */
  abort(): Step<void> {
    return this.#add({ op: 'abort' }, readNothing)
  }

  /** RFC 7047 §5.2.9: a line for the server's log. */
  comment(comment: string): Step<void> {
    return this.#add({ op: 'comment', comment }, readNothing)
  }

  /** RFC 7047 §5.2.10: fails with 'not owner' unless this connection holds the lock. */
  assert(lock: string): Step<void> {
    return this.#add({ op: 'assert', lock }, readNothing)
  }

  /** The parameters of the transact request. */
  params(): Json[] {
    return [this.#database.name, ...this.#operations]
  }

  /** Reads the reply: results in order, or the first error (RFC 7047 §4.1.3). Throws OvsdbError if it is neither. */
  outcome(reply: Json): Outcome {
    if (!isArray(reply)) throw new OvsdbError('bad-message', 'the reply to transact is not an array')
    const failed = reply.findIndex((result) => isObject(result) && result['error'] !== undefined)
    if (failed >= 0) {
      const operation = failed < this.#operations.length ? failed : null
      return { kind: 'failed', error: toTransactionError(reply[failed] as Json, operation) }
    }
    if (reply.length !== this.#operations.length)
      throw new OvsdbError(
        'bad-message',
        `transact replied ${reply.length} results to ${this.#operations.length} operations`,
      )
    const values = reply.map((result, index) => this.#readers[index]?.(result))
    return { kind: 'committed', results: { get: <Result>(step: Step<Result>) => values[step.operation] as Result } }
  }

  #add<Result>(operation: JsonObject, read: ReadResult): Step<Result> {
    this.#readers.push(read)
    return { operation: this.#operations.push(operation) - 1 }
  }

  #codec(table: string): TableCodec {
    let codec = this.#codecs.get(table)
    if (codec) return codec
    const columns = this.#database.tables[table]
    if (!columns) throw new OvsdbError('bad-argument', `database ${this.#database.name} declares no table ${table}`)
    codec = new TableCodec(table, columns)
    this.#codecs.set(table, codec)
    return codec
  }
}

function encodeWhere(codec: TableCodec, where: readonly unknown[]): Json[] {
  return where.map((condition) => codec.encodeCondition(condition as readonly [string, string, unknown]))
}

function readUuid(json: Json): string {
  const uuid = isObject(json) ? json['uuid'] : undefined
  if (isArray(uuid) && uuid[0] === 'uuid' && isUuid(uuid[1])) return uuid[1]
  throw new OvsdbError('bad-message', 'the result of an insert has no uuid')
}

function readCount(json: Json): number {
  const count = isObject(json) ? json['count'] : undefined
  if (typeof count === 'number') return count
  throw new OvsdbError('bad-message', 'the result of an operation has no count')
}

function readNothing(): void {}

function readRows(codec: TableCodec, json: Json): unknown {
  const rows = isObject(json) ? json['rows'] : undefined
  if (!isArray(rows)) throw new OvsdbError('bad-message', 'the result of a select has no rows')
  return rows.map((row) => {
    const uuid = isObject(row) ? row['_uuid'] : undefined
    if (!isArray(uuid) || !isUuid(uuid[1])) throw new OvsdbError('bad-message', 'a selected row has no _uuid')
    return codec.decodeRow(uuid[1], row)
  })
}

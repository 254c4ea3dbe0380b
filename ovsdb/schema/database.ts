// A database declaration: one const value from which rows, insert values, conditions and mutations get their types,
// and against which the server's schema is checked (check.ts). It may name only some tables and columns: those are
// what a replica monitors and holds.
import type {
  Column,
  ColumnRead,
  ColumnWrite,
  Immutable,
  MapColumn,
  SetColumn,
  OptionalColumn,
  Uuid,
} from './column.ts'
import type { AtomRead, AtomWrite } from './column.ts'

export type Columns = { readonly [column: string]: Column }
export type Tables = { readonly [table: string]: Columns }

export interface Database<T extends Tables = Tables> {
  readonly name: string
  readonly tables: T
}

export function database<const T extends Tables>(name: string, tables: T): Database<T> {
  return { name, tables }
}

type Choice<T extends Tables> = { readonly [N in keyof T]?: '*' | readonly (keyof T[N] & string)[] }
type Chosen<T extends Tables, C extends Choice<T>> = {
  readonly [N in keyof C & keyof T]: C[N] extends readonly (infer P)[] ? Pick<T[N], P & keyof T[N]> : T[N]
}

/** A narrower declaration: the named tables, each with all its columns ('*') or those listed. */
export function pick<T extends Tables, const C extends Choice<T>>(db: Database<T>, choice: C): Database<Chosen<T, C>> {
  const tables: Record<string, Columns> = {}
  for (const [name, columns] of Object.entries<'*' | readonly string[] | undefined>(choice)) {
    const all = db.tables[name] as Columns
    tables[name] =
      columns === '*' || columns === undefined
        ? all
        : Object.fromEntries(columns.map((column) => [column, all[column] as Column]))
  }
  return { name: db.name, tables: tables as unknown as Chosen<T, C> }
}

export type TableName<T extends Tables> = keyof T & string

/** A row as a replica or a select yields it. */
export type Row<T extends Tables, N extends TableName<T>> = { readonly _uuid: Uuid<N> } & {
  readonly [C in keyof T[N]]: ColumnRead<T[N][C]>
}

/** Values for an insert; a column left out gets the server's default (RFC 7047 §5.2.1). */
export type Insert<C extends Columns> = { readonly [K in keyof C]?: ColumnWrite<C[K]> }

type MutableNames<C extends Columns> = { [K in keyof C]: C[K] extends Immutable<Column> ? never : K }[keyof C]

/** Values for an update; immutable columns cannot be named. */
export type Update<C extends Columns> = { readonly [K in MutableNames<C>]?: ColumnWrite<C[K]> }

type Numeric<C extends Column> = C extends { readonly kind: 'scalar' | 'optional' }
  ? number extends AtomRead<C['key']>
    ? true
    : false
  : false

/** One clause on one column (RFC 7047 §5.1 <condition>); all clauses of a list must hold. */
export type Condition<C extends Columns, N extends string = string> =
  | {
      [K in keyof C & string]:
        | readonly [K, '==' | '!=' | 'includes' | 'excludes', ColumnWrite<C[K]>]
        | (Numeric<C[K]> extends true ? readonly [K, '<' | '<=' | '>' | '>=', number] : never)
    }[keyof C & string]
  | readonly ['_uuid', '==' | '!=', Uuid<N>]

type MutationOf<K extends string, C extends Column> =
  C extends Immutable<Column>
    ? never
    :
        | (number extends AtomRead<C['key']>
            ? C extends MapColumn
              ? never
              : readonly [K, '+=' | '-=' | '*=' | '/=' | '%=', number]
            : never)
        | (C extends SetColumn<infer A> | OptionalColumn<infer A>
            ? readonly [K, 'insert' | 'delete', readonly AtomWrite<A>[]]
            : never)
        | (C extends MapColumn<infer KA, infer VA>
            ?
                | readonly [K, 'insert' | 'delete', ReadonlyMap<AtomWrite<KA>, AtomWrite<VA>>]
                | readonly [K, 'delete', readonly AtomWrite<KA>[]]
            : never)

/** One change of one column in place (RFC 7047 §5.1 <mutation>). */
export type Mutation<C extends Columns> = { [K in keyof C & string]: MutationOf<K, C[K]> }[keyof C & string]

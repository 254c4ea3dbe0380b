// Column types as values from which TypeScript derives the static types (RFC 7047 §3.2 <type>). A column is one
// value, an optional value (min 0, max 1), a set or a map of atoms. Sets are readonly arrays, sorted and without
// duplicates. Maps are ReadonlyMap, not records: keys may be integers or uuids, and text from a peer is never used
// as a property name (a key '__proto__' is just a key).

declare const tableOf: unique symbol
declare const other: unique symbol
declare const read: unique symbol
declare const write: unique symbol

/** The UUID of a row of table T. */
export type Uuid<T extends string = string> = string & { readonly [tableOf]: T }

/** Stands for the UUID of a row that the same transaction inserts (RFC 7047 §3.1 <named-uuid>). */
export interface NamedUuid<T extends string = string> {
  readonly uuidName: string
  readonly table: T
}

/** A value that a newer server allows in an enumeration and our declaration does not know. */
export type OtherValue = string & { readonly [other]: true }

export type AtomType = 'integer' | 'real' | 'boolean' | 'string' | 'uuid'

/** Read: what rows hold. Write: what transactions and conditions take. */
export interface Atom<Read = unknown, Write = unknown> {
  readonly type: AtomType
  readonly values?: readonly string[]
  readonly refTable?: string
  readonly [read]?: Read
  readonly [write]?: Write
}

/** Integers are JavaScript numbers: exact up to 2^53 - 1 either way, beyond that rows hold the nearest number. */
export const integer: Atom<number, number> = { type: 'integer' }
export const real: Atom<number, number> = { type: 'real' }
export const boolean: Atom<boolean, boolean> = { type: 'boolean' }
export const string: Atom<string, string> = { type: 'string' }
export const uuid: Atom<Uuid, Uuid> = { type: 'uuid' }

/** A string out of an enumeration. */
export function oneOf<const V extends string>(...values: readonly V[]): Atom<V | OtherValue, V> {
  return { type: 'string', values }
}

/** A reference to a row, strong or weak. */
export function ref<const T extends string>(table: T): Atom<Uuid<T>, Uuid<T> | NamedUuid<T>> {
  return { type: 'uuid', refTable: table }
}

export type AtomRead<A> = A extends { readonly [read]?: infer R } ? Exclude<R, undefined> : never
export type AtomWrite<A> = A extends { readonly [write]?: infer W } ? Exclude<W, undefined> : never

export interface Limits {
  readonly min: number
  readonly max: number | 'unlimited'
  readonly mutable: boolean
}
export interface ScalarColumn<A extends Atom = Atom> extends Limits {
  readonly kind: 'scalar'
  readonly key: A
}
export interface OptionalColumn<A extends Atom = Atom> extends Limits {
  readonly kind: 'optional'
  readonly key: A
}
export interface SetColumn<A extends Atom = Atom> extends Limits {
  readonly kind: 'set'
  readonly key: A
}
export interface MapColumn<K extends Atom = Atom, V extends Atom = Atom> extends Limits {
  readonly kind: 'map'
  readonly key: K
  readonly value: V
}
/** A column that cannot be changed after its row is inserted (RFC 7047 §3.2 "mutable": false). */
export type Immutable<C extends Column> = C & { readonly mutable: false }
export type Column = ScalarColumn | OptionalColumn | SetColumn | MapColumn

export type Bounds = Partial<Pick<Limits, 'min' | 'max'>>

export function scalar<A extends Atom>(key: A): ScalarColumn<A> {
  return { kind: 'scalar', key, min: 1, max: 1, mutable: true }
}

export function optional<A extends Atom>(key: A): OptionalColumn<A> {
  return { kind: 'optional', key, min: 0, max: 1, mutable: true }
}

export function set<A extends Atom>(key: A, { min = 0, max = 'unlimited' }: Bounds = {}): SetColumn<A> {
  return { kind: 'set', key, min, max, mutable: true }
}

export function map<K extends Atom, V extends Atom>(
  key: K,
  value: V,
  { min = 0, max = 'unlimited' }: Bounds = {},
): MapColumn<K, V> {
  return { kind: 'map', key, value, min, max, mutable: true }
}

export function immutable<C extends Column>(column: C): Immutable<C> {
  return { ...column, mutable: false }
}

export type ColumnRead<C> =
  C extends ScalarColumn<infer A>
    ? AtomRead<A>
    : C extends OptionalColumn<infer A>
      ? AtomRead<A> | null
      : C extends SetColumn<infer A>
        ? readonly AtomRead<A>[]
        : C extends MapColumn<infer K, infer V>
          ? ReadonlyMap<AtomRead<K>, AtomRead<V>>
          : never

export type ColumnWrite<C> =
  C extends ScalarColumn<infer A>
    ? AtomWrite<A>
    : C extends OptionalColumn<infer A>
      ? AtomWrite<A> | null
      : C extends SetColumn<infer A>
        ? readonly AtomWrite<A>[]
        : C extends MapColumn<infer K, infer V>
          ? ReadonlyMap<AtomWrite<K>, AtomWrite<V>>
          : never

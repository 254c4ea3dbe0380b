// The schema that a database server reports (RFC 7047 §3.2), made from a declaration: the reverse of ovsdb/schema/check.ts.
import type { Json } from '../../ovsdb/index.ts'
import type { Atom, Column } from '../../ovsdb/schema/column.ts'
import type { Schema } from './database.ts'

function atomType({ type, values, refTable }: Atom): Json {
  return {
    type,
    ...(values === undefined ? {} : { enum: ['set', values] }),
    ...(refTable === undefined ? {} : { refTable }),
  }
}

function columnSchema(column: Column): Json {
  const { key, min, max, mutable } = column
  const value = column.kind === 'map' ? { value: atomType(column.value) } : {}
  return { type: { key: atomType(key), ...value, min, max }, mutable }
}

export function schemaOf({ name, columns, roots }: Schema): Json {
  const tables = Object.entries(columns).map(([table, each]) => {
    const entries = Object.entries(each).map(([column, type]) => [column, columnSchema(type)])
    return [table, { columns: Object.fromEntries(entries) as Json, isRoot: roots.has(table) }]
  })
  return { name, version: '8.3.1', tables: Object.fromEntries(tables) as Json }
}

// What the descriptions of all routes are made of.
import type { Attribute } from './resource.ts'

export type Table = Readonly<Record<string, Attribute>>
export type Operation = Record<string, unknown>

export const reference = (name: string): object => ({ $ref: `#/components/schemas/${name}` })
export const json = (schema: object): object => ({ content: { 'application/json': { schema } } })
export const object = (properties: object, required: readonly string[] = []): object => ({
  type: 'object',
  additionalProperties: false,
  properties,
  ...(required.length > 0 ? { required } : {}),
})

export function properties(table: Table, keep: (row: Attribute) => boolean): Record<string, object> {
  const rows = Object.entries(table).filter(([, row]) => keep(row))
  return Object.fromEntries(
    rows.map(([name, row]) => [
      name,
      {
        ...row.type.schema,
        ...(row.default === undefined ? {} : { default: row.default }),
        ...(row.only === undefined ? {} : { description: row.only }),
        ...(row.read === 'admin' ? { 'x-weft-admin-only': true } : {}),
      },
    ]),
  )
}

export const refusals = (...statuses: readonly number[]): object =>
  Object.fromEntries(
    statuses.map((status) => [status, { description: errorText[status], ...json(reference('Error')) }]),
  )

const errorText: Readonly<Record<number, string>> = {
  400: 'The request is not valid: the message names the attribute and the reason',
  401: 'No or wrong credentials',
  403: 'Not allowed',
  404: 'Not found, or not visible',
  409: 'In conflict with what exists: the message names it',
  412: 'If-Match: another revision',
}

export const parameter = (name: string, place: 'query' | 'path', schema: object): object => ({
  name,
  in: place,
  required: place === 'path',
  schema,
})
export const id = parameter('id', 'path', { type: 'string' })

// Queries of lists: filters, fields, sorting, pagination, tags, changed_since. Pure: from the query text and the visible
// objects to one page.
import { fromText, InvalidValue } from './attribute-types.ts'
import { badRequest, invalidInput } from './errors.ts'
import type { Attribute } from './resource.ts'

export type Row = Readonly<Record<string, unknown>>
type Table = Readonly<Record<string, Attribute>>

export interface Query {
  readonly filters: readonly { readonly name: string; readonly values: readonly unknown[] }[]
  readonly fields: readonly string[]
  readonly sort: readonly { readonly key: string; readonly descending: boolean }[]
  readonly limit: number | undefined
  readonly marker: string | undefined
  readonly reverse: boolean
}

export interface Page {
  readonly rows: readonly Row[]
  readonly next: string | undefined
  readonly previous: string | undefined
}

const tagFilters: ReadonlySet<string> = new Set(['tags', 'tags-any', 'not-tags', 'not-tags-any'])
const controls: ReadonlySet<string> = new Set([
  'fields',
  'sort_key',
  'sort_dir',
  'limit',
  'marker',
  'page_reverse',
  'wait',
  'timeout',
])

export function parseQuery(params: URLSearchParams, table: Table, admin: boolean): Query {
  const readable = (name: string): Attribute | undefined => {
    const row = Object.hasOwn(table, name) ? table[name] : undefined
    return row && (admin || row.read === 'all') ? row : undefined
  }
  const names = [...new Set(params.keys())]
  const unknown = names.filter((name) => !controls.has(name) && !special(name) && !readable(name))
  if (unknown.length > 0)
    throw badRequest(`Invalid filters: [${unknown.map((name) => `'${name}'`).join(', ')}] are not supported`)
  return {
    filters: names
      .filter((name) => !controls.has(name))
      .map((name) => ({ name, values: params.getAll(name).map((text) => filterValue(name, readable(name), text)) })),
    // Clients send fields of later API versions: unknown ones select nothing.
    fields: params.getAll('fields').filter((name) => name !== ''),
    sort: sorting(params, (name) => readable(name) !== undefined),
    limit: limitOf(params.get('limit')),
    marker: params.get('marker') ?? undefined,
    reverse: (params.get('page_reverse') ?? '').toLowerCase() === 'true',
  }
}

const special = (name: string): boolean => tagFilters.has(name) || name === 'changed_since'

function filterValue(name: string, row: Attribute | undefined, value: string): unknown {
  if (tagFilters.has(name)) return value.split(',').filter((tag) => tag !== '')
  if (name === 'changed_since') return changedSince(value)
  if (!row) return value
  try {
    return fromText(row.type, value)
  } catch (error) {
    if (!(error instanceof InvalidValue)) throw error
    // An empty text is a filter for nothing in Neutron, not a mistake.
    if (value === '') return ''
    throw badRequest(`Invalid filter value for '${name}': ${error.message}`)
  }
}

function changedSince(value: string): string {
  // URL decoding makes a blank of the plus sign of a time zone.
  const at = new Date(/Z$|[+ -]\d\d:?\d\d$/.test(value) ? value.replace(/ (\d\d:?\d\d)$/, '+$1') : `${value}Z`)
  if (Number.isNaN(at.getTime()))
    throw invalidInput(`The method must be called with the changed_since ISO 8601 time; got '${value}'`)
  return `${at.toISOString().slice(0, 19)}Z`
}

function sorting(params: URLSearchParams, known: (name: string) => boolean): { key: string; descending: boolean }[] {
  const keys = params.getAll('sort_key').flatMap((each) => each.split(','))
  const directions = params.getAll('sort_dir').flatMap((each) => each.split(','))
  if (directions.length > keys.length) throw badRequest('The number of sort_keys and sort_dirs must be same')
  return keys.map((key, i) => {
    if (!known(key)) throw badRequest(`'${key}' is not a valid attribute for sort key`)
    const direction = directions[i] ?? 'asc'
    if (direction !== 'asc' && direction !== 'desc') throw badRequest(`sort_dir '${direction}' is not one of asc, desc`)
    return { key, descending: direction === 'desc' }
  })
}

function limitOf(text: string | null): number | undefined {
  if (text === null || text === '') return undefined
  if (!/^\d+$/.test(text)) throw badRequest(`Limit must be an integer 0 or greater and not '${text}'`)
  return Number(text) === 0 ? undefined : Number(text)
}

export function matches(row: Row, query: Query): boolean {
  return query.filters.every(({ name, values }) => {
    if (tagFilters.has(name)) return matchesTags(name, row.tags as readonly string[], values.flat() as string[])
    if (name === 'changed_since') return values.every((since) => String(row.updated_at) >= String(since))
    if (name === 'fixed_ips') return (row[name] as readonly Row[]).some((ip) => matchesAll(ip, values as Row[]))
    const value = row[name]
    if (Array.isArray(value)) return values.some((wanted) => value.some((item) => equal(item, wanted)))
    return values.some((wanted) => equal(value, wanted))
  })
}

/** Of one key, any value; of different keys, all: `subnet_id=A` and `ip_address=B` mean B in A. */
function matchesAll(item: Row, wanted: readonly Row[]): boolean {
  const keys = new Set(wanted.flatMap((each) => Object.keys(each)))
  return [...keys].every((key) =>
    wanted.some((each) =>
      key === 'ip_address_substr'
        ? each[key] !== undefined && String(item.ip_address).includes(each[key] as string)
        : each[key] !== undefined && each[key] === item[key],
    ),
  )
}

const equal = (value: unknown, wanted: unknown): boolean =>
  value === wanted || (typeof value === 'object' && JSON.stringify(value) === JSON.stringify(wanted))

function matchesTags(name: string, tags: readonly string[], wanted: readonly string[]): boolean {
  const found = name.endsWith('-any')
    ? wanted.some((tag) => tags.includes(tag))
    : wanted.every((tag) => tags.includes(tag))
  return name.startsWith('not-') ? !found : found
}

export function page(rows: readonly Row[], query: Query): Page {
  const sorted = [...rows].sort((a, b) => compare(a, b, query))
  if (query.limit === undefined && query.marker === undefined)
    return { rows: sorted, next: undefined, previous: undefined }
  if (query.reverse) sorted.reverse()
  const at = query.marker === undefined ? -1 : sorted.findIndex((row) => row.id === query.marker)
  if (query.marker !== undefined && at < 0)
    throw badRequest(`Invalid marker: ${query.marker} does not exist in this list`)
  const end = query.limit === undefined ? sorted.length : at + 1 + query.limit
  const cut = sorted.slice(at + 1, end)
  const more = end < sorted.length
  if (query.reverse) cut.reverse()
  const [first, last] = [cut[0]?.id, cut.at(-1)?.id] as (string | undefined)[]
  return {
    rows: cut,
    next: query.reverse ? (query.marker === undefined ? undefined : last) : more ? last : undefined,
    previous: query.reverse ? (more ? first : undefined) : query.marker === undefined ? undefined : first,
  }
}

function compare(a: Row, b: Row, query: Query): number {
  for (const { key, descending } of query.sort) {
    const order = compareValues(a[key], b[key])
    if (order !== 0) return descending ? -order : order
  }
  return compareValues(a.id, b.id)
}

function compareValues(a: unknown, b: unknown): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b
  const [left, right] = [sortText(a), sortText(b)]
  return left < right ? -1 : left > right ? 1 : 0
}

const sortText = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? ''))

export function select(row: Row, fields: readonly string[]): Row {
  if (fields.length === 0) return row
  return Object.fromEntries(Object.entries(row).filter(([name]) => fields.includes(name)))
}

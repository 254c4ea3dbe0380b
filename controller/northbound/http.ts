// What the route files share: the request's context, its query, wrapped bodies, page links.
import type { FastifyRequest } from 'fastify'
import type { Context } from './context.ts'
import { badRequest } from './errors.ts'
import { type Page, page, parseQuery, matches, type Query, type Row, select } from './query.ts'
import type { Attribute } from './resource.ts'
import type { Body } from './service.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by the authentication hook before any handler of a protected route. */
    context: Context
  }
}

export const baseUrl = (request: FastifyRequest): string => `${request.protocol}://${request.host}`

export const queryOf = (request: FastifyRequest): URLSearchParams =>
  new URLSearchParams(request.raw.url?.split('?').slice(1).join('?') ?? '')

export const idOf = (request: FastifyRequest): string => (request.params as { id: string }).id

const isObject = (value: unknown): value is Body => typeof value === 'object' && value !== null && !Array.isArray(value)

/** A body that is one object, not wrapped. */
export function plainBody(body: unknown): Body {
  if (!isObject(body)) throw badRequest('The request body is not an object')
  return body
}

/** The object under its name; anything beside it is a mistake. */
export function unwrap(body: unknown, name: string): Body {
  const inner = isObject(body) ? body[name] : undefined
  if (!isObject(body) || !isObject(inner)) throw badRequest(`Unable to find '${name}' in request body`)
  const others = Object.keys(body).filter((key) => key !== name)
  if (others.length > 0) throw badRequest(`Unrecognized attribute(s) '${others.join(', ')}'`)
  return inner
}

/** The list under its name, which may be empty. */
export function unwrapRows(body: unknown, name: string): readonly Body[] {
  const rows = isObject(body) ? body[name] : undefined
  if (!Array.isArray(rows) || !rows.every(isObject)) throw badRequest(`'${name}' is not a list of objects`)
  return rows
}

/** One wrapped object, or several wrapped in the collection's name. */
export function unwrapMany(
  body: unknown,
  singular: string,
  plural: string,
): { bodies: readonly Body[]; bulk: boolean } {
  const list = isObject(body) ? body[plural] : undefined
  if (list === undefined) return { bodies: [unwrap(body, singular)], bulk: false }
  if (!Array.isArray(list) || list.length === 0 || !list.every(isObject)) {
    throw badRequest(`'${plural}' is not a list of objects`)
  }
  return { bodies: list, bulk: true }
}

export interface Listing {
  readonly name: string
  readonly table: Readonly<Record<string, Attribute>>
  readonly rows: (query: Query) => Iterable<Row>
  /** Filters that `rows` has applied already. */
  readonly rowFilters?: readonly string[]
}

/** Filters, sorts, cuts and projects; with links when the client pages. */
export function sendList(request: FastifyRequest, listing: Listing): object {
  const params = queryOf(request)
  const query = parseQuery(params, listing.table, request.context.admin)
  const rest = { ...query, filters: query.filters.filter(({ name }) => !listing.rowFilters?.includes(name)) }
  const found: Row[] = []
  for (const row of listing.rows(query)) if (matches(row, rest)) found.push(row)
  const result = page(found, query)
  const links = query.limit === undefined ? [] : pageLinks(request, params, result)
  return {
    [listing.name]: result.rows.map((row) => select(row, query.fields)),
    ...(links.length > 0 ? { [`${listing.name}_links`]: links } : {}),
  }
}

function pageLinks(request: FastifyRequest, params: URLSearchParams, result: Page): object[] {
  const path = request.url.split('?')[0] ?? ''
  const link = (rel: string, marker: string | undefined): object[] => {
    if (marker === undefined) return []
    const query = new URLSearchParams(params)
    query.set('marker', marker)
    query.delete('page_reverse')
    if (rel === 'previous') query.set('page_reverse', 'True')
    return [{ rel, href: `${baseUrl(request)}${path}?${query.toString()}` }]
  }
  return [...link('next', result.next), ...link('previous', result.previous)]
}

export function ifMatch(request: FastifyRequest): number | undefined {
  const header = request.headers['if-match']
  if (header === undefined) return undefined
  const match = /^revision_number=(\d+)$/.exec(header)
  if (!match) throw badRequest(`Invalid value for If-Match: '${header}'; expected revision_number=N`)
  return Number(match[1])
}

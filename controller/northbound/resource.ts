// What a resource of the API is: a table of attributes and the checks that the table cannot express. Routes, validation,
// projection, filters and OpenAPI follow from it.
import { randomBytes } from 'node:crypto'
import { type AttributeType, cidr, InvalidValue, ipAddress, listOf, record, text } from './attribute-types.ts'
import type { Cache, Reader } from './cache.ts'
import type { Context } from './context.ts'
import { badRequest, forbidden, invalidInput } from './errors.ts'
import type { LiveState } from './live.ts'
import type { Model, Owned, ResourceKind, Standard } from './model.ts'
import type { Transaction } from './transaction.ts'

type Access = 'all' | 'admin' | 'none'

export interface Attribute {
  readonly type: AttributeType
  /** Who may give it on creation and change it later; `none`: the server decides. */
  readonly create: Access
  readonly update: Access
  readonly read: 'all' | 'admin'
  /** Taken when the body leaves it out. Absent: the body must have it, if it may be given at all. */
  readonly default?: unknown
  /** Computed on reading, not stored: no filter uses an index for it. */
  readonly computed?: true
  /** An attribute that Neutron has and Weft does not: the reason given for any value but the default. */
  readonly only?: string
}

export interface Settings {
  readonly mtu: { readonly underlay: number }
  readonly segmentRange: { readonly first: number; readonly last: number }
  /** VLANs that networks may get without asking for one, of each physical network. */
  readonly vlanRanges: readonly { readonly physical: string; readonly first: number; readonly last: number }[]
  readonly quota: Readonly<Record<ResourceKind, number>>
  readonly dnsDomain: string
  readonly defaultNetworkType: 'vxlan' | 'geneve' | 'gre'
}

export interface Environment {
  readonly cache: Cache
  readonly live: LiveState
  readonly settings: Settings
}

export interface Operation {
  readonly tx: Transaction
  readonly context: Context
  readonly settings: Settings
  readonly live: LiveState
  /** Names that the body had, so that a check can tell a default from a wish. */
  readonly given: ReadonlySet<string>
  /** A new object of any kind with the table's defaults, for what goes with another; no quota is asked. */
  readonly make: <K extends ResourceKind>(kind: K, fields: Partial<Model[K]>, projectId: string) => Model[K]
  /** The next revision of an object. */
  readonly touch: <T extends Owned>(before: T, after: T) => T
}

export interface Resource<K extends ResourceKind> {
  readonly kind: K
  readonly singular: string
  /** As in Neutron's exception names: `NetworkNotFound`. */
  readonly label: string
  readonly attributes: { readonly [A in keyof Model[K]]: Attribute } & Readonly<Record<string, Attribute>>
  /** Completes and checks a new object; what else it writes goes to the same transaction. */
  create(draft: Model[K], operation: Operation): Model[K]
  update(before: Model[K], after: Model[K], operation: Operation): Model[K]
  /** Refuses, or removes what goes with the object. */
  remove(object: Model[K], operation: Operation): void
  /** Seen, though not owned. */
  shared(object: Model[K], reader: Reader): boolean
  /** Others who may act on an object of this project: the owner of its network. */
  alsoOwnedBy?(object: Model[K], reader: Reader): string | undefined
  /** Seen by administrators only, whoever owns it. */
  hidden?(object: Model[K], reader: Reader): boolean
  /** Changed by administrators only, whoever owns it. */
  locked?(object: Model[K], reader: Reader): boolean
  /** The project of a new object that is part of another one, whoever makes it. */
  owner?(draft: Model[K], reader: Reader): string | undefined
  /** What each project has without asking; undefined when it is there already. */
  ensure?(reader: Reader, projectId: string): ((operation: Operation) => void) | undefined
  /** The attributes marked `computed`, and those that not everybody sees whole. */
  compute(object: Model[K], environment: Environment, context: Context): Readonly<Record<string, unknown>>
}

export const attribute = (type: AttributeType, extra: Partial<Attribute> = {}): Attribute => ({
  type,
  create: 'all',
  update: 'all',
  read: 'all',
  ...extra,
})
export const fixed = (type: AttributeType, extra: Partial<Attribute> = {}): Attribute =>
  attribute(type, { update: 'none', ...extra })
export const readOnly = (type: AttributeType, extra: Partial<Attribute> = {}): Attribute =>
  attribute(type, { create: 'none', update: 'none', ...extra })
/** Neutron has it, Weft has one value for it, which `compute` shows. */
export const constant = (type: AttributeType, value: unknown, only: string): Attribute =>
  attribute(type, { computed: true, default: value, only })
export const computed = (type: AttributeType, extra: Partial<Attribute> = {}): Attribute =>
  readOnly(type, { computed: true, ...extra })

/** A project's id: Keystone's are hexadecimal, ours may be any short word. */
const project: AttributeType = text(255)

export const standardAttributes: Readonly<Record<keyof Standard | 'tenant_id', Attribute>> = {
  id: readOnly(text(36)),
  project_id: fixed(project),
  tenant_id: fixed(project),
  name: attribute(text(255), { default: '' }),
  description: attribute(text(255), { default: '' }),
  tags: readOnly({ ...text(), schema: { type: 'array', items: { type: 'string' } } }),
  revision_number: readOnly({
    schema: { type: 'integer' },
    parse: (value) => {
      const number = Number(value)
      if (!Number.isInteger(number)) throw new InvalidValue(`'${String(value)}' is not an integer`)
      return number
    },
  }),
  created_at: readOnly(text(32)),
  updated_at: readOnly(text(32)),
}

/** Reads a body against the table: unknown names, forbidden names, missing names and bad values are refused, in this order. */
export function parseBody(
  attributes: Readonly<Record<string, Attribute>>,
  body: Readonly<Record<string, unknown>>,
  action: 'create' | 'update',
  context: Context,
  singular: string,
): Record<string, unknown> {
  const unknown = Object.keys(body).filter((name) => !Object.hasOwn(attributes, name))
  if (unknown.length > 0) throw badRequest(`Unrecognized attribute(s) '${unknown.join(', ')}'`)
  const parsed: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(body)) {
    const row = attributes[name] as Attribute
    if (row[action] === 'none') {
      throw badRequest(`Attribute '${name}' not allowed in ${action === 'create' ? 'POST' : 'PUT'}`)
    }
    parsed[name] = parseAttribute(name, row, value)
    if (row[action] === 'admin' && !context.admin && !sameAsDefault(row, parsed[name])) {
      throw forbidden(`(rule:${action}_${singular}) and (rule:${action}_${singular}:${name})`)
    }
  }
  return parsed
}

const sameAsDefault = (row: Attribute, value: unknown): boolean => JSON.stringify(row.default) === JSON.stringify(value)

function parseAttribute(name: string, row: Attribute, value: unknown): unknown {
  const parsed = parseOr(value, row.type, (reason) => invalidInput(`Invalid input for ${name}. Reason: ${reason}`))
  if (row.only !== undefined && !sameAsDefault(row, parsed)) throw invalidInput(`${name}: ${row.only}`)
  return parsed
}

export function parseOr(value: unknown, type: AttributeType, refuse: (reason: string) => Error): unknown {
  try {
    return type.parse(value)
  } catch (error) {
    if (error instanceof InvalidValue) throw refuse(error.message)
    throw error
  }
}

/** Fills in what the body left out. */
export function withDefaults(
  attributes: Readonly<Record<string, Attribute>>,
  parsed: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const draft: Record<string, unknown> = { ...parsed }
  for (const [name, row] of Object.entries(attributes)) {
    if (row.computed || draft[name] !== undefined || standardOwn.has(name)) continue
    if (Object.hasOwn(row, 'default')) draft[name] = row.default
    else if (row.create !== 'none')
      throw badRequest(`Failed to parse request. Required attribute '${name}' not specified`)
  }
  return draft
}

const standardOwn: ReadonlySet<string> = new Set(['project_id', 'tenant_id'])

/** Availability zones: Weft has one, `default`, for networks and routers. */
export const zoneHints: AttributeType = {
  schema: { type: 'array', items: { enum: ['default'] } },
  parse(value) {
    if (!Array.isArray(value)) throw new InvalidValue('availability zone hints are a list')
    const unknown = value.filter((zone) => zone !== 'default')
    if (unknown.length > 0) throw new InvalidValue(`AvailabilityZone '${unknown.join(', ')}' could not be found`)
    return value.length > 0 ? ['default'] : []
  },
}

export const routes: AttributeType = listOf(record({ destination: { type: cidr }, nexthop: { type: ipAddress } }), 1000)

/** Neutron's default prefix; the rest is random, checked for uniqueness by the caller. */
export function randomMac(): string {
  return ['fa', '16', '3e', ...Array.from(randomBytes(3), (byte) => byte.toString(16).padStart(2, '0'))].join(':')
}

// Subnet pools: prefixes from which subnets take theirs (`pool-allocation.ts`). What is free is decided under the pool's
// guard, what may overlap under its address scope's.
import { type Cidr, compact, formatCidr, overlaps, parseCidr, within } from '../address.ts'
import { boolean, cidr, integer, listOf, nullable, oneOf, uuid } from '../attribute-types.ts'
import { ApiError, badRequest, conflict, invalidInput, notFound, users } from '../errors.ts'
import type { SubnetPool } from '../model.ts'
import { attribute, fixed, type Operation, readOnly, type Resource, standardAttributes } from '../resource.ts'

const prefixLength = integer(0, 128)
const unset = { default: undefined } as const

export const subnetpools: Resource<'subnetpools'> = {
  kind: 'subnetpools',
  singular: 'subnetpool',
  label: 'SubnetPool',
  attributes: {
    ...standardAttributes,
    prefixes: attribute(listOf(cidr)),
    ip_version: readOnly(oneOf(4, 6)),
    min_prefixlen: attribute(prefixLength, unset),
    default_prefixlen: attribute(prefixLength, unset),
    max_prefixlen: attribute(prefixLength, unset),
    // IPv4: addresses; IPv6: networks of 64 bits. For each project.
    default_quota: attribute(nullable(integer(0, Number.MAX_SAFE_INTEGER)), { default: null }),
    address_scope_id: attribute(nullable(uuid), { default: null }),
    is_default: attribute(boolean, { default: false, create: 'admin', update: 'admin' }),
    shared: fixed(boolean, { default: false, create: 'admin' }),
  },

  create: (draft, operation) => checked(withBounds(draft), operation),

  update(before, after, operation) {
    operation.tx.guard(`subnetpools/${after.id}`)
    const pool = checked(after, operation)
    const [old, now] = [before, pool].map(({ prefixes }) => prefixes.map((each) => parseCidr(each) as Cidr))
    const lost = old?.find((each) => !now?.some((other) => holds(other, each)))
    if (!lost) return pool
    throw new ApiError(
      400,
      'IllegalSubnetPoolPrefixUpdate',
      `Illegal update to prefixes: ${formatCidr(lost)} of the pool must stay in it.`,
    )
  },

  remove(pool, { tx }) {
    const subnets = tx.select('subnets', 'subnetpool_id', pool.id).map(({ id }) => id)
    if (subnets.length === 0) return
    throw conflict(
      'SubnetPoolDeleteError',
      `Unable to delete subnet pool ${pool.id}: it is in use by ${users('subnet', subnets)}.`,
    )
  },

  shared: (pool) => pool.shared,
  compute: () => ({}),
}

export const holds = (outer: Cidr, inner: Cidr): boolean =>
  outer.version === inner.version && within(outer, inner.first) && within(outer, inner.last)

/** Neutron's default bounds: what a subnet of hosts sensibly is. */
const defaultBounds = { 4: { shortest: 8, longest: 32 }, 6: { shortest: 64, longest: 128 } } as const

function withBounds(draft: SubnetPool): SubnetPool {
  const ip_version = versionOf(draft)
  const { shortest, longest } = defaultBounds[ip_version]
  const min_prefixlen = draft.min_prefixlen ?? shortest
  const default_prefixlen = draft.default_prefixlen ?? min_prefixlen
  return { ...draft, ip_version, min_prefixlen, default_prefixlen, max_prefixlen: draft.max_prefixlen ?? longest }
}

function versionOf({ prefixes }: SubnetPool): 4 | 6 {
  const versions = new Set(prefixes.map((each) => (parseCidr(each) as Cidr).version))
  const [version] = versions
  if (version === undefined) throw invalidInput('prefixes: at least one must be given')
  if (versions.size > 1) {
    throw new ApiError(400, 'PrefixVersionMismatch', 'Cannot mix IPv4 and IPv6 prefixes in a subnet pool.')
  }
  return version
}

function checked(pool: SubnetPool, operation: Operation): SubnetPool {
  if (versionOf(pool) !== pool.ip_version) {
    throw new ApiError(400, 'PrefixVersionMismatch', 'Cannot mix IPv4 and IPv6 prefixes in a subnet pool.')
  }
  checkBounds(pool)
  if (pool.is_default) refuseSecondDefault(pool, operation)
  const prefixes = compact(pool.prefixes.map((each) => parseCidr(each) as Cidr))
  if (pool.address_scope_id !== null) checkScope(pool, pool.address_scope_id, prefixes, operation)
  return { ...pool, prefixes: prefixes.map(formatCidr) }
}

function checkBounds({ ip_version: version, ...pool }: SubnetPool): void {
  const order = ['min_prefixlen', 'default_prefixlen', 'max_prefixlen'] as const
  const limit = defaultBounds[version].longest
  if (pool.max_prefixlen > limit) throw illegalBounds(`max_prefixlen=${pool.max_prefixlen}, longest is ${limit}`)
  for (const [i, name] of order.entries()) {
    const next = order[i + 1]
    if (next && pool[name] > pool[next]) throw illegalBounds(`${name}=${pool[name]}, ${next}=${pool[next]}`)
  }
}

const illegalBounds = (what: string): ApiError =>
  new ApiError(400, 'IllegalSubnetPoolPrefixBounds', `Illegal prefix bounds: ${what}.`)

function refuseSecondDefault(pool: SubnetPool, { tx }: Operation): void {
  tx.guard('default_subnetpool')
  const others = tx.select('subnetpools', 'defaultVersion', String(pool.ip_version)).filter(({ id }) => id !== pool.id)
  if (others.length === 0) return
  throw invalidInput(
    'A default subnetpool for this IP family has already been set. Only one default may exist per IP family',
  )
}

function checkScope(pool: SubnetPool, scopeId: string, prefixes: readonly Cidr[], operation: Operation): void {
  const { tx, context } = operation
  const scope = tx.get('address_scopes', scopeId)
  if (!scope || !(context.admin || scope.project_id === context.projectId || scope.shared)) {
    throw notFound('AddressScope', scopeId)
  }
  tx.guard(`address_scopes/${scopeId}`)
  if (scope.ip_version !== pool.ip_version) {
    throw badRequest(
      `address_scope_id: address scope ${scopeId} is of IPv${scope.ip_version}, the prefixes of IPv${pool.ip_version}`,
    )
  }
  for (const other of tx.select('subnetpools', 'address_scope_id', scopeId)) {
    if (other.id === pool.id) continue
    const clash = other.prefixes.find((each) => prefixes.some((own) => overlaps(own, parseCidr(each) as Cidr)))
    if (clash === undefined) continue
    throw conflict(
      'AddressScopePrefixConflict',
      `Failed to associate address scope: prefix ${clash} of another subnet pool in address scope ${scopeId} overlaps.`,
    )
  }
}

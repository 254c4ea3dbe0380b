// A subnet's prefix from a subnet pool: the one asked for, or the first free one of a length. Decided under the pool's
// guard, so that two subnets never get the same.
import { type Cidr, formatCidr, overlaps, parseCidr } from '../address.ts'
import { type AttributeType, InvalidValue, nullable, uuid } from '../attribute-types.ts'
import { ApiError, badRequest, conflict, notFound } from '../errors.ts'
import { subnetCidr } from '../ipam.ts'
import type { Subnet, SubnetPool } from '../model.ts'
import type { Operation } from '../resource.ts'
import { holds } from './subnetpools.ts'

/** What only the body of a new subnet has. */
export interface PrefixRequest {
  readonly prefixlen?: number | undefined
  readonly use_default_subnetpool: boolean
}

const prefixDelegation = 'prefix_delegation'

export const poolId: AttributeType = {
  ...nullable(uuid),
  parse(value) {
    if (value === prefixDelegation) throw new InvalidValue('prefix delegation is not available')
    return nullable(uuid).parse(value)
  },
}

export function poolOf(subnet: Subnet, request: PrefixRequest, operation: Operation): SubnetPool | undefined {
  const { tx, context } = operation
  const pool = request.use_default_subnetpool ? defaultPool(subnet, operation) : subnet.subnetpool_id
  if (pool === null) return undefined
  const found = typeof pool === 'string' ? tx.get('subnetpools', pool) : pool
  if (!found || !(context.admin || found.project_id === context.projectId || found.shared)) {
    throw notFound('SubnetPool', String(subnet.subnetpool_id))
  }
  if (found.ip_version !== subnet.ip_version) {
    throw badRequest(`ip_version: subnet pool ${found.id} is of IPv${found.ip_version}`)
  }
  return found
}

function defaultPool(subnet: Subnet, { tx }: Operation): SubnetPool {
  if (subnet.subnetpool_id !== null) {
    throw badRequest('subnetpool_id and use_default_subnetpool cannot both be specified')
  }
  const [pool] = tx.select('subnetpools', 'defaultVersion', String(subnet.ip_version))
  if (!pool) throw badRequest(`No default subnetpool found for IPv${subnet.ip_version}`)
  return pool
}

/** Of one network, subnets of an IP version come from one pool, or all from none. */
export function checkAffinity(subnet: Subnet, pool: SubnetPool | undefined, others: readonly Subnet[]): void {
  const ofVersion = others.filter((each) => each.ip_version === subnet.ip_version)
  if (ofVersion.every((each) => each.subnetpool_id === (pool?.id ?? null))) return
  throw new ApiError(
    400,
    'NetworkSubnetPoolAffinityError',
    'Subnets hosted on the same network must be allocated from the same subnet pool.',
  )
}

export function allocatePrefix(pool: SubnetPool, subnet: Subnet, request: PrefixRequest, operation: Operation): string {
  const { tx } = operation
  tx.guard(`subnetpools/${pool.id}`)
  const taken = tx.select('subnets', 'subnetpool_id', pool.id)
  const ranges = taken.map(subnetCidr)
  const given = subnet.cidr as string | undefined
  if (given !== undefined && request.prefixlen !== undefined) {
    throw badRequest('cidr and prefixlen must not be supplied together')
  }
  const prefix = given === undefined ? firstFree(pool, request.prefixlen, ranges) : checkGiven(pool, given, ranges)
  checkLength(pool, prefix.prefixLength)
  checkPoolQuota(
    pool,
    prefix,
    taken.filter((each) => each.project_id === subnet.project_id),
  )
  return formatCidr(prefix)
}

function checkLength({ min_prefixlen: shortest, max_prefixlen: longest }: SubnetPool, length: number): void {
  if (length < shortest) {
    const reason = `minimum allowed prefix is ${shortest}`
    throw new ApiError(
      400,
      'MinPrefixSubnetAllocationError',
      `Unable to allocate subnet with prefix length ${length}, ${reason}.`,
    )
  }
  if (length > longest) {
    const reason = `maximum allowed prefix is ${longest}`
    throw new ApiError(
      400,
      'MaxPrefixSubnetAllocationError',
      `Unable to allocate subnet with prefix length ${length}, ${reason}.`,
    )
  }
}

function checkGiven(pool: SubnetPool, given: string, taken: readonly Cidr[]): Cidr {
  const wanted = parseCidr(given) as Cidr
  const inside = pool.prefixes.some((each) => holds(parseCidr(each) as Cidr, wanted))
  if (inside && !taken.some((each) => overlaps(each, wanted))) return wanted
  throw conflict(
    'SubnetAllocationError',
    `Failed to allocate subnet: ${given} is ${inside ? 'in use' : 'not in the prefixes of the pool'}.`,
  )
}

function firstFree(pool: SubnetPool, wanted: number | undefined, taken: readonly Cidr[]): Cidr {
  const prefixLength = wanted ?? pool.default_prefixlen
  checkLength(pool, prefixLength)
  const size = 1n << BigInt((pool.ip_version === 4 ? 32 : 128) - prefixLength)
  const inOrder = taken.toSorted((a, b) => (a.first < b.first ? -1 : 1))
  for (const text of pool.prefixes) {
    const prefix = parseCidr(text) as Cidr
    let first = prefix.first
    // Behind each taken range, at the next multiple of the size.
    for (const each of inOrder) {
      if (each.last < first || each.first >= first + size) continue
      first = ((each.last + size) / size) * size
    }
    if (first + size - 1n <= prefix.last)
      return { version: pool.ip_version, first, last: first + size - 1n, prefixLength }
  }
  throw conflict(
    'SubnetAllocationError',
    `Failed to allocate subnet: no prefix of length ${prefixLength} is free in subnet pool ${pool.id}.`,
  )
}

/** The unit of a pool's quota: an IPv4 address, an IPv6 network of 64 bits. */
const quotaUnit = { 4: 32, 6: 64 } as const

function checkPoolQuota(pool: SubnetPool, added: Cidr, own: readonly Subnet[]): void {
  if (pool.default_quota === null) return
  const units = (length: number): number => 2 ** (quotaUnit[pool.ip_version] - length)
  const used = own.reduce((sum, subnet) => sum + units(subnetCidr(subnet).prefixLength), 0)
  if (used + units(added.prefixLength) <= pool.default_quota) return
  throw conflict('SubnetPoolQuotaExceeded', 'Per-tenant subnet pool prefix quota exceeded.')
}

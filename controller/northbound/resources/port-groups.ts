// The security groups of ports: which ones, in which order. Those that an administrator imposes are judged first, and
// stay whatever a tenant writes.
import { type AttributeType, listOf, nullable, uuid } from '../attribute-types.ts'
import type { Reader } from '../cache.ts'
import type { Context } from '../context.ts'
import { ApiError, conflict, invalidInput } from '../errors.ts'
import type { Port } from '../model.ts'
import type { Operation } from '../resource.ts'
import { isImposed, referredGroup, refuseImposed } from './group-access.ts'
import { ensureDefaultGroup } from './security-groups.ts'

const maximumGroups = 100
const ids = nullable(listOf(uuid, maximumGroups))

/** Clients repeat a group that they add twice; null asks for the default in POST, for none in PUT. */
export const groupIds: AttributeType = {
  ...ids,
  parse: (value) => ids.parse(Array.isArray(value) ? [...new Set(value)] : value),
}

/** Ports of the network itself (routers, DHCP): no guest speaks there. */
const isTrusted = (port: Port): boolean => port.device_owner.startsWith('network:')

export function groupsOfNewPort(port: Port, operation: Operation): readonly string[] {
  const wanted = port.security_groups as readonly string[] | null | undefined
  if (wanted && wanted.length > 0) {
    if (isTrusted(port)) throw invalidInput(`security_groups: a port of device_owner ${port.device_owner} has none`)
    if (!port.port_security_enabled) throw portSecurityRequired()
    return attached(wanted, [], operation)
  }
  if (wanted || isTrusted(port) || !port.port_security_enabled) return []
  const own = [ensureDefaultGroup(operation, port.project_id)]
  return attached(own, own, operation)
}

const portSecurityRequired = (): ApiError =>
  new ApiError(
    400,
    'PortSecurityAndIPRequiredForSecurityGroups',
    'Port security must be enabled in order to use security groups.',
  )

export function groupsOfChangedPort(before: Port, after: Port, operation: Operation): readonly string[] {
  const { given } = operation
  const wanted = (after.security_groups as readonly string[] | null) ?? []
  const groups = given.has('security_groups') ? attached(wanted, before.security_groups, operation) : wanted
  if (groups.length === 0 || after.port_security_enabled) return groups
  if (before.port_security_enabled) {
    throw conflict(
      'PortSecurityPortHasSecurityGroup',
      'Port has security group associated. Cannot disable port security until security group is removed.',
    )
  }
  throw portSecurityRequired()
}

/** Each named group must be there and stay, and be the asker's to attach unless the port has it already. */
function attached(wanted: readonly string[], current: readonly string[], operation: Operation): string[] {
  const { tx, context } = operation
  const isHeld = (id: string): boolean => {
    const group = tx.get('security_groups', id)
    return group !== undefined && isImposed(group)
  }
  const kept = context.admin ? [] : current.filter(isHeld)
  for (const id of wanted) if (!current.includes(id)) refuseImposed(referredGroup(operation, id), context)
  const all = [...new Set([...kept, ...wanted])]
  for (const id of all) tx.guard(`security_groups/${id}`)
  return [...all.filter(isHeld), ...all.filter((id) => !isHeld(id))]
}

/** Without the groups that the asker may not know of. */
export function shownGroups(port: Port, reader: Reader, context: Context): object {
  const shown = context.admin
    ? port.security_groups
    : port.security_groups.filter((id) => !reader.get('security_groups', id)?.hidden)
  return {
    security_groups: shown,
    security_group_bindings: shown.map((id, i) => ({ security_group_id: id, priority: i + 1 })),
  }
}

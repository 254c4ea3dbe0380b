// Address groups: lists of prefixes that rules of security groups name as their remote end.
import { type AttributeType, InvalidValue, ipPrefix, listOf, record } from '../attribute-types.ts'
import { ApiError, badRequest, conflict, users } from '../errors.ts'
import type { AddressGroup } from '../model.ts'
import { fixed, type Operation, parseOr, type Resource, standardAttributes } from '../resource.ts'

const maximumAddresses = 10_000

/** Neutron drops repetitions. */
const addresses: AttributeType = {
  ...listOf(ipPrefix, maximumAddresses),
  parse(value) {
    if (!Array.isArray(value)) throw new InvalidValue('addresses is not a list')
    if (value.length > maximumAddresses) throw new InvalidValue(`more than ${maximumAddresses} addresses`)
    return [...new Set(value.map((each) => ipPrefix.parse(each) as string))]
  },
}

export const addressGroups: Resource<'address_groups'> = {
  kind: 'address_groups',
  singular: 'address_group',
  label: 'AddressGroup',
  attributes: { ...standardAttributes, addresses: fixed(addresses, { default: [] }) },
  create: (draft) => draft,
  update: (_, after) => after,
  remove(group, { tx }) {
    const rules = tx.select('security_group_rules', 'remote_address_group_id', group.id).map(({ id }) => id)
    if (rules.length === 0) return
    throw conflict(
      'AddressGroupInUse',
      `Address group ${group.id} is in use by security group ${users('rule', rules)}.`,
    )
  },
  shared: () => false,
  compute: () => ({}),
}

const body = record({ addresses: { type: addresses } })
const given = (value: unknown): string[] =>
  (parseOr(value, body, (reason) => badRequest(reason)) as { addresses: string[] }).addresses

export function addAddresses(group: AddressGroup, operation: Operation, request: unknown): void {
  const added = given(request)
  const held = new Set(group.addresses)
  const present = added.filter((each) => held.has(each))
  if (present.length > 0) {
    throw new ApiError(
      400,
      'AddressesAlreadyExist',
      `Addresses ${present.join(', ')} already exist in the address group ${group.id}.`,
    )
  }
  const all = [...group.addresses, ...added]
  if (all.length > maximumAddresses) throw badRequest(`more than ${maximumAddresses} addresses`)
  operation.tx.put('address_groups', operation.touch(group, { ...group, addresses: all }))
}

export function removeAddresses(group: AddressGroup, operation: Operation, request: unknown): void {
  const removed = new Set(given(request))
  const held = new Set(group.addresses)
  const missing = [...removed].filter((each) => !held.has(each))
  if (missing.length > 0) {
    throw new ApiError(
      404,
      'AddressesNotFound',
      `Addresses ${missing.join(', ')} not found in the address group ${group.id}.`,
    )
  }
  const left = group.addresses.filter((each) => !removed.has(each))
  operation.tx.put('address_groups', operation.touch(group, { ...group, addresses: left }))
}

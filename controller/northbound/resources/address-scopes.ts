// Address scopes: within one, no two subnet pools have an address in common.
import { boolean, oneOf } from '../attribute-types.ts'
import { ApiError, conflict, users } from '../errors.ts'
import { attribute, fixed, type Resource, standardAttributes } from '../resource.ts'

export const addressScopes: Resource<'address_scopes'> = {
  kind: 'address_scopes',
  singular: 'address_scope',
  label: 'AddressScope',
  attributes: {
    ...standardAttributes,
    ip_version: fixed(oneOf(4, 6)),
    shared: attribute(boolean, { default: false, create: 'admin', update: 'admin' }),
  },
  create: (draft) => draft,
  update(before, after) {
    if (!before.shared || after.shared) return after
    throw new ApiError(
      400,
      'AddressScopeUpdateError',
      `Unable to update address scope ${after.id}: Shared address scope can't be unshared.`,
    )
  },
  remove(scope, { tx }) {
    const pools = tx.select('subnetpools', 'address_scope_id', scope.id).map(({ id }) => id)
    if (pools.length === 0) return
    throw conflict(
      'AddressScopeInUse',
      `Unable to complete operation on address scope ${scope.id}. It is in use by ${users('subnet pool', pools)}.`,
    )
  },
  shared: (scope) => scope.shared,
  compute: () => ({}),
}

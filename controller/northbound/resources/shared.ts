// What several resources have: types of computed attributes, and the network that a body names.
import { type AttributeType, oneOf, text, uuid } from '../attribute-types.ts'
import type { Context } from '../context.ts'
import { forbidden, notFound } from '../errors.ts'
import type { Network } from '../model.ts'
import type { Operation } from '../resource.ts'

export const statusType: AttributeType = oneOf('ACTIVE', 'BUILD', 'DOWN', 'ERROR')

/** Only read and filtered by one of its members. */
export const idList: AttributeType = {
  ...text(36),
  schema: { type: 'array', items: uuid.schema },
}

/** 404 for a network that the asker does not see. */
export function seenNetwork(id: string, { tx, context }: Operation): Network {
  const network = tx.get('networks', id)
  if (!network || !(isMember(network, context) || network['router:external'])) throw notFound('Network', id)
  return network
}

/** External networks are seen by all, but for the gateways of routers: 403 for other ports on those of others. */
export function refuseGuest(network: Network, context: Context, rule: string): void {
  if (!isMember(network, context)) throw forbidden(`rule:${rule} on an external network`)
}

/** May use the network for whatever he likes. */
export const isMember = (network: Network, context: Context): boolean =>
  context.admin || network.shared || network.project_id === context.projectId

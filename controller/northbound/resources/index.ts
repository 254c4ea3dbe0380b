// The resources of the API. A new one is a table with its checks, and a line here.
import type { ResourceKind } from '../model.ts'
import type { Resource } from '../resource.ts'
import { addressGroups } from './address-groups.ts'
import { addressScopes } from './address-scopes.ts'
import { networks } from './networks.ts'
import { ports } from './ports.ts'
import { qosPolicies } from './qos-policies.ts'
import { routers } from './routers.ts'
import { securityGroupRules } from './security-group-rules.ts'
import { securityGroups } from './security-groups.ts'
import { segments } from './segments.ts'
import { subnetpools } from './subnetpools.ts'
import { subnets } from './subnets.ts'

export const resources: { readonly [K in ResourceKind]: Resource<K> } = {
  networks,
  segments,
  subnets,
  ports,
  routers,
  security_groups: securityGroups,
  security_group_rules: securityGroupRules,
  address_groups: addressGroups,
  subnetpools,
  address_scopes: addressScopes,
  qos_policies: qosPolicies,
}
export const resourceKinds = Object.keys(resources) as readonly ResourceKind[]

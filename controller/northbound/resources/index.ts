// The resources of the API. A new one is a table with its checks, and a line here.
import type { ResourceKind } from '../model.ts'
import type { Resource } from '../resource.ts'
import { networks } from './networks.ts'
import { ports } from './ports.ts'
import { routers } from './routers.ts'
import { subnets } from './subnets.ts'

export const resources: { readonly [K in ResourceKind]: Resource<K> } = { networks, subnets, ports, routers }
export const resourceKinds: readonly ResourceKind[] = ['networks', 'subnets', 'ports', 'routers']

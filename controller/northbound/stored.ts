// Stored objects as JSON. One that an earlier Weft wrote lacks the attributes added since: it gets what they meant then.
import type { Kind, Model } from './model.ts'

const addedLater: { readonly [K in Kind]?: Partial<Model[K]> } = {
  networks: { is_default: false, qos_policy_id: null, segments: [] },
  subnets: { subnetpool_id: null, segment_id: null, dns_publish_fixed_ip: false },
  routers: { external_gateway_info: null },
  security_group_rules: { rank: null },
  ports: {
    // There were no groups, and nothing was denied.
    security_groups: [],
    default_ingress_action: 'allow',
    default_egress_action: 'allow',
    dns_domain: '',
    qos_policy_id: null,
    ip_allocation: 'immediate',
    numa_affinity_policy: null,
    device_profile: null,
    data_plane_status: null,
    propagate_uplink_status: false,
  },
}

export const parseStored = (kind: Kind, text: string): Model[Kind] =>
  ({ ...addedLater[kind], ...(JSON.parse(text) as object) }) as Model[Kind]

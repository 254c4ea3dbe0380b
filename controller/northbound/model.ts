// The stored objects, in the words of the OpenStack Networking API v2.0. This is also what the rest of the
// controller reads from the store: one JSON text per object under `intentKey(kind, id)`.
import type { NetworkType, Segment as ProviderSegment } from '../segments.ts'

export interface Owned {
  readonly id: string
  readonly project_id: string
  readonly description: string
  readonly tags: readonly string[]
  readonly revision_number: number
  readonly created_at: string
  readonly updated_at: string
}

export interface Standard extends Owned {
  readonly name: string
}

export interface Network extends Standard, ProviderSegment {
  readonly admin_state_up: boolean
  readonly shared: boolean
  readonly mtu: number
  readonly port_security_enabled: boolean
  readonly dns_domain: string
  readonly availability_zone_hints: readonly string[]
  readonly 'router:external': boolean
  /** The external network that is taken when none is named. */
  readonly is_default: boolean
  /** Of its ports that have no policy of their own. */
  readonly qos_policy_id: string | null
  /** Where there are several, whose own rows say the same: what is said of a segment never changes. */
  readonly segments: readonly ProviderSegment[]
}

/** One of the places where a network is: each has one at least. */
export interface Segment extends Standard {
  readonly network_id: string
  readonly network_type: NetworkType
  readonly physical_network: string | null
  /** VNI or GRE key (1…16777215), VLAN id (1…4094), null for flat. */
  readonly segmentation_id: number | null
}

export interface AllocationPool {
  readonly start: string
  readonly end: string
}

export interface Route {
  readonly destination: string
  readonly nexthop: string
}

export interface Subnet extends Standard {
  readonly network_id: string
  readonly ip_version: 4 | 6
  readonly cidr: string
  readonly gateway_ip: string | null
  readonly allocation_pools: readonly AllocationPool[]
  readonly dns_nameservers: readonly string[]
  readonly host_routes: readonly Route[]
  readonly enable_dhcp: boolean
  readonly ipv6_ra_mode: Ipv6Mode | null
  readonly ipv6_address_mode: Ipv6Mode | null
  readonly service_types: readonly string[]
  readonly subnetpool_id: string | null
  /** The hosts of this segment only. Of a network, all subnets have one or none has. */
  readonly segment_id: string | null
  /** For an external DNS service to read. */
  readonly dns_publish_fixed_ip: boolean
}

/** Prefixes from which subnets take theirs. */
export interface SubnetPool extends Standard {
  readonly prefixes: readonly string[]
  readonly ip_version: 4 | 6
  readonly min_prefixlen: number
  readonly default_prefixlen: number
  readonly max_prefixlen: number
  readonly default_quota: number | null
  readonly address_scope_id: string | null
  readonly is_default: boolean
  readonly shared: boolean
}

export interface AddressScope extends Standard {
  readonly ip_version: 4 | 6
  readonly shared: boolean
}

export type Ipv6Mode = 'slaac' | 'dhcpv6-stateful' | 'dhcpv6-stateless'

export interface FixedIp {
  readonly subnet_id: string
  readonly ip_address: string
}

export interface AddressPair {
  readonly ip_address: string
  readonly mac_address: string
}

export interface DhcpOption {
  readonly opt_name: string
  readonly opt_value: string
  readonly ip_version: 4 | 6
}

export interface Port extends Standard {
  readonly network_id: string
  readonly mac_address: string
  readonly fixed_ips: readonly FixedIp[]
  /** 'deferred': it gets addresses when its host, and so the segment, is known. */
  readonly ip_allocation: 'immediate' | 'deferred'
  readonly device_id: string
  readonly device_owner: string
  readonly admin_state_up: boolean
  readonly port_security_enabled: boolean
  readonly allowed_address_pairs: readonly AddressPair[]
  readonly extra_dhcp_opts: readonly DhcpOption[]
  readonly dns_name: string
  readonly dns_domain: string
  /** In the order in which they are judged. */
  readonly security_groups: readonly string[]
  /** The verdict on what no rule of the groups matches. */
  readonly default_ingress_action: RuleAction
  readonly default_egress_action: RuleAction
  readonly qos_policy_id: string | null
  /** For those who start and watch the guest to write and read; nothing in Weft depends on them. */
  readonly numa_affinity_policy: 'required' | 'preferred' | 'legacy' | null
  readonly device_profile: string | null
  readonly data_plane_status: 'ACTIVE' | 'DOWN' | null
  readonly propagate_uplink_status: boolean
  readonly 'binding:host_id': string
  readonly 'binding:profile': Readonly<Record<string, unknown>>
}

export interface Router extends Standard {
  readonly admin_state_up: boolean
  readonly routes: readonly Route[]
  readonly availability_zone_hints: readonly string[]
  readonly external_gateway_info: GatewayInfo | null
  /** Its gateway goes to another host when its own is lost. */
  readonly ha: boolean
}

/** The addresses are those of the gateway port, which is written together with the router. */
export interface GatewayInfo {
  readonly network_id: string
  /** Machines behind the router share its address. */
  readonly enable_snat: boolean
  readonly external_fixed_ips: readonly FixedIp[]
  readonly qos_policy_id: string | null
}

export interface SecurityGroup extends Standard {
  readonly stateful: boolean
  /** False: traffic between two members is denied before the rules are asked. */
  readonly intra_group: boolean
  /** Set by an administrator: only administrators attach and detach the group, or change it. */
  readonly mandatory: boolean
  /** As mandatory, and shown to administrators only. */
  readonly hidden: boolean
}

export type RuleAction = 'allow' | 'deny' | 'reject'

export interface SecurityGroupRule extends Owned {
  readonly security_group_id: string
  readonly direction: 'ingress' | 'egress'
  readonly ethertype: 'IPv4' | 'IPv6'
  /** A name of packet/protocols.ts or a number in digits; null is any. ICMP for IPv6 is `ipv6-icmp`. */
  readonly protocol: string | null
  /** Destination ports; of ICMP the type and the code. */
  readonly port_range_min: number | null
  readonly port_range_max: number | null
  /** At most one of the three. */
  readonly remote_ip_prefix: string | null
  readonly remote_group_id: string | null
  readonly remote_address_group_id: string | null
  readonly action: RuleAction
  /** Consecutive from 1 within the group; null: judged after all that have one, deny and reject before allow. */
  readonly priority: number | null
  /** Of a rule with a priority: its place on switches, in the same order but with gaps, so that it seldom changes. */
  readonly rank: number | null
  readonly enabled: boolean
  readonly log: boolean
}

export interface AddressGroup extends Standard {
  readonly addresses: readonly string[]
}

/** What a rule is about is in fields of its type (`resources/qos-rules.ts`). */
export type QosRule = { readonly id: string } & (
  | {
      readonly type: 'bandwidth_limit'
      readonly direction: 'ingress' | 'egress'
      readonly max_kbps: number
      readonly max_burst_kbps: number
    }
  | {
      readonly type: 'packet_rate_limit'
      readonly direction: 'ingress' | 'egress'
      readonly max_kpps: number
      readonly max_burst_kpps: number
    }
  | { readonly type: 'dscp_marking'; readonly dscp_mark: number }
  | { readonly type: 'minimum_bandwidth' | 'minimum_packet_rate' }
)
export type QosRuleType = QosRule['type']

export interface QosPolicy extends Standard {
  readonly shared: boolean
  /** Of the project: new networks have it unless they ask for another. */
  readonly is_default: boolean
  readonly rules: readonly QosRule[]
}

/** What an operator wrote about a host; everything else about it is observed. */
export interface AgentSettings {
  readonly id: string
  readonly description: string
  readonly admin_state_up: boolean
}

/**
 * The host that stands for a router on its external network; the id is the router's. The controller chooses one and keeps
 * it while it can; the API writes where an operator wants it, or does not want it. It goes with the router's gateway.
 */
export interface RouterHost {
  readonly id: string
  /** `system-id` of the host. */
  readonly host: string
  /** An operator has chosen it. */
  readonly pinned: boolean
  /** The host from which an operator took the router: it has the router only while no other can. */
  readonly avoid: string | null
}

/** Limits that differ from the defaults; the id is the project's. */
export interface Quota {
  readonly id: string
  readonly limits: Readonly<Partial<Record<ResourceKind, number>>>
}

export interface Model {
  readonly networks: Network
  readonly segments: Segment
  readonly subnets: Subnet
  readonly ports: Port
  readonly routers: Router
  readonly security_groups: SecurityGroup
  readonly security_group_rules: SecurityGroupRule
  readonly address_groups: AddressGroup
  readonly subnetpools: SubnetPool
  readonly address_scopes: AddressScope
  readonly qos_policies: QosPolicy
  readonly agents: AgentSettings
  readonly router_hosts: RouterHost
  readonly quotas: Quota
}

export type Kind = keyof Model
/** The kinds with the standard attributes, owned by a project. */
export type ResourceKind = Exclude<Kind, 'agents' | 'router_hosts' | 'quotas'>

/** One of the kind. */
export const singularOf = (kind: ResourceKind): string => kind.replace(/ies$/, 'ys').slice(0, -1)
/** What a list of the kind is called in bodies. */
export const collectionOf = (kind: ResourceKind): string => (kind === 'qos_policies' ? 'policies' : kind)
/** `security_groups` in bodies and keys, `security-groups` in addresses. */
export const pathOf = (kind: ResourceKind): string =>
  kind === 'qos_policies' ? 'qos/policies' : kind.replaceAll('_', '-')

const isKind: Readonly<Record<Kind, true>> = {
  networks: true,
  segments: true,
  subnets: true,
  ports: true,
  routers: true,
  security_groups: true,
  security_group_rules: true,
  address_groups: true,
  subnetpools: true,
  address_scopes: true,
  qos_policies: true,
  agents: true,
  router_hosts: true,
  quotas: true,
}

export const intentPrefix = 'intent/'
export const intentKey = (kind: Kind, id: string): string => `${intentPrefix}${kind}/${id}`

/** Kind and id of an intent key, undefined for keys of others (guards among them). */
export function parseIntentKey(key: string): { kind: Kind; id: string } | undefined {
  const [prefix, kind, id] = key.split('/')
  const known = kind !== undefined && Object.hasOwn(isKind, kind)
  return `${prefix}/` === intentPrefix && known && id ? { kind: kind as Kind, id } : undefined
}

export const routerInterfaceOwner = 'network:router_interface'
/** The port of a router on its external network. It belongs to no project: the operator of that network sees it, tenants do not. */
export const routerGatewayOwner = 'network:router_gateway'
export const isRouterPort = ({ device_owner }: Port): boolean =>
  device_owner === routerInterfaceOwner || device_owner === routerGatewayOwner

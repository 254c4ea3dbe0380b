// What an app is: the only controller file that apps import. An app is a value: the stages it needs, and pure rules from
// tracked reads to flows. The engine runs a rule again when something that it read has changed, and only then.
import type { FlowSpec, Limit } from './pipeline/flow.ts'
import type { Stage } from './pipeline/layout.ts'
import type { Segment } from './segments.ts'

export type { FlowSpec, Limit } from './pipeline/flow.ts'
export type { Stage } from './pipeline/layout.ts'
export type { FlowAction } from './pipeline/stage-action.ts'
export {
  apart,
  bounce,
  commit,
  decrementTtl,
  load,
  look,
  move,
  output,
  outputTo,
  punt,
  remember,
  resubmit,
  set,
  tell,
  track,
  trackNew,
  translateBack,
  translateSource,
  untrack,
} from './actions.ts'
export { asPrefix, hostMac, ipv4, ipv6Prefix, linkLocal, mac, prefix, subnetMac } from './address.ts'
export { arpAnswer } from './arp-answer.ts'
export { copyOf } from './flooding.ts'
export { l2Priorities } from './l2-priorities.ts'
export {
  gatewayMeter,
  limitMeter,
  LOG_METER,
  NEIGHBOUR_METER,
  portMeter,
  REJECT_METER,
  ROUTER_METER,
} from './pipeline/meters.ts'
export { objectDigits } from './pipeline/cookie.ts'
export { carries, isWired, physicalNetworks, segmentsAt, segmentsOf } from './segments.ts'
export { memberOf, sourcesOf, remoteSetOf } from './policy.ts'
export {
  CLAIMED_MAC,
  directions,
  FROM_TUNNEL,
  GROUP,
  HITS,
  mark,
  marked,
  MARKS,
  NETWORK,
  NEXT_HOP,
  OUTPORT,
  REMOTE,
  REMOTE_IPV4,
  POLICY,
  ROUTER,
  SENDER,
  SET,
  SUBJECT,
  tag,
  verdicts,
  ZONE,
} from './pipeline/registers.ts'

/** Objects of the northbound API, as far as forwarding cares: names and shapes are Neutron's. */
export interface Network extends Segment {
  readonly id: string
  readonly admin_state_up: boolean
  readonly mtu: number
  /** With a dot at its end; '' where the network has none of its own. */
  readonly dns_domain: string
  /** Of many tenants. */
  readonly shared?: boolean
  readonly created_at?: string
  /** Of its ports that have no policy of their own. */
  readonly qos_policy_id?: string | null
  /** Where it has several (segments.ts). */
  readonly segments?: readonly Segment[]
}
export interface Subnet {
  readonly id: string
  readonly network_id: string
  readonly ip_version: number
  readonly cidr: string
  readonly gateway_ip: string | null
  readonly enable_dhcp: boolean
  readonly dns_nameservers: readonly string[]
  readonly host_routes: readonly { readonly destination: string; readonly nexthop: string }[]
}
export interface Port {
  readonly id: string
  readonly name: string
  readonly network_id: string
  readonly mac_address: string
  readonly fixed_ips: readonly { readonly subnet_id: string; readonly ip_address: string }[]
  readonly admin_state_up: boolean
  readonly dns_name: string
  readonly device_owner: string
  readonly device_id: string
  readonly port_security_enabled: boolean
  readonly allowed_address_pairs: readonly { readonly ip_address: string; readonly mac_address: string }[]
  readonly extra_dhcp_opts: readonly {
    readonly opt_name: string
    readonly opt_value: string | null
    readonly ip_version: number
  }[]
  readonly 'binding:host_id': string
  /** In the order in which they are asked. Absent in what was stored before there were groups: no policy. */
  readonly security_groups?: readonly string[]
  /** What happens to what no group decides; 'deny' where absent. */
  readonly default_ingress_action?: RuleAction
  readonly default_egress_action?: RuleAction
  readonly qos_policy_id?: string | null
}
export type RuleAction = 'allow' | 'deny' | 'reject'
export interface SecurityGroup {
  readonly id: string
  /** False: each packet is judged by itself, and replies need rules of their own. */
  readonly stateful: boolean
  /** False: traffic between two members is denied before the rules are asked. */
  readonly intra_group: boolean
}
export interface SecurityGroupRule {
  readonly id: string
  readonly security_group_id: string
  readonly direction: 'ingress' | 'egress'
  readonly ethertype: 'IPv4' | 'IPv6'
  /** A name of packet/protocols.ts or a number; null is any. */
  readonly protocol: string | null
  /** Destination ports; type and code of ICMP. */
  readonly port_range_min: number | null
  readonly port_range_max: number | null
  /** At most one of the three. */
  readonly remote_ip_prefix: string | null
  readonly remote_group_id: string | null
  readonly remote_address_group_id: string | null
  readonly action: RuleAction
  /** From 1; null: after all that have one, deny before reject before allow. */
  readonly priority: number | null
  /** In the order of priorities, with gaps. Absent or null in what was stored before there were ranks: the priority. */
  readonly rank?: number | null
  readonly enabled: boolean
  readonly log: boolean
}
export interface AddressGroup {
  readonly id: string
  readonly addresses: readonly string[]
}
/** Of the port: what it sends, and what is delivered to it. */
export type Direction = 'egress' | 'ingress'
/** Kilobits, or thousands of packets, a second; 0 is no limit. A burst of 0: what the switch is told to take instead. */
export type QosRule =
  | {
      readonly type: 'bandwidth_limit'
      readonly direction: Direction
      readonly max_kbps: number
      readonly max_burst_kbps: number
    }
  | {
      readonly type: 'packet_rate_limit'
      readonly direction: Direction
      readonly max_kpps: number
      readonly max_burst_kpps: number
    }
  | { readonly type: 'dscp_marking'; readonly dscp_mark: number }
  /** The API does not let ports have these. */
  | { readonly type: 'minimum_bandwidth' | 'minimum_packet_rate' }
export interface QosPolicy {
  readonly id: string
  readonly rules: readonly QosRule[]
}
export interface Router {
  readonly id: string
  readonly admin_state_up: boolean
  readonly routes: readonly { readonly destination: string; readonly nexthop: string }[]
  /** Null or absent: it stands on no external network. Its addresses there are those of its gateway port. */
  readonly external_gateway_info?: {
    readonly network_id: string
    readonly enable_snat: boolean
    readonly qos_policy_id?: string | null
  } | null
  /** Whether its gateway goes to another host when its own is lost; absent: it does. */
  readonly ha?: boolean
}
/** The host that stands for a router on its external network. */
export interface RouterHost {
  /** The router's. */
  readonly id: string
  readonly host: string
  /** An operator wants it there, whatever happens. */
  readonly pinned: boolean
  /** The host from which an operator took the router: it stands for the router only while no other can. */
  readonly avoid: string | null
}
/** A machine on an external network, as a router has learned it by ARP. */
export interface Neighbour {
  readonly network: string
  readonly address: string
  readonly mac_address: string
}

/** An OVS host as its OVSDB describes it. */
export interface Host {
  /** `external_ids:system-id` of its Open_vSwitch row. */
  readonly id: string
  readonly name: string
  /** Where tunnels to it end: an IPv4 address. */
  readonly encapIp: string
  /** Its ports to physical networks, by their names. */
  readonly uplinks: Readonly<Record<string, number>>
}
/** An interface of br-int that says which port it is (`external_ids:iface-id`). */
export interface Vif {
  readonly host: string
  readonly name: string
  readonly ofport: number
  readonly port: string
}
/** Where a port is plugged in. */
export interface Binding {
  readonly host: string
  readonly ofport: number
  /** The interface, and others that claim the same port (an alarm), as HOST/INTERFACE. */
  readonly vif: string
  readonly rivals: readonly string[]
}

/** The conntrack zone that a network's connections have on a host: flushed, and nobody else's. */
export interface Zone {
  readonly host: string
  /** The id of the network; for translation of addresses, of the router. */
  readonly object: string
  readonly zone: number
}

/** What decides about a port's traffic. */
export interface Policy {
  readonly groups: readonly string[]
  readonly ingress: RuleAction
  readonly egress: RuleAction
  /** One of the groups is stateful. */
  readonly stateful: boolean
}

/** What counts against a limit. */
export type Measure = 'kilobits' | 'packets'
export interface Rate {
  readonly perSecond: number
  readonly burst: number
}
/** What a port's packets are limited to in each direction, and marked with when they leave it. */
export interface Qos extends Readonly<Record<Direction, { readonly [M in Measure]?: Rate }>> {
  readonly dscp: number | null
}

/** A port on the host that has it. */
export interface LocalPort {
  readonly id: string
  readonly ofport: number
  /** Its admin_state_up. */
  readonly up: boolean
  /** It may use MACs that no other port says it has: what is for no known port may be for it. */
  readonly listens: boolean
}

/** Who gets copies of what is flooded on a network: every port, or those that listen to what is for no known port. */
export type Audience = 'all' | 'listening'
/** A host with ports that get copies. */
export interface Copy {
  readonly audience: Audience
  readonly network: string
  readonly host: string
}
/** Some of the hosts whose ports get copies. */
export interface Part {
  readonly audience: Audience
  readonly network: string
  /** From 0; without meaning but to tell the parts of a network apart. */
  readonly number: number
  readonly hosts: readonly string[]
}

/** Tracked reads. Lists are sorted and hold what exists now. */
export interface Reads {
  network(id: string): Network | undefined
  subnet(id: string): Subnet | undefined
  port(id: string): Port | undefined
  router(id: string): Router | undefined
  host(id: string): Host | undefined
  vif(key: string): Vif | undefined
  /** The interface with an OpenFlow number on a host. */
  vifAt(host: string, ofport: number): Vif | undefined
  portsOf(network: string): readonly string[]
  /**
   * A network's ports that may have addresses which the API does not know: without port security, or with allowed
   * address pairs. A router's, though without port security, has none.
   */
  openPorts(network: string): readonly string[]
  subnetsOf(network: string): readonly string[]
  /** The ports by which routers stand on a network. */
  gatewaysOf(network: string): readonly string[]
  /** The ports by which a router stands on its networks. */
  interfacesOf(router: string): readonly string[]
  /** The port by which a router stands on its external network. */
  gatewayPortOf(router: string): Port | undefined
  /** The ports by which routers stand on a network that is external to them. */
  gatewayPortsOn(network: string): readonly string[]
  routerHost(router: string): RouterHost | undefined
  /** The host that stands for a router on its external network, if it has one and there is such a host. */
  hostOfRouter(router: string): string | undefined
  /** The same for the router of a port, of whichever network. */
  standIn(port: string): string | undefined
  /** Keyed as neighbourKey() says. */
  neighbour(key: string): Neighbour | undefined
  /** The network whose number stands in NETWORK. */
  networkTagged(number: bigint): Network | undefined
  /** Null while no host has the port. */
  binding(port: string): Binding | null
  /** The hosts with a port of the network. */
  membersOf(network: string): readonly string[]
  /** The numbers of the parts; none where nobody gets copies. */
  partsOf(audience: Audience, network: string): readonly number[]
  part(key: string): Part
  /** Null: nothing of the port is filtered. */
  policy(port: string): Policy | null
  securityGroup(id: string): SecurityGroup | undefined
  securityGroupRule(id: string): SecurityGroupRule | undefined
  rulesOf(group: string): readonly string[]
  /** The rule that a cookie leads to: by the first 12 hexadecimal digits of its UUID. */
  ruleOfCookie(origin: string): SecurityGroupRule | undefined
  /** Undefined: nothing of the port is limited or marked. */
  qos(port: string): Qos | undefined
  /** The same of what passes a router's gateway. */
  gatewayQos(router: string): Qos | undefined
  /** Keyed `host/network`. */
  zone(key: string): Zone | undefined
  /** The networks whose connections share a conntrack zone with a network's, itself included; the first has the zone. */
  zoneMates(network: string): readonly string[]
  /**
   * The hosts with a port of the network, or of one that routers connect with it; and those that stand for a router on one
   * of them, or for a router of one of them.
   */
  hostsOf(network: string): readonly string[]
  /** A network's ports on one host. */
  localPorts(host: string, network: string): readonly LocalPort[]
}

/** Which hosts get the flows of a rule. */
export type Scope =
  | { readonly kind: 'all' }
  | { readonly kind: 'host'; readonly host: string }
  /** Every host that needs the network: it has a port there, or on a network that routers connect with it. */
  | { readonly kind: 'network'; readonly network: string }
  /** Every host with a port in the security group. */
  | { readonly kind: 'group'; readonly group: string }
  /** Every host with a port in a security group that refers to the set: a security group, or an address group. */
  | { readonly kind: 'set'; readonly set: string }
  /** Every host that stands for a router on the network, which is external to the router. */
  | { readonly kind: 'external'; readonly network: string }

/** What the hosts of a scope get because of one object. */
export interface Contribution {
  readonly scope: Scope
  /** The UUID that goes into the flows' cookies; the key of the rule where absent. */
  readonly object?: string
  readonly flows: readonly FlowSpec[]
  readonly limits?: readonly Limit[]
}

/**
 * A pure function, run for every key of the table that it is `over`. The key of a member says which prefix is in which set,
 * that of a copy which host gets copies: memberOf() and copyOf() read them. 'limited' are the ports that have something
 * for qos().
 */
interface Rule {
  readonly over:
    | 'network'
    | 'subnet'
    | 'port'
    | 'router'
    | 'vif'
    | 'security_group'
    | 'zone'
    | 'member'
    | 'copy'
    | 'part'
    | 'neighbour'
    /** The ports by which routers stand on networks. */
    | 'router_interface'
    | 'limited'
  contribute(read: Reads, key: string): readonly Contribution[]
}

/** A packet that a flow of the app sent to the controller. */
export interface PacketIn {
  readonly host: string
  readonly inPort: number
  /** The object in the flow's cookie: the first 12 hexadecimal digits of its UUID. */
  readonly origin: string
  /** The pipeline's fields that were not 0. */
  readonly metadata: Pick<ReadonlyMap<string, number | bigint | Uint8Array>, 'get'>
  readonly data: Uint8Array
}
/** A packet to send out of a port, or on a network, to wherever its destination is. */
export type PacketOut = {
  /** Absent: the switch that the packet came from. */
  readonly host?: string
  readonly data: Uint8Array
} & ({ readonly outPort: number } | { readonly network: string })

/** What a packet says of the neighbours of routers: somebody has an address, or a packet waits for who has it. */
export type NeighbourNews =
  | { readonly kind: 'heard'; readonly neighbour: Neighbour }
  | { readonly kind: 'wanted'; readonly network: string; readonly address: string; readonly data: Uint8Array }

/** A frame that every port of a network is to get once: somebody's address has another MAC now. */
export interface Announcement {
  readonly network: string
  readonly address: string
  readonly data: Uint8Array
  /** Said by this host to the whole network, beyond its own ports too; absent: to ports, each by its own host. */
  readonly host?: string
}

/** What happened on a host because of an object, for the log and for whoever follows events. */
export interface Report {
  readonly kind: string
  /** The object. */
  readonly id: string
  readonly [detail: string]: string | number | undefined
}

export interface App {
  readonly name: string
  readonly stages: readonly Stage[]
  /** What every host gets, whatever exists. */
  readonly constant?: Omit<Contribution, 'scope'>
  readonly rules: readonly Rule[]
  /** What holds for a router: what is new in it is announced. */
  announce?(this: void, read: Reads, router: string): readonly Announcement[]
  packetIn?(read: Reads, packet: PacketIn): readonly PacketOut[]
  neighbourNews?(read: Reads, packet: PacketIn): NeighbourNews | null
  /** What a packet-in is to be reported as. */
  report?(read: Reads, packet: PacketIn): Report | null
}

/** The fixed OpenFlow numbers of the tunnel ports: equal on every host, so that flows are equal too. */
export const TUNNEL_PORTS = { vxlan: 65001, geneve: 65002, gre: 65003 } as const
export type TunnelType = keyof typeof TUNNEL_PORTS
export const isTunnelType = (type: string | null): type is TunnelType =>
  type !== null && Object.hasOwn(TUNNEL_PORTS, type)

/** The domain of networks that have none of their own. */
export const DNS_DOMAIN = 'weft.internal.'

export const ROUTER_INTERFACE = 'network:router_interface'
export const ROUTER_GATEWAY = 'network:router_gateway'
export const isRouterPort = ({ device_owner }: Port): boolean =>
  device_owner === ROUTER_INTERFACE || device_owner === ROUTER_GATEWAY

export const neighbourKey = (network: string, address: string): string => `${network} ${address}`

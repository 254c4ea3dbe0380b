// Port security: a port sends with its own MAC and addresses only, or with one of its allowed address pairs. What does
// not match is dropped where it enters (the table's miss).
import { linkLocal, type App, type Contribution, type FlowSpec, type Reads } from '../../controller/app.ts'
import { DISCOVERY, foreignDiscovery, ownDiscovery } from './discovery.ts'
import { sendersOf, type Sender } from './sender.ts'

const IPV4 = 0x0800
const IPV6 = 0x86dd
const ARP = 0x0806
const UDP = 17
const ICMPV6 = 58
const [ROUTER_ADVERTISEMENT, REDIRECT] = [134, 137]
const priorities = { open: 300, server: 200, own: 100 } as const

const pass = (priority: number, match: FlowSpec['match']): FlowSpec => ({
  stage: 'port_security',
  priority,
  match,
  actions: [],
  to: 'next',
})

function allowed(ofport: number, sender: Sender): FlowSpec[] {
  const from = { in_port_oxm: ofport, eth_src: sender.mac }
  const arp = { ...from, eth_type: ARP, arp_sha: sender.mac }
  const ip6 = { ...from, eth_type: IPV6 }
  return [
    // An address probe (RFC 5227) has no sender address yet, a DHCP client neither.
    pass(priorities.own, { ...arp, arp_spa: 0 }),
    pass(priorities.own, {
      ...from,
      eth_type: IPV4,
      ip_src: 0,
      ip_dst: 0xffff_ffff,
      nw_proto: 17,
      udp_src: 68,
      udp_dst: 67,
    }),
    ...sender.v4.flatMap((range) => [
      pass(priorities.own, { ...arp, arp_spa: [...range] }),
      pass(priorities.own, { ...from, eth_type: IPV4, ip_src: [...range] }),
    ]),
    // RFC 4862 §5.4: duplicate address detection sends from the unspecified address.
    pass(priorities.own, { ...ip6, ipv6_src: new Uint8Array(16), nw_proto: 58 }),
    pass(priorities.own, { ...ip6, ipv6_src: linkLocal(sender.mac) }),
    ...sender.v6.map(([address, mask]) => pass(priorities.own, { ...ip6, ipv6_src: [address, mask] })),
  ]
}

/** What only the network itself says to its ports: routes, redirections, and leases of DHCP for IPv4 and IPv6. */
const servers: readonly FlowSpec[] = [
  { eth_type: IPV6, nw_proto: ICMPV6, icmpv6_type: ROUTER_ADVERTISEMENT },
  { eth_type: IPV6, nw_proto: ICMPV6, icmpv6_type: REDIRECT },
  { eth_type: IPV4, nw_proto: UDP, udp_src: 67, udp_dst: 68 },
  { eth_type: IPV6, nw_proto: UDP, udp_src: 547, udp_dst: 546 },
].map((match) => ({ stage: 'port_security', priority: priorities.server, match, actions: [] }))

const open = (ofport: number): FlowSpec[] =>
  ['port_security', DISCOVERY].map((stage) => ({
    stage,
    priority: priorities.open,
    match: { in_port_oxm: ofport },
    actions: [],
    to: 'next',
  }))

function guarded(read: Reads, key: string): readonly Contribution[] {
  const vif = read.vif(key)
  const port = vif && read.port(vif.port)
  if (!vif || !port?.admin_state_up || read.binding(port.id)?.host !== vif.host) return []
  return [
    {
      scope: { kind: 'host', host: vif.host },
      object: port.id,
      flows: port.port_security_enabled
        ? sendersOf(port).flatMap((sender) => [...allowed(vif.ofport, sender), ...ownDiscovery(vif.ofport, sender)])
        : open(vif.ofport),
    },
  ]
}

export const security: App = {
  name: 'security',
  stages: [
    {
      name: 'port_security',
      phase: 'security',
      miss: 'drop',
      lost: 'its sender may not use this MAC or address',
      matches: [
        'in_port_oxm',
        'eth_src',
        'ip_src',
        'ip_dst',
        'udp_src',
        'udp_dst',
        'arp_spa',
        'arp_sha',
        'ipv6_src',
        'icmpv6_type',
      ],
    },
    {
      name: DISCOVERY,
      phase: 'security',
      miss: 'next',
      matches: ['in_port_oxm', 'eth_src', 'icmpv6_type', 'icmpv6_code', 'nd_target', 'nd_sll', 'nd_tll'],
    },
  ],
  rules: [{ over: 'vif', contribute: guarded }],
  constant: { flows: [...servers, ...foreignDiscovery] },
}

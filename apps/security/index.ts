// Port security: a port sends with its own MAC and addresses only, or with one of its allowed address pairs. What does
// not match is dropped.
import { linkLocal, type App, type Contribution, type FlowSpec, type Reads } from '../../controller/app.ts'
import { claiming, claims, claimStages, ownClaims } from './claims.ts'
import { discovery, discoveryStage } from './discovery.ts'
import { ARP, fromUnspecified, ICMPV6, IPV4, IPV6, REDIRECT, ROUTER_ADVERTISEMENT, UDP } from './fields.ts'
import { sendersOf, type Sender } from './sender.ts'

const BROADCAST = 0xffff_ffff
const priorities = { open: 300, server: 200, own: 100, claim: 50 } as const
const stage = 'port_security'

function allowed(ofport: number, sender: Sender): FlowSpec[] {
  const from = { in_port_oxm: ofport, eth_src: sender.mac }
  const ip6 = { ...from, eth_type: IPV6 }
  const pass = (match: FlowSpec['match'], to: string): FlowSpec => ({
    stage,
    priority: priorities.own,
    match,
    actions: [],
    to,
  })
  return [
    ...sender.v4.map((range) => pass({ ...from, eth_type: IPV4, ip_src: [...range] }, 'arp')),
    pass({ ...ip6, ipv6_src: linkLocal(sender.mac) }, 'next'),
    ...sender.v6.map(([address, mask]) => pass({ ...ip6, ipv6_src: [address, mask] }, 'next')),
    ...ownClaims(ofport, sender),
  ]
}

/** What has no source address, or says more than that. */
const claimed: readonly FlowSpec[] = [
  claiming('arp_sha', { stage, priority: priorities.claim, match: { eth_type: ARP } }),
  claiming('eth_src', {
    stage,
    priority: priorities.claim,
    match: { eth_type: IPV4, ip_src: 0, ip_dst: BROADCAST, nw_proto: UDP, udp_src: 68, udp_dst: 67 },
  }),
  { stage, priority: priorities.claim, match: fromUnspecified, actions: [], to: 'next' },
]

/** What only the network itself says to its ports: routes, redirections, and leases of DHCP for IPv4 and IPv6. */
const servers: readonly FlowSpec[] = [
  { eth_type: IPV6, nw_proto: ICMPV6, icmpv6_type: ROUTER_ADVERTISEMENT },
  { eth_type: IPV6, nw_proto: ICMPV6, icmpv6_type: REDIRECT },
  { eth_type: IPV4, nw_proto: UDP, udp_src: 67, udp_dst: 68 },
  { eth_type: IPV6, nw_proto: UDP, udp_src: 547, udp_dst: 546 },
].map((match) => ({ stage, priority: priorities.server, match, actions: [] }))

const open = (ofport: number): FlowSpec => ({
  stage,
  priority: priorities.open,
  match: { in_port_oxm: ofport },
  actions: [],
  to: 'arp',
})

function guarded(read: Reads, key: string): readonly Contribution[] {
  const vif = read.vif(key)
  const port = vif && read.port(vif.port)
  if (!vif || !port?.admin_state_up || read.binding(port.id)?.host !== vif.host) return []
  return [
    {
      scope: { kind: 'host', host: vif.host },
      object: port.id,
      flows: port.port_security_enabled
        ? sendersOf(port).flatMap((sender) => allowed(vif.ofport, sender))
        : [open(vif.ofport)],
    },
  ]
}

export const security: App = {
  name: 'security',
  stages: [
    {
      name: stage,
      phase: 'security',
      miss: 'drop',
      lost: 'its sender may not use this MAC or address',
      matches: ['in_port_oxm', 'eth_src', 'ip_src', 'ip_dst', 'udp_src', 'udp_dst', 'ipv6_src', 'icmpv6_type'],
    },
    discoveryStage,
    ...claimStages,
  ],
  rules: [{ over: 'vif', contribute: guarded }],
  constant: { flows: [...servers, ...claimed, ...discovery, ...claims] },
}

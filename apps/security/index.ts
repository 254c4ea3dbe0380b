// Port security: a port sends with its own MAC and addresses only, or with one of its allowed address pairs. What does
// not match is dropped where it enters (the table's miss).
import {
  asPrefix,
  ipv6Prefix,
  linkLocal,
  mac,
  prefix,
  type App,
  type Contribution,
  type FlowSpec,
  type Port,
  type Reads,
} from '../../controller/app.ts'

const IPV4 = 0x0800
const IPV6 = 0x86dd
const ARP = 0x0806

interface Sender {
  readonly mac: number
  /** Address and mask. */
  readonly v4: readonly (readonly [number, number])[]
  readonly v6: readonly (readonly [Uint8Array, Uint8Array])[]
}

/** The MACs that a port may use, each with its addresses. */
function sendersOf(port: Port): Sender[] {
  const pairs = [
    ...port.fixed_ips.map(({ ip_address }) => ({ mac_address: port.mac_address, ip_address })),
    ...port.allowed_address_pairs,
  ]
  const macs = new Set([port.mac_address, ...pairs.map((pair) => pair.mac_address)])
  return Array.from(macs, (text) => {
    const ranges = pairs.filter((pair) => pair.mac_address === text).map(({ ip_address }) => asPrefix(ip_address))
    return {
      mac: mac(text),
      v4: ranges.flatMap((range) => {
        const at = prefix(range)
        return at === null ? [] : [[at.network, at.mask] as const]
      }),
      v6: ranges.flatMap((range) => {
        const at = ipv6Prefix(range)
        return at === null ? [] : [[at.network, at.mask] as const]
      }),
    }
  })
}

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
    pass(100, { ...arp, arp_spa: 0 }),
    pass(100, { ...from, eth_type: IPV4, ip_src: 0, ip_dst: 0xffff_ffff, nw_proto: 17, udp_src: 68, udp_dst: 67 }),
    ...sender.v4.flatMap((range) => [
      pass(100, { ...arp, arp_spa: [...range] }),
      pass(100, { ...from, eth_type: IPV4, ip_src: [...range] }),
    ]),
    // RFC 4862 §5.4: duplicate address detection sends from the unspecified address.
    pass(100, { ...ip6, ipv6_src: new Uint8Array(16), nw_proto: 58 }),
    pass(100, { ...ip6, ipv6_src: linkLocal(sender.mac) }),
    ...sender.v6.map(([address, mask]) => pass(100, { ...ip6, ipv6_src: [address, mask] })),
  ]
}

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
        : [pass(100, { in_port_oxm: vif.ofport })],
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
      matches: ['in_port_oxm', 'eth_src', 'ip_src', 'ip_dst', 'udp_src', 'udp_dst', 'arp_spa', 'arp_sha', 'ipv6_src'],
    },
  ],
  rules: [{ over: 'vif', contribute: guarded }],
}

// What a packet says of its sender besides its source addresses: MACs and addresses in ARP and neighbour discovery, and the
// MAC alone where there is no address yet. It is rare beside all other traffic, so it takes two more tables instead of more
// flows for each port.
import { CLAIMED_MAC, linkLocal, move, type FlowSpec, type Stage } from '../../controller/app.ts'
import { ADVERTISEMENT, ARP, message } from './fields.ts'
import type { Sender } from './sender.ts'

const ALL_BITS = new Uint8Array(16).fill(0xff)
const priorities = { own: 100, none: 60, foreign: 50 } as const

/** The field says which MAC is the sender's. */
export const claiming = (
  field: 'eth_src' | 'arp_sha' | 'nd_sll' | 'nd_tll',
  flow: Pick<FlowSpec, 'stage' | 'priority' | 'match'>,
): FlowSpec => ({ ...flow, actions: [move(field, CLAIMED_MAC, 48)], to: 'hardware_security' })

export const claimStages: readonly Stage[] = [
  {
    name: 'hardware_security',
    phase: 'security',
    miss: 'drop',
    lost: 'its sender may not use this MAC',
    matches: ['in_port_oxm', 'eth_src', CLAIMED_MAC],
  },
  {
    name: 'address_security',
    phase: 'security',
    miss: 'next',
    matches: ['in_port_oxm', 'eth_src', 'arp_spa', 'icmpv6_type', 'icmpv6_code', 'nd_target'],
  },
]

export function ownClaims(ofport: number, { mac, v4, v6 }: Sender): FlowSpec[] {
  const from = { in_port_oxm: ofport, eth_src: mac }
  const pass = (stage: string, match: FlowSpec['match']): FlowSpec => ({
    stage,
    priority: priorities.own,
    match: { ...from, ...match },
    actions: [],
    to: 'next',
  })
  const targets = [[linkLocal(mac), ALL_BITS] as const, ...v6]
  return [
    pass('hardware_security', { [CLAIMED_MAC]: BigInt(mac) }),
    ...v4.map((range) => pass('address_security', { eth_type: ARP, arp_spa: [...range] })),
    ...targets.map(([target, mask]) =>
      pass('address_security', { ...message(ADVERTISEMENT), nd_target: [target, mask] }),
    ),
  ]
}

export const claims: readonly FlowSpec[] = [
  // An address probe (RFC 5227) has no sender address yet.
  { match: { eth_type: ARP, arp_spa: 0 }, priority: priorities.none, to: 'next' },
  { match: { eth_type: ARP }, priority: priorities.foreign },
  { match: message(ADVERTISEMENT), priority: priorities.foreign },
].map((flow) => ({ stage: 'address_security', actions: [], ...flow }))

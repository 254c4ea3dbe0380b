// IPv6 neighbour discovery of a port whose source address has been found right: what it says about itself must be so too
// (RFC 4861): the link-layer address in a solicitation or advertisement, and the target of an advertisement.
import { linkLocal, type FlowSpec } from '../../controller/app.ts'
import type { Sender } from './sender.ts'

export const DISCOVERY = 'neighbour_security'
const IPV6 = 0x86dd
const ICMPV6 = 58
const SOLICITATION = 135
const ADVERTISEMENT = 136
const ALL_BITS = new Uint8Array(16).fill(0xff)
const priorities = { own: 100, foreign: 50 } as const

const message = (type: number) => ({ eth_type: IPV6, nw_proto: ICMPV6, icmpv6_type: type, icmpv6_code: 0 })

/** No link-layer address (0) may be given as well as the own one. */
export function ownDiscovery(ofport: number, { mac, v6 }: Sender): FlowSpec[] {
  const from = { in_port_oxm: ofport, eth_src: mac }
  const targets = [[linkLocal(mac), ALL_BITS] as const, ...v6]
  const pass = (match: FlowSpec['match']): FlowSpec => ({
    stage: DISCOVERY,
    priority: priorities.own,
    match: { ...from, ...match },
    actions: [],
    to: 'next',
  })
  return [0, mac].flatMap((address) => [
    pass({ ...message(SOLICITATION), nd_sll: address }),
    ...targets.map(([target, mask]) => pass({ ...message(ADVERTISEMENT), nd_target: [target, mask], nd_tll: address })),
  ])
}

export const foreignDiscovery: readonly FlowSpec[] = [SOLICITATION, ADVERTISEMENT].map((type) => ({
  stage: DISCOVERY,
  priority: priorities.foreign,
  match: { eth_type: IPV6, nw_proto: ICMPV6, icmpv6_type: type },
  actions: [],
}))

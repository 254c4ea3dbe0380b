// IPv6 neighbour discovery of a port whose source address has been found right (RFC 4861). Flows for all ports: what a message
// says of the port itself goes on to be compared with what is the port's (claims.ts).
import type { FlowSpec, Stage } from '../../controller/app.ts'
import { claiming } from './claims.ts'
import { ADVERTISEMENT, fromUnspecified, ICMPV6, IPV6, message, SOLICITATION } from './fields.ts'

const stage = 'neighbour_security'
const priorities = { silent: 110, says: 100, foreign: 50, unspecified: 10 } as const

/** A link-layer address need not be given (0). */
const checked = (type: number, given: 'nd_sll' | 'nd_tll'): FlowSpec[] => [
  claiming('eth_src', { stage, priority: priorities.silent, match: { ...message(type), [given]: 0 } }),
  claiming(given, { stage, priority: priorities.says, match: message(type) }),
  {
    stage,
    priority: priorities.foreign,
    match: { eth_type: IPV6, nw_proto: ICMPV6, icmpv6_type: type },
    actions: [],
  },
]

export const discoveryStage: Stage = {
  name: stage,
  phase: 'security',
  miss: 'arp',
  matches: ['ipv6_src', 'icmpv6_type', 'icmpv6_code', 'nd_sll', 'nd_tll'],
}
export const discovery: readonly FlowSpec[] = [
  ...checked(SOLICITATION, 'nd_sll'),
  ...checked(ADVERTISEMENT, 'nd_tll'),
  claiming('eth_src', { stage, priority: priorities.unspecified, match: fromUnspecified }),
]

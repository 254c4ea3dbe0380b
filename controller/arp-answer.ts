// ARP answers in flows. The stage 'arp' asks the stage 'neighbour', where routers look up next hops too, for the MAC of the
// address: what is found there goes on as if to that MAC, and the stage 'l2' makes the answer of it. Any app may add
// addresses that are only for questions.
import { set } from './actions.ts'
import type { FlowSpec } from './pipeline/flow.ts'
import { marked, MARKS, NETWORK, NEXT_HOP, tag } from './pipeline/registers.ts'

/** Who asks for `address` on the network hears of `hardware`. */
export const arpAnswer = (network: string, address: number, hardware: number, priority: number): FlowSpec => ({
  stage: 'neighbour',
  priority,
  match: { [NETWORK]: tag(network), [NEXT_HOP]: address, [MARKS]: marked({ asked: 1 }) },
  actions: [set('eth_dst', hardware)],
  to: 'next',
})

// The ARP answer in flows, for every app that has an address on a network: a flow of the stage 'arp'.
import { bounce, move, set } from './actions.ts'
import type { FlowSpec } from './pipeline/flow.ts'
import { NETWORK, tag } from './pipeline/registers.ts'

const ARP = 0x0806
const REQUEST = 1
const REPLY = 2

/** A reply that `address` is at `hardware`, made from the request itself and sent back. */
export function arpAnswer(network: string, address: number, hardware: number, priority: number): FlowSpec {
  return {
    stage: 'arp',
    priority,
    match: { [NETWORK]: tag(network), eth_type: ARP, arp_op: REQUEST, arp_tpa: address },
    actions: [
      move('eth_src', 'eth_dst', 48),
      set('eth_src', hardware),
      set('arp_op', REPLY),
      move('arp_sha', 'arp_tha', 48),
      set('arp_sha', hardware),
      move('arp_spa', 'arp_tpa', 32),
      set('arp_spa', address),
      bounce,
    ],
  }
}

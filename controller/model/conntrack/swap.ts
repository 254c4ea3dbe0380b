// resubmit(,table,ct): one lookup in which the tuple of the connection's first packet stands for the packet's own.
import { ETH_TYPE } from '../../../ofproto/fields/protocols.ts'

type Slots = ReadonlyMap<string, string>

const swap = (pairs: Readonly<Record<string, string>>): Slots =>
  new Map(Object.entries(pairs).flatMap(([own, tuple]) => [[own, tuple] as const, [tuple, own] as const]))

const ports = { nw_proto: 'ct_nw_proto', tp_src: 'ct_tp_src', tp_dst: 'ct_tp_dst' }

/** By Ethernet type: the slot that is read in place of another. */
export const swappedSlots: ReadonlyMap<number, Slots> = new Map<number, Slots>([
  [ETH_TYPE.ip, swap({ ...ports, ip_src: 'ct_nw_src', ip_dst: 'ct_nw_dst' })],
  [ETH_TYPE.ipv6, swap({ ...ports, ipv6_src: 'ct_ipv6_src', ipv6_dst: 'ct_ipv6_dst' })],
])

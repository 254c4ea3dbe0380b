// A packet that the controller sends, as the actions of a packet-out: out of one port, or as if a port of the network had
// sent it, past all rules about senders.
import type { Action } from '../ofproto/actions/index.ts'
import { output, resubmit, set } from './actions.ts'
import type { PacketOut } from './app.ts'
import { NETWORK, tag } from './pipeline/registers.ts'
import { resolve } from './pipeline/stage-action.ts'

export function outActions(packet: PacketOut, table: (stage: string) => number): Action[] {
  if ('outPort' in packet) return [output(packet.outPort)]
  return [set(NETWORK, tag(packet.network)), resolve(resubmit('l2'), table)]
}

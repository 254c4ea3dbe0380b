// Actions that lead to a stage. Which table that is, the layout knows and apps do not: it is filled in when a flow is
// encoded. 'next' is the stage after the one that the flow stands in, as in FlowSpec.to.
import type { Action } from '../../ofproto/actions/index.ts'
import type { Subfield } from '../../ofproto/fields/subfield.ts'
import { ports } from '../../ofproto/messages/index.ts'

type Nat = Extract<Action, { readonly kind: 'nat' }>

type StageAction =
  /** Looks the packet up in the stage, and then does the actions that follow. */
  | { readonly kind: 'resubmit_stage'; readonly stage: string }
  /** The same for a copy of the packet: also a meter that drops it there leaves the packet itself to go on. */
  | { readonly kind: 'clone_stage'; readonly stage: string }
  /** Connection tracking: the packet goes on in the stage with its state known. */
  | {
      readonly kind: 'ct_stage'
      readonly stage: string
      /** A number, or where it stands. */
      readonly zone: number | Subfield
      readonly commit?: boolean
      readonly nat?: Nat
    }

export type FlowAction = Action | StageAction

const ETHERNET_HEADER = 14
/**
 * OVS makes a copy in the datapath only for what it cannot undo itself, and does not look for meters behind a resubmit.
 * A truncated output counts as such, and to this port it sends nothing (xlate_output_trunc_action()).
 */
const inDatapath: Action = { kind: 'output_trunc', port: ports.table, maxLength: ETHERNET_HEADER }

export function resolve(action: FlowAction, table: (stage: string) => number): Action {
  // The lookup takes the packet's own port.
  const resubmit = (stage: string): Action => ({ kind: 'resubmit_table', port: ports.inPort, table: table(stage) })
  if (action.kind === 'resubmit_stage') return resubmit(action.stage)
  if (action.kind === 'clone_stage') return { kind: 'clone', actions: [inDatapath, resubmit(action.stage)] }
  if (action.kind !== 'ct_stage') return action
  const { stage, zone, commit = false, nat } = action
  const where = typeof zone === 'number' ? { zone, zoneSource: null } : { zone: 0, zoneSource: zone }
  return { kind: 'ct', commit, force: false, ...where, table: table(stage), alg: 0, actions: nat ? [nat] : [] }
}

// Actions that lead to a stage. Which table that is, the layout knows and apps do not: it is filled in when a flow is
// encoded. 'next' is the stage after the one that the flow stands in, as in FlowSpec.to.
import type { Action } from '../../ofproto/actions/index.ts'
import type { Subfield } from '../../ofproto/fields/subfield.ts'

type Nat = Extract<Action, { readonly kind: 'nat' }>

type StageAction =
  /** Looks the packet up in the stage, and then does the actions that follow. */
  | { readonly kind: 'resubmit_stage'; readonly stage: string }
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

/** OFPP_IN_PORT: the lookup takes the packet's own port. */
const IN_PORT = 0xffff_fff8

export function resolve(action: FlowAction, table: (stage: string) => number): Action {
  if (action.kind === 'resubmit_stage') return { kind: 'resubmit_table', port: IN_PORT, table: table(action.stage) }
  if (action.kind !== 'ct_stage') return action
  const { stage, zone, commit = false, nat } = action
  const where = typeof zone === 'number' ? { zone, zoneSource: null } : { zone: 0, zoneSource: zone }
  return { kind: 'ct', commit, force: false, ...where, table: table(stage), alg: 0, actions: nat ? [nat] : [] }
}

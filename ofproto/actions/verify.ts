// Which actions may stand where (ofpacts_verify of OVS): nat and the connection's own fields inside ct only, nothing else
// there; conjunction alone; write_metadata after all other actions.
import { errorCodes, type ErrorCode } from '../wire/errors.ts'
import type { FieldName } from '../fields/table.ts'
import type { Outer } from './row.ts'
import type { Action } from './types.ts'

export interface Problem {
  readonly error: ErrorCode
  readonly reason: string
}

/** The field that an action writes, if it is one of those that name it. */
function written(action: Action): FieldName | 'unknown' | null {
  switch (action.kind) {
    case 'set_field':
    case 'reg_load2':
      return action.field.kind
    case 'load':
    case 'move':
    case 'copy_field':
      return action.target.field
    default:
      return null
  }
}

const isConnectionField = (field: string): boolean => field === 'ct_mark' || field === 'ct_label'

/** What is wrong with `action` in a list that stands in `outer`. */
function nested(action: Action, outer: Outer): Problem | null {
  const field = written(action)
  if (field !== null && isConnectionField(field) && outer !== 'ct') {
    return { error: errorCodes.badSetArgument, reason: 'cannot set CT fields outside of ct action' }
  }
  if (action.kind === 'nat') {
    return outer === 'ct'
      ? null
      : { error: errorCodes.badSetArgument, reason: 'Cannot have NAT action outside of "ct" action' }
  }
  if (outer !== 'ct' || action.kind === 'unknown') return null
  if (field === null) {
    return { error: errorCodes.badActionArgument, reason: `ct action doesn't support nested action ${action.kind}` }
  }
  if (isConnectionField(field)) return null
  return { error: errorCodes.badActionArgument, reason: `ct action doesn't support nested modification of ${field}` }
}

const mayAccompanyConjunction = (action: Action): boolean =>
  action.kind === 'conjunction' || action.kind === 'note' || action.kind === 'unknown'

/** Meaningless in an action set, where each kind counts once or at the end (action_set_classify of OVS). */
const notInActionSet: ReadonlySet<Action['kind']> = new Set<Action['kind']>([
  'bundle',
  'bundle_load',
  'check_pkt_larger',
  'clone',
  'conjunction',
  'controller',
  'controller2',
  'debug_recirc',
  'debug_slow',
  'delete_field',
  'exit',
  'fin_timeout',
  'learn',
  'learn2',
  'multipath',
  'nat',
  'note',
  'output_reg',
  'output_reg2',
  'output_trunc',
  'pop',
  'pop_queue',
  'push',
  'sample',
  'sample2',
  'sample3',
  'write_metadata',
])

function misplacedInSet(actions: readonly Action[]): Problem | null {
  const wrong = actions.find((action) => notInActionSet.has(action.kind))
  return wrong === undefined ? null : { error: errorCodes.badActionType, reason: `${wrong.kind} in an action set` }
}

/** The first thing wrong with a list of actions that stands in `outer`; null if nothing is. */
export function misplaced(actions: readonly Action[], outer: Outer): Problem | null {
  if (outer === 'action_set') return misplacedInSet(actions)
  let metadata = false
  for (const action of actions) {
    if (action.kind === 'conjunction') {
      const other = actions.find((a) => !mayAccompanyConjunction(a))
      if (other === undefined) return null
      const reason = `"conjunction" actions may be used along with "note" but not "${other.kind}"`
      return { error: errorCodes.badConjunction, reason }
    }
    const problem = nested(action, outer)
    if (problem !== null) return problem
    if (metadata) return { error: errorCodes.unsupportedOrder, reason: `${action.kind} after write_metadata` }
    metadata = action.kind === 'write_metadata'
    if (metadata && outer !== 'instruction') {
      return { error: errorCodes.unsupportedInstruction, reason: 'write_metadata instruction not allowed here' }
    }
  }
  return null
}

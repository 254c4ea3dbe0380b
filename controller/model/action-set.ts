// Action sets (OpenFlow 1.3.5 §5.10) as OVS executes them: what happens to headers in a fixed order, then all
// set-fields in the order they were written, then one final action. Without a final action nothing happens at all.
import type { Action } from '../../ofproto/actions/index.ts'

const slots: readonly Action['kind'][] = [
  'pop_vlan',
  'pop_mpls',
  'decap',
  'encap',
  'push_mpls',
  'push_vlan',
  'dec_ttl',
  'dec_mpls_ttl',
  'dec_nsh_ttl',
]
const sameSlot: Partial<Record<Action['kind'], Action['kind']>> = { dec_ttl_cnt_ids: 'dec_ttl' }
/** The later in this list wins. */
const finals: readonly Action['kind'][] = ['ct', 'ct_clear', 'resubmit', 'output', 'group']
const sameFinal: Partial<Record<Action['kind'], Action['kind']>> = {
  resubmit_table: 'resubmit',
  resubmit_table_ct: 'resubmit',
}

const slotOf = (action: Action): number => slots.indexOf(sameSlot[action.kind] ?? action.kind)
const finalOf = (action: Action): number => finals.indexOf(sameFinal[action.kind] ?? action.kind)

/** The list that does what the set says; `written` in the order of the write_actions instructions. */
export function actionList(written: readonly Action[]): readonly Action[] {
  const first: Action[] = []
  const sets: Action[] = []
  let final: Action | null = null
  for (const action of written) {
    const slot = slotOf(action)
    if (slot >= 0) first[slot] = action
    else if (finalOf(action) < 0) sets.push(action)
    else if (final === null || finalOf(action) >= finalOf(final)) final = action
  }
  return final === null ? [] : [...first.filter((action) => action !== undefined), ...sets, final]
}

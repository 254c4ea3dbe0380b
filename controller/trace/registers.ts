// The registers of the pipeline as operators know what is in them.
import { formatIpv4 } from '../../ofproto/fields/addresses.ts'
import type { Subfield } from '../../ofproto/fields/subfield.ts'
import { fieldOf, type FieldName } from '../../ofproto/fields/table.ts'
import type { Action } from '../../ofproto/actions/index.ts'
import { writtenField } from '../model/translate.ts'
import {
  GROUP,
  mark,
  MARKS,
  NETWORK,
  NEXT_HOP,
  OUTPORT,
  ROUTER,
  SET,
  SUBJECT,
  verdicts,
  ZONE,
} from '../pipeline/registers.ts'
import type { Register } from './report.ts'

export const POLICY_OF = 'policy of port'

const meanings: ReadonlyMap<FieldName, readonly [name: string, kind: Register['kind']]> = new Map([
  [NETWORK, ['network', 'object']],
  [ROUTER, ['router', 'object']],
  [NEXT_HOP, ['next hop', 'address']],
  [OUTPORT, ['output port', 'port']],
  [ZONE, ['conntrack zone', 'number']],
  [SUBJECT, [POLICY_OF, 'port']],
  [GROUP, ['security group', 'object']],
  [SET, ['set', 'object']],
] as const)

export const VERDICT = 'verdict'
const verdictOf = new Map(Object.entries(verdicts).map(([name, value]) => [BigInt(value), name]))

function format(kind: Register['kind'], value: bigint): string {
  if (kind === 'object') return value.toString(16).padStart(16, '0')
  return kind === 'address' ? formatIpv4(value) : `${value}`
}

/** The bits that an action writes, if it writes any. */
function targetOf(action: Action): Subfield | null {
  if ('target' in action) return action.target
  const field = writtenField(action)
  return field === null ? null : { field, start: 0, bits: fieldOf(field).bits }
}

/** What an action has put into a register that means something; `written`: what the register holds then. */
export function registerOf(action: Action, written: bigint | null): Omit<Register, 'port'> | null {
  const target = targetOf(action)
  if (target === null || written === null) return null
  const { start, bits } = mark.verdict
  if (target.field === MARKS && target.start === start && target.bits === bits) {
    const value = (written >> BigInt(start)) & ((1n << BigInt(bits)) - 1n)
    return { name: VERDICT, kind: 'number', value: verdictOf.get(value) ?? `${value}` }
  }
  const meaning = meanings.get(target.field)
  return meaning === undefined ? null : { name: meaning[0], kind: meaning[1], value: format(meaning[1], written) }
}

// The registers of the pipeline as operators know what is in them.
import { formatIpv4 } from '../../ofproto/fields/addresses.ts'
import type { FieldName } from '../../ofproto/fields/table.ts'
import type { Action } from '../../ofproto/actions/index.ts'
import { writtenField } from '../model/translate.ts'
import { MARKS, NETWORK, NEXT_HOP, ROUTER } from '../pipeline/registers.ts'
import type { Register } from './report.ts'

const meanings: ReadonlyMap<FieldName, readonly [name: string, kind: Register['kind']]> = new Map([
  [NETWORK, ['network', 'object']],
  [ROUTER, ['router', 'object']],
  [NEXT_HOP, ['next hop', 'address']],
  [MARKS, ['marks', 'number']],
])

function format(kind: Register['kind'], value: bigint): string {
  if (kind === 'object') return value.toString(16).padStart(16, '0')
  return kind === 'address' ? formatIpv4(value) : `${value}`
}

/** What an action has put into a register that means something. */
export function registerOf(action: Action, written: bigint | null): Register | null {
  const field = writtenField(action)
  const meaning = field === null ? undefined : meanings.get(field)
  if (meaning === undefined || written === null) return null
  const [name, kind] = meaning
  return { name, kind, value: format(kind, written) }
}

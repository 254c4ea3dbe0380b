// Events in the language of ovs-ofctl, for logs, the API and people.
import {
  decodeMessage,
  errorName,
  formatGroupDesc,
  formatMeterConfig,
  type Message,
} from '../../ofproto/messages/index.ts'
import { formatInstructions } from '../../ofproto/actions/index.ts'
import { formatMatch } from '../../ofproto/fields/match-text.ts'
import { DecodeError } from '../../ofproto/wire/errors.ts'
import type { ErrorFrame } from './flight.ts'
import type { Held } from './wire.ts'

function text(message: Message): string {
  switch (message.kind) {
    case 'flow_mod': {
      const { cookie, table, priority, match, instructions } = message
      const rule = [`priority=${priority}`, formatMatch(match)].filter((part) => part !== '').join(',')
      return `cookie=0x${cookie.toString(16)}, table=${table}, ${rule} actions=${formatInstructions(instructions)}`
    }
    case 'group_mod':
      return formatGroupDesc(message)
    case 'meter_mod':
      return formatMeterConfig(message)
    default:
      return message.kind
  }
}

/** A flow, group or meter as `ovs-ofctl` takes it. */
export function describe({ kind, frame }: Held): string {
  try {
    return text(decodeMessage(frame))
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return `${kind} that cannot be decoded: ${error.message}`
  }
}

/** The switch's own name for what it did not like. */
export function describeError(frame: ErrorFrame): string {
  const message = decodeMessage(frame)
  if (message.kind !== 'error') return message.kind
  const { type, code, experimenter } = message
  return errorName(type, code, experimenter) ?? `error of type ${type}, code ${code}`
}

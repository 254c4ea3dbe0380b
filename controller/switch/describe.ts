// Events in the language of ovs-ofctl, for logs, the API and people.
import {
  decodeMessage,
  errorName,
  formatFlowStats,
  formatGroupDesc,
  formatMeterConfig,
  type Message,
} from '../../ofproto/messages/index.ts'
import { DecodeError } from '../../ofproto/wire/errors.ts'
import type { ErrorFrame } from './flight.ts'
import type { Held } from './wire.ts'

function text(message: Message): string {
  switch (message.kind) {
    case 'flow_mod': {
      const none = { durationSeconds: 0, durationNanoseconds: 0, packets: 0n, bytes: 0n }
      return formatFlowStats({ ...message, ...none }).replaceAll(/ (duration|n_packets|n_bytes|table)=0s?,/g, '')
    }
    case 'group_mod':
      return formatGroupDesc(message)
    case 'meter_mod':
      return formatMeterConfig(message)
    default:
      return message.kind
  }
}

/** What is there is shown even if it cannot be understood. */
function orBroken(kind: string, text: () => string): string {
  try {
    return text()
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return `${kind} that cannot be decoded: ${error.message}`
  }
}

/** A flow, group or meter as `ovs-ofctl --no-stats` dumps it. */
export const describe = ({ kind, frame }: Held): string => orBroken(kind, () => text(decodeMessage(frame)).trimEnd())

/**
 * Whether two are one thing in other bytes, as where the switch fills in what counts for nothing: a burst that no flag
 * asks for, the maximum length of an output to a port. Slow; for what differs as bytes.
 */
export function means(a: Held, b: Held): boolean {
  try {
    return text(decodeMessage(a.frame)) === text(decodeMessage(b.frame))
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return false
  }
}

/** The switch's own name for what it did not like. */
export const describeError = (frame: ErrorFrame): string =>
  orBroken('error', () => {
    const message = decodeMessage(frame)
    if (message.kind !== 'error') return message.kind
    const { type, code, experimenter } = message
    return errorName(type, code, experimenter) ?? `error of type ${type}, code ${code}`
  })

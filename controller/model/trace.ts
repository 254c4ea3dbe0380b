// What comes out of the model, and how an operator reads it: like ofproto/trace, a line for each flow and action.
import { formatAction, type Action } from '../../ofproto/actions/index.ts'
import { formatMatch } from '../../ofproto/fields/match-text.ts'
import { formatPort } from '../../ofproto/fields/ports.ts'
import type { AnyValue, FieldName } from '../../ofproto/fields/table.ts'
import { formatPacket } from '../../ofproto/packet/index.ts'
import type { ModelFlow } from './classifier.ts'
import type { Tunnel } from './packet.ts'

/** `depth` counts the tables and groups that a step is inside of. */
export type Step =
  | { readonly kind: 'table'; readonly depth: number; readonly table: number; readonly flow: ModelFlow | null }
  | { readonly kind: 'bucket'; readonly depth: number; readonly group: number; readonly bucket: number }
  /** `written`: what the field that the action writes holds after it; null for one that writes none. */
  | { readonly kind: 'action'; readonly depth: number; readonly action: Action; readonly written: bigint | null }
  | { readonly kind: 'note'; readonly depth: number; readonly text: string }

export interface Output {
  readonly port: number
  readonly bytes: Uint8Array
  /** The outer header, for a tunnel port. */
  readonly tunnel: Tunnel | null
  /** The queue that set_queue chose. */
  readonly queue: number | null
}

/** What the controller gets; `reason` as in OFPT_PACKET_IN. */
export interface Punt {
  readonly reason: number
  readonly table: number
  readonly cookie: bigint
  readonly controllerId: number
  readonly userdata: Uint8Array
  readonly metadata: ReadonlyMap<FieldName, AnyValue>
  readonly bytes: Uint8Array
}

export interface Trace {
  readonly steps: readonly Step[]
  readonly outputs: readonly Output[]
  readonly packetIns: readonly Punt[]
  /** Meters that the packet went through, in order: the model lets everything pass. */
  readonly meters: readonly number[]
  /** Why the switch gave up on the packet (then there are no outputs), or what the model cannot follow. */
  readonly error: string | null
}

function formatStep(step: Step): string {
  switch (step.kind) {
    case 'table':
      return step.flow === null
        ? `${step.table}. no match`
        : `${step.table}. ${[formatMatch(step.flow.match), `priority ${step.flow.priority}`, `cookie 0x${step.flow.cookie.toString(16)}`].filter(Boolean).join(', ')}`
    case 'bucket':
      return `group ${step.group}, bucket ${step.bucket}`
    case 'action':
      return formatAction(step.action)
    default:
      return `>> ${step.text}`
  }
}

const formatTunnel = ({ id, destination }: Tunnel): string =>
  ` to ${[24, 16, 8, 0].map((shift) => (destination >>> shift) & 0xff).join('.')} with key ${id}`

/** Lines of text, indented by depth. */
export function formatTrace(trace: Trace): string {
  return [
    ...trace.steps.map((step) => '  '.repeat(step.depth + (step.kind === 'table' ? 0 : 1)) + formatStep(step)),
    ...trace.packetIns.map(({ reason, bytes }) => `to the controller (reason ${reason}): ${formatPacket(bytes)}`),
    ...trace.outputs.map(
      ({ port, tunnel, bytes }) =>
        `to port ${formatPort(port)}${tunnel === null ? '' : formatTunnel(tunnel)}: ${formatPacket(bytes)}`,
    ),
    ...(trace.error === null ? [] : [`error: ${trace.error}`]),
    ...(trace.outputs.length + trace.packetIns.length === 0 ? ['dropped'] : []),
  ].join('\n')
}

// From what an app says (stage, priority, match, actions) to the immutable flow that switches get.
import type { Instruction } from '../../ofproto/actions/index.ts'
import { match, type MatchFields } from '../../ofproto/fields/build.ts'
import { encodeMessage } from '../../ofproto/messages/index.ts'
import { meterFlags } from '../../ofproto/messages/meter.ts'
import { cookieOf, type Origin } from './cookie.ts'
import { flowKey } from './key.ts'
import { checkMatched, type Layout, type Stage } from './layout.ts'
import { resolve, type FlowAction } from './stage-action.ts'
import type { Flow, Meter } from './value.ts'

export interface FlowSpec {
  readonly stage: string
  readonly priority: number
  readonly match: MatchFields
  readonly actions: readonly FlowAction[]
  /** The stage that goes on with the packet; 'next' is the one after this; absent: the actions decide its fate. */
  readonly to?: string
  /** Packets beyond this meter's rate are dropped first. */
  readonly meter?: number
}

export interface Limit {
  readonly meter: number
  /** Packets, unless told otherwise. */
  readonly measure?: 'kilobits' | 'packets'
  readonly perSecond: number
  readonly burst: number
}

const ANY = 0xffff_ffff

/** Where struct ofp_match starts in a flow_mod (OpenFlow 1.3.5 §7.3.4.1). */
const MATCH_AT = 48

/** The identity of the flow in a flow_mod. */
export function flowIdentity(table: number, priority: number, frame: Uint8Array): string {
  const length = ((frame[MATCH_AT + 2] as number) << 8) | (frame[MATCH_AT + 3] as number)
  return flowKey(table, priority, frame, MATCH_AT, MATCH_AT + ((length + 7) & ~7))
}

function instructionsOf(spec: FlowSpec, tables: Layout): Instruction[] {
  const tableOf = (stage: string): number => (stage === 'next' ? tables.after(spec.stage) : tables.table(stage))
  const out: Instruction[] = []
  if (spec.meter !== undefined) out.push({ kind: 'meter', meter: spec.meter })
  if (spec.actions.length > 0) {
    out.push({ kind: 'apply_actions', actions: spec.actions.map((action) => resolve(action, tableOf)) })
  }
  if (spec.to !== undefined) out.push({ kind: 'goto_table', table: tableOf(spec.to) })
  return out
}

/** Makes flows for one layout and list of apps: first for an origin, as many flows share one. */
export function flowMaker(tables: Layout, apps: readonly string[]): (origin: Origin) => (spec: FlowSpec) => Flow {
  return (origin) => {
    const cookie = cookieOf(origin, apps)
    return (spec) => {
      checkMatched(tables.stage(spec.stage), spec.match)
      const table = tables.table(spec.stage)
      const frame = encodeMessage({
        kind: 'flow_mod',
        xid: 0,
        cookie,
        cookieMask: 0n,
        table,
        command: 'add',
        idleTimeoutSeconds: 0,
        hardTimeoutSeconds: 0,
        priority: spec.priority,
        bufferId: ANY,
        outPort: ANY,
        outGroup: ANY,
        flags: 0,
        match: match(spec.match),
        instructions: instructionsOf(spec, tables),
      })
      return { kind: 'flow', key: flowIdentity(table, spec.priority, frame), frame }
    }
  }
}

/** A meter that lets so much pass in a second, and a burst before; kilobits are those of whole Ethernet frames. */
export function limitingMeter({ meter, measure = 'packets', perSecond, burst }: Limit): Meter {
  const frame = encodeMessage({
    kind: 'meter_mod',
    xid: 0,
    command: 'add',
    flags: (measure === 'packets' ? meterFlags.pktps : meterFlags.kbps) | meterFlags.burst,
    meter,
    bands: [{ kind: 'drop', rate: perSecond, burst }],
  })
  return { kind: 'meter', key: `meter:${meter}`, id: meter, frame }
}

/** Where packets go that no flow of a stage matches. OpenFlow drops them unless told otherwise. */
export function missFlows(app: string, stages: readonly Stage[], make: ReturnType<typeof flowMaker>): Flow[] {
  return stages
    .filter(({ miss }) => miss !== 'drop')
    .map(({ name, miss }) => make({ app, object: '0' })({ stage: name, priority: 0, match: {}, actions: [], to: miss }))
}

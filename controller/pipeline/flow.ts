// From what an app says (stage, priority, match, actions) to the immutable flow that switches get.
import type { Instruction } from '../../ofproto/actions/index.ts'
import type { MatchFields } from '../../ofproto/fields/build.ts'
import { encodeMessage } from '../../ofproto/messages/index.ts'
import { meterFlags } from '../../ofproto/messages/meter.ts'
import { cookieOf, type Origin } from './cookie.ts'
import { checkMatched, type Layout, type Stage } from './layout.ts'
import { resolve, type FlowAction } from './stage-action.ts'
import { Flow, keyOf, restOfInstructions } from './packed-flow.ts'
import type { Meter } from './value.ts'

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

/** What making the flows of a stage takes, found once. */
interface Target {
  readonly stage: Stage
  readonly table: number
  /** What flows do that only lead to a stage: they share it. */
  readonly leading: Map<string, string>
}

export interface Limit {
  readonly meter: number
  /** Packets, unless told otherwise. */
  readonly measure?: 'kilobits' | 'packets'
  readonly perSecond: number
  readonly burst: number
}

function instructionsOf({ meter, actions, to, stage }: FlowSpec, tables: Layout): Instruction[] {
  const tableOf = (name: string): number => (name === 'next' ? tables.after(stage) : tables.table(name))
  const out: Instruction[] = []
  if (meter !== undefined) out.push({ kind: 'meter', meter })
  if (actions.length > 0) {
    out.push({ kind: 'apply_actions', actions: actions.map((action) => resolve(action, tableOf)) })
  }
  if (to !== undefined) out.push({ kind: 'goto_table', table: tableOf(to) })
  return out
}

function restFor(spec: FlowSpec, tables: Layout, leading: Map<string, string>): string {
  const { meter, actions, to = '' } = spec
  if (meter !== undefined || actions.length > 0) return restOfInstructions(instructionsOf(spec, tables))
  let rest = leading.get(to)
  if (rest === undefined) leading.set(to, (rest = restOfInstructions(instructionsOf(spec, tables))))
  return rest
}

/** Makes flows for one layout and list of apps: first for an origin, as many flows share one. */
export function flowMaker(tables: Layout, apps: readonly string[]): (origin: Origin) => (spec: FlowSpec) => Flow {
  const targets = new Map<string, Target>()
  const targetOf = (name: string): Target => {
    let target = targets.get(name)
    if (target === undefined) {
      target = { stage: tables.stage(name), table: tables.table(name), leading: new Map() }
      targets.set(name, target)
    }
    return target
  }
  return (origin) => {
    const cookie = cookieOf(origin, apps)
    return (spec) => {
      const { stage, table, leading } = targetOf(spec.stage)
      checkMatched(stage, spec.match)
      return new Flow(keyOf(table, spec.priority, spec.match), cookie, restFor(spec, tables, leading))
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

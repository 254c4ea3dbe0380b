// From what the model did with a packet to what is told of it.
import { formatInstructions } from '../../ofproto/actions/index.ts'
import { formatIpv4 } from '../../ofproto/fields/addresses.ts'
import { formatMatch } from '../../ofproto/fields/match-text.ts'
import { ports as reserved } from '../../ofproto/messages/index.ts'
import { formatPacket } from '../../ofproto/packet/index.ts'
import type { ModelFlow } from '../model/classifier.ts'
import type { Journey, Visit } from '../model/fabric.ts'
import type { Tunnel } from '../model/packet.ts'
import type { Step } from '../model/trace.ts'
import { originOf } from '../pipeline/cookie.ts'
import type { Layout } from '../pipeline/layout.ts'
import { decisionsOf } from './decisions.ts'
import { outcomeOf } from './outcome.ts'
import { registerOf } from './registers.ts'
import type { Hop, Register, Report, TracedFlow, TracedStep, TunnelHop } from './report.ts'

/** What the switches do not know. */
export interface Names {
  /** Of the apps, in the order of their numbers in cookies. */
  readonly apps: readonly string[]
  readonly tables: Layout
  /** The host whose tunnels end at an address. */
  hostAt(address: number): string | null
  /** The physical network that a port of a host leads to. */
  physicalAt(host: string, ofport: number): string | null
  /** The id of the port that is plugged in. */
  portAt(host: string, ofport: number): string | null
}

/** A switch may have tables of others. */
export const stageOf = ({ stages }: Layout, table: number): string => stages[table]?.name ?? `table ${table}`

/** `apps`: their names, in the order of their numbers in cookies. */
export const tracedFlow = (
  { priority, match, instructions, cookie, key = '' }: ModelFlow,
  apps: readonly string[],
): TracedFlow => ({
  priority,
  match: formatMatch(match),
  actions: formatInstructions(instructions),
  cookie: `0x${cookie.toString(16)}`,
  origin: originOf(cookie, apps),
  key,
})

/** Whether the packet comes back from the next table. */
const isCall = (step: Step | undefined): boolean => step?.kind === 'action' && step.action.kind.startsWith('resubmit')

/** One entry for each table, with what its flow did until the next. */
function stepsOf(host: string, steps: readonly Step[], names: Names): TracedStep[] {
  const out: (TracedStep & { readonly registers: Register[]; readonly notes: string[] })[] = []
  /** Of the tables that the current one is inside of, by how the model counts: going on counts there too. */
  const depths: number[] = []
  let before: Step | undefined
  for (const step of steps) {
    const last = out.at(-1)
    if (step.kind === 'table') {
      const { table, flow } = step
      const stage = stageOf(names.tables, table)
      const lost = names.tables.stages[table]?.lost ?? null
      const depth = (depths[step.depth - 1] ?? 0) + (isCall(before) ? 1 : 0)
      depths[step.depth] = depth
      out.push({ depth, table, stage, lost, flow: flow && tracedFlow(flow, names.apps), registers: [], notes: [] })
    } else if (step.kind === 'action') {
      const register = registerOf(step.action, step.written)
      const ofport = register?.kind === 'port' ? Number(register.value) : null
      if (register !== null)
        last?.registers.push({ ...register, port: ofport === null ? null : names.portAt(host, ofport) })
    } else if (step.kind === 'note') last?.notes.push(step.text)
    else last?.notes.push(`group ${step.group}, bucket ${step.bucket}`)
    if (step.kind !== 'note') before = step
  }
  return out
}

const hopOver = (tunnel: Tunnel, end: number, names: Names): TunnelHop => ({
  vni: Number(tunnel.id),
  host: names.hostAt(end),
  address: formatIpv4(BigInt(end)),
})

function hopOf({ host, arrival, trace }: Visit, names: Names): Hop {
  const { inPort, tunnel = null, bytes } = arrival
  const sentByUs = inPort === reserved.controller
  return {
    host,
    ofport: sentByUs ? null : inPort,
    port: sentByUs ? null : names.portAt(host, inPort),
    physical_network: sentByUs ? null : names.physicalAt(host, inPort),
    tunnel: tunnel && hopOver(tunnel, tunnel.source, names),
    packet: formatPacket(bytes),
    steps: stepsOf(host, trace.steps, names),
    outputs: trace.outputs.map(({ port, tunnel: outer }) => ({
      ofport: port,
      port: names.portAt(host, port),
      physical_network: names.physicalAt(host, port),
      tunnel: outer && hopOver(outer, outer.destination, names),
    })),
    punted: trace.packetIns.map(({ cookie }) => originOf(cookie, names.apps)?.app ?? null),
    error: trace.error,
  }
}

export function reportOf(journey: Journey, names: Names): Report {
  const hops = journey.visits.map((visit) => hopOf(visit, names))
  const places = journey.deliveries.map(({ host, ofport }) => ({
    host,
    ofport,
    port: names.portAt(host, ofport),
    physical_network: names.physicalAt(host, ofport),
  }))
  const decisions = hops.flatMap(decisionsOf)
  return {
    packet: hops[0]?.packet ?? '',
    hops,
    decisions,
    unfollowed: journey.unfollowed,
    outcome: outcomeOf(hops, places, decisions),
  }
}

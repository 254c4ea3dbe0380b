// The live check of a trace: the same question, asked of the flows that the hosts have installed; and for each flow of
// the trace, what its host has in its place and how many packets that has seen.
import { describe, means } from '../switch/describe.ts'
import type { Item } from '../pipeline/value.ts'
import type { InstalledFlow } from './installed.ts'
import type { Decision, Hop, Outcome, Report, TracedFlow } from './report.ts'

/** By key; null where the host cannot be asked. */
export type InstalledFlows = ReadonlyMap<string, InstalledFlow> | null

/** What a host has where the controller wants a flow. */
export interface LiveFlow {
  /** `unwanted`: the host has the flow, and not because of the controller. */
  readonly state: 'installed' | 'missing' | 'different' | 'unwanted'
  /** What stands there instead, as ovs-ofctl lists it. */
  readonly found: string | null
  readonly packets: number | null
  readonly bytes: number | null
}

export interface LiveReport {
  /** The packet goes the same way by the same flows. */
  readonly agrees: boolean
  readonly outcome: Outcome
  /** The way by the flows that are installed. */
  readonly hops: readonly Hop[]
  readonly decisions: readonly Decision[]
  /** Hosts that could not be asked: the tables that they shall have stand for theirs. */
  readonly unread: readonly string[]
}

/** More are not asked for one trace: a packet that is flooded visits every host of its network. */
const MOST_HOSTS = 16

export function liveFlow({ key }: TracedFlow, wanted: Item | undefined, installed: InstalledFlows): LiveFlow | null {
  if (installed === null) return null
  const found = installed.get(key)
  if (found === undefined) return { state: 'missing', found: null, packets: null, bytes: null }
  const counters = { packets: Number(found.packets), bytes: Number(found.bytes) }
  if (wanted === undefined) return { state: 'unwanted', found: null, ...counters }
  if (means(wanted, found.flow)) return { state: 'installed', found: null, ...counters }
  return { state: 'different', found: describe(found.flow), ...counters }
}

const wayOf = ({ hops }: Report): string =>
  JSON.stringify(
    hops.map(({ host, ofport, steps }) => [
      host,
      ofport,
      steps.map(({ table, flow }) => [table, flow && [flow.key, flow.actions, flow.cookie]]),
    ]),
  )

/**
 * Reads the hosts on the packet's way and follows it again; where that leads to further hosts, those are read too.
 * `trace` runs on what was read, and on what is wanted for the others.
 */
export async function checkLive(
  wanted: Report,
  trace: (installed: ReadonlyMap<string, InstalledFlows>) => Report,
  read: (host: string) => Promise<InstalledFlows>,
): Promise<{ readonly report: LiveReport; readonly installed: ReadonlyMap<string, InstalledFlows> }> {
  const installed = new Map<string, InstalledFlows>()
  let found = wanted
  for (;;) {
    const visited = [...new Set([...wanted.hops, ...found.hops].map(({ host }) => host))]
    const unread = visited.filter((host) => !installed.has(host)).slice(0, MOST_HOSTS - installed.size)
    if (unread.length === 0) break
    const answers = await Promise.all(unread.map(async (host) => [host, await read(host)] as const))
    for (const [host, flows] of answers) installed.set(host, flows)
    found = trace(installed)
  }
  const visited = [...new Set(found.hops.map(({ host }) => host))]
  const report = {
    agrees: wayOf(wanted) === wayOf(found),
    outcome: found.outcome,
    hops: found.hops,
    decisions: found.decisions,
    unread: visited.filter((host) => (installed.get(host) ?? null) === null),
  }
  return { report, installed }
}

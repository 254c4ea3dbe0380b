// What operators ask of the running controller, injected by the composition root: where packets go, which flows hosts
// have and why, and what they have counted.
import type { Reading } from '../derivation.ts'
import type { LiveFlow, LiveReport } from '../trace/live.ts'
import type { Report, TracedFlow } from '../trace/report.ts'
import type { Question } from '../trace/tracer.ts'

export interface HostFlow {
  readonly table: number
  readonly stage: string
  readonly flow: TracedFlow
  /** With the counters of the switch, if it was asked. */
  readonly live: LiveFlow | null
}

/** The flows that an object caused on a host. */
interface CausedFlows {
  readonly host: string
  /** Why the host has not confirmed them all; null if it has. */
  readonly unconfirmed: string | null
  readonly flows: readonly HostFlow[]
}

export interface Explanation {
  readonly hosts: readonly CausedFlows[]
  readonly rules: readonly Reading[]
}

export interface Counters {
  readonly sessions: number
  readonly packets: number
  readonly bytes: number
}

/** Of several objects, summed over the hosts that answered. */
export interface Counts {
  readonly counters: ReadonlyMap<string, Counters>
  /** Hosts that have flows of the objects and did not answer. */
  readonly missing: readonly string[]
}

export interface LiveTrace {
  readonly report: LiveReport
  /** What a host has where a flow is wanted; null where it cannot be asked. */
  flow(host: string, flow: TracedFlow): LiveFlow | null
}

export interface Operator {
  /** Settles when the hosts have been told what follows from the store's revision. */
  reached(revision: number): Promise<void>
  /** The id of the host with this id or name. */
  host(idOrName: string): string | undefined
  /** Throws TraceError. */
  trace(question: Question): Report
  /** Asks the hosts on the way of the packet. */
  check(question: Question, report: Report): Promise<LiveTrace>
  /** `live`: with what the switch has instead and beside, and its counters. */
  flows(host: string, live: boolean): Promise<readonly HostFlow[]>
  explain(object: string): Explanation
  /** Of security group rules. */
  count(rules: readonly string[]): Promise<Counts>
}

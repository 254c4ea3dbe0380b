// A trace as the API shows it: with the objects behind flows, registers and ports. Operators see everything. A member
// sees the stages, what of his own decided there, and the outcome; nothing of hosts, tunnels and others' objects.
import { objectDigits } from '../pipeline/cookie.ts'
import type { Decision, Hop, Outcome, Output, Place, Register, Report, TracedStep } from '../trace/report.ts'
import type { Cache } from './cache.ts'
import type { LiveTrace } from './operator.ts'
import { findObjects, referenceTo, type Found, type ObjectReference } from './origins.ts'

export interface View {
  readonly cache: Cache
  readonly visible: (found: Found) => boolean
}

type Lookup = (piece: string | null | undefined) => ObjectReference | null

function lookupFor({ cache, visible }: View, pieces: Iterable<string>): Lookup {
  const found = findObjects(cache, pieces)
  return (piece) => {
    const object = piece ? found.get(objectDigits(piece)) : undefined
    return object !== undefined && visible(object) ? referenceTo(cache, object) : null
  }
}

function piecesOf({ hops, decisions }: Pick<Report, 'hops' | 'decisions'>): string[] {
  const steps = hops.flatMap((hop) => hop.steps)
  return [
    ...steps.flatMap(({ flow }) => flow?.origin?.object ?? []),
    ...steps.flatMap(({ registers }) => registers.filter(({ kind }) => kind === 'object').map(({ value }) => value)),
    ...decisions.flatMap(({ port }) => port ?? []),
  ]
}

const portRef = ({ cache, visible }: View, id: string | null): ObjectReference | null => {
  const found = { kind: 'ports', id: id ?? '' } as const
  return cache.get('ports', found.id) !== undefined && visible(found) ? referenceTo(cache, found) : null
}

const showRegister = ({ name, kind, value, port }: Register, view: View, lookup: Lookup): object => ({
  name,
  value: kind === 'object' ? `0x${value}` : value,
  object: kind === 'object' ? lookup(value) : portRef(view, port),
})

function showStep(step: TracedStep, view: View, lookup: Lookup, live: LiveTrace | null, host: string): object {
  const { flow } = step
  return {
    depth: step.depth,
    table: step.table,
    stage: step.stage,
    flow: flow && {
      priority: flow.priority,
      match: flow.match,
      actions: flow.actions,
      cookie: flow.cookie,
      app: flow.origin?.app ?? null,
      object: lookup(flow.origin?.object),
      ...(live && { live: live.flow(host, flow) }),
    },
    registers: step.registers.map((register) => showRegister(register, view, lookup)),
    notes: step.notes,
  }
}

const showOutput = (output: Output, view: View): object => ({ ...output, port: portRef(view, output.port) })

const showHop = (hop: Hop, view: View, lookup: Lookup, live: LiveTrace | null): object => ({
  host: hop.host,
  ofport: hop.ofport,
  port: portRef(view, hop.port),
  physical_network: hop.physical_network,
  tunnel: hop.tunnel,
  packet: hop.packet,
  steps: hop.steps.map((step) => showStep(step, view, lookup, live, hop.host)),
  outputs: hop.outputs.map((output) => showOutput(output, view)),
  controller: hop.punted,
  error: hop.error,
})

/** The rule or group that decided; `rule` with what a reader wants to know of it first. */
function showDecision({ side, port, verdict, origin }: Decision, { cache, visible }: View, lookup: Lookup): object {
  const decider = lookup(origin?.object)
  const rule = decider === null ? undefined : cache.get('security_group_rules', decider.id)
  const group = rule && ({ kind: 'security_groups', id: rule.security_group_id } as const)
  return {
    side,
    port: lookup(port),
    verdict,
    ...(rule
      ? {
          rule: { id: rule.id, direction: rule.direction, action: rule.action, link: decider?.link },
          security_group: group && visible(group) ? referenceTo(cache, group) : null,
        }
      : { rule: null, security_group: decider }),
  }
}

const showPlace = (place: Place, view: View): object => ({ ...place, port: portRef(view, place.port) })

const showOutcome = (outcome: Outcome, view: View): object => ({
  ...outcome,
  to: outcome.to.map((place) => showPlace(place, view)),
})

/** What an operator sees. */
export function showTrace(report: Report, view: View, live: LiveTrace | null): object {
  const lookup = lookupFor(view, [...piecesOf(report), ...(live ? piecesOf(live.report) : [])])
  return {
    packet: report.packet,
    outcome: showOutcome(report.outcome, view),
    decisions: report.decisions.map((each) => showDecision(each, view, lookup)),
    hosts: report.hops.map((hop) => showHop(hop, view, lookup, live)),
    unfollowed: report.unfollowed,
    ...(live && {
      live: {
        agrees: live.report.agrees,
        unread: live.report.unread,
        outcome: showOutcome(live.report.outcome, view),
        decisions: live.report.decisions.map((each) => showDecision(each, view, lookup)),
        hosts: live.report.agrees ? [] : live.report.hops.map((hop) => showHop(hop, view, lookup, live)),
      },
    }),
  }
}

/** What a member sees. */
export function showOwnTrace({ packet, hops, decisions, outcome }: Report, view: View): object {
  const lookup = lookupFor(view, piecesOf({ hops, decisions }))
  const { kind, reason, stage } = outcome
  return {
    packet,
    outcome: { kind, reason, stage, to: outcome.to.flatMap(({ port }) => portRef(view, port) ?? []) },
    decisions: decisions.map((each) => showDecision(each, view, lookup)),
    hosts: hops.map(({ steps }) => ({
      steps: steps.map(({ depth, stage: name, flow }) => ({
        depth,
        stage: name,
        object: lookup(flow?.origin?.object),
      })),
    })),
  }
}

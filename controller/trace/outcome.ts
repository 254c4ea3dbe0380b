// What becomes of a packet, in one word and one sentence: the end of a trace.
import type { Decision, Hop, Outcome, Place, TracedStep } from './report.ts'

function verdictText({ side, verdict, origin }: Decision): string {
  const whose = side === 'egress' ? 'the port that sends it' : 'the port that it is for'
  if (verdict === 'none') return `no security group rule of ${whose} allows it`
  return origin === null
    ? `the default of ${whose} is ${verdict}`
    : `a security group of ${whose} has the verdict ${verdict}`
}

function whyDropped(hop: Hop, step: TracedStep, decision: Decision | undefined): string {
  if (hop.error !== null) return hop.error
  if (hop.outputs.length > 0) return 'no host is at the other end of the tunnel'
  if (step.stage.endsWith('_verdict') && decision !== undefined) return verdictText(decision)
  if (hop.punted.length > 0) return `the controller (${hop.punted[0] ?? 'nobody'}) has no answer`
  if (step.flow === null) return step.lost ?? `no flow of stage ${step.stage} matches`
  const note = step.notes.at(-1)
  if (note !== undefined) return note
  return step.flow.actions === 'drop'
    ? `the flow in stage ${step.stage} drops it`
    : `the actions in stage ${step.stage} send it nowhere`
}

/** Where the packet went no further: the last host that it came to and that sent nothing on. */
function stopped(hops: readonly Hop[], decisions: readonly Decision[]): Omit<Outcome, 'kind' | 'to'> {
  const leads = ({ tunnel }: Hop['outputs'][number]): boolean => tunnel === null || tunnel.host !== null
  const hop = hops.findLast(({ ofport, outputs }) => ofport !== null && !outputs.some(leads))
  const step = hop?.steps.at(-1)
  if (hop === undefined || step === undefined)
    return { reason: 'it goes nowhere', host: null, stage: null, table: null }
  const decision = decisions.findLast(({ host }) => host === hop.host)
  return { reason: whyDropped(hop, step, decision), host: hop.host, stage: step.stage, table: step.table }
}

function deliveredText(places: readonly Place[]): string {
  if (places.every((place) => place.physical_network !== null)) return 'it leaves for a physical network'
  return places.length === 1 ? 'it reaches a port' : `it reaches ${places.length} ports`
}

/** `places`: where packets came out, answers to the sender among them. */
export function outcomeOf(hops: readonly Hop[], places: readonly Place[], decisions: readonly Decision[]): Outcome {
  const [first] = hops
  const isSender = ({ host, ofport }: Place): boolean => host === first?.host && ofport === first.ofport
  // What crosses a physical network is delivered where it ends.
  const ends = places.filter((place) => place.physical_network === null)
  const to = (ends.length > 0 ? ends : places).filter((place) => !isSender(place))
  const nowhere = { host: null, stage: null, table: null }
  if (to.length > 0) return { kind: 'delivered', to, reason: deliveredText(to), ...nowhere }
  if (decisions.at(-1)?.verdict === 'reject') return { kind: 'rejected', to: places, ...stopped(hops, decisions) }
  if (places.length === 0) return { kind: 'dropped', to: [], ...stopped(hops, decisions) }
  const app = hops.flatMap(({ punted }) => punted).find((each) => each !== null)
  const reason = app === undefined ? 'flows answer it' : `the controller (${app}) answers it`
  return { kind: 'answered', to: places, reason, ...nowhere }
}

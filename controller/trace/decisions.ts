// Which security group rules have let a packet pass, or not: read from the steps of a trace. A policy is asked for the
// port that sends the packet and for the port that gets it; the first verdict counts.
import { POLICY_OF, VERDICT } from './registers.ts'
import type { Decision, Hop, TracedStep } from './report.ts'

const SIDES = ['egress', 'ingress'] as const

/** In the cookies of flows that no object caused. */
const NOBODY = '000000000000'

const verdictIn = ({ registers }: TracedStep): string | undefined =>
  registers.find(({ name }) => name === VERDICT)?.value

/** From here on a port's policy is asked about the packet. */
const isGate = ({ registers }: TracedStep): boolean => registers.some(({ name }) => name === POLICY_OF)

export function decisionsOf({ host, steps }: Hop): Decision[] {
  const decisions: Decision[] = []
  let gate: TracedStep | undefined
  let decider: TracedStep | undefined
  for (const step of steps) {
    if (isGate(step)) [gate, decider] = [step, undefined]
    else if (verdictIn(step) !== undefined) decider ??= step
    const side = SIDES.find((each) => `${each}_verdict` === step.stage)
    if (side === undefined || gate === undefined) continue
    const origin = decider?.flow?.origin ?? null
    decisions.push({
      side,
      host,
      port: gate.flow?.origin?.object ?? null,
      verdict: (decider && verdictIn(decider)) ?? 'none',
      origin: origin?.object === NOBODY ? null : origin,
    })
  }
  return decisions
}

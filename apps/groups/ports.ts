// What each filtered port has on its host: the gates into the policy, the list of its groups, and its addresses, by which
// related connections (those of FTP, and ICMP errors) are told to be its own or another's.
import {
  directions,
  GROUP,
  load,
  mark,
  marked,
  MARKS,
  OUTPORT,
  resubmit,
  set,
  sourcesOf,
  SUBJECT,
  tag,
  verdicts,
  type Contribution,
  type FlowAction,
  type FlowSpec,
  type Policy,
  type Port,
  type Reads,
  type RuleAction,
} from '../../controller/app.ts'
import { ETHER_TYPES, valid, within } from './fields.ts'

/** Stands for a group that has one verdict for everything: the number of the verdict. */
export const defaultGroup = (action: RuleAction): bigint => BigInt(verdicts[action])

/** Stateful and towards lie side by side. */
const GATE = { ...mark.stateful, bits: mark.stateful.bits + mark.towards.bits }

/** What goes to the port. What comes from it has its number from the beginning (the app overlay). */
const gate = (ofport: number, policy: Policy): FlowSpec => ({
  stage: 'ingress',
  priority: 100,
  match: { [OUTPORT]: ofport },
  actions: [set(SUBJECT, ofport), load(GATE, (directions.ingress << mark.stateful.bits) | (policy.stateful ? 1 : 0))],
  to: 'next',
})

const ask = (group: bigint): FlowAction[] => [set(GROUP, group), resubmit('group')]

/** Nothing is denied as well. */
const fallback = (action: RuleAction): FlowAction[] => (action === 'deny' ? [] : ask(defaultGroup(action)))

/** The port's groups, then its default, of which both directions may have one of their own. */
function asked(ofport: number, { groups, ingress, egress }: Policy): FlowSpec[] {
  const flow = (match: FlowSpec['match'], last: RuleAction): FlowSpec => ({
    stage: 'policy',
    priority: 100,
    match: { [SUBJECT]: ofport, ...match },
    actions: [...groups.flatMap((group) => ask(tag(group))), ...fallback(last)],
  })
  if (ingress === egress) return [flow({}, ingress)]
  return [
    flow({ [MARKS]: marked({ direction: directions.egress }) }, egress),
    flow({ [MARKS]: marked({ direction: directions.ingress }) }, ingress),
  ]
}

/** A related connection that one of the port's addresses began is the port's own. */
function related(ofport: number, port: Port): FlowSpec[] {
  return [...new Set(sourcesOf(port))].map((prefix) => ({
    stage: 'related',
    priority: 100,
    match: {
      ...valid({ related: true }),
      [SUBJECT]: ofport,
      eth_type: ETHER_TYPES[prefix.includes(':') ? 'IPv6' : 'IPv4'],
      ...within('connection', 'src', prefix),
    },
    actions: [load(mark.direction, directions.egress)],
  }))
}

export function filtered(read: Reads, key: string): readonly Contribution[] {
  const vif = read.vif(key)
  const port = vif && read.port(vif.port)
  const policy = port && read.policy(port.id)
  const binding = policy && read.binding(port.id)
  if (!vif || !policy || binding?.host !== vif.host || binding.ofport !== vif.ofport) return []
  const { ofport } = vif
  return [
    {
      scope: { kind: 'host', host: vif.host },
      object: port.id,
      flows: [gate(ofport, policy), ...asked(ofport, policy), ...(policy.stateful ? related(ofport, port) : [])],
    },
  ]
}

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

function gate(ofport: number, policy: Policy, direction: keyof typeof directions): FlowSpec {
  return {
    stage: direction,
    priority: 100,
    match: direction === 'egress' ? { in_port_oxm: ofport } : { [OUTPORT]: ofport },
    actions: [
      set(SUBJECT, ofport),
      load(GATE, (directions[direction] << mark.stateful.bits) | (policy.stateful ? 1 : 0)),
    ],
    to: 'next',
  }
}

const ask = (group: bigint): FlowAction[] => [set(GROUP, group), resubmit('group')]

function asked(ofport: number, { groups, ...defaults }: Policy, direction: keyof typeof directions): FlowSpec {
  const fallback = defaults[direction]
  return {
    stage: 'policy',
    priority: 100,
    match: { [SUBJECT]: ofport, [MARKS]: marked({ direction: directions[direction] }) },
    actions: [
      ...groups.flatMap((group) => ask(tag(group))),
      // Nothing is denied as well.
      ...(fallback === 'deny' ? [] : ask(defaultGroup(fallback))),
    ],
  }
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
      flows: [
        ...(['egress', 'ingress'] as const).flatMap((each) => [
          gate(ofport, policy, each),
          asked(ofport, policy, each),
        ]),
        ...(policy.stateful ? related(ofport, port) : []),
      ],
    },
  ]
}

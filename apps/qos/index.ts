// QoS: what a port sends is limited where it comes in, before it costs anything more, and what is for it just before it is
// delivered; what it sends is marked. The switch's meters drop what is too much. Ports without a policy have nothing of
// this. A rate that changes is another rate of the same meter: no flow changes.
import {
  apart,
  limitMeter,
  OUTPORT,
  resubmit,
  set,
  type App,
  type Contribution,
  type Direction,
  type FlowSpec,
  type Limit,
  type Measure,
  type Qos,
  type Reads,
} from '../../controller/app.ts'

const IPV4 = 0x0800
const IPV6 = 0x86dd
const measures = ['kilobits', 'packets'] as const

function limitsOf(qos: Qos, ofport: number): Limit[] {
  return (['egress', 'ingress'] as const).flatMap((direction) =>
    measures.flatMap((measure) => {
      const rate = qos[direction][measure]
      return rate === undefined ? [] : [{ meter: limitMeter(ofport, direction, measure), measure, ...rate }]
    }),
  )
}

/** A flow has one meter: the second of two is in a stage of its own. */
interface Metered {
  readonly with: Pick<FlowSpec, 'meter'>
  readonly more: FlowSpec['actions']
  readonly second: readonly FlowSpec[]
}

function metered(qos: Qos, direction: Direction, ofport: number, match: FlowSpec['match']): Metered {
  const meter = (measure: Measure): number => limitMeter(ofport, direction, measure)
  const [first, second] = measures.filter((measure) => qos[direction][measure] !== undefined)
  return {
    with: first === undefined ? {} : { meter: meter(first) },
    more: second === undefined ? [] : [resubmit('second_meter')],
    second:
      second === undefined ? [] : [{ stage: 'second_meter', priority: 100, match, actions: [], meter: meter(second) }],
  }
}

/** What leaves the port. */
function sent(qos: Qos, ofport: number): readonly FlowSpec[] {
  const match = { in_port_oxm: ofport }
  const limits = metered(qos, 'egress', ofport, { ...match, [OUTPORT]: 0 })
  const flow = (on: FlowSpec['match'], priority: number, actions: FlowSpec['actions']): FlowSpec => ({
    stage: 'egress_qos',
    priority,
    match: { ...match, ...on },
    actions: [...limits.more, ...actions],
    to: 'next',
    ...limits.with,
  })
  const { dscp } = qos
  const marked = dscp === null ? [] : [IPV4, IPV6].map((eth_type) => flow({ eth_type }, 110, [set('ip_dscp', dscp)]))
  const others = limits.with.meter === undefined ? [] : [flow({}, 100, [])]
  return [...marked, ...others, ...limits.second]
}

/**
 * What is delivered to the port: apart from the packet itself, as of a broadcast there are copies for others behind this
 * one, and what a meter drops in the datapath is gone for all that follows.
 */
function delivered(qos: Qos, ofport: number): readonly FlowSpec[] {
  const match = { [OUTPORT]: ofport }
  const limits = metered(qos, 'ingress', ofport, match)
  if (limits.with.meter === undefined) return []
  return [
    { stage: 'ingress_qos', priority: 100, match, actions: [apart('delivery')] },
    { stage: 'delivery', priority: 100, match, actions: [...limits.more, resubmit('output')], ...limits.with },
    ...limits.second,
  ]
}

function limited(read: Reads, id: string): readonly Contribution[] {
  const qos = read.qos(id)
  const binding = qos && read.binding(id)
  if (!binding) return []
  const { host, ofport } = binding
  return [
    {
      scope: { kind: 'host', host },
      limits: limitsOf(qos, ofport),
      flows: [...sent(qos, ofport), ...delivered(qos, ofport)],
    },
  ]
}

export const qos: App = {
  name: 'qos',
  stages: [
    { name: 'egress_qos', phase: 'respond', miss: 'next', matches: ['in_port_oxm'] },
    { name: 'ingress_qos', phase: 'ingress', miss: 'next', matches: [OUTPORT] },
    { name: 'delivery', phase: 'lookup', miss: 'drop', matches: [OUTPORT] },
    { name: 'second_meter', phase: 'lookup', miss: 'drop', matches: ['in_port_oxm', OUTPORT] },
  ],
  rules: [{ over: 'limited', contribute: limited }],
}

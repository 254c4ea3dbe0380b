// Copies of what is for no single port: broadcast, multicast, and what is for no known MAC where ports may have others. As
// for one port, OUTPORT says where a copy goes: beyond the numbers of ports stand the local ports, parts of the other
// hosts, and the wire, which the stage 'flood' resolves. All hosts share the flows of a part but those in it, which have
// their own without themselves (head-end replication); so a host that comes or goes changes one part.
import {
  copyOf,
  FROM_TUNNEL,
  ipv4,
  isWired,
  l2Priorities,
  MARKS,
  NETWORK,
  output,
  OUTPORT,
  remember,
  resubmit,
  set,
  tag,
  type Audience,
  type Contribution,
  type FlowAction,
  type FlowSpec,
  type Reads,
} from '../../controller/app.ts'
import { tunnelOf } from './tunnels.ts'

const MULTICAST = 0x0100_0000_0000
/** Numbers of ports end below this. */
const FLOOD = 0x10_0000
const WIRE = FLOOD + 0xffff
const first = { all: FLOOD, listening: FLOOD + 0x1_0000 } as const
/** The ports of this host. */
const local = (audience: Audience): number => first[audience]
const part = (audience: Audience, number: number): number => first[audience] + 1 + number

const copyTo = (place: number): FlowAction[] => [set(OUTPORT, place), resubmit('next')]

const flow = (on: FlowSpec['match'], place: number, priority: number, actions: readonly FlowAction[]): FlowSpec => ({
  stage: 'flood',
  priority,
  match: { ...on, [OUTPORT]: place },
  actions,
})

/** The copy for the wire. */
export const toWire = (on: FlowSpec['match'], port: number): FlowSpec => flow(on, WIRE, 100, copyTo(port))

/** What is not for one known port: where copies of it go. */
export function flooded(read: Reads, id: string): readonly Contribution[] {
  const network = read.network(id)
  if (!network?.admin_state_up) return []
  const tunnel = tunnelOf(network)
  // The wire comes last: its copy is changed on the way out.
  const wire = isWired(network) ? copyTo(WIRE) : []
  const flows = (audience: Audience, priority: number, match: object): FlowSpec[] => {
    const parts = read.partsOf(audience, id)
    const here = parts.length === 0 ? [] : copyTo(local(audience))
    // Answers come back here, while no port's rules are asked about these copies.
    const away = parts.length === 0 ? [] : [...remember, ...parts.flatMap((number) => copyTo(part(audience, number)))]
    const there = tunnel === null ? wire : away
    if (here.length + there.length === 0) return []
    const whole = { [NETWORK]: tag(id), ...match }
    return [
      { stage: 'l2', priority, match: { ...whole, [MARKS]: [0, FROM_TUNNEL] }, actions: [...here, ...there] },
      { stage: 'l2', priority, match: { ...whole, [MARKS]: [FROM_TUNNEL, FROM_TUNNEL] }, actions: here },
    ]
  }
  return [
    {
      scope: { kind: 'network', network: id },
      flows: [
        ...flows('all', l2Priorities.multicast, { eth_dst: [MULTICAST, MULTICAST] }),
        ...flows('listening', l2Priorities.unknown, {}),
      ],
    },
  ]
}

/** The copies for the local ports go on one by one, as each port has rules of its own. */
export function copiedHere(read: Reads, key: string): readonly Contribution[] {
  const { audience, network, host } = copyOf(key)
  const ports = read.localPorts(host, network).filter(({ up, listens }) => up && (listens || audience === 'all'))
  const actions = ports.flatMap(({ ofport }) => copyTo(ofport))
  const flows = [flow({ [NETWORK]: tag(network) }, local(audience), 100, actions)]
  return [{ scope: { kind: 'host', host }, object: network, flows }]
}

/** The copies for a part of the other hosts. */
export function copiedThere(read: Reads, key: string): readonly Contribution[] {
  const { audience, network: id, number, hosts } = read.part(key)
  const network = read.network(id)
  const tunnel = network && tunnelOf(network)
  if (!tunnel) return []
  const copies = hosts.flatMap((host) => {
    const address = ipv4(read.host(host)?.encapIp ?? '0.0.0.0')
    return address ? [{ host, actions: [set('tun_dst', address), output(tunnel.port)] }] : []
  })
  const without = (host: string | null, priority: number): FlowSpec => {
    const actions = copies.flatMap((copy) => (copy.host === host ? [] : copy.actions))
    return flow({ [NETWORK]: tag(id) }, part(audience, number), priority, [set('tun_id', tunnel.vni), ...actions])
  }
  return [
    { scope: { kind: 'network', network: id }, object: id, flows: [without(null, 100)] },
    ...hosts.map((host): Contribution => ({
      scope: { kind: 'host', host },
      object: id,
      flows: [without(host, 110)],
    })),
  ]
}

/** A place that is not (any more) goes nowhere. */
export const nowhere: FlowSpec = { stage: 'flood', priority: 10, match: { [OUTPORT]: [FLOOD, FLOOD] }, actions: [] }

// What is the same for every port: what is tracked, whose rules are asked, what a verdict does, and which connections are
// remembered.
import {
  commit,
  directions,
  GROUP,
  load,
  mark,
  marked,
  MARKS,
  POLICY,
  punt,
  REJECT_METER,
  REMOTE,
  REMOTE_IPV4,
  resubmit,
  set,
  SUBJECT,
  track,
  verdicts,
  ZONE,
  type FlowSpec,
  type RuleAction,
} from '../../controller/app.ts'
import type { Action } from '../../ofproto/actions/index.ts'
import type { FieldName } from '../../ofproto/fields/table.ts'
import {
  addressField,
  ct,
  ETHER_TYPES,
  families,
  ICMP,
  TCP,
  trackedProtocols,
  UDP,
  valid,
  type Family,
  type Of,
} from './fields.ts'
import { defaultGroup } from './ports.ts'

/** In ct_mark of each connection that is remembered. */
const REMEMBERED = set('ct_mark', 1)

type Direction = keyof typeof directions

/** Where a packet goes on that the port may send, or get. */
const passed: Readonly<Record<Direction, string>> = { egress: 'forward', ingress: 'commit' }
const ARP = 0x0806
/** The bit of ip_frag that all fragments have. */
const ANY_FRAGMENT = 1
/** RFC 4861: router and neighbour solicitation and advertisement, redirect; RFC 2710, RFC 3810: listener discovery. */
const DISCOVERY = [133, 134, 135, 136, 137]
const LISTENERS = [130, 131, 132, 143]

/** Without these a network does not work; port security sees to it that nobody lies in them. */
function services(stage: string, to: string): FlowSpec[] {
  const icmpv6 = { eth_type: ETHER_TYPES.IPv6, nw_proto: ICMP.IPv6 }
  const pass = (match: FlowSpec['match']): FlowSpec => ({ stage, priority: 400, match, actions: [], to })
  return [
    pass({ eth_type: ARP }),
    ...DISCOVERY.map((type) => pass({ ...icmpv6, icmpv6_type: type, nw_ttl: 255 })),
    ...LISTENERS.map((type) => pass({ ...icmpv6, icmpv6_type: type })),
  ]
}

/** At the port that gets it: what its sender's port had tracked in the zone of another network is tracked in this one too. */
function trackedBefore(): FlowSpec[] {
  const stage = 'ingress_track'
  return [
    { stage, priority: 320, match: { [MARKS]: marked({ stateful: 0 }) }, actions: [], to: 'next' },
    { stage, priority: 310, match: { [MARKS]: marked({ sameZone: 1 }) }, actions: [], to: 'next' },
    ...families.map((family): FlowSpec => ({
      stage,
      priority: 150,
      match: { ...valid({ new: true }), ct_mark: 0, eth_type: ETHER_TYPES[family] },
      actions: [commit(0, [REMEMBERED]), track('ingress_state')],
    })),
  ]
}

/** What comes from a port without a policy. */
const unfiltered: FlowSpec = {
  stage: 'egress_track',
  priority: 500,
  match: { [SUBJECT]: 0 },
  actions: [],
  to: passed.egress,
}

function tracked(direction: Direction): FlowSpec[] {
  const stage = `${direction}_track`
  const isStateful = marked({ stateful: 1 })
  const ask = (match: FlowSpec['match']): FlowSpec => ({
    stage,
    priority: 100,
    match,
    actions: [track(`${direction}_state`)],
  })
  return [
    ...services(stage, passed[direction]),
    ...(direction === 'ingress' ? trackedBefore() : [unfiltered]),
    ...families.flatMap((family): FlowSpec[] => {
      const on = { [MARKS]: isStateful, eth_type: ETHER_TYPES[family] }
      return [
        // Until the zone is flushed.
        { stage, priority: 200, match: { ...on, [ZONE]: 0 }, actions: [] },
        ...trackedProtocols(family).map((protocol) => ask({ ...on, nw_proto: protocol })),
      ]
    }),
    // Which protocol a later fragment is of is not to be seen in IPv6.
    ask({ [MARKS]: isStateful, eth_type: ETHER_TYPES.IPv6, ip_frag: [ANY_FRAGMENT, ANY_FRAGMENT] }),
  ]
}

/** A reply is judged by the rules for what it answers. */
function judged(direction: Direction): FlowSpec[] {
  const stage = `${direction}_state`
  const [own, other] = [directions[direction], 1 - directions[direction]]
  const ask = (priority: number, match: FlowSpec['match'], asked: number): FlowSpec => ({
    stage,
    priority,
    match,
    actions: [load(POLICY, asked), resubmit('policy')],
    to: 'next',
  })
  return [
    ask(500, { [MARKS]: marked({ stateful: 0 }) }, own),
    { stage, priority: 400, match: { ct_state: [ct.tracked | ct.invalid, ct.tracked | ct.invalid] }, actions: [] },
    {
      ...ask(300, valid({ related: true }), own),
      actions: [load(POLICY, directions.ingress), resubmit('related'), resubmit('policy')],
    },
    ask(200, valid({ reply: false }), own),
    ask(200, valid({ reply: true }), other),
    ask(100, {}, own),
  ]
}

function decided(direction: Direction): FlowSpec[] {
  const on = { stage: `${direction}_verdict`, priority: 100 }
  return [
    { ...on, match: { [MARKS]: marked({ verdict: verdicts.allow }) }, actions: [], to: passed[direction] },
    { ...on, match: { [MARKS]: marked({ verdict: verdicts.reject }) }, actions: [punt], meter: REJECT_METER },
  ]
}

function fallback(action: RuleAction): FlowSpec {
  return {
    stage: 'group',
    priority: 100,
    match: { [GROUP]: defaultGroup(action), [MARKS]: marked({ verdict: verdicts.none }) },
    actions: [load(mark.verdict, verdicts[action])],
  }
}

const registers: Readonly<Record<Family, readonly [FieldName, number]>> = {
  IPv4: [REMOTE_IPV4, 32],
  IPv6: [REMOTE, 128],
}

/**
 * By way of the stack: OVS does not move fields of a connection for an error about a reply, which is neither new nor
 * established nor a reply itself (is_ct_valid()).
 */
const copyBits = (source: FieldName, target: FieldName, bits: number): Action[] => [
  { kind: 'push', source: { field: source, start: 0, bits } },
  { kind: 'pop', target: { field: target, start: 0, bits } },
]

/** Puts the remote end's address where sets look for it. */
function remotes(): FlowSpec[] {
  const ends = [
    ['egress', 'dst'],
    ['ingress', 'src'],
  ] as const
  return families.flatMap((family) =>
    ends.flatMap(([direction, end]) => {
      const copy = (of: Of, match: FlowSpec['match']): FlowSpec => ({
        stage: 'remote',
        priority: 100,
        match: { ...match, eth_type: ETHER_TYPES[family] },
        actions: copyBits(addressField(of, family, end), ...registers[family]),
      })
      const sense = directions[direction]
      return [
        copy('connection', { ...valid(), [MARKS]: marked({ byPacket: 0, direction: sense }) }),
        copy('packet', { ct_state: [0, ct.tracked], [MARKS]: marked({ byPacket: 0, towards: sense }) }),
        copy('packet', { [MARKS]: marked({ byPacket: 1, towards: sense }) }),
      ]
    }),
  )
}

/** Control ports of protocols whose helpers tell which data connections to expect. */
const [FTP, TFTP] = [21, 69]

function remembered(): FlowSpec[] {
  const stage = 'commit'
  return families.flatMap((family): FlowSpec[] => {
    const first = { ...valid({ new: true, related: false }), ct_mark: 0, eth_type: ETHER_TYPES[family] }
    // A data connection has the mark of its control connection from the beginning.
    const related = { ...valid({ new: true, related: true }), eth_type: ETHER_TYPES[family] }
    const remember = (priority: number, match: FlowSpec['match'], alg = 0): FlowSpec => ({
      stage,
      priority,
      match,
      actions: [commit(alg, [REMEMBERED])],
      to: 'next',
    })
    return [
      remember(100, first),
      remember(100, related),
      remember(200, { ...first, nw_proto: TCP, tcp_dst: FTP }, FTP),
      remember(200, { ...first, nw_proto: UDP, udp_dst: TFTP }, TFTP),
    ]
  })
}

export const constantFlows: readonly FlowSpec[] = [
  { stage: 'ingress_zone', priority: 10, match: {}, actions: [set(ZONE, 0)], to: 'next' },
  ...(['egress', 'ingress'] as const).flatMap((each) => [...tracked(each), ...judged(each), ...decided(each)]),
  ...(['allow', 'reject'] as const).map(fallback),
  ...remotes(),
  ...remembered(),
]

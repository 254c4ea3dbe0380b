// The tables of security groups on ovs-vswitchd, judged by ofproto/trace: random worlds on one host, and for each two of its
// stations the first packet of a connection, those that follow in both directions, and what belongs to none. Which of
// them arrive is what the plain reference evaluator says.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { isStateful, Reference, type Packet } from '../../controller/model/policy-reference.ts'
import { Conversation, talks, type Said, type Talk } from '../../controller/model/policy-talk.ts'
import { portOf, rowsOf, rulesOf, worlds, type Station, type World } from '../../controller/model/policy-world.ts'
import { simulate } from '../../controller/model/testing.ts'
import { decodeMessage } from '../../ofproto/messages/index.ts'
import { parseFrame } from '../../packet/frame.ts'
import { ModelLab } from './model-lab.ts'

const HOST = 'host1'
const place = (station: Station) => ({ port: portOf(station), host: HOST })

const fields: Readonly<Record<number, readonly [name: string, source: string, destination: string]>> = {
  1: ['icmp', 'icmp_type', 'icmp_code'],
  6: ['tcp', 'tcp_src', 'tcp_dst'],
  17: ['udp', 'udp_src', 'udp_dst'],
  58: ['icmp6', 'icmpv6_type', 'icmpv6_code'],
}

const macText = (mac: number): string =>
  mac
    .toString(16)
    .padStart(12, '0')
    .replace(/..(?!$)/g, '$&:')

/** What has been said, in the language of ofproto/trace. */
function flowOf({ source, frames, packet: { protocol, from, to, ports } }: Said): string {
  const frame = parseFrame(frames[0] ?? new Uint8Array())
  const isIpv6 = from.includes(':')
  const [name = '', first, second] = fields[protocol] ?? []
  return [
    isIpv6 && protocol !== 58 ? `${name}6` : name,
    `in_port=${source.n * 256 + source.i}`,
    `dl_src=${macText(frame?.source ?? 0)},dl_dst=${macText(frame?.destination ?? 0)},nw_ttl=64`,
    isIpv6 ? `ipv6_src=${from},ipv6_dst=${to}` : `nw_src=${from},nw_dst=${to}`,
    `${first}=${ports?.[0]},${second}=${ports?.[1]}`,
  ].join()
}

/** What conntrack remembers of the first packet. The trace keeps it over ct(), whose own findings it does not have. */
function remembered({ protocol, from, to, ports }: Packet): string {
  const address = from.includes(':') ? 'ct_ipv6' : 'ct_nw'
  return `ct_nw_proto=${protocol},${address}_src=${from},${address}_dst=${to},ct_tp_src=${ports?.[0]},ct_tp_dst=${ports?.[1]}`
}

interface Sample {
  readonly said: Said
  readonly flow: string
  readonly state: string
  readonly passes: boolean
}

/** The packets of a conversation, each with what the reference says of it. */
function samples(world: World, a: Station, b: Station, talk: Talk): Sample[] {
  const rules = rulesOf(world)
  const tracks = isStateful(rules, portOf(a))
  const judge = (reference: Reference, said: Said, ct: string, state: string): Sample => {
    const passes = reference.passes(rules, 'zone', said.packet, place(said.source), place(said.target))
    const known = tracks && ct !== '' ? `,ct_state=${state.replaceAll(',', '|')},${ct}` : ''
    return { said, state, passes, flow: `${flowOf(said)}${known}` }
  }
  const ofNone = new Conversation(a, b, talk).say('back', 0)
  const alone = ofNone?.packet.opens
    ? judge(new Reference(), ofNone, remembered(ofNone.packet), 'trk,new')
    : ofNone && judge(new Reference(), ofNone, '', 'trk,inv')
  const conversation = new Conversation(a, b, talk)
  const opening = conversation.say('forth', 0)
  if (opening === null || alone === null) return []
  const reference = new Reference()
  const ct = remembered(opening.packet)
  const first = judge(reference, opening, ct, 'trk,new')
  if (!first.passes) return [alone, first]
  const [back, forth] = [conversation.say('back', 1), conversation.say('forth', 2)]
  return [
    alone,
    first,
    ...(back === null ? [] : [judge(reference, back, `${ct},ct_mark=1`, 'trk,est,rpl')]),
    ...(forth === null ? [] : [judge(reference, forth, `${ct},ct_mark=1`, 'trk,est')]),
  ]
}

interface Story {
  readonly seed: number
  readonly world: World
  readonly packets: readonly Sample[]
}

/** Everybody is on the host. What the trace knows of a connection, it knows from the start: so one end may not track alone. */
function story(seed: number): Story {
  const [drawn] = fc.sample(worlds, { seed, numRuns: 1 }) as [World]
  const world = { ...drawn, stations: drawn.stations.map((station) => ({ ...station, h: 1 })) }
  const tracks = (station: Station): boolean => isStateful(rulesOf(world), portOf(station))
  const packets = fc.sample(talks, { seed, numRuns: 40 }).flatMap((talk) => {
    const [a, b] = [talk.from, talk.to].map((at) => world.stations[at % world.stations.length])
    const isTraceable = talk.protocol !== 'gre' && talk.protocol !== 'sctp'
    if (!a || !b || a === b || !isTraceable || tracks(a) !== tracks(b) || (a.n !== b.n && !world.routed)) return []
    return samples(world, a, b, a.n === b.n ? talk : { ...talk, family: 'IPv4' })
  })
  return { seed, world, packets }
}

/** Enough happens: something gets through, something does not. */
const isLively = ({ packets }: Story): boolean => {
  const passed = packets.filter(({ passes }) => passes).length
  return Math.min(passed, packets.length - passed) > 10
}

const stories: Story[] = []
for (let seed = 0; stories.length < 6; seed += 1) {
  const each = story(seed)
  if (isLively(each)) stories.push(each)
}

test.each(stories)('what arrives by ofproto/trace is what the rules say (seed $seed)', async ({ world, packets }) => {
  const { deployment } = simulate(rowsOf(world))
  const numbers = world.stations.map(({ n, i }) => n * 256 + i)
  await using lab = await ModelLab.start(numbers, '198.18.74.1', [])
  await lab.install(Array.from(deployment.itemsOf(HOST).values(), ({ frame }) => decodeMessage(frame)))
  for (const { said, flow, state, passes } of packets) {
    const { outputs, text } = await lab.traceFlow(flow, [state, state])
    const arrives = outputs.includes(String(said.target.n * 256 + said.target.i))
    expect({ arrives, flow, state, text }).toEqual({ arrives: passes, flow, state, text })
  }
})

// Random security groups, and random conversations while they change: what gets through the tables of the apps on the
// modelled hosts is what the plain reference evaluator says, no more and no less.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatPacket } from '../../ofproto/packet/index.ts'
import { isStateful, Reference } from './policy-reference.ts'
import { Conversation, sayings, talks, type Said, type Saying } from './policy-talk.ts'
import { edited, edits, apply, portOf, rowsOf, rulesOf, worlds, type Edit, type World } from './policy-world.ts'
import { simulate, type Simulated } from './testing.ts'
import { formatTrace } from './trace.ts'

type Event =
  | { readonly kind: 'say'; readonly talk: number; readonly saying: Saying }
  | { readonly kind: 'edit'; readonly edit: Edit }

const say = fc.record({ kind: fc.constant('say'), talk: fc.nat(20), saying: sayings })
const events: fc.Arbitrary<Event[]> = fc.array(
  fc.oneof({ weight: 7, arbitrary: say }, fc.record({ kind: fc.constant('edit'), edit: edits })),
  { minLength: 8, maxLength: 24 },
)

/** Networks that a router connects share a zone; null if there is no way. */
function zoneOf(world: World, { source, target, packet }: Said): string | null {
  if (world.routed) return source.n === target.n || !packet.from.includes(':') ? 'routed' : null
  return source.n === target.n ? `network-${source.n}` : null
}

/** Whether a port on the host needs the zone. */
const wants = (world: World, host: string, zone: string): boolean =>
  world.stations.some((station) => {
    const own = world.routed ? 'routed' : `network-${station.n}`
    return `host${station.h}` === host && own === zone && isStateful(rulesOf(world), portOf(station))
  })

/** Whether a packet arrived, and how it went, to read when that was wrong. */
function sent(
  { fabric }: Simulated,
  { source, target, frames }: Said,
): { passes: boolean; others: readonly string[]; way: string } {
  const [host, ofport] = [`host${target.h}`, target.n * 256 + target.i]
  const own = source.n * 256 + source.i
  const journeys = frames.map((frame) => fabric.follow(`host${source.h}`, { bytes: frame, inPort: own }))
  const all = journeys.flatMap(({ deliveries }) => deliveries)
  const there = all.filter((each) => each.host === host && each.ofport === ofport)
  // Answers of the network itself go to the sender; nobody else gets anything.
  const others = all.filter((each) => !there.includes(each) && each.ofport !== own)
  const visits = journeys.flatMap((journey) => journey.visits)
  return {
    passes: there.length >= frames.length,
    others: others.map((each) => `${each.host}/${each.ofport} ${formatPacket(each.bytes)}`),
    way: visits.map((visit) => `${visit.host}\n${formatTrace(visit.trace)}`).join('\n'),
  }
}

const itemsOf = ({ deployment }: Simulated, host: string): ReadonlyMap<string, string> =>
  new Map(
    Array.from(
      deployment.itemsOf(host),
      ([key, { frame }]) => [key, Buffer.from(frame).toString('hex')] as const,
    ).toSorted(([a], [b]) => (a < b ? -1 : 1)),
  )

test('what gets through is what the rules say, in mid-conversation too', () => {
  let passed = 0
  let stopped = 0
  fc.assert(
    fc.property(worlds, fc.array(talks, { minLength: 1, maxLength: 4 }), events, (start, said, happening) => {
      let world = start
      const simulated = simulate(rowsOf(world))
      const reference = new Reference()
      const conversations = said.flatMap((talk) => {
        const a = start.stations[talk.from % start.stations.length]
        const b = start.stations[talk.to % start.stations.length]
        if (a === undefined || b === undefined || a === b) return []
        // Most networks have a way for IPv4 only.
        return [new Conversation(a, b, a.n === b.n ? talk : { ...talk, family: 'IPv4' })]
      })
      for (const [serial, event] of happening.entries()) {
        if (event.kind === 'edit') {
          const next = edited(world, event.edit, serial)
          apply(simulated, world, next)
          world = next
          reference.forget((host, zone) => wants(next, host, zone))
          continue
        }
        const packet = conversations[event.talk % conversations.length]?.say(event.saying, serial) ?? null
        if (packet === null) continue
        const zone = zoneOf(world, packet)
        const place = ({ h, n, i }: World['stations'][number]) => {
          const station = world.stations.find((each) => each.n === n && each.i === i) as World['stations'][number]
          return { port: portOf(station), host: `host${h}` }
        }
        const expected =
          zone !== null &&
          reference.passes(rulesOf(world), zone, packet.packet, place(packet.source), place(packet.target))
        const got = sent(simulated, packet)
        if (got.passes) passed += 1
        else stopped += 1
        expect({ packet: packet.packet, ...got }).toEqual({
          packet: packet.packet,
          ...got,
          passes: expected,
          // To the MAC of a router that is none, it is flooded to ports that may be anything.
          others: zone === null ? got.others : [],
        })
      }
    }),
    { numRuns: 35 },
  )
  // Worth the name only if both happen a lot.
  expect(Math.min(passed, stopped)).toBeGreaterThan((passed + stopped) / 10)
})

test('what follows from an edit is what follows from its result', () => {
  fc.assert(
    fc.property(worlds, fc.array(edits, { minLength: 1, maxLength: 6 }), (start, changes) => {
      let world = start
      const simulated = simulate(rowsOf(world))
      for (const [serial, edit] of changes.entries()) {
        const next = edited(world, edit, serial)
        apply(simulated, world, next)
        world = next
      }
      const fresh = simulate(rowsOf(world))
      for (const host of ['host1', 'host2']) expect(itemsOf(simulated, host)).toEqual(itemsOf(fresh, host))
    }),
    { numRuns: 30 },
  )
})

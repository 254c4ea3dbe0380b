// Random security groups: the rule that a trace names is the rule that a plain reading of the rules finds.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { isFiltered, judge, type Direction } from '../model/policy-reference.ts'
import { portOf, rowsOf, rulesOf, worlds, type Station } from '../model/policy-world.ts'
import { objectDigits } from '../pipeline/cookie.ts'
import type { Decision } from './report.ts'
import { tracerOf } from './testing.ts'

const [ICMP, ICMPV6] = [1, 58]
const asked = fc.record({
  from: fc.nat(10),
  to: fc.nat(10),
  family: fc.constantFrom('IPv4', 'IPv4', 'IPv6'),
  protocol: fc.constantFrom(6, 17, ICMP, 132, 47),
  port: fc.constantFrom(80, 81, 53, 90, 6000),
})

const addressOf = ({ n, i }: Station, family: string): string =>
  family === 'IPv4' ? `10.0.${n}.${i}` : `2001:db8:${n}::${i}`

const shown = ({ side, verdict, origin }: Decision): object => ({ side, verdict, by: origin?.object ?? null })

test('a trace names the rules that decide', () => {
  const seen = { named: 0, default: 0 }
  fc.assert(
    fc.property(worlds, fc.array(asked, { minLength: 1, maxLength: 6 }), (world, questions) => {
      const { tracer } = tracerOf(rowsOf(world))
      const rules = rulesOf(world)
      for (const { from, to, family, protocol: wanted, port } of questions) {
        const a = world.stations[from % world.stations.length] as Station
        const b = world.stations[to % world.stations.length] as Station
        if (a === b || (a.n !== b.n && (family === 'IPv6' || !world.routed))) continue
        const protocol = wanted === ICMP && family === 'IPv6' ? ICMPV6 : wanted
        const isIcmp = protocol === ICMP || protocol === ICMPV6
        const ports = isIcmp ? [protocol === ICMP ? 8 : 128, 0] : protocol === 47 ? null : [50_000, port]
        const ends = { sourcePort: 50_000, destinationPort: port, icmpType: null, icmpCode: null, ttl: null }
        const question = { from: portOf(a).id, to: { address: addressOf(b, family) }, protocol, ...ends }
        const { decisions, outcome } = tracer.trace({ ends: question, size: 0, state: 'new' })

        const facts = {
          protocol,
          from: addressOf(a, family),
          to: addressOf(b, family),
          ports: ports as [number, number],
        }
        const expected: object[] = []
        let allowed = true
        for (const [station, side] of [
          [a, 'egress'],
          [b, 'ingress'],
        ] as const satisfies [Station, Direction][]) {
          if (!allowed || !isFiltered(portOf(station))) continue
          const { action, by } = judge(rules, portOf(station), side, facts)
          const verdict = by === null && action === 'deny' ? 'none' : action
          expected.push({ side, verdict, by: by === null ? null : objectDigits(by) })
          seen[by === null ? 'default' : 'named'] += 1
          allowed = action === 'allow'
        }
        expect(decisions.map(shown)).toEqual(expected)
        const kind = allowed ? 'delivered' : decisions.at(-1)?.verdict === 'reject' ? 'rejected' : 'dropped'
        expect(outcome.kind).toBe(kind)
      }
    }),
    { numRuns: 30 },
  )
  expect(Math.min(seen.named, seen.default)).toBeGreaterThan(20)
})

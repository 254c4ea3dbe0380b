// What an operator should look at: what follows from intent and hosts, and what switches say of their flows.
import type { Contest, Derived, Revision } from './derivation.ts'
import { limitOf } from './pipeline/meters.ts'
import { describe, describeError } from './switch/describe.ts'
import type { SwitchEvent } from './switch/events.ts'
import type { Held } from './switch/wire.ts'

/** Of a host; about what; in words, or null when it is over. */
type Alarm = readonly [host: string, about: string, text: string | null]

const hostOf = (vif: string): string => vif.slice(0, vif.lastIndexOf('/'))

/** The host of each of the interfaces has an alarm as long as there is more than one. */
function contested({ port, before, after }: Contest): Alarm[] {
  const text = `port ${port} is plugged in as ${after.join(' and ')}: ${after[0]} has it`
  const concerned = new Set(after.map(hostOf))
  const hosts = new Set([...before, ...after].map(hostOf))
  return Array.from(hosts, (host) => [host, `contest ${port}`, concerned.has(host) && after.length > 1 ? text : null])
}

const NO_WAY = 'weft-bridge-mappings has no bridge for it, or one that does not exist'

/** An alarm for each member of the list, as long as it is one. */
function listed(host: string, { before, after }: Revision, about: string, text: (name: string) => string): Alarm[] {
  const begun = after.filter((name) => !before.includes(name))
  const over = before.filter((name) => !after.includes(name))
  return [
    ...begun.map((name): Alarm => [host, `${about} ${name}`, text(name)]),
    ...over.map((name): Alarm => [host, `${about} ${name}`, null]),
  ]
}

const stranded = (name: string): string => `ports on physical network '${name}' are DOWN: ${NO_WAY}`
const ambiguous = (id: string): string =>
  `weft-bridge-mappings leads to several segments of network ${id}: ports here are on the oldest of them`

export const alarmsOf = (derived: Derived): readonly Alarm[] => [
  ...derived.contests.flatMap(contested),
  ...derived.stranded.flatMap(([host, change]) => listed(host, change, 'physical network', stranded)),
  ...derived.ambiguous.flatMap(([host, change]) => listed(host, change, 'segments of network', ambiguous)),
]

/** Which port is not limited for want of a meter, if it is that. */
function unlimited(held: Held, portAt: PortAt): string {
  const limit = held.kind === 'meter' ? limitOf(held.id) : null
  if (limit === null) return ''
  const { ofport, direction } = limit
  return `port ${portAt(ofport) ?? ofport} is not limited (${direction}): `
}

/** The port with an OpenFlow number on the host. */
type PortAt = (ofport: number) => string | undefined

export function alarmOfSwitch(
  host: string,
  event: SwitchEvent & { kind: 'refused' | 'recovered' | 'foreign' },
  portAt: PortAt,
): Alarm {
  switch (event.kind) {
    case 'refused': {
      const { held, error } = event
      return [host, held.key, `${unlimited(held, portAt)}${describeError(error)}: ${describe(held)}`]
    }
    case 'recovered':
      return [host, event.key, null]
    case 'foreign': {
      const some = event.items.slice(0, 3).map(describe).join('; ')
      return [host, 'foreign', event.count === 0 ? null : `${event.count} flows of others: ${some}`]
    }
  }
}

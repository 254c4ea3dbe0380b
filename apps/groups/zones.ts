// In which conntrack zone of a host a network's connections are. Networks that routers connect share one, so that both
// directions of a connection are in it whichever way they come, and one lookup serves both ends that are on one host.
// A packet between networks of two zones (one of them shared between tenants) is tracked in both.
import {
  load,
  mark,
  NETWORK,
  set,
  tag,
  ZONE,
  type Contribution,
  type FlowSpec,
  type Reads,
} from '../../controller/app.ts'
import { ct } from './fields.ts'

/** While the right zone is not flushed, the next that is there. */
const zoneOf = (read: Reads, host: string, network: string): string | undefined =>
  read.zoneMates(network).find((each) => read.zone(`${host}/${each}`) !== undefined)

export function zoned(read: Reads, key: string): readonly Contribution[] {
  const row = read.zone(key)
  if (row === undefined) return []
  const { host, object, zone } = row
  const here = read
    .zoneMates(object)
    .filter((network) => read.localPorts(host, network).length > 0 && zoneOf(read, host, network) === object)
  const flows = here.flatMap((network): FlowSpec[] => {
    const on = { [NETWORK]: tag(network) }
    const again = { ...on, ct_state: [ct.tracked, ct.tracked], ct_zone: zone } as const
    const found = set(ZONE, zone)
    return [
      { stage: 'zone', priority: 100, match: on, actions: [found], to: 'next' },
      { stage: 'ingress_zone', priority: 100, match: on, actions: [found], to: 'next' },
      { stage: 'ingress_zone', priority: 200, match: again, actions: [found, load(mark.sameZone, 1)], to: 'next' },
    ]
  })
  return [{ scope: { kind: 'host', host }, object, flows }]
}

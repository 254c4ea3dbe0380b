// The conntrack zone of a packet's connection: one for each network and router on a host. What a router forwards is in
// the router's zone on both hosts, so that both directions of a connection are in one.
import {
  FROM_TUNNEL,
  mac,
  MARKS,
  NETWORK,
  ROUTER,
  set,
  tag,
  ZONE,
  type Contribution,
  type FlowSpec,
  type Reads,
} from '../../controller/app.ts'

const priorities = { routed: 200, bridged: 100 } as const

export function zoned(read: Reads, key: string): readonly Contribution[] {
  const row = read.zone(key)
  if (row === undefined) return []
  const { host, object, zone } = row
  const found = { stage: 'zone', actions: [set(ZONE, zone)], to: 'next' } as const
  const flows: FlowSpec[] =
    read.network(object) !== undefined
      ? [{ ...found, priority: priorities.bridged, match: { [NETWORK]: tag(object) } }]
      : [
          { ...found, priority: priorities.routed, match: { [ROUTER]: tag(object) } },
          // It was routed on its sender's host.
          ...read.interfacesOf(object).flatMap((id): FlowSpec[] => {
            const port = read.port(id)
            if (port === undefined) return []
            const from = { [NETWORK]: tag(port.network_id), eth_src: mac(port.mac_address) }
            return [{ ...found, priority: priorities.routed, match: { ...from, [MARKS]: [FROM_TUNNEL, FROM_TUNNEL] } }]
          }),
        ]
  return [{ scope: { kind: 'host', host }, object, flows }]
}

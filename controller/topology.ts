// Where ports are and what connects them: the engine's tables, groupings and queries between its inputs and the apps.
import {
  isRouterPort,
  isWired,
  physicalNetworks,
  ROUTER_INTERFACE,
  segmentsAt,
  type Binding,
  type Host,
  type LocalPort,
  type Network,
  type Port,
  type Reads,
  type Router,
  type Subnet,
  type Vif,
} from './app.ts'
import { scopeKey } from './deployment.ts'
import type { Engine, KeySource, Table } from './engine/index.ts'
import { connectExternal, externalInputs, type ExternalInputs } from './external.ts'
import { connectFlooding } from './flooding.ts'
import { tag } from './pipeline/registers.ts'
import { connectQos, type QosInputs } from './qos.ts'
import { connectPolicy, policyInputs, sourcesOf, type PolicyInputs, type Tracked } from './policy.ts'

const NONE: readonly string[] = []

/** Engine tables by the names that rules use for them. */
export interface Inputs extends PolicyInputs, ExternalInputs, QosInputs {
  readonly network: Table<string, Network>
  readonly subnet: Table<string, Subnet>
  readonly port: Table<string, Port>
  readonly router: Table<string, Router>
  readonly host: Table<string, Host>
  /** Keyed `host/interface`. */
  readonly vif: Table<string, Vif>
}

export const inputTables = (engine: Engine): Inputs => ({
  network: engine.table('network'),
  subnet: engine.table('subnet'),
  port: engine.table('port'),
  router: engine.table('router'),
  host: engine.table('host'),
  vif: engine.table('vif'),
  ...policyInputs(engine),
  ...externalInputs(engine),
  qos_policy: engine.table('qos policy'),
})

/** A port where it is plugged in. */
interface Place extends Binding, LocalPort {
  readonly network: string
}

const isInterface = (port: Port): boolean => port.device_owner === ROUTER_INTERFACE

// The ids of networks are UUIDs.
const memberKey = (network: string, host: string): string => `${network}/${host}`
const networkOf = (member: string): string => member.slice(0, member.indexOf('/'))
const hostOf = (member: string): string => member.slice(member.indexOf('/') + 1)

type Claim = readonly [key: string, vif: Vif]

/** Which interface a port is: one of the host that the port asks for, else the first by host and name. */
function winner(claims: readonly Claim[], isWanted: (host: string) => boolean): Binding | undefined {
  const first = claims.find(([, { host }]) => isWanted(host)) ?? claims[0]
  if (first === undefined) return undefined
  const [key, { host, ofport }] = first
  const rivals = claims.length === 1 ? NONE : claims.flatMap(([each]) => (each === key ? [] : [each]))
  return { host, ofport, vif: key, rivals }
}

/** Unknown unicast must reach a port that may use MACs which no other port says it has. */
const listensToAll = (port: Port): boolean =>
  !port.port_security_enabled || port.allowed_address_pairs.some((pair) => pair.mac_address !== port.mac_address)

/** A guest may send with more than its own addresses. */
const isOpen = (port: Port): boolean =>
  (!port.port_security_enabled || port.allowed_address_pairs.length > 0) && !isRouterPort(port)

interface Topology {
  readonly reads: Reads
  /** What rules may be over beside tables. */
  readonly keys: Readonly<
    Record<'member' | 'copy' | 'part' | 'router_interface' | 'limited', readonly KeySource<string>[]>
  >
  scopesOf(this: void, host: string): ReadonlySet<string>
  zonesOf(this: void, host: string): ReadonlySet<string>
  /** The physical networks on which the host has ports and to which it has no way. */
  strandedOf(this: void, host: string): readonly string[]
  /** The networks of the host's ports of which it has a way to several segments. */
  ambiguousOf(this: void, host: string): readonly string[]
  /** The ports that several interfaces claim. */
  readonly contested: KeySource<string>
  trackedOf(this: void, vif: string): Tracked | null
}

/** Which interface each port is, and what follows for networks and hosts. */
function connectPlaces(engine: Engine, { port, host, vif }: Inputs) {
  const claimsOf = engine.grouping('interfaces of port', vif, (row) => [row.port])
  const placeOf = engine.derivedTable('place', port, (id: string): Place | undefined => {
    const row = port.get(id)
    if (row === undefined) return undefined
    const claims = claimsOf.get(id).flatMap((key): Claim[] => {
      const claim = vif.get(key)
      return claim === undefined || host.get(claim.host) === undefined ? [] : [[key, claim]]
    })
    const wanted = row['binding:host_id']
    const binding = winner(claims, (each) => each === wanted || host.get(each)?.name === wanted)
    return binding && { id, ...binding, network: row.network_id, up: row.admin_state_up, listens: listensToAll(row) }
  })
  /** Ports by `network/host`: what flooding depends on, so that other edits of a port stop here. */
  const placesOn = engine.grouping('ports of member', placeOf, ({ network: on, host: at }) => [memberKey(on, at)])
  const membersOf = engine.grouping('members of network', placesOn, (_, member) => [networkOf(member)])
  const networksOn = engine.grouping('networks of host', placesOn, (_, member) => [hostOf(member)])
  return {
    placeOf,
    placesOn,
    networksOn,
    contested: engine.grouping('contested ports', placeOf, ({ rivals }, id) => (rivals.length > 0 ? [id] : NONE)),
    memberHosts: engine.query('hosts of network', (id: string): readonly string[] => membersOf.get(id).map(hostOf)),
    localPorts: engine.query('local ports', (member: string): readonly LocalPort[] =>
      placesOn.get(member).flatMap((id) => placeOf.get(id) ?? []),
    ),
  }
}

/** Which networks routers connect. */
function connectRouters(engine: Engine, { network, port }: Inputs) {
  const interfacesOf = engine.grouping('interfaces of router', port, (row) =>
    isInterface(row) ? [row.device_id] : NONE,
  )
  const gatewaysOf = engine.grouping('router interfaces of network', port, (row) =>
    isInterface(row) ? [row.network_id] : NONE,
  )
  /** The networks that a network is connected with by routers, itself included. */
  const connected = (id: string, joins: (network: string) => boolean): ReadonlySet<string> => {
    const found = new Set([id])
    const routers = new Set<string>()
    for (const each of joins(id) ? found : NONE) {
      for (const gateway of gatewaysOf.get(each)) {
        const owner = port.get(gateway)?.device_id
        if (owner === undefined || routers.has(owner)) continue
        routers.add(owner)
        for (const other of interfacesOf.get(owner)) {
          const next = port.get(other)?.network_id
          if (next !== undefined && joins(next)) found.add(next)
        }
      }
    }
    return found
  }
  const domain = engine.query('domain', (id: string) => connected(id, () => true))
  /** Tenants with the same addresses may stand on a shared network: what lies behind it is not in its zone. */
  const zoneMates = engine.query('zone mates', (id: string): readonly string[] => {
    const ageOf = (each: string): string => `${network.get(each)?.created_at} ${each}`
    const mates = connected(id, (each) => network.get(each)?.shared !== true)
    return [...mates].toSorted((a, b) => (ageOf(a) < ageOf(b) ? -1 : 1))
  })
  /** The network in whose zone a network's connections are: mostly the same whoever else joins. */
  const zoneOf = engine.query('zone of network', (id: string): string => zoneMates.get(id)[0] ?? id)
  return { interfacesOf, gatewaysOf, domain, zoneMates, zoneOf }
}

export function connectTopology(engine: Engine, inputs: Inputs): Topology {
  const { network, subnet, port, router, host, vif } = inputs
  const { placeOf, placesOn, networksOn, contested, memberHosts, localPorts } = connectPlaces(engine, inputs)
  const { interfacesOf, gatewaysOf, domain, zoneMates, zoneOf } = connectRouters(engine, inputs)
  const external = connectExternal(engine, port, inputs, { of: interfacesOf, on: gatewaysOf })
  const taggedNetworks = engine.grouping('networks of number', network, (row) => [`${tag(row.id)}`])
  const flooding = connectFlooding(engine, placeOf)
  const { reads: policyReads, members, groupsOf, setsOf } = connectPolicy(engine, port, inputs)
  const qos = connectQos(engine, inputs)
  const portsOf = engine.grouping('ports of network', port, (row) => [row.network_id])
  const openPorts = engine.grouping('open ports of network', port, (row) => (isOpen(row) ? [row.network_id] : NONE))
  const subnetsOf = engine.grouping('subnets of network', subnet, (row) => [row.network_id])
  const vifAt = engine.grouping('interface by number', vif, (row) => [`${row.host}/${row.ofport}`])
  const hostsOf = engine.query('hosts of domain', (id: string): readonly string[] =>
    [
      ...new Set(Array.from(domain.get(id)).flatMap((each) => [...memberHosts.get(each), ...external.hostsOn(each)])),
    ].toSorted(),
  )
  /** Groups with a port at the host, and the sets that these refer to: apart, as a host's networks change more often. */
  const groupScopes = engine.query('groups at host', (id: string): readonly string[] => {
    const groups = groupsOf(networksOn.get(id).flatMap((member) => placesOn.get(member)))
    return Array.from(groups, (group) => [
      scopeKey({ kind: 'group', group }),
      ...Array.from(setsOf(group), (set) => scopeKey({ kind: 'set', set })),
    ]).flat()
  })
  const scopesOf = (id: string): ReadonlySet<string> => {
    const scopes = new Set([scopeKey({ kind: 'all' }), scopeKey({ kind: 'host', host: id })])
    const stood = external.routersAt(id).flatMap((each) => external.networksOf(each))
    for (const needed of [...networksOn.get(id).map(networkOf), ...stood]) {
      // Networks of one domain have the same domain.
      if (scopes.has(scopeKey({ kind: 'network', network: needed }))) continue
      for (const each of domain.get(needed)) scopes.add(scopeKey({ kind: 'network', network: each }))
    }
    for (const each of external.routersAt(id)) {
      const on = external.reads.gatewayPortOf(each)?.network_id
      if (on !== undefined) scopes.add(scopeKey({ kind: 'external', network: on }))
    }
    for (const scope of groupScopes.get(id)) scopes.add(scope)
    return scopes
  }
  /** Those of the networks with a port here that is tracked, and of the routers whose addresses are translated here. */
  const zonesOf = (id: string): ReadonlySet<string> => {
    const isTracked = (each: string): boolean => policyReads.policy(each)?.stateful === true
    const tracking = networksOn.get(id).filter((member) => placesOn.get(member).some(isTracked))
    const translating = external.routersAt(id).filter((each) => router.get(each)?.external_gateway_info?.enable_snat)
    return new Set([...tracking.map((member) => zoneOf.get(networkOf(member))), ...translating])
  }
  const trackedOf = (key: string): Tracked | null => {
    const at = vif.get(key)
    const row = at && port.get(at.port)
    if (!row || placeOf.get(row.id)?.host !== at.host || policyReads.policy(row.id)?.stateful !== true) return null
    return { host: at.host, zone: zoneOf.get(row.network_id), prefixes: sourcesOf(row) }
  }
  const segmentsHere = (id: string, on: Network): number => {
    const uplinks = host.get(id)?.uplinks ?? {}
    return segmentsAt(on, (name) => Object.hasOwn(uplinks, name)).length
  }
  const wiredOn = (id: string): readonly Network[] =>
    networksOn.get(id).flatMap((member) => {
      const row = network.get(networkOf(member))
      return row !== undefined && isWired(row) ? [row] : []
    })
  const strandedOf = (id: string): readonly string[] => {
    const stranded = wiredOn(id).filter((on) => segmentsHere(id, on) === 0)
    return [...new Set(stranded.map((on) => physicalNetworks(on).join("' or '")))].toSorted()
  }
  const ambiguousOf = (id: string): readonly string[] =>
    wiredOn(id).flatMap((on) => (segmentsHere(id, on) > 1 ? [on.id] : NONE))
  const reads: Reads = {
    network: (id) => network.get(id),
    subnet: (id) => subnet.get(id),
    port: (id) => port.get(id),
    router: (id) => router.get(id),
    host: (id) => host.get(id),
    vif: (key) => vif.get(key),
    vifAt: (id, ofport) => vif.get(vifAt.get(`${id}/${ofport}`)[0] ?? ''),
    portsOf: (id) => portsOf.get(id),
    openPorts: (id) => openPorts.get(id),
    subnetsOf: (id) => subnetsOf.get(id),
    gatewaysOf: (id) => gatewaysOf.get(id),
    interfacesOf: (id) => interfacesOf.get(id),
    binding: (id) => placeOf.get(id) ?? null,
    membersOf: (id) => memberHosts.get(id),
    hostsOf: (id) => hostsOf.get(id),
    localPorts: (id, on) => localPorts.get(memberKey(on, id)),
    zoneMates: (id) => zoneMates.get(id),
    ...policyReads,
    ...flooding.reads,
    ...external.reads,
    networkTagged: (number) => network.get(taggedNetworks.get(`${number}`)[0] ?? ''),
    qos: qos.of,
  }
  const interfaces = engine.grouping('router interfaces', port, (row) => (isInterface(row) ? [row.id] : NONE))
  const keys = {
    member: members,
    copy: [flooding.copies],
    part: [flooding.parts],
    router_interface: [interfaces],
    limited: [qos.limited],
  }
  return { reads, keys, scopesOf, zonesOf, strandedOf, ambiguousOf, trackedOf, contested }
}

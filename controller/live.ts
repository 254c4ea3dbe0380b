// What the northbound API shows of hosts and of what they have confirmed.
import { carries, isWired, ROUTER_GATEWAY, ROUTER_INTERFACE, type Report } from './app.ts'
import type { Derivation } from './derivation.ts'
import type { Fleet } from './fleet.ts'
import { agentId, type HostRecord } from './host-record.ts'
import type { LiveAgent, LiveChange, LiveState, Status, WaitRealized } from './northbound/index.ts'

export function liveState(fleet: Fleet, derivation: Derivation): LiveState {
  const { reads } = derivation
  /** A router's external gateway is on the host that stands for the router. */
  const hostOf = (id: string): string | undefined =>
    reads.port(id)?.device_owner === ROUTER_GATEWAY ? reads.standIn(id) : reads.binding(id)?.host
  const portStatus = (id: string): Status | undefined => {
    const realized: Status = fleet.unconfirmed(id).length === 0 ? 'ACTIVE' : 'BUILD'
    // A router's interface is everywhere.
    if (reads.port(id)?.device_owner === ROUTER_INTERFACE) return realized
    const record = fleet.hosts.get(hostOf(id) ?? '')
    if (record === undefined) return reads.port(id) === undefined ? undefined : 'DOWN'
    const network = reads.network(reads.port(id)?.network_id ?? '')
    if (record.channel === null || (network && !carries(record.facts.uplinks, network))) return 'DOWN'
    return record.confirmed > 0 ? realized : 'BUILD'
  }
  const networksOf = (port: string): readonly string[] => {
    const network = reads.port(port)?.network_id
    return network === undefined ? [] : [...new Set([network, ...reads.zoneMates(network).slice(0, 1)])]
  }
  return {
    agents: () => Array.from(fleet.hosts.values(), agentOf),
    forgetAgent: (id) => {
      const host = Array.from(fleet.hosts.values()).find(({ agent }) => agent === id)
      return host !== undefined && fleet.forget(host.facts.id)
    },
    carries: (agent, id) => {
      const network = reads.network(id)
      return Array.from(fleet.hosts.values()).some(
        (each) => each.agent === agent && network !== undefined && carries(each.facts.uplinks, network),
      )
    },
    portStatus,
    networkStatus: (id) => {
      const network = reads.network(id)
      const records = Array.from(fleet.hosts.values())
      const carried = !network || !isWired(network) || records.some((each) => carries(each.facts.uplinks, network))
      if (!carried) return 'DOWN'
      return fleet.unconfirmed(id).length === 0 ? 'ACTIVE' : 'BUILD'
    },
    portHost: (id) => {
      const host = hostOf(id)
      return host === undefined ? undefined : fleet.hosts.get(host)?.facts.name
    },
    physicalNetworks: (host) => {
      const record = fleet.hosts.get(host) ?? Array.from(fleet.hosts.values()).find(({ facts }) => facts.name === host)
      return record && new Set(Object.keys(record.facts.uplinks))
    },
    onPlaces: (listener) => {
      fleet.on('host', listener)
      fleet.on('progress', listener)
      return () => {
        fleet.off('host', listener)
        fleet.off('progress', listener)
      }
    },
    subscribe: (listener) => subscribe(fleet, networksOf, portStatus, listener),
  }
}

function agentOf(record: HostRecord): LiveAgent {
  const { facts, control } = record
  return {
    id: record.agent,
    host: facts.name,
    systemId: facts.id,
    alive: record.connected && record.channel !== null,
    created_at: record.knownSince.toISOString(),
    started_at: (record.connectedAt ?? record.knownSince).toISOString(),
    heartbeat_timestamp: (record.connected ? new Date() : (record.heardAt ?? record.knownSince)).toISOString(),
    configurations: {
      system_id: facts.id,
      ovs_version: facts.ovsVersion,
      encap_ip: facts.encapIp,
      encap_types: facts.encapTypes,
      datapath_id: facts.datapathId?.toString(16).padStart(16, '0') ?? null,
      bridge_mappings: Object.fromEntries(facts.bridgeMappings),
      devices: facts.vifs.length,
      switch: control.state,
      current: record.current,
      ...control.counters,
      alarms: [...record.alarms.values()],
    },
  }
}

const portsOf = (record: HostRecord | undefined): ReadonlySet<string> =>
  new Set(record?.facts.vifs.map(({ port }) => port))

/** Tells of hosts, and of ports whose status differs from what was told last, or from what it was in the beginning. */
function subscribe(
  fleet: Fleet,
  networksOf: (port: string) => readonly string[],
  portStatus: (port: string) => Status | undefined,
  listener: (change: LiveChange) => void,
): () => void {
  /** Of ports that are not DOWN. */
  const told = new Map<string, Status>()
  /** By network, ports in BUILD: what they wait for may be the network's, or of the one that it shares a zone with. */
  const building = new Map<string, Set<string>>()
  const remember = (port: string, status: Status): void => {
    if (status === 'DOWN') told.delete(port)
    else told.set(port, status)
    for (const network of networksOf(port)) {
      if (status === 'BUILD') building.set(network, (building.get(network) ?? new Set()).add(port))
      else building.get(network)?.delete(port)
    }
  }
  const plugged = new Map(Array.from(fleet.hosts, ([id, record]) => [id, portsOf(record)] as const))
  for (const ports of plugged.values()) for (const port of ports) remember(port, portStatus(port) ?? 'DOWN')
  const check = (port: string): void => {
    const status = portStatus(port)
    if (status !== undefined && status !== (told.get(port) ?? 'DOWN')) listener({ kind: 'port', id: port, status })
    remember(port, status ?? 'DOWN')
  }
  const progress = (objects: readonly string[]): void => {
    for (const id of objects) {
      check(id)
      const ports = building.get(id) ?? []
      building.delete(id)
      for (const port of ports) check(port)
    }
  }
  const host = (id: string): void => {
    const record = fleet.hosts.get(id)
    listener({ kind: 'agent', id: agentId(id), agent: record === undefined ? null : agentOf(record) })
    const ports = portsOf(record)
    for (const port of new Set([...(plugged.get(id) ?? []), ...ports])) check(port)
    plugged.set(id, ports)
  }
  const report = (on: string, change: Report): void => listener({ host: on, ...change })
  fleet.on('progress', progress)
  fleet.on('host', host)
  fleet.on('report', report)
  return () => {
    fleet.off('progress', progress)
    fleet.off('host', host)
    fleet.off('report', report)
  }
}

/** `seen`: settles when the engine has the store's revision. */
export function realization(fleet: Fleet, seen: (revision: number) => Promise<void>): WaitRealized {
  return async (objects, revision, timeoutMs, told) => {
    const deadline = performance.now() + timeoutMs
    await seen(revision)
    await fleet.committed()
    told()
    const waiting = () => objects.flatMap(({ id }) => fleet.unconfirmed(id))
    while (waiting().length > 0 && performance.now() < deadline) await progress(fleet, deadline - performance.now())
    const unique = new Map(waiting().map((each) => [each.host, each]))
    return [...unique.values()]
  }
}

function progress(fleet: Fleet, milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      fleet.off('progress', done)
      resolve()
    }
    const timer = setTimeout(done, Math.max(0, milliseconds))
    fleet.on('progress', done)
  })
}

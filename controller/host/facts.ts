// What a host's OVSDB says of it: who it is, where tunnels to it end, which datapath is its integration bridge, which of
// its interfaces are plugged into which ports, and which lead to physical networks.
import type { OpenVSwitch, Replica, Row } from '../../ovsdb/index.ts'
import { isTunnelType, type TunnelType, type Vif } from '../app.ts'

export const INTEGRATION_BRIDGE = 'br-int'
/** In the external_ids of both ends of a patch: the physical network that it leads to. Marks the patch as Weft's. */
export const PATCH_MARK = 'weft-physical-network'

type Tables = (typeof OpenVSwitch)['tables']
export type HostReplica = Replica<Tables>
export type BridgeRow = Row<Tables, 'Bridge'>
export type InterfaceRow = Row<Tables, 'Interface'>
export type PortRow = Row<Tables, 'Port'>
export type RootRow = Row<Tables, 'Open_vSwitch'>

export interface HostFacts {
  /** `external_ids:system-id`, or the UUID of the Open_vSwitch row where there is none. */
  readonly id: string
  readonly name: string
  readonly ovsVersion: string
  readonly encapIp: string
  readonly encapTypes: readonly TunnelType[]
  /** Null: whatever the bridge has. */
  readonly datapathType: string | null
  /** `external_ids:weft-bridge-mappings`: physical network to bridge. */
  readonly bridgeMappings: ReadonlyMap<string, string>
  /** Of the integration bridge; null until ovs-vswitchd has made it. */
  readonly datapathId: bigint | null
  readonly vifs: readonly Vif[]
  /** The OpenFlow numbers of the patch ports to mapped bridges that are there, by physical network. */
  readonly uplinks: Readonly<Record<string, number>>
}

export function rootOf(replica: HostReplica): RootRow | undefined {
  return replica.table('Open_vSwitch').values().next().value
}

export function bridgeOf(replica: HostReplica, name = INTEGRATION_BRIDGE): BridgeRow | undefined {
  for (const bridge of replica.table('Bridge').values()) if (bridge.name === name) return bridge
  return undefined
}

/** The interfaces of a bridge, each with its port. */
export function* interfacesOf(
  replica: HostReplica,
  bridge = bridgeOf(replica),
): Generator<readonly [PortRow, InterfaceRow]> {
  for (const id of bridge?.ports ?? []) {
    const port = replica.table('Port').get(id)
    for (const each of port?.interfaces ?? []) {
      const row = replica.table('Interface').get(each)
      if (port && row) yield [port, row]
    }
  }
}

function mappings(text: string | undefined): Map<string, string> {
  const pairs = (text ?? '').split(',').map((pair) => pair.split(':', 2).map((part) => part.trim()))
  return new Map(pairs.flatMap(([network, bridge]) => (network && bridge ? [[network, bridge]] : [])))
}

/** A patch counts while its network is mapped to a bridge that exists, also before the patch is mended. */
function uplinksOf(replica: HostReplica, mapped: ReadonlyMap<string, string>): Record<string, number> {
  const patches = Array.from(interfacesOf(replica)).flatMap(([, { type, external_ids, ofport }]) => {
    const network = type === 'patch' ? external_ids.get(PATCH_MARK) : undefined
    const bridge = network === undefined ? undefined : mapped.get(network)
    if (network === undefined || bridge === undefined || bridgeOf(replica, bridge) === undefined) return []
    return ofport !== null && ofport > 0 ? [[network, ofport] as const] : []
  })
  return Object.fromEntries(patches)
}

/** `peerAddress`: where the host connects from, which is where tunnels end unless `weft-encap-ip` says otherwise. */
export function factsOf(replica: HostReplica, peerAddress: string): HostFacts | null {
  const root = rootOf(replica)
  if (root === undefined) return null
  const ids = root.external_ids
  const id = ids.get('system-id') ?? root._uuid
  const types = (ids.get('weft-encap-type') ?? 'vxlan,geneve,gre').split(',').map((type) => type.trim())
  const vifs = Array.from(interfacesOf(replica)).flatMap(([, row]): Vif[] => {
    const port = row.external_ids.get('iface-id')
    const ofport = row.ofport ?? -1
    return port !== undefined && ofport > 0 ? [{ host: id, name: row.name, ofport, port }] : []
  })
  const datapath = bridgeOf(replica)?.datapath_id
  const bridgeMappings = mappings(ids.get('weft-bridge-mappings'))
  return {
    id,
    name: ids.get('hostname') ?? id,
    ovsVersion: root.ovs_version ?? '',
    encapIp: ids.get('weft-encap-ip') ?? peerAddress,
    encapTypes: types.filter(isTunnelType),
    datapathType: ids.get('weft-datapath-type') ?? null,
    bridgeMappings,
    datapathId: datapath === undefined || datapath === null ? null : BigInt(`0x${datapath}`),
    vifs,
    uplinks: uplinksOf(replica, bridgeMappings),
  }
}

/** Facts as they are stored: a row of the host, and one of each of its interfaces, of which one changes at a time. */
function rowsOf(facts: HostFacts | null): Map<string, string> {
  if (facts === null) return new Map()
  const { vifs, datapathId, bridgeMappings, ...rest } = facts
  const host = { ...rest, datapathId: datapathId?.toString() ?? null, bridgeMappings: [...bridgeMappings] }
  return new Map([
    [`host/${facts.id}`, JSON.stringify(host)],
    ...vifs.map((vif) => [`vif/${vif.host}/${vif.name}`, JSON.stringify(vif)] as const),
  ])
}

/** The rows that differ, by key; null for those that go. */
export function changedRows(before: HostFacts | null, after: HostFacts | null): Map<string, string | null> {
  const [old, now] = [rowsOf(before), rowsOf(after)]
  const changes = new Map<string, string | null>()
  for (const [key, row] of now) if (old.get(key) !== row) changes.set(key, row)
  for (const key of old.keys()) if (!now.has(key)) changes.set(key, null)
  return changes
}

/** From the rows under `host/` and `vif/`. */
export function loadFacts(hosts: readonly string[], vifs: readonly string[]): HostFacts[] {
  const byHost = Map.groupBy(
    vifs.map((row) => JSON.parse(row) as Vif),
    ({ host }) => host,
  )
  return hosts.map((row) => {
    const stored = JSON.parse(row) as Omit<HostFacts, 'vifs' | 'datapathId' | 'bridgeMappings'> & {
      readonly datapathId: string | null
      readonly bridgeMappings: readonly (readonly [string, string])[]
    }
    return {
      ...stored,
      datapathId: stored.datapathId === null ? null : BigInt(stored.datapathId),
      bridgeMappings: new Map(stored.bridgeMappings),
      vifs: byHost.get(stored.id) ?? [],
    }
  })
}

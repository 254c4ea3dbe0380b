// Patches between the integration bridge and the bridges of physical networks (`external_ids:weft-bridge-mappings`): a
// pair of patch ports for each mapping whose bridge exists. Both ends carry a mark, by which those of mappings that are
// gone are found; nothing else on a physical network's bridge is looked at. OVS chooses their OpenFlow numbers: numbers
// that are equal on all hosts would have to be allotted to names that hosts choose, and only few flows hold them.
import { bridgeOf, INTEGRATION_BRIDGE, interfacesOf, PATCH_MARK, type HostFacts, type HostReplica } from './facts.ts'
import { equalMaps, type HostTransaction, type NewPort } from './rows.ts'

interface End {
  readonly bridge: string
  readonly name: string
  readonly peer: string
  readonly network: string
}

function endsOf(replica: HostReplica, { bridgeMappings }: HostFacts): End[] {
  return Array.from(bridgeMappings).flatMap(([network, bridge]) => {
    if (bridge === INTEGRATION_BRIDGE || bridgeOf(replica, bridge) === undefined) return []
    const [near, far] = [`weft-int-${network}`, `weft-phy-${network}`]
    return [
      { bridge: INTEGRATION_BRIDGE, name: near, peer: far, network },
      { bridge, name: far, peer: near, network },
    ]
  })
}

/** Takes away marked patch ports that are none of the ends. */
function remove(tx: HostTransaction, replica: HostReplica, ends: readonly End[], done: string[]): void {
  for (const bridge of replica.table('Bridge').values()) {
    for (const [port, { name, external_ids }] of interfacesOf(replica, bridge)) {
      const wanted = ends.some((end) => end.bridge === bridge.name && end.name === name)
      if (wanted || !external_ids.has(PATCH_MARK)) continue
      tx.mutate('Bridge', [['_uuid', '==', bridge._uuid]], [['ports', 'delete', [port._uuid]]])
      done.push(`removed patch port ${name} of ${bridge.name}`)
    }
  }
}

/** Mends an end that is there; gives the port of one that is not. */
function mendEnd(tx: HostTransaction, replica: HostReplica, end: End, done: string[]): NewPort | null {
  const { bridge, name, peer, network } = end
  const columns = { type: 'patch', options: new Map([['peer', peer]]) }
  const row = bridgeOf(replica, bridge)
  for (const [, found] of row === undefined ? [] : interfacesOf(replica, row)) {
    if (found.name !== name) continue
    const marked = found.external_ids.get(PATCH_MARK) === network
    if (!marked || found.type !== columns.type || !equalMaps(found.options, columns.options)) {
      const external_ids = new Map(found.external_ids).set(PATCH_MARK, network)
      tx.update('Interface', [['_uuid', '==', found._uuid]], { ...columns, external_ids })
      done.push(`mended patch port ${name}`)
    }
    return null
  }
  done.push(`added patch port ${name} to ${bridge}`)
  const marks = new Map([[PATCH_MARK, network]])
  return tx.insert('Port', {
    name,
    interfaces: [tx.insert('Interface', { name, ...columns, external_ids: marks })],
  }) as never
}

/** Makes the patches as they should be; gives the ports that are to be added to the integration bridge. */
export function patches(tx: HostTransaction, replica: HostReplica, facts: HostFacts, done: string[]): NewPort[] {
  const ends = endsOf(replica, facts)
  remove(tx, replica, ends, done)
  return ends.flatMap((end) => {
    const port = mendEnd(tx, replica, end, done)
    if (port === null) return []
    if (end.bridge === INTEGRATION_BRIDGE) return [port]
    tx.mutate('Bridge', [['name', '==', end.bridge]], [['ports', 'insert', [port]]])
    return []
  })
}

// What Weft wants in a host's OVSDB: the integration bridge pointed at this controller, the tunnel ports with their
// fixed OpenFlow numbers, and patches to the bridges of physical networks. The difference to what is there is one transaction; nothing else is touched.
import { OpenVSwitch, Transaction } from '../../ovsdb/index.ts'
import { TUNNEL_PORTS, type TunnelType } from '../app.ts'
import {
  bridgeOf,
  INTEGRATION_BRIDGE,
  interfacesOf,
  rootOf,
  type BridgeRow,
  type HostFacts,
  type HostReplica,
} from './facts.ts'
import { patches } from './patches.ts'
import { equalMaps, type HostTransaction, type NewPort } from './rows.ts'

export interface Wanted {
  /** What br-int connects to, `tcp:192.0.2.1:6653`. */
  readonly controller: string
}

const portName = (type: TunnelType): string => `weft-${type}`

function tunnelOptions(facts: HostFacts): ReadonlyMap<string, string> {
  const local = facts.datapathType === 'dummy' ? [] : [['local_ip', facts.encapIp] as const]
  return new Map([['key', 'flow'], ['remote_ip', 'flow'], ...local])
}

/** Inserts the tunnel ports that are missing and mends those that differ; gives the inserted ones. */
function tunnels(tx: HostTransaction, replica: HostReplica, facts: HostFacts, done: string[]): NewPort[] {
  const options = tunnelOptions(facts)
  return facts.encapTypes.flatMap((type) => {
    const name = portName(type)
    const columns = { type, options, ofport_request: TUNNEL_PORTS[type] }
    for (const [, row] of interfacesOf(replica)) {
      if (row.name !== name) continue
      const same = row.type === type && row.ofport_request === columns.ofport_request && equalMaps(row.options, options)
      if (!same) {
        tx.update('Interface', [['_uuid', '==', row._uuid]], columns)
        done.push(`mended tunnel port ${name}`)
      }
      return []
    }
    done.push(`added tunnel port ${name}`)
    return [tx.insert('Port', { name, interfaces: [tx.insert('Interface', { name, ...columns })] }) as never]
  })
}

function createBridge(
  tx: HostTransaction,
  replica: HostReplica,
  facts: HostFacts,
  wanted: Wanted,
  done: string[],
): void {
  const root = rootOf(replica)
  if (root === undefined) return
  const internal = tx.insert('Interface', { name: INTEGRATION_BRIDGE, type: 'internal' })
  const port = tx.insert('Port', { name: INTEGRATION_BRIDGE, interfaces: [internal] })
  const bridge = tx.insert('Bridge', {
    name: INTEGRATION_BRIDGE,
    datapath_type: facts.datapathType ?? '',
    fail_mode: 'secure',
    protocols: ['OpenFlow13'],
    other_config: new Map([['disable-in-band', 'true']]),
    controller: [insertController(tx, wanted)],
    ports: [port, ...tunnels(tx, replica, facts, done), ...patches(tx, replica, facts, done)],
  })
  tx.mutate('Open_vSwitch', [['_uuid', '==', root._uuid]], [['bridges', 'insert', [bridge]]])
  done.push(`created bridge ${INTEGRATION_BRIDGE}`)
}

/** Tries again every second (OVS: up to 8): packets for the controller are lost until the switch is back. */
const insertController = (tx: HostTransaction, { controller }: Wanted) =>
  tx.insert('Controller', { target: controller, connection_mode: 'out-of-band', max_backoff: 1_000 })

function mendBridge(
  tx: HostTransaction,
  replica: HostReplica,
  bridge: BridgeRow,
  facts: HostFacts,
  wanted: Wanted,
  done: string[],
): void {
  const where = [['_uuid', '==', bridge._uuid]] as const
  const targets = bridge.controller.map((id) => replica.table('Controller').get(id)?.target)
  if (targets.length !== 1 || targets[0] !== wanted.controller) {
    tx.update('Bridge', where, { controller: [insertController(tx, wanted)] })
    done.push(`pointed ${INTEGRATION_BRIDGE} at ${wanted.controller}`)
  }
  if (bridge.fail_mode !== 'secure') {
    tx.update('Bridge', where, { fail_mode: 'secure' })
    done.push(`set fail_mode of ${INTEGRATION_BRIDGE} to secure`)
  }
  if (!bridge.protocols.includes('OpenFlow13')) {
    tx.mutate('Bridge', where, [['protocols', 'insert', ['OpenFlow13']]])
    done.push(`allowed OpenFlow13 on ${INTEGRATION_BRIDGE}`)
  }
  if (facts.datapathType !== null && bridge.datapath_type !== facts.datapathType) {
    tx.update('Bridge', where, { datapath_type: facts.datapathType })
    done.push(`set datapath_type of ${INTEGRATION_BRIDGE} to ${facts.datapathType}`)
  }
  const ports = [...tunnels(tx, replica, facts, done), ...patches(tx, replica, facts, done)]
  if (ports.length > 0) tx.mutate('Bridge', where, [['ports', 'insert', ports]])
}

/** The transaction that makes a host's OVSDB as wanted, and what it does in words; null if nothing is to be done. */
export function mend(
  replica: HostReplica,
  facts: HostFacts,
  wanted: Wanted,
): { transaction: HostTransaction; done: readonly string[] } | null {
  const transaction: HostTransaction = new Transaction(OpenVSwitch)
  const done: string[] = []
  const bridge = bridgeOf(replica)
  if (bridge === undefined) createBridge(transaction, replica, facts, wanted, done)
  else mendBridge(transaction, replica, bridge, facts, wanted, done)
  if (transaction.length === 0) return null
  transaction.comment(`weft: ${done.join(', ')}`)
  return { transaction, done }
}

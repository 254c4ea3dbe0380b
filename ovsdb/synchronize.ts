// Brings a replica up to date over a connection and keeps it so: the one handshake that active and passive
// connections share. Schema checked, cluster state watched, then the newest monitor method that the server has.
import { RequestError, type Connection } from './connection.ts'
import { OvsdbError } from './errors.ts'
import type { Json } from './rpc/message.ts'
import { Replica, type MonitorMethod, type RowChange, type Where } from './replica.ts'
import { pick, type Row, type Tables } from './schema/database.ts'
import { ServerDatabase } from './schema/server.ts'

/**
 * What is known of a cluster across connections to its members, so that a client goes neither to another cluster nor back
 * in time (ovsdb-server(5), columns cid and index). One object for all connections of a client.
 */
export interface ClusterMemory {
  cid: string | null
  index: number
}

export interface SynchronizeOptions<T extends Tables> {
  /** Called with the net changes of each update, the first time with all that the replica missed; once at least. */
  readonly onChanges: (changes: readonly RowChange<T>[]) => void
  /** Accept only the leader of a clustered database; a standalone database has no other. */
  readonly leaderOnly?: boolean
  readonly cluster?: ClusterMemory
}

export interface Synchronized<T extends Tables> {
  /** Replicates other rows from now on; settles when the replica holds them. */
  changeWhere(where: Where<T>): Promise<void>
}

/** Without the schema, which is long. */
const Watched = pick(ServerDatabase, { Database: ['name', 'model', 'connected', 'leader', 'cid', 'index'] })

/** Newest first: since OVS 2.12, since 2.6, RFC 7047. */
const methods: readonly MonitorMethod[] = ['monitor_cond_since', 'monitor_cond', 'monitor']

/**
 * Resolves when the replica equals the database, and goes on keeping it equal. Rejects when it cannot be:
 * SchemaMismatchError, 'database-missing', 'database-unavailable' (a cluster member without a leader, or that is not
 * the leader) or what ended the connection. Later, a database that becomes unavailable ends the connection.
 */
export async function synchronize<T extends Tables>(
  connection: Connection,
  replica: Replica<T>,
  options: SynchronizeOptions<T>,
): Promise<Synchronized<T>> {
  const { name } = replica.database
  const databases = await connection.listDatabases()
  if (databases.includes(ServerDatabase.name)) await watchServer(connection, name, options)
  else if (!databases.includes(name)) throw missing(connection, name)
  await connection.checkSchema(replica.database)
  const method = await startMonitor(connection, replica, options.onChanges)
  return {
    changeWhere: async (where) => {
      if (method === 'monitor') throw new OvsdbError('bad-argument', 'this server has no conditional monitors')
      await connection.call('monitor_cond_change', replica.changeWhere(name, where), () => replica.confirmWhere())
    },
  }
}

async function startMonitor<T extends Tables>(
  connection: Connection,
  replica: Replica<T>,
  onChanges: (changes: readonly RowChange<T>[]) => void,
): Promise<MonitorMethod> {
  const { name } = replica.database
  for (const method of methods) {
    try {
      await connection.monitor(method, name, replica.monitorParams(method, name), {
        onReply: (result) => onChanges(replica.applyReply(method, result)),
        onUpdate: (update, params) => {
          const changes = replica.applyUpdate(update, params)
          if (changes.length > 0) onChanges(changes)
        },
        onCanceled: () =>
          connection.fail(new OvsdbError('database-unavailable', `${name}: the server canceled the monitor`)),
      })
      return method
    } catch (error) {
      if (!isUnknownMethod(error)) throw error
    }
  }
  throw new OvsdbError('request-failed', 'the server has no monitor method')
}

function isUnknownMethod(error: unknown): boolean {
  return error instanceof RequestError && JSON.stringify(error.error).includes('unknown method')
}

/**
 * Follows the row of our database in _Server (ovsdb-server(5)). Being aware of changes keeps the server from closing the
 * connection for databases that are not ours.
 */
async function watchServer(
  connection: Connection,
  name: string,
  { leaderOnly = false, cluster = { cid: null, index: 0 } }: Pick<SynchronizeOptions<Tables>, 'leaderOnly' | 'cluster'>,
): Promise<void> {
  await connection.setDatabaseChangeAware(true)
  const server = new Replica(Watched)
  const id: Json = ServerDatabase.name
  const problem = (): OvsdbError | null => {
    const row = [...server.table('Database').values()].find((database) => database.name === name)
    if (!row) return missing(connection, name)
    const why = unfit(row, leaderOnly, cluster)
    return why === null ? null : unavailable(connection, `${name} ${why}`)
  }
  await connection.monitor('monitor_cond', id, server.monitorParams('monitor_cond', id), {
    onReply: (result) => server.applyReply('monitor_cond', result),
    onUpdate: (update, params) => {
      server.applyUpdate(update, params)
      const error = problem()
      if (error) connection.fail(error)
    },
    onCanceled: () => connection.fail(unavailable(connection, 'the server canceled the monitor of _Server')),
  })
  const error = problem()
  if (error) throw error
}

type DatabaseRow = Row<(typeof Watched)['tables'], 'Database'>

/** Why a server's database will not do, or null; then the cluster is remembered as this server sees it. */
function unfit(row: DatabaseRow, leaderOnly: boolean, cluster: ClusterMemory): string | null {
  if (!row.connected) return 'is not connected to its cluster or source'
  if (row.model !== 'clustered') return null
  if (leaderOnly && !row.leader) return 'has its leader elsewhere'
  if (cluster.cid !== null && row.cid !== cluster.cid) return `is of cluster ${row.cid}, not ${cluster.cid}`
  const index = row.index ?? 0
  if (index < cluster.index) return `is stale: at index ${index}, behind ${cluster.index}`
  cluster.cid = row.cid
  cluster.index = index
  return null
}

function missing(connection: Connection, name: string): OvsdbError {
  return new OvsdbError('database-missing', `${connection.peer} has no database ${name}`)
}

function unavailable(connection: Connection, why: string): OvsdbError {
  return new OvsdbError('database-unavailable', `${connection.peer}: ${why}`)
}

// OVSDB (RFC 7047 and what ovsdb-server adds): typed declarations, replica, transactions, connections. docs/ovsdb.md.
export { Client, type ClientOptions, type ClientStatus } from './connect/client.ts'
export type { Listener } from './connect/accept.ts'
export { listen } from './connect/listen.ts'
export { attach, dial, type SocketOptions, type TlsIdentity } from './connect/socket.ts'
export { Connection, RequestError, type ConnectionOptions, type Link, type LockEvent } from './connection.ts'
export { OvsdbError, type OvsdbErrorCode } from './errors.ts'
export { Replica, type MonitorMethod, type ReplicaOptions, type RowChange, type Where } from './replica.ts'
export type { Json } from './rpc/message.ts'
export { checkSchema, SchemaMismatchError, type SchemaMismatch } from './schema/check.ts'
export {
  boolean,
  immutable,
  integer,
  map,
  oneOf,
  optional,
  real,
  ref,
  scalar,
  set,
  string,
  uuid,
  type NamedUuid,
  type OtherValue,
  type Uuid,
} from './schema/column.ts'
export {
  database,
  pick,
  type Condition,
  type Database,
  type Insert,
  type Mutation,
  type Row,
  type TableName,
  type Tables,
  type Update,
} from './schema/database.ts'
export { OpenVSwitch } from './schema/open-vswitch.ts'
export { ServerDatabase } from './schema/server.ts'
export { synchronize, type ClusterMemory, type Synchronized, type SynchronizeOptions } from './synchronize.ts'
export { transactionErrorClauses, type TransactionError, type TransactionErrorKind } from './transaction-error.ts'
export { Transaction, type InsertStep, type Outcome, type Results, type Step, type Wait } from './transaction.ts'

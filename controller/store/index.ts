// Durable, transactional intent: see docs/store.md.
export { type LmdbOptions, openLmdbStore } from './lmdb.ts'
export {
  type Batch,
  CompactedError,
  type Conflict,
  type Entry,
  type Event,
  InvalidRequestError,
  LeaseNotFoundError,
  maxKeyBytes,
  type Operation,
  type Outcome,
  type Precondition,
  type Store,
  type Transaction,
  type Watch,
} from './store.ts'

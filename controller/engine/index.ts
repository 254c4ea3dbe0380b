// The incremental engine: see docs/engine.md.
export { type Change, type DerivedTable, Engine, type Options, Output, type Problem, Query } from './engine.ts'
export type { Step } from './explain.ts'
export { CycleError, type Key, QueryError } from './graph.ts'
export { Grouping, type KeySource, type RowSource, Table } from './inputs.ts'

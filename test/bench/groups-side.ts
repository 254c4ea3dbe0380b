// One of those whom `groups` compares. The group that all ports are in gets rules in an order of their own; a third of them
// has the group itself as remote end, a third a list of addresses, a third none. Each change settles when all hosts have
// confirmed it.
import type { Side } from './converge-side.ts'
import type { PlannedPort } from './topology.ts'

/** What the rules refer to, in turn. */
export const remotes = ['group', 'addresses', 'anywhere'] as const

/** Rules differ by TCP port, from here on. */
export const FIRST_PORT = 1000

export interface GroupSide<S extends Side = Side> {
  readonly side: S
  fill(rules: number, addresses: readonly string[]): Promise<void>
  /** A rule that stands in no order. */
  setRule(there: boolean): Promise<void>
  /** Of the first of the rules whose remote end is the group. */
  setAction(action: 'allow' | 'deny'): Promise<void>
  /** A rule before all others. */
  setFirst(there: boolean): Promise<void>
  setMember(port: PlannedPort, there: boolean): Promise<void>
  setAddress(address: string, there: boolean): Promise<void>
}

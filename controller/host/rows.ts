// What the files that write a host's rows share.
import type { OpenVSwitch, Transaction } from '../../ovsdb/index.ts'
import type { BridgeRow } from './facts.ts'

export type HostTransaction = Transaction<(typeof OpenVSwitch)['tables']>
type Uuids<T> = T extends { readonly ports: readonly (infer P)[] } ? P : never
/** A port that the transaction inserts, to be added to a bridge. */
export type NewPort = Uuids<BridgeRow>

export const equalMaps = (a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean =>
  a.size === b.size && Array.from(a).every(([key, value]) => b.get(key) === value)

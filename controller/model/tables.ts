// What a switch has that a packet's way through it depends on.
import type { Bucket, GroupType } from '../../ofproto/messages/index.ts'
import { meterFlags, type MeterBand } from '../../ofproto/messages/meter.ts'
import type { ModelFlow } from './classifier.ts'
import type { Tracker } from './conntrack/conntrack.ts'
import type { ModelPacket } from './packet.ts'

export interface ModelPort {
  /** Null for a port without a tunnel. What the port does not fix comes from the packet's tunnel fields. */
  readonly tunnel: { readonly remote: number | null; readonly key: bigint | null } | null
  /** Fast failover groups pass over a bucket whose port is down. */
  readonly up: boolean
}

export const plainPort: ModelPort = { tunnel: null, up: true }
/** `remote_ip=flow`, `key=flow` */
export const tunnelPort: ModelPort = { tunnel: { remote: null, key: null }, up: true }

export interface ModelGroup {
  readonly type: GroupType
  readonly buckets: readonly Bucket[]
}

export interface ModelMeter {
  readonly flags: number
  readonly bands: readonly MeterBand[]
}

export function formatMeter(id: number, meter: ModelMeter | undefined): string {
  const unit = meter !== undefined && (meter.flags & meterFlags.pktps) !== 0 ? 'packets' : 'kbit'
  const limits = meter?.bands.map(({ rate, burst }) => `at most ${rate} ${unit}/s after a burst of ${burst} ${unit}`)
  return limits === undefined ? `meter ${id}` : `meter ${id}: ${limits.join(', ')}`
}

/** What a translation reads. */
export interface Tables {
  readonly ports: ReadonlyMap<number, ModelPort>
  readonly groups: ReadonlyMap<number, ModelGroup>
  /** They let everything pass, and are told of. */
  readonly meters: ReadonlyMap<number, ModelMeter>
  /** The outer source address of what leaves by tunnels. */
  readonly tunnelSource: number
  readonly conntrack: Tracker
  lookup(table: number, read: (slot: string) => bigint): ModelFlow | null
  select(buckets: readonly Bucket[], packet: ModelPacket): Bucket | undefined
}

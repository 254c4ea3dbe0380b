// Which buckets of a group a packet takes (OpenFlow 1.3.5 §5.6.1).
import { ANY_GROUP, ports, type Bucket } from '../../ofproto/messages/index.ts'
import type { ModelPacket } from './packet.ts'
import type { ModelGroup, Tables } from './tables.ts'

/** Groups that watch groups (MAX_LIVENESS_RECURSION). */
const MAX_CHAIN = 128

function isAlive(tables: Tables, { watchPort, watchGroup }: Bucket, depth: number): boolean {
  if (watchPort === ports.any && watchGroup === ANY_GROUP) return true
  if (tables.ports.get(watchPort)?.up === true) return true
  const watched = depth < MAX_CHAIN ? tables.groups.get(watchGroup) : undefined
  return watched?.buckets.some((bucket) => isAlive(tables, bucket, depth + 1)) ?? false
}

export function chosenBuckets(tables: Tables, { type, buckets }: ModelGroup, packet: ModelPacket): readonly Bucket[] {
  if (type === 'all' || type === 'indirect') return buckets
  const live = buckets.filter((bucket) => isAlive(tables, bucket, 0) && (type === 'ff' || bucket.weight > 0))
  if (type === 'ff') return live.slice(0, 1)
  const chosen = tables.select(live, packet)
  return chosen === undefined ? [] : [chosen]
}

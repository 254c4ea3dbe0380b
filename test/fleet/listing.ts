// What a simulated switch answers when it is asked what it has (OpenFlow 1.3.5 §7.3.5).
import {
  encodeMessage,
  portState,
  type MultipartReplyBody,
  type MultipartRequestBody,
  type Port,
} from '../../ofproto/messages/index.ts'
import { flowStats } from './flow-pool.ts'
import type { SwitchTables } from './tables.ts'

/** Flow entries go out in messages of at most so many bytes, as OVS's do; other entries in so many to a message. */
const REPLY_MAX = 60_000
const ENTRIES_MAX = 500
const HEADER_LENGTH = 16
const MULTIPART_FLOW = 1

/** The replies, one after another; null for what cannot be asked for. */
export function listing(
  xid: number,
  body: MultipartRequestBody,
  { flows, groups, meters }: SwitchTables,
  ports: readonly number[],
): Uint8Array[] | null {
  switch (body.kind) {
    case 'flow':
      // Weft asks for all; who asks for some is refused rather than told too much.
      return body.match.length > 0 || body.cookieMask !== 0n || body.table !== 0xff
        ? null
        : flowReplies(xid, Array.from(flows.values(), flowStats))
    case 'group_desc': {
      const all = Array.from(groups.values(), ({ type, group, buckets }) => ({ type, group, buckets }))
      return replies(xid, all, (part) => ({ kind: 'group_desc', groups: part }))
    }
    case 'meter_config': {
      const all = Array.from(meters.values(), ({ flags, meter, bands }) => ({ flags, meter, bands }))
      return replies(xid, all, (part) => ({ kind: 'meter_config', meters: part }))
    }
    case 'port_desc':
      return replies(xid, ports.map(portDesc), (part) => ({ kind: 'port_desc', ports: part }))
    case 'flow_monitor':
      return replies(xid, [], () => ({ kind: 'flow_monitor', updates: [] }))
    default:
      return null
  }
}

function replies<T>(xid: number, all: readonly T[], body: (part: readonly T[]) => MultipartReplyBody): Uint8Array[] {
  const out: Uint8Array[] = []
  for (let at = 0; at === 0 || at < all.length; at += ENTRIES_MAX) {
    const more = at + ENTRIES_MAX < all.length
    out.push(encodeMessage({ kind: 'multipart_reply', xid, more, body: body(all.slice(at, at + ENTRIES_MAX)) }))
  }
  return out
}

function flowReplies(xid: number, all: readonly Buffer[]): Buffer[] {
  const out: Buffer[] = []
  let at = 0
  do {
    let size = HEADER_LENGTH
    const first = at
    for (; at < all.length && size + (all[at] as Buffer).length <= REPLY_MAX; at += 1)
      size += (all[at] as Buffer).length
    const header = Buffer.alloc(HEADER_LENGTH)
    header.writeUInt32BE(0x0413_0000 + size, 0)
    header.writeUInt32BE(xid, 4)
    header.writeUInt16BE(MULTIPART_FLOW, 8)
    header.writeUInt16BE(at < all.length ? 1 : 0, 10)
    out.push(Buffer.concat([header, ...all.slice(first, at)], size))
  } while (at < all.length)
  return out
}

function portDesc(port: number): Port {
  const speeds = { current: 0, advertised: 0, supported: 0, peer: 0, currentSpeedKbps: 0, maximumSpeedKbps: 0 }
  return { port, mac: 0x0200_0000_0000 + port, name: `port${port}`, config: 0, state: portState.live, ...speeds }
}

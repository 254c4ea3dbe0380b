// A flow monitor (ONF extension EXT-187) on the whole switch: OVS tells at once which flows others change. It only makes
// the next audit come early: what is wrong, and its repair, is found in one place. Own changes come abbreviated.
import { ALL_TABLES, encodeMessage, ports } from '../../ofproto/messages/index.ts'
import { monitorFlags } from '../../ofproto/messages/monitor.ts'
import { flowKey } from '../pipeline/key.ts'
import type { Ownership } from './dump.ts'

const EXPERIMENTER = 0xffff
const ONF = 0x4f4e4600
const FLOW_MONITOR = 1870
/** After ofp_multipart_reply and the experimenter's header. */
const UPDATES_AT = 24
const ABBREVIATED = 3
const MATCH_AT = 24

export function monitorRequest(xid: number): Uint8Array {
  const flags = monitorFlags.add | monitorFlags.delete | monitorFlags.modify
  const monitor = { monitor: 1, flags, outPort: ports.any, table: ALL_TABLES, match: [] }
  return encodeMessage({
    kind: 'multipart_request',
    xid,
    more: false,
    body: { kind: 'flow_monitor', monitors: [monitor] },
  })
}

/** Whose flows somebody changed; null when `frame` is not from a flow monitor. */
export function changed(
  frame: Uint8Array,
  view: DataView,
  owns: Ownership,
  known: (key: string) => boolean,
): 'weft' | 'foreign' | 'nothing' | null {
  if (frame.length < UPDATES_AT || view.getUint16(8) !== EXPERIMENTER) return null
  if (view.getUint32(16) !== ONF || view.getUint32(20) !== FLOW_MONITOR) return null
  let found: 'foreign' | 'nothing' = 'nothing'
  const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.length)
  for (let at = UPDATES_AT; at + 8 <= bytes.length;) {
    const length = view.getUint16(at)
    if (length < 8 || at + length > bytes.length) return 'weft'
    if (view.getUint16(at + 2) !== ABBREVIATED && length >= MATCH_AT) {
      if (owns.flow(view.getBigUint64(at + 16)) === 'weft') return 'weft'
      if (known(flowKey(view.getUint8(at + 14), view.getUint16(at + 6), bytes, at + MATCH_AT, at + length)))
        return 'weft'
      found = 'foreign'
    }
    at += length
  }
  return found
}

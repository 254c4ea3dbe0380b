// Multipart requests and replies: a header that names one of the bodies below and says whether more messages of the same
// xid follow. Every list in a body ends where its message ends.
import { within } from '../wire/errors.ts'
import type { Reader } from '../wire/reader.ts'
import { text, variant, type Codec, type ValueOf } from '../wire/struct.ts'

import { aggregateReply, aggregateRequest, flowStatsReply, flowStatsRequest } from './flow.ts'
import { ByExtension, message, NICIRA, ONF, type MessageCodec } from './frame.ts'
import { groupDescReply, groupDescRequest, groupFeaturesReply, groupFeaturesRequest } from './group.ts'
import { groupStatsReply, groupStatsRequest } from './group.ts'
import { meterConfigReply, meterConfigRequest, meterFeaturesReply, meterFeaturesRequest } from './meter.ts'
import { meterReply, meterRequest } from './meter.ts'
import { flowMonitorReply, flowMonitorRequest } from './monitor.ts'
import { ipfixBridgeReply, ipfixBridgeRequest, ipfixFlowReply, ipfixFlowRequest } from './nicira.ts'
import { portDescReply, portDescRequest, portStatsReply, portStatsRequest } from './port.ts'
import { queueStatsReply, queueStatsRequest } from './queue.ts'
import { tableFeaturesReply, tableFeaturesRequest, tableStatsReply, tableStatsRequest } from './table.ts'

const descRequest = variant('desc', {})
const descReply = variant('desc', {
  manufacturer: text(256),
  hardware: text(256),
  software: text(256),
  serial: text(32),
  datapath: text(256),
})

interface Row<Q, P> {
  /** ofp_multipart_type, or for experimenters' bodies who and which. */
  readonly type: number
  readonly experimenter: number | null
  readonly subtype: number
  readonly request: Codec<Q>
  readonly reply: Codec<P>
}

const standard = <Q, P>(type: number, request: Codec<Q>, reply: Codec<P>): Row<Q, P> => ({
  type,
  experimenter: null,
  subtype: 0,
  request,
  reply,
})

const EXPERIMENTER = 0xffff
const extended = <Q, P>(who: number, subtype: number, request: Codec<Q>, reply: Codec<P>): Row<Q, P> => ({
  type: EXPERIMENTER,
  experimenter: who,
  subtype,
  request,
  reply,
})

export const multipartRows = {
  desc: standard(0, descRequest, descReply),
  flow: standard(1, flowStatsRequest, flowStatsReply),
  aggregate: standard(2, aggregateRequest, aggregateReply),
  table: standard(3, tableStatsRequest, tableStatsReply),
  port_stats: standard(4, portStatsRequest, portStatsReply),
  queue: standard(5, queueStatsRequest, queueStatsReply),
  group: standard(6, groupStatsRequest, groupStatsReply),
  group_desc: standard(7, groupDescRequest, groupDescReply),
  group_features: standard(8, groupFeaturesRequest, groupFeaturesReply),
  meter: standard(9, meterRequest, meterReply),
  meter_config: standard(10, meterConfigRequest, meterConfigReply),
  meter_features: standard(11, meterFeaturesRequest, meterFeaturesReply),
  table_features: standard(12, tableFeaturesRequest, tableFeaturesReply),
  port_desc: standard(13, portDescRequest, portDescReply),
  flow_monitor: extended(ONF, 1870, flowMonitorRequest, flowMonitorReply),
  ipfix_bridge: extended(NICIRA, 3, ipfixBridgeRequest, ipfixBridgeReply),
  ipfix_flow: extended(NICIRA, 4, ipfixFlowRequest, ipfixFlowReply),
} as const

type Rows = typeof multipartRows
export type MultipartKind = keyof Rows

/** A body that this program does not know; an experimenter's starts with who and which. */
export interface UnknownBody {
  readonly kind: 'unknown'
  readonly type: number
  readonly bytes: Uint8Array
}
export type MultipartRequestBody = { [K in MultipartKind]: ValueOf<Rows[K]['request']> }[MultipartKind] | UnknownBody
export type MultipartReplyBody = { [K in MultipartKind]: ValueOf<Rows[K]['reply']> }[MultipartKind] | UnknownBody

interface Multipart<K extends string, B> {
  readonly kind: K
  readonly xid: number
  /** More messages of this xid follow. */
  readonly more: boolean
  readonly body: B
}
export type MultipartRequest = Multipart<'multipart_request', MultipartRequestBody>
export type MultipartReply = Multipart<'multipart_reply', MultipartReplyBody>

type Direction = 'request' | 'reply'

const byType = new Map<number, Row<unknown, unknown>>()
const byExtension = new ByExtension<Row<unknown, unknown>>()
for (const row of Object.values<Row<unknown, unknown>>(multipartRows)) {
  if (row.experimenter === null) byType.set(row.type, row)
  else byExtension.set(row.experimenter, row.subtype, row)
}

/** The row for what follows the multipart header; moves past an experimenter header that is known. */
function rowAt(r: Reader, type: number): Row<unknown, unknown> | undefined {
  if (type !== EXPERIMENTER) return byType.get(type)
  r.need(8)
  const row = byExtension.get(r.view.getUint32(r.offset), r.view.getUint32(r.offset + 4))
  if (row !== undefined) r.skip(8)
  return row
}

function readBody(r: Reader, type: number, direction: Direction): unknown {
  const row = rowAt(r, type)
  if (row === undefined) return { kind: 'unknown', type, bytes: r.raw(r.remaining) }
  return row[direction].read(r)
}

function multipart<const K extends string, B extends { readonly kind: string }>(
  kind: K,
  type: number,
  direction: Direction,
): MessageCodec<K, Multipart<K, B>> {
  const header = message(kind, type, {})
  return {
    ...header,
    read(r) {
      const { xid } = header.read(r)
      const bodyType = r.u16()
      const flags = r.u16()
      r.skip(4)
      try {
        return { kind, xid, more: (flags & 1) !== 0, body: readBody(r, bodyType, direction) as B }
      } catch (error) {
        throw within(error, 'body')
      }
    },
    write(w, value) {
      header.write(w, value)
      const { body } = value
      const row = (multipartRows as Record<string, Row<unknown, unknown>>)[body.kind]
      w.u16(row === undefined ? (body as unknown as UnknownBody).type : row.type)
      w.u16(value.more ? 1 : 0)
      w.zeros(4)
      if (row === undefined) {
        w.raw((body as unknown as UnknownBody).bytes)
        return
      }
      if (row.experimenter !== null) {
        w.u32(row.experimenter)
        w.u32(row.subtype)
      }
      row[direction].write(w, body)
    },
  }
}

export const multipartRequest = multipart<'multipart_request', MultipartRequestBody>('multipart_request', 18, 'request')
export const multipartReply = multipart<'multipart_reply', MultipartReplyBody>('multipart_reply', 19, 'reply')

// Multipart requests and replies: a header that names one of the bodies below and says whether more messages of the same
// xid follow. Every list in a body ends where its message ends.
import { errorCodes, within, type ErrorCode } from '../wire/errors.ts'
import type { Reader } from '../wire/reader.ts'
import { text, variant, type Codec, type ValueOf } from '../wire/struct.ts'

import { aggregateReply, aggregateRequest, flowStats, flowStatsReply, flowStatsRequest } from './flow.ts'
import { fits, multipartFormats, type Format } from './formats.ts'
import { ByExtension, message, NICIRA, ONF, type MessageCodec } from './frame.ts'
import { groupDesc, groupDescReply, groupDescRequest, groupFeaturesReply, groupFeaturesRequest } from './group.ts'
import { groupStats, groupStatsReply, groupStatsRequest } from './group.ts'
import { meterConfig, meterConfigReply, meterConfigRequest, meterFeaturesReply, meterFeaturesRequest } from './meter.ts'
import { meterReply, meterStats, meterRequest } from './meter.ts'
import { flowMonitor, flowMonitorReply, flowMonitorRequest, flowUpdate } from './monitor.ts'
import { ipfixBridgeReply, ipfixBridgeRequest, ipfixFlowReply, ipfixFlowRequest } from './nicira.ts'
import { port, portDescReply, portDescRequest, portStats, portStatsReply, portStatsRequest } from './port.ts'
import { queueStats, queueStatsReply, queueStatsRequest } from './queue.ts'
import { tableFeatures, tableFeaturesReply, tableFeaturesRequest, tableStatsReply, tableStatsRequest } from './table.ts'

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

type AnyRow = Row<unknown, unknown> & { readonly kind: MultipartKind }

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

const byType = new Map<number, AnyRow>()
const byExtension = new ByExtension<AnyRow>()
for (const [kind, row] of Object.entries<Row<unknown, unknown>>(multipartRows)) {
  const named = { ...row, kind: kind as MultipartKind }
  if (row.experimenter === null) byType.set(row.type, named)
  else byExtension.set(row.experimenter, row.subtype, named)
}

const BODY = 16
const EXTENDED_BODY = 24

/** What the multipart message at `start` carries; throws what OVS answers when it cannot tell. */
function rowAt(view: DataView, start: number, length: number): AnyRow | ErrorCode {
  if (length < BODY) return errorCodes.badLength
  const type = view.getUint16(start + 8)
  if (type !== EXPERIMENTER) return byType.get(type) ?? errorCodes.badMultipart
  if (length < EXTENDED_BODY) return errorCodes.badLength
  const experimenter = view.getUint32(start + 16)
  if (experimenter !== NICIRA && experimenter !== ONF) return errorCodes.badExperimenter
  return byExtension.get(experimenter, view.getUint32(start + 20)) ?? errorCodes.badExperimenterType
}

/** The format of the multipart message at `start`, or why OVS does not know it. */
export function multipartFormat(view: DataView, start: number, length: number, isRequest: boolean): Format | ErrorCode {
  const row = rowAt(view, start, length)
  return 'kind' in row ? multipartFormats[row.kind][isRequest ? 'request' : 'reply'] : row
}

function readBody(r: Reader, start: number, direction: Direction): unknown {
  const length = r.end - start
  const row = rowAt(r.view, start, length)
  if (!('kind' in row)) {
    if (row === errorCodes.badLength) r.fail(row, 'too short for a multipart message', start)
    return { kind: 'unknown', type: r.view.getUint16(start + 8), bytes: r.raw(r.remaining) }
  }
  if (!fits(multipartFormats[row.kind][direction], length)) r.fail(errorCodes.badLength, `length ${length}`, start)
  if (row.experimenter !== null) r.skip(8)
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
      const start = r.offset
      const { xid } = header.read(r)
      const flags = r.view.getUint16(r.offset + 2)
      r.skip(8)
      try {
        return { kind, xid, more: (flags & 1) !== 0, body: readBody(r, start, direction) as B }
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

export const multipartRequest: MessageCodec<'multipart_request', MultipartRequest> = multipart(
  'multipart_request',
  18,
  'request',
)
export const multipartReply: MessageCodec<'multipart_reply', MultipartReply> = multipart('multipart_reply', 19, 'reply')

interface Entries {
  readonly kind: MultipartKind
  readonly key: string
  readonly entry: Codec<unknown>
  /** Where the first one starts. */
  readonly offset: number
}

/** The bodies that are lists: the name of the list and one of it. */
const requestLists: Partial<Record<MultipartKind, readonly [string, Codec<unknown>]>> = {
  table_features: ['tables', tableFeatures],
  flow_monitor: ['monitors', flowMonitor],
}
const replyLists: Partial<Record<MultipartKind, readonly [string, Codec<unknown>]>> = {
  flow: ['flows', flowStats],
  port_stats: ['ports', portStats],
  port_desc: ['ports', port],
  queue: ['queues', queueStats],
  group: ['groups', groupStats],
  group_desc: ['groups', groupDesc],
  meter: ['meters', meterStats],
  meter_config: ['meters', meterConfig],
  table_features: ['tables', tableFeatures],
  flow_monitor: ['updates', flowUpdate],
}

/** How to read one by one the list that is the body of the message in `view`; null if it is none. */
export function multipartEntries(view: DataView, isRequest: boolean): Entries | null {
  const row = rowAt(view, 0, view.byteLength)
  if (!('kind' in row)) return null
  const found = (isRequest ? requestLists : replyLists)[row.kind]
  if (found === undefined) return null
  return { kind: row.kind, key: found[0], entry: found[1], offset: row.experimenter === null ? BODY : EXTENDED_BODY }
}

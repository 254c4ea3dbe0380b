// How ovs-ofctl prints packets on their way to and from the controller.
import { actionList, formatActions, type Action } from '../actions/index.ts'
import { formatMatch } from '../fields/match-text.ts'
import type { Match } from '../fields/match.ts'
import { formatPort } from '../fields/ports.ts'
import { formatPacket } from '../packet/format.ts'
import { errorCodes } from '../wire/errors.ts'
import { Reader } from '../wire/reader.ts'
import { list } from '../wire/struct.ts'
import type { Message } from './codec.ts'
import { NO_BUFFER } from './frame.ts'
import { hexDump, hex, packetInReasonName } from './print-parts.ts'
import type { PacketOut, PacketProperty } from './packet.ts'
import { property, type UnknownProperty } from './property.ts'

/** What packet_in and packet_in2 both tell. */
export interface PacketInView {
  readonly packet: Uint8Array
  /** Of the packet when it arrived; `packet` may be its beginning only. */
  readonly totalLength: number
  readonly bufferId: number
  readonly table: number
  /** Of the flow that sent the packet; null if that is not known. */
  readonly cookie: bigint | null
  readonly reason: number
  readonly metadata: Match
  readonly userdata: Uint8Array
  /** What goes back with NXT_RESUME, if the packet is paused. */
  readonly continuation: Uint8Array
}

type PropertyOf<K extends PacketProperty['kind']> = Extract<PacketProperty, { kind: K }>

const NO_COOKIE = 0xffff_ffff_ffff_ffffn
const nothing = new Uint8Array(0)

export type PacketInMessage = Extract<Message, { kind: 'packet_in' | 'packet_in2' | 'nx_packet_in' | 'resume' }>

/** One view of the messages that carry a packet to the controller. */
export function packetInView(message: PacketInMessage): PacketInView {
  if (message.kind === 'packet_in' || message.kind === 'nx_packet_in') {
    const { data, totalLength, bufferId, table, cookie, reason, match } = message
    return {
      packet: data,
      totalLength,
      bufferId,
      table,
      cookie: cookie === NO_COOKIE ? null : cookie,
      reason,
      metadata: match,
      userdata: nothing,
      continuation: nothing,
    }
  }
  // Of a property that comes twice, OVS takes the last.
  const find = <K extends PacketProperty['kind']>(kind: K): PropertyOf<K> | undefined =>
    message.properties.findLast((p): p is PropertyOf<K> => p.kind === kind)
  const packet = find('packet')?.bytes ?? nothing
  const cookie = find('cookie')?.cookie ?? NO_COOKIE
  return {
    packet,
    totalLength: find('full_length')?.length || packet.length,
    bufferId: find('buffer_id')?.bufferId ?? NO_BUFFER,
    table: find('table')?.table ?? 0,
    cookie: cookie === NO_COOKIE ? null : cookie,
    reason: find('reason')?.reason ?? 0,
    metadata: find('metadata')?.match ?? [],
    userdata: find('userdata')?.bytes ?? nothing,
    continuation: find('continuation')?.bytes ?? nothing,
  }
}

// What a continuation holds in OVS 3.1: private to it, and printed all the same.
type ContinuationProperty =
  | { readonly kind: 'bridge'; readonly uuid: Uint8Array }
  | { readonly kind: 'stack'; readonly bytes: Uint8Array }
  | { readonly kind: 'mirrors'; readonly mirrors: number }
  | { readonly kind: 'conntracked' }
  | { readonly kind: 'table'; readonly table: number }
  | { readonly kind: 'cookie'; readonly cookie: bigint }
  | { readonly kind: 'actions'; readonly actions: readonly Action[] }
  | { readonly kind: 'action_set'; readonly actions: readonly Action[] }
  | { readonly kind: 'odp_port'; readonly port: number }
  | UnknownProperty

const neverWritten = (): never => {
  throw new TypeError('continuations are the switch’s to write')
}
const SUBVALUE = 128

const continuation = list(
  property<ContinuationProperty>({
    bridge: { type: 0x8000, size: 16, read: (r) => ({ kind: 'bridge', uuid: r.raw(16) }), write: neverWritten },
    stack: {
      type: 0x8001,
      size: 0,
      read(r) {
        if (r.remaining > SUBVALUE) r.fail(errorCodes.badPropertyLength, `stack entry of ${r.remaining} bytes`)
        return { kind: 'stack', bytes: r.raw(r.remaining) }
      },
      write: neverWritten,
    },
    mirrors: { type: 0x8002, size: 4, read: (r) => ({ kind: 'mirrors', mirrors: r.u32() }), write: neverWritten },
    conntracked: { type: 0x8003, size: 0, loose: true, read: () => ({ kind: 'conntracked' }), write: neverWritten },
    table: { type: 0x8004, size: 1, loose: true, read: (r) => ({ kind: 'table', table: r.u8() }), write: neverWritten },
    cookie: {
      type: 0x8005,
      size: 8,
      aligned: true,
      read: (r) => ({ kind: 'cookie', cookie: r.u64() }),
      write: neverWritten,
    },
    actions: {
      type: 0x8006,
      size: 0,
      aligned: true,
      read: (r) => ({ kind: 'actions', actions: actionList.read(r) }),
      write: neverWritten,
    },
    action_set: {
      type: 0x8007,
      size: 0,
      aligned: true,
      read: (r) => ({ kind: 'action_set', actions: actionList.read(r) }),
      write: neverWritten,
    },
    odp_port: { type: 0x8008, size: 4, read: (r) => ({ kind: 'odp_port', port: r.u32() }), write: neverWritten },
  }),
)

const bytesToHex = (bytes: Uint8Array): string => [...bytes].map((b) => b.toString(16).padStart(2, '0')).join('')

function formatStackValue(bytes: Uint8Array): string {
  const digits = bytesToHex(bytes).replace(/^0+/, '')
  return digits === '' ? '0' : `0x${digits}`
}

function formatUuid(uuid: Uint8Array): string {
  const h = bytesToHex(uuid)
  return `${h.slice(0, 8)}-${h.slice(8, 12)}-${h.slice(12, 16)}-${h.slice(16, 20)}-${h.slice(20)}`
}

/** Each group of actions belongs to the table and the cookie that were named last. */
function formatPausedActions(properties: readonly ContinuationProperty[]): string {
  const out: string[] = []
  let table = 0
  let cookie = 0n
  for (const p of properties) {
    if (p.kind === 'table') table = p.table
    else if (p.kind === 'cookie') cookie = p.cookie
    else if (p.kind === 'actions') {
      out.push(`unroll_xlate(table=${table}, cookie=${cookie})`)
      if (p.actions.length > 0) out.push(formatActions(p.actions))
    }
  }
  return out.join(',')
}

function formatContinuation(bytes: Uint8Array): string {
  const properties = continuation.read(new Reader(bytes))
  const all = <K extends ContinuationProperty['kind']>(kind: K) =>
    properties.filter((p): p is Extract<ContinuationProperty, { kind: K }> => p.kind === kind)
  const bridge = all('bridge').at(-1)?.uuid
  const stack = all('stack').map((p) => ` ${formatStackValue(p.bytes)}`)
  const mirrors = all('mirrors').at(-1)?.mirrors ?? 0
  const actions = formatPausedActions(properties)
  const set = all('action_set').flatMap((p) => p.actions)
  const odpPort = all('odp_port').at(-1)?.port ?? 0
  return (
    (bridge?.some((b) => b !== 0) ? ` continuation.bridge=${formatUuid(bridge)}\n` : '') +
    (stack.length === 0 ? '' : ` continuation.stack=(top)${stack.join('')} (bottom)\n`) +
    (mirrors === 0 ? '' : ` continuation.mirrors=${hex(mirrors)}\n`) +
    (all('conntracked').length === 0 ? '' : ' continuation.conntracked=true\n') +
    (actions === '' ? '' : ` continuation.actions=${actions}\n`) +
    (set.length === 0 ? '' : ` continuation.action_set=${formatActions(set)}\n`) +
    (odpPort === 0 ? '' : ` continuation.odp_port=${odpPort}\n`)
  )
}

function formatBuffer(bufferId: number, totalLength: number, length: number): string {
  if (bufferId === NO_BUFFER) return ` (unbuffered)${totalLength === length ? '' : ' (***total_len != data_len***)'}`
  const buffer = ` buffer=0x${bufferId.toString(16).padStart(8, '0')}`
  return buffer + (totalLength < length ? ' (***total_len < data_len***)' : '')
}

const packetTypeOf = (match: Match): number => {
  const entry = match.find((e) => e.kind === 'packet_type')
  return entry === undefined ? 0 : entry.value
}

export function formatPacketIn(message: PacketInMessage, verbosity: number): string {
  const view = packetInView(message)
  const { packet, totalLength, table, cookie, userdata, metadata } = view
  const dotted = [...userdata].map((b) => b.toString(16).padStart(2, '0')).join('.')
  return (
    (table === 0 ? '' : ` table_id=${table}`) +
    (cookie === null ? '' : ` cookie=${hex(cookie)}`) +
    ` total_len=${totalLength} ${formatMatch(metadata)} (via ${packetInReasonName(view.reason)})` +
    ` data_len=${packet.length}${formatBuffer(view.bufferId, totalLength, packet.length)}\n` +
    (userdata.length === 0 ? '' : ` userdata=${dotted}\n`) +
    formatContinuation(view.continuation) +
    (verbosity > 0 ? `${formatPacket(packet, packetTypeOf(metadata))}\n` : '') +
    (verbosity > 2 ? hexDump(packet) : '')
  )
}

export function formatPacketOut({ inPort, actions, bufferId, data }: PacketOut, verbosity: number): string {
  const head = ` in_port=${formatPort(inPort)} actions=${formatActions(actions)}`
  if (bufferId !== NO_BUFFER) return `${head} buffer=0x${bufferId.toString(16).padStart(8, '0')}`
  const packet = verbosity > 0 && data.length > 0 ? `\n${formatPacket(data)}\n` : ''
  return `${head} data_len=${data.length}${packet}${verbosity > 2 ? hexDump(data) : ''}`
}

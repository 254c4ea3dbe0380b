// Flow monitoring as the ONF extension of OpenFlow 1.3 has it (EXT-187): a request for what to watch, replies and later
// multipart replies with what changed, and how a switch says that it had to pause.
import { instructionList } from '../actions/index.ts'
import { matchCodec } from '../fields/match.ts'
import { errorCodes } from '../wire/errors.ts'
import type { Reader } from '../wire/reader.ts'
import { list, oneOf, pad, struct, u16, u32, u64, u8, variant, type Codec, type ValueOf } from '../wire/struct.ts'
import type { Writer } from '../wire/writer.ts'
import { checkPort, extension, ONF, sized } from './frame.ts'

/** Which events, what they include (`actions`), and whether changes of this connection are told in full (`own`). */
export const monitorFlags = {
  initial: 1 << 0,
  add: 1 << 1,
  delete: 1 << 2,
  modify: 1 << 3,
  actions: 1 << 4,
  own: 1 << 5,
} as const
const EVENTS = monitorFlags.add | monitorFlags.delete | monitorFlags.modify
const KNOWN_FLAGS = 0x3f

const requestBody = struct('flow_monitor', {
  monitor: u32,
  flags: u16,
  matchLength: pad(2),
  outPort: u32,
  table: u8,
  zeros: pad(3),
  match: matchCodec,
})
export type FlowMonitor = ValueOf<typeof requestBody>

/** The length of the match, which both structures state a second time, is where the match states it first. */
function repeatMatchLength(w: Writer, at: number, matchAt: number): void {
  w.view.setUint16(at, w.view.getUint16(matchAt + 2))
}

function checkMonitor(r: Reader, { flags, outPort }: FlowMonitor, zeros: number): void {
  if ((flags & EVENTS) === 0 || (flags & ~KNOWN_FLAGS) !== 0) r.fail(errorCodes.badMonitorFlags, `flags ${flags}`)
  if (zeros !== 0) r.fail(errorCodes.mustBeZero, 'padding is not zero')
  checkPort(r, outPort)
}

export const flowMonitor: Codec<FlowMonitor> = {
  read(r) {
    const start = r.offset
    const value = requestBody.read(r)
    checkMonitor(r, value, r.view.getUint32(start + 12) & 0xffffff)
    return value
  },
  write(w, value) {
    const start = w.offset
    requestBody.write(w, value)
    repeatMatchLength(w, start + 6, start + 16)
  },
}

export const flowMonitorRequest = variant('flow_monitor', { monitors: list(flowMonitor) })

const events = { added: 0, deleted: 1, modified: 2 } as const
const ABBREVIATED = 3
const ABBREVIATED_LENGTH = 8

const fullUpdate = struct('flow_update', {
  length: pad(2),
  event: oneOf(u16, events, errorCodes.badMonitorEvent, 'flow monitor event'),
  reason: u16,
  priority: u16,
  idleTimeoutSeconds: u16,
  hardTimeoutSeconds: u16,
  matchLength: pad(2),
  table: u8,
  pad: pad(1),
  cookie: u64,
  match: matchCodec,
  instructions: instructionList,
})

/** `abbreviated`: the change is what the message `xid` of this connection asked for. `reason` is a flow_removed reason. */
export type FlowUpdate =
  | ({ readonly kind: 'full' } & ValueOf<typeof fullUpdate>)
  | { readonly kind: 'abbreviated'; readonly xid: number }

/** Where a full update states the length of its match a second time, and where the match is. */
const [MATCH_LENGTH_AT, MATCH_AT] = [12, 24]

/** As OVS does, believes the length of the match itself, but wants room for the one that is stated before. */
function readFull(r: Reader): ValueOf<typeof fullUpdate> {
  r.need(MATCH_AT, errorCodes.badLength)
  r.need(MATCH_AT + r.view.getUint16(r.offset + MATCH_LENGTH_AT), errorCodes.badLength)
  return fullUpdate.read(r)
}

const updateBody: Codec<FlowUpdate> = {
  read(r) {
    if ((r.end - r.offset) % 8 !== 0) r.fail(errorCodes.badLength, 'length is no multiple of 8')
    if (r.view.getUint16(r.offset + 2) !== ABBREVIATED) return { kind: 'full', ...readFull(r) }
    if (r.remaining !== ABBREVIATED_LENGTH) r.fail(errorCodes.badLength, 'length of an abbreviated update')
    r.skip(4)
    return { kind: 'abbreviated', xid: r.u32() }
  },
  write(w, value) {
    const start = w.offset
    if (value.kind === 'full') {
      fullUpdate.write(w, value)
      repeatMatchLength(w, start + MATCH_LENGTH_AT, start + MATCH_AT)
    } else {
      w.u16(0)
      w.u16(ABBREVIATED)
      w.u32(value.xid)
    }
  },
}

export const flowUpdate = sized(updateBody, 8)
export const flowMonitorReply = variant('flow_monitor', { updates: list(flowUpdate) })

export const flowMonitorCancel = extension('flow_monitor_cancel', ONF, 1870, { monitor: u32 })
export const flowMonitorPaused = extension('flow_monitor_paused', ONF, 1871, {})
export const flowMonitorResumed = extension('flow_monitor_resumed', ONF, 1872, {})

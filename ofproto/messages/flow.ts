// Flows: flow_mod, flow_removed, and the multipart bodies that list or count them. flow_mod is the message that a
// controller sends most: one run of stores for its fixed part (the command costs two more).
import { instructionList } from '../actions/index.ts'
import { matchCodec, nxmList, type Match } from '../fields/match.ts'
import { errorCodes } from '../wire/errors.ts'
import type { Reader } from '../wire/reader.ts'
import { list, oneOf, pad, struct, u16, u32, u64, u8, variant, type Codec, type ValueOf } from '../wire/struct.ts'
import { ALL_TABLES, checked, checkPort, extension, message, NICIRA, sized, type MessageCodec } from './frame.ts'
import { readNxm } from './packet.ts'

export const flowFlags = {
  sendFlowRemoved: 1 << 0,
  checkOverlap: 1 << 1,
  resetCounts: 1 << 2,
  noPacketCounts: 1 << 3,
  noByteCounts: 1 << 4,
} as const
const KNOWN_FLAGS = 0x1f

const commands = { add: 0, modify: 1, modify_strict: 2, delete: 3, delete_strict: 4 } as const
export type FlowModCommand = keyof typeof commands

/** Timeouts of 0 are none. `outPort` and `outGroup` restrict deletes only; ports.any and ANY_GROUP do not restrict. */
const flowModBody = message('flow_mod', 14, {
  cookie: u64,
  cookieMask: u64,
  table: u8,
  command: oneOf(u8, commands, errorCodes.badFlowModCommand, 'flow_mod command'),
  idleTimeoutSeconds: u16,
  hardTimeoutSeconds: u16,
  priority: u16,
  bufferId: u32,
  outPort: u32,
  outGroup: u32,
  flags: u16,
  pad: pad(2),
  match: matchCodec,
  instructions: instructionList,
})
export type FlowMod = ValueOf<typeof flowModBody>

function checkFlags(r: Reader, flags: number): void {
  if ((flags & ~KNOWN_FLAGS) !== 0) r.fail(errorCodes.badFlowModFlags, `flags 0x${flags.toString(16)}`)
}

/** Whether the flow sends packets to its own table or an earlier one. */
export const goesBack = ({ table, instructions }: Pick<FlowMod, 'table' | 'instructions'>): boolean =>
  table !== ALL_TABLES && instructions.some((i) => i.kind === 'goto_table' && i.table <= table)

export const flowMod = checked(flowModBody, (value, r) => {
  const isDelete = value.command === 'delete' || value.command === 'delete_strict'
  if (value.table === ALL_TABLES && !isDelete) r.fail(errorCodes.badFlowModTable, 'all tables')
  checkPort(r, value.outPort)
  checkFlags(r, value.flags)
  if (goesBack(value)) r.fail(errorCodes.badInstructionTable, 'goto_table to a table that is not later')
})

/** The match at the end of a message: OVS looks at nothing behind it. */
const lastMatch: Codec<Match> = {
  read(r) {
    const match = matchCodec.read(r)
    r.offset = r.end
    return match
  },
  write: (w, value) => matchCodec.write(w, value),
}

/** Reasons above 2 are OVS's from later versions of OpenFlow. */
export const flowRemovedReason = {
  idleTimeout: 0,
  hardTimeout: 1,
  delete: 2,
  groupDelete: 3,
  meterDelete: 4,
  eviction: 5,
} as const

export const flowRemoved = message('flow_removed', 11, {
  cookie: u64,
  priority: u16,
  reason: u8,
  table: u8,
  durationSeconds: u32,
  durationNanoseconds: u32,
  idleTimeoutSeconds: u16,
  hardTimeoutSeconds: u16,
  packets: u64,
  bytes: u64,
  match: lastMatch,
})

export interface NxFlowRemoved {
  readonly kind: 'nx_flow_removed'
  readonly xid: number
  readonly cookie: bigint
  readonly priority: number
  readonly reason: number
  /** One more than the number of the flow's table; 0 if that is not known. */
  readonly tablePlusOne: number
  readonly durationSeconds: number
  readonly durationNanoseconds: number
  readonly idleTimeoutSeconds: number
  readonly packets: bigint
  readonly bytes: bigint
  readonly match: Match
}

const nxFlowRemovedHeader = extension('nx_flow_removed', NICIRA, 14, {
  cookie: u64,
  priority: u16,
  reason: u8,
  tablePlusOne: u8,
  durationSeconds: u32,
  durationNanoseconds: u32,
  idleTimeoutSeconds: u16,
  matchLength: pad(2),
  packets: u64,
  bytes: u64,
})
/** Where its match length and its match lie. */
const NX_MATCH_LENGTH = 38
const NX_MATCH = 56

/** flow_removed as OVS before OpenFlow 1.2 had it. */
export const nxFlowRemoved: MessageCodec<'nx_flow_removed', NxFlowRemoved> = {
  ...nxFlowRemovedHeader,
  read(r) {
    const start = r.offset
    const header = nxFlowRemovedHeader.read(r)
    return { ...header, match: readNxm(r, r.view.getUint16(start + NX_MATCH_LENGTH), nxmList) }
  },
  write(w, value) {
    const start = w.offset
    nxFlowRemovedHeader.write(w, value)
    nxmList.write(w, value.match)
    w.patchLength(start + NX_MATCH_LENGTH, start + NX_MATCH)
    w.align8(start)
  },
}

export const flowStats = checked(
  sized(
    struct('flow_stats', {
      length: pad(2),
      table: u8,
      pad: pad(1),
      durationSeconds: u32,
      durationNanoseconds: u32,
      priority: u16,
      idleTimeoutSeconds: u16,
      hardTimeoutSeconds: u16,
      flags: u16,
      pad2: pad(4),
      cookie: u64,
      packets: u64,
      bytes: u64,
      match: matchCodec,
      instructions: instructionList,
    }),
    48,
  ),
  (value, r) => checkFlags(r, value.flags),
)
export type FlowStats = ValueOf<typeof flowStats>

const flowRequest = {
  table: u8,
  pad: pad(3),
  outPort: u32,
  outGroup: u32,
  pad2: pad(4),
  cookie: u64,
  cookieMask: u64,
  match: lastMatch,
}
export const flowStatsRequest = checked(variant('flow', flowRequest), (value, r) => checkPort(r, value.outPort))
export const flowStatsReply = variant('flow', { flows: list(flowStats) })
export const aggregateRequest = checked(variant('aggregate', flowRequest), (value, r) => checkPort(r, value.outPort))
export const aggregateReply = variant('aggregate', { packets: u64, bytes: u64, flows: u32, pad: pad(4) })

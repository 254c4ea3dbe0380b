// Flows in the ovs-ofctl language: how flow_mods and the flows of a dump print, and how the arguments of add-flow,
// mod-flows and del-flows become the flow_mod that ovs-ofctl sends on an OpenFlow 1.3 connection.
import { formatInstructions, parseInstructions } from '../actions/index.ts'
import type { Action, FlowContext, Instruction } from '../actions/index.ts'
import { checkPrerequisites } from '../fields/check.ts'
import { MatchBuilder, formatMatch } from '../fields/match-text.ts'
import type { Match } from '../fields/match.ts'
import { formatPort, parsePort, ports } from '../fields/ports.ts'
import type { Prerequisite } from '../fields/row.ts'
import { fieldOf } from '../fields/table.ts'
import { items, parseTable, parseUint, parseUint64, TextError, type Item } from '../text/tokens.ts'
import { flowFlags, goesBack, type FlowMod, type FlowModCommand, type FlowStats } from './flow.ts'
import type { Message } from './codec.ts'
import { ALL_TABLES, ANY_GROUP, NO_BUFFER } from './frame.ts'
import { parseGroup } from './group-text.ts'
import {
  DEFAULT_PRIORITY,
  flowRemovedReasonName,
  formatCount,
  formatDuration,
  hex,
  withPriority,
} from './print-parts.ts'
import type { MultipartRequestBody } from './multipart.ts'

const commandNames: Readonly<Record<FlowModCommand, string>> = {
  add: 'ADD',
  modify: 'MOD',
  modify_strict: 'MOD_STRICT',
  delete: 'DEL',
  delete_strict: 'DEL_STRICT',
}

const flagNames: readonly (readonly [number, string])[] = [
  [flowFlags.sendFlowRemoved, 'send_flow_rem'],
  [flowFlags.checkOverlap, 'check_overlap'],
  [flowFlags.resetCounts, 'reset_counts'],
  [flowFlags.noPacketCounts, 'no_packet_counts'],
  [flowFlags.noByteCounts, 'no_byte_counts'],
]
const formatFlags = (flags: number): string =>
  flagNames.map(([flag, name]) => ((flags & flag) === 0 ? '' : `${name} `)).join('')

const ALL_ONES = 0xffff_ffff_ffff_ffffn

/** The cookie that a flow_mod sets (an add), or the one that it asks for (the others). */
function formatCookie({ command, cookie, cookieMask }: FlowMod): string {
  if (command === 'add') return cookie === 0n || cookie === ALL_ONES ? '' : `cookie:${hex(cookie)} `
  return cookieMask === 0n ? '' : `cookie:${hex(cookie)}/${hex(cookieMask)} `
}

const timeouts = (idle: number, hard: number): string =>
  (idle === 0 ? '' : `idle:${idle} `) + (hard === 0 ? '' : `hard:${hard} `)

/** As ovs-ofctl prints it after the header of the message. */
export function formatFlowMod(mod: FlowMod): string {
  const table = mod.table === 0 ? '' : ` table:${mod.table}`
  const match = withPriority(formatMatch(mod.match), mod.priority)
  return (
    ` ${commandNames[mod.command]}${table} ${match}${match === '' ? '' : ' '}` +
    formatCookie(mod) +
    timeouts(mod.idleTimeoutSeconds, mod.hardTimeoutSeconds) +
    (mod.bufferId === NO_BUFFER ? '' : `buf:${hex(mod.bufferId)} `) +
    (mod.outPort === ports.any ? '' : `out_port:${formatPort(mod.outPort)} `) +
    `${formatFlags(mod.flags)}actions=${formatInstructions(mod.instructions)}`
  )
}

/** One line of `ovs-ofctl dump-flows`, without the leading space. */
export function formatFlowStats(flow: FlowStats): string {
  const match = withPriority(formatMatch(flow.match), flow.priority)
  return (
    `cookie=${hex(flow.cookie)}, duration=${formatDuration(flow.durationSeconds, flow.durationNanoseconds)}, ` +
    `table=${flow.table}, n_packets=${formatCount(flow.packets)}, n_bytes=${formatCount(flow.bytes)}, ` +
    (flow.idleTimeoutSeconds === 0 ? '' : `idle_timeout=${flow.idleTimeoutSeconds}, `) +
    (flow.hardTimeoutSeconds === 0 ? '' : `hard_timeout=${flow.hardTimeoutSeconds}, `) +
    `${formatFlags(flow.flags)}${match}${match === '' ? '' : ' '}actions=${formatInstructions(flow.instructions)}`
  )
}

export type FlowRequestBody = Extract<MultipartRequestBody, { kind: 'flow' | 'aggregate' }>

export function formatFlowRequest({ table, outPort, match }: FlowRequestBody): string {
  const restrictions =
    (table === ALL_TABLES ? '' : ` table=${table}`) + (outPort === ports.any ? '' : ` out_port=${formatPort(outPort)}`)
  return `${restrictions} ${formatMatch(match)}`
}

const UNKNOWN_TABLE = 255

/** The Nicira form is of OpenFlow 1.0, which has no hard timeout there. */
export function formatNxFlowRemoved(removed: Extract<Message, { kind: 'nx_flow_removed' }>): string {
  const table = removed.tablePlusOne === 0 ? UNKNOWN_TABLE : removed.tablePlusOne - 1
  return formatFlowRemoved({ ...removed, kind: 'flow_removed', table, hardTimeoutSeconds: 0 })
}

export function formatFlowRemoved(removed: Extract<Message, { kind: 'flow_removed' }>): string {
  const { reason, table, cookie, durationSeconds, durationNanoseconds } = removed
  return (
    ` ${withPriority(formatMatch(removed.match), removed.priority)} reason=${flowRemovedReasonName(reason)}` +
    (table === UNKNOWN_TABLE ? '' : ` table_id=${table}`) +
    (cookie === 0n ? '' : ` cookie:${hex(cookie)}`) +
    ` duration${formatDuration(durationSeconds, durationNanoseconds)} idle${removed.idleTimeoutSeconds}` +
    (removed.hardTimeoutSeconds === 0 ? '' : ` hard${removed.hardTimeoutSeconds}`) +
    ` pkts${removed.packets} bytes${removed.bytes}\n`
  )
}

/** What the words of a flow text say; undefined where they say nothing. */
interface Words {
  table?: number
  cookie?: { readonly value: bigint; readonly mask: bigint | null }
  priority?: number
  idleTimeoutSeconds?: number
  hardTimeoutSeconds?: number
  outPort?: number
  outGroup?: number
  flags: number
}

/** A 64-bit number; -1 is all ones. */
const parse64 = (text: string): bigint => (text === '-1' ? ALL_ONES : parseUint64(text, 'cookie'))

function parseCookie(text: string): { readonly value: bigint; readonly mask: bigint | null } {
  const slash = text.indexOf('/')
  if (slash < 0) return { value: parse64(text), mask: null }
  return { value: parse64(text.slice(0, slash)), mask: parse64(text.slice(slash + 1)) }
}

type WordKind = 'any' | 'outPort' | 'timeout' | 'priority' | 'flags'

/** Words with values, by what kind of command may use them. */
const words: Readonly<Record<string, readonly [WordKind, (into: Words, value: string) => void]>> = {
  table: ['any', (into, value) => (into.table = parseTable(value))],
  cookie: ['any', (into, value) => (into.cookie = parseCookie(value))],
  out_port: ['outPort', (into, value) => (into.outPort = parsePort(value))],
  out_group: ['outPort', (into, value) => (into.outGroup = parseGroup(value))],
  priority: ['priority', (into, value) => (into.priority = parseUint(value, 16, 'priority'))],
  idle_timeout: ['timeout', (into, value) => (into.idleTimeoutSeconds = parseUint(value, 16, 'idle_timeout'))],
  hard_timeout: ['timeout', (into, value) => (into.hardTimeoutSeconds = parseUint(value, 16, 'hard_timeout'))],
}
/** What dump-flows prints and a flow_mod cannot say, so that dumps can be fed back. */
const IGNORED_WITH_VALUE = new Set(['duration', 'n_packets', 'n_bytes', 'idle_age', 'hard_age'])
const IGNORED = new Set(['no_readonly_table', 'allow_hidden_fields'])
const flagsByName = new Map(flagNames.map(([flag, name]) => [name, flag]))

const allowed: Readonly<Record<FlowModCommand | 'request', ReadonlySet<WordKind>>> = {
  request: new Set(['any', 'outPort']),
  add: new Set(['any', 'timeout', 'priority', 'flags']),
  modify: new Set(['any', 'timeout', 'priority', 'flags']),
  modify_strict: new Set(['any', 'timeout', 'priority', 'flags']),
  delete: new Set(['any', 'outPort']),
  delete_strict: new Set(['any', 'outPort', 'priority']),
}

function takeWord(into: Words, { key, value }: Item, kinds: ReadonlySet<WordKind>): void {
  if (value === '') throw new TextError(`field ${key} missing value`)
  if (key === 'importance' && kinds.has('timeout')) {
    if (parseUint(value, 16, 'importance') === 0) return
    throw new TextError('importance needs OpenFlow 1.4')
  }
  const word = words[key]
  if (word !== undefined && kinds.has(word[0])) word[1](into, value)
  else if (!IGNORED_WITH_VALUE.has(key)) throw new TextError(`unknown keyword ${key}`)
}

function parseItems(text: string, kinds: ReadonlySet<WordKind>): { readonly words: Words; readonly match: Match } {
  const builder = new MatchBuilder()
  const into: Words = { flags: 0 }
  for (const item of items(text)) {
    const flag = kinds.has('flags') ? flagsByName.get(item.key) : undefined
    if (flag !== undefined) into.flags |= flag
    else if (!IGNORED.has(item.key) && !builder.add(item.key, item.value)) takeWord(into, item, kinds)
  }
  return { words: into, match: builder.build() }
}

/** Splits `…actions=…` where the word that starts with `action` begins. */
function splitActions(text: string): readonly [items: string, actions: string] {
  const at = text.indexOf('action')
  const equals = at < 0 ? -1 : text.indexOf('=', at + 1)
  if (equals < 0) throw new TextError('must specify an action')
  return [text.slice(0, at), text.slice(equals + 1)]
}

const VLAN_PRESENT = 0x1000

/** What `match` tells the actions about the packets that they will meet. */
function flowContext(match: Match): FlowContext {
  let vlans = 0
  let ipProto = 0
  for (const entry of match) {
    if (entry.kind === 'nw_proto') ipProto = entry.value
    if (entry.kind !== 'vlan_vid' && entry.kind !== 'vlan_tci') continue
    const isPresent = (entry.value & VLAN_PRESENT) !== 0 && ((entry.mask ?? VLAN_PRESENT) & VLAN_PRESENT) !== 0
    if (isPresent) vlans = 1
  }
  return { vlans, ipProto }
}

/** Actions after which packets may be of another type than the match says. */
const RETYPE = new Set(['push_vlan', 'pop_vlan', 'push_mpls', 'pop_mpls', 'encap', 'decap'])

/** Prerequisites that a match alone can meet; tags and connection states come and go with actions. */
const OF_A_PROTOCOL: ReadonlySet<Prerequisite> = new Set<Prerequisite>([
  'ARP',
  'IPv4',
  'IPv6',
  'IPv4/IPv6',
  'TCP',
  'UDP',
  'SCTP',
  'ICMPv4',
  'ICMPv6',
])

/** What says which protocol a packet is of. */
const SAYS_PROTOCOL: ReadonlySet<string> = new Set(['packet_type', 'eth_type', 'nw_proto'])

/** A field that the actions set and that packets of this match need not have. */
function unmetField(match: Match, actions: readonly Action[]): string | null {
  for (const action of actions) {
    if (RETYPE.has(action.kind)) return null
    if (action.kind !== 'set_field' || action.field.kind === 'unknown') continue
    const { kind } = action.field
    if (!OF_A_PROTOCOL.has(fieldOf(kind).prerequisite)) continue
    const protocol = match.filter((entry) => SAYS_PROTOCOL.has(entry.kind))
    if (checkPrerequisites([...protocol, action.field]) !== null) return kind
  }
  return null
}

function checkActions(match: Match, table: number, instructions: readonly Instruction[]): void {
  if (goesBack({ table, instructions })) throw new TextError('goto_table must lead to a later table')
  for (const instruction of instructions) {
    if (instruction.kind !== 'apply_actions' && instruction.kind !== 'write_actions') continue
    const field = unmetField(match, instruction.actions)
    if (field !== null)
      throw new TextError(
        `actions set ${field}, which the packets that match need not have (OFPBAC_MATCH_INCONSISTENT)`,
      )
  }
}

function checkCookie(command: FlowModCommand, cookie: Words['cookie']): void {
  if (cookie === undefined) return
  if (command === 'add' && cookie.mask !== null) throw new TextError('flow additions cannot use a cookie mask')
  if (cookie.mask === null && command.startsWith('delete'))
    throw new TextError(`cannot set cookie (to match on a cookie, specify a mask, e.g. cookie=${hex(cookie.value)}/-1)`)
}

/**
 * The flow_mod (xid 0) that ovs-ofctl sends for `text`: add-flow is `add`, mod-flows `modify`, del-flows `delete`, with
 * --strict the strict ones. Throws TextError, also for what OpenFlow 1.3 cannot say.
 */
export function parseFlowMod(command: FlowModCommand, text: string): FlowMod {
  const isDelete = command === 'delete' || command === 'delete_strict'
  const [itemsText, actionsText] = isDelete ? [text, null] : splitActions(text)
  const { words: said, match } = parseItems(itemsText, allowed[command])
  checkCookie(command, said.cookie)
  const mask = said.cookie?.mask ?? 0n
  // A cookie without a mask is the new cookie, which OpenFlow 1.3 carries in adds only; mod-flows loses it.
  const isNew = command === 'add' || mask !== 0n
  const instructions = actionsText === null ? [] : parseInstructions(actionsText, flowContext(match))
  checkActions(match, said.table ?? ALL_TABLES, instructions)
  return {
    kind: 'flow_mod',
    xid: 0,
    cookie: isNew ? (command === 'add' ? (said.cookie?.value ?? 0n) : (said.cookie?.value ?? 0n) & mask) : 0n,
    cookieMask: mask,
    table: said.table === undefined || said.table === ALL_TABLES ? (isDelete ? ALL_TABLES : 0) : said.table,
    command,
    idleTimeoutSeconds: said.idleTimeoutSeconds ?? 0,
    hardTimeoutSeconds: said.hardTimeoutSeconds ?? 0,
    priority: said.priority ?? DEFAULT_PRIORITY,
    bufferId: NO_BUFFER,
    outPort: said.outPort ?? ports.any,
    outGroup: said.outGroup ?? ANY_GROUP,
    flags: said.flags,
    match,
    instructions,
  }
}

/** What dump-flows and dump-aggregate ask for. */
export function parseFlowRequest<const K extends 'flow' | 'aggregate'>(
  kind: K,
  text: string,
): Extract<FlowRequestBody, { kind: K }> {
  const { words: said, match } = parseItems(text, allowed.request)
  if (said.cookie !== undefined && said.cookie.mask === null)
    throw new TextError(
      `cannot set cookie (to match on a cookie, specify a mask, e.g. cookie=${hex(said.cookie.value)}/-1)`,
    )
  return {
    kind,
    table: said.table ?? ALL_TABLES,
    outPort: said.outPort ?? ports.any,
    outGroup: said.outGroup ?? ANY_GROUP,
    cookie: said.cookie?.value ?? 0n,
    cookieMask: said.cookie?.mask ?? 0n,
    match,
  } as unknown as Extract<FlowRequestBody, { kind: K }>
}

// The one table of actions, and what works from it: decoding by type or vendor and subtype, encoding by kind, printing by
// kind, parsing by word. A kind without a row does not compile.
import { dotted } from '../text/numbers.ts'
import { items, TextError } from '../text/tokens.ts'
import { DecodeError, errorCodes, within, type ErrorCode } from '../wire/errors.ts'
import type { Reader } from '../wire/reader.ts'
import type { Codec } from '../wire/struct.ts'
import type { Writer } from '../wire/writer.ts'
import { controllerRows } from './controller.ts'
import { ctRows } from './ct.ts'
import { encapRows } from './encap.ts'
import { headerRows } from './headers.ts'
import { learnRows } from './learn.ts'
import { miscRows } from './misc.ts'
import { moveRows } from './move.ts'
import { natRows } from './nat.ts'
import { outputRows } from './output.ts'
import { portFromText } from './ports.ts'
import {
  EXPERIMENTER,
  NX,
  ONF,
  type ActionLists,
  type Outer,
  type ParseContext,
  type ParseWord,
  type Row,
} from './row.ts'
import { sampleRows } from './sample.ts'
import { selectRows } from './select.ts'
import { setFieldRows } from './set-field.ts'
import { tableRows } from './tables.ts'
import type { Action, KnownAction } from './types.ts'
import { misplaced } from './verify.ts'

/** ct, clone and their like within each other, on the wire and in text. OVS has this limit for text only. */
const MAX_DEPTH = 100

type Rows = { readonly [K in KnownAction['kind']]: Row<Extract<KnownAction, { readonly kind: K }>> }

/** What ct() and clone() need of the table that they are part of. */
const lists: ActionLists = { read: readActions, write: writeActions, format: formatActions, parse: parseList }

export const rows: Rows = {
  ...outputRows,
  ...controllerRows,
  ...headerRows,
  ...setFieldRows,
  ...moveRows,
  ...tableRows,
  ...learnRows,
  ...selectRows,
  ...ctRows(lists),
  ...natRows,
  ...encapRows,
  ...sampleRows,
  ...miscRows,
}

type AnyRow = Row<Action>
/** All of one shape, which the families' rows are not: looking for a property in 60 shapes costs 10 ns each time. */
const allRows: readonly AnyRow[] = (Object.values(rows) as unknown as readonly AnyRow[]).map((row) => ({
  kind: row.kind,
  id: row.id,
  min: row.min,
  max: row.max,
  codec: row.codec,
  format: row.format,
  words: row.words ?? {},
  check: row.check ?? (() => {}),
}))
const byType = (vendor: number): ReadonlyMap<number, AnyRow> =>
  new Map(allRows.filter((row) => row.id.vendor === vendor).map((row) => [row.id.type, row]))
const standard = byType(0)
const nicira = byType(NX)
const onf = byType(ONF)
const words: ReadonlyMap<string, ParseWord> = new Map(allRows.flatMap((row) => Object.entries(row.words ?? {})))
// A Map: reading a property of an object with this many costs 15 ns more.
const byKind: ReadonlyMap<string, AnyRow> = new Map(allRows.map((row) => [row.kind, row]))
const rowOf = (action: KnownAction): AnyRow => byKind.get(action.kind) as AnyRow

/** The row of the action at `at`, or what OpenFlow answers to an action without one. */
function find(r: Reader, at: number): AnyRow | ErrorCode {
  const type = r.view.getUint16(at)
  if (type !== EXPERIMENTER) return standard.get(type) ?? errorCodes.badActionType
  const vendor = r.view.getUint32(at + 4)
  if (vendor !== NX && vendor !== ONF) return errorCodes.badActionExperimenter
  if (r.end - at < 16) return errorCodes.badActionLength
  return (vendor === NX ? nicira : onf).get(r.view.getUint16(at + 8)) ?? errorCodes.badActionExperimenterType
}

/** One action. What no row describes, and what names a field or property unknown here, is kept as `unknown`. */
export const actionCodec: Codec<Action> = { read: readAction, write: writeAction }

function readAction(r: Reader): Action {
  const at = r.offset
  r.need(8, errorCodes.badActionLength)
  const length = r.view.getUint16(at + 2)
  const row = find(r, at)
  const unknown = 'code' in row
  const [min, max] = unknown ? [8, r.end - at] : [row.min, Math.min(row.max, r.end - at)]
  if (length < min || length > max || length % 8 !== 0) {
    r.fail(unknown ? row : errorCodes.badActionLength, `action of ${length} bytes (${min} to ${max} can be)`, at + 2)
  }
  if (unknown) return { kind: 'unknown', bytes: r.raw(length) }
  const outer = r.end
  r.end = at + length
  try {
    const action = row.codec.read(r)
    row.check?.(action, r, at)
    r.offset = r.end
    return action
  } catch (error) {
    if (!namesUnknown(error)) throw within(error, row.kind)
    r.offset = at
    return { kind: 'unknown', bytes: r.raw(length) }
  } finally {
    r.end = outer
  }
}

const unknownThings: ReadonlySet<ErrorCode> = new Set([
  errorCodes.badSetType,
  errorCodes.badPropertyType,
  errorCodes.badHeaderType,
  errorCodes.unknownEncapProperty,
])
const namesUnknown = (error: unknown): boolean => error instanceof DecodeError && unknownThings.has(error.error)

function writeAction(w: Writer, action: Action): void {
  if (action.kind === 'unknown') w.raw(action.bytes)
  else rowOf(action).codec.write(w, action)
}

function readActions(r: Reader, outer: Outer): readonly Action[] {
  const at = r.offset
  if (r.depth >= MAX_DEPTH) r.fail(errorCodes.badActionArgument, `actions nested ${MAX_DEPTH} deep`)
  if ((r.end - at) % 8 !== 0) r.fail(errorCodes.badLength, `${r.end - at} bytes of actions`)
  r.depth += 1
  const actions: Action[] = []
  try {
    while (r.offset < r.end) actions.push(readAction(r))
  } catch (error) {
    throw within(error, `[${actions.length}]`)
  }
  r.depth -= 1
  const problem = misplaced(actions, outer)
  if (problem !== null) r.fail(problem.error, problem.reason, at)
  return actions
}

function writeActions(w: Writer, actions: readonly Action[]): void {
  for (let i = 0; i < actions.length; i += 1) writeAction(w, actions[i] as Action)
}

/** Actions until `r.end`, in places that take no instructions: packet-outs, group buckets. */
export const actionList: Codec<readonly Action[]> = {
  read: (r) => readActions(r, 'none'),
  write: writeActions,
}
/** Those of an apply_actions instruction, which may also hold write_metadata. */
export const instructionActions: Codec<readonly Action[]> = {
  read: (r) => readActions(r, 'instruction'),
  write: writeActions,
}
/** Those of a write_actions instruction. */
export const actionSet: Codec<readonly Action[]> = {
  read: (r) => readActions(r, 'action_set'),
  write: writeActions,
}

export function formatAction(action: Action): string {
  if (action.kind === 'unknown') return `unknown(${dotted(action.bytes)})`
  return rowOf(action).format(action)
}

/** As ofpacts_format(): comma-separated, `drop` for none. */
export function formatActions(actions: readonly Action[]): string {
  return actions.length === 0 ? 'drop' : actions.map(formatAction).join(',')
}

/** The actions of one word and its argument; null if the word is none. */
export function parseAction(key: string, value: string, context: ParseContext): readonly Action[] | null {
  const parse = words.get(key.toLowerCase())
  if (parse !== undefined) return parse(value, context)
  const port = portFromText(key)
  return port === null ? null : [{ kind: 'output', port, maxLength: 0 }]
}

export function parseList(text: string, outer: Outer, context: ParseContext): readonly Action[] {
  if (context.depth >= MAX_DEPTH) throw new TextError('Action nested too deeply')
  const inner = { ...context, depth: context.depth + 1 }
  const actions: Action[] = []
  let drop = false
  for (const { key, value } of items(text)) {
    if (key.toLowerCase() === 'drop') drop = true
    else {
      const parsed = parseAction(key, value, inner)
      if (parsed === null) throw new TextError(`unknown action ${key}`)
      actions.push(...parsed)
    }
  }
  if (drop && actions.length > 0)
    throw new TextError('"drop" must not be accompanied by any other action or instruction')
  const problem = misplaced(actions, outer)
  if (problem !== null) throw new TextError(problem.reason)
  Object.assign(context, inner, { depth: context.depth })
  return actions
}

/** What a match tells about the packets that meet the actions: it decides what some words become. */
export interface FlowContext {
  /** VLAN tags that the packets surely have. */
  readonly vlans: number
  /** Their IP protocol, 0 if the match leaves it open. */
  readonly ipProto: number
}
export const anyFlow: FlowContext = { vlans: 0, ipProto: 0 }

/** As ofpacts_parse_actions(), then what OVS sends for it on a 1.3 connection. Throws TextError. */
export function parseActions(text: string, flow: FlowContext = anyFlow): readonly Action[] {
  return parseList(text, 'none', { ...flow, depth: 0 })
}

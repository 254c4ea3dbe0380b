// Instructions of OpenFlow 1.3.5 §7.2.4, and their text, in which the actions of apply_actions stand among the other
// instructions in the order of execution.
import { dotted } from '../text/numbers.ts'
import { items, parseTable, parseUint, parseUint64, TextError } from '../text/tokens.ts'
import { errorCodes, within } from '../wire/errors.ts'
import { pad, u32, u64, u8, variant, type Codec, type ValueOf } from '../wire/struct.ts'
import { formatMetadata } from './misc.ts'
import {
  anyFlow,
  formatActions,
  instructionActions,
  actionSet,
  parseAction,
  parseList,
  type FlowContext,
} from './table.ts'
import type { ParseContext } from './row.ts'
import type { Action } from './types.ts'
import { misplaced, type Problem } from './verify.ts'

interface ApplyActions {
  readonly kind: 'apply_actions'
  readonly actions: readonly Action[]
}
interface WriteActions {
  readonly kind: 'write_actions'
  readonly actions: readonly Action[]
}
/** An experimenter's, or of another version, as it stood on the wire. */
interface UnknownInstruction {
  readonly kind: 'unknown'
  readonly bytes: Uint8Array
}

const header = pad(4)
const gotoTable = variant('goto_table', { header, table: u8, padding: pad(3) })
const writeMetadata = variant('write_metadata', { header, padding: pad(4), metadata: u64, mask: u64 })
const clearActions = variant('clear_actions', { header, padding: pad(4) })
const meter = variant('meter', { header, meter: u32 })
const withActions = <K extends 'apply_actions' | 'write_actions'>(
  kind: K,
  list: Codec<readonly Action[]>,
): Codec<{ readonly kind: K; readonly actions: readonly Action[] }> => ({
  read(r) {
    r.skip(8)
    return { kind, actions: list.read(r) }
  },
  write(w, { actions }) {
    const at = w.reserve(8)
    w.view.setUint32(at, 0)
    w.view.setUint32(at + 4, 0)
    list.write(w, actions)
  },
})

type KnownInstruction =
  | ValueOf<typeof gotoTable | typeof writeMetadata | typeof clearActions | typeof meter>
  | ApplyActions
  | WriteActions
export type Instruction = KnownInstruction | UnknownInstruction

interface Row<I> {
  readonly kind: string
  readonly type: number
  readonly codec: Codec<I>
  /** Bytes, and whether there may be more. */
  readonly size: number
  readonly extensible: boolean
  /** Place in the order of execution. */
  readonly order: number
  format(instruction: I): string
}
type Rows = { readonly [K in KnownInstruction['kind']]: Row<Extract<KnownInstruction, { readonly kind: K }>> }

const rows: Rows = {
  meter: {
    kind: 'meter',
    type: 6,
    codec: meter,
    size: 8,
    extensible: false,
    order: 0,
    format: (i) => `meter:${i.meter}`,
  },
  apply_actions: {
    kind: 'apply_actions',
    type: 4,
    codec: withActions('apply_actions', instructionActions),
    size: 8,
    extensible: true,
    order: 1,
    format: (i) => (i.actions.length === 0 ? '' : formatActions(i.actions)),
  },
  clear_actions: {
    kind: 'clear_actions',
    type: 5,
    codec: clearActions,
    size: 8,
    extensible: false,
    order: 2,
    format: () => 'clear_actions',
  },
  write_actions: {
    kind: 'write_actions',
    type: 3,
    codec: withActions('write_actions', actionSet),
    size: 8,
    extensible: true,
    order: 3,
    format: (i) => `write_actions(${formatActions(i.actions)})`,
  },
  write_metadata: {
    kind: 'write_metadata',
    type: 2,
    codec: writeMetadata,
    size: 24,
    extensible: false,
    order: 4,
    format: formatMetadata,
  },
  goto_table: {
    kind: 'goto_table',
    type: 1,
    codec: gotoTable,
    size: 8,
    extensible: false,
    order: 5,
    format: (i) => `goto_table:${i.table}`,
  },
}
/** Every kind but `unknown`. */
export const instructionKinds = Object.keys(rows)
const byType: ReadonlyMap<number, Row<Instruction>> = new Map(
  Object.values(rows).map((row) => [row.type, row as unknown as Row<Instruction>]),
)
const rowOf = (instruction: KnownInstruction): Row<Instruction> => rows[instruction.kind]
const orderOf = (instruction: Instruction): number =>
  instruction.kind === 'unknown' ? Number.POSITIVE_INFINITY : rowOf(instruction).order

export const instructionCodec: Codec<Instruction> = {
  read(r) {
    const at = r.offset
    r.need(8, errorCodes.badInstructionLength)
    const length = r.view.getUint16(at + 2)
    if (length < 8 || length % 8 !== 0 || length > r.end - at) {
      r.fail(errorCodes.badInstructionLength, `instruction length ${length}, ${r.end - at} bytes left`, at + 2)
    }
    const row = byType.get(r.view.getUint16(at))
    if (row === undefined) return { kind: 'unknown', bytes: r.raw(length) }
    if (row.extensible ? length < row.size : length !== row.size) {
      r.fail(errorCodes.badInstructionLength, `length ${length}, not ${row.size}`, at + 2)
    }
    const outer = r.end
    r.end = at + length
    try {
      return row.codec.read(r)
    } catch (error) {
      throw within(error, row.kind)
    } finally {
      r.end = outer
    }
  },
  write(w, instruction) {
    if (instruction.kind === 'unknown') {
      w.raw(instruction.bytes)
      return
    }
    const at = w.offset
    const row = rowOf(instruction)
    row.codec.write(w, instruction)
    w.view.setUint16(at, row.type)
    w.patchLength(at + 2, at)
  },
}

/** Instructions until `r.end`, each kind once, in wire order. */
export const instructionList: Codec<readonly Instruction[]> = {
  read(r) {
    const at = r.offset
    const out: Instruction[] = []
    try {
      while (r.offset < r.end) {
        const start = r.offset
        const instruction = instructionCodec.read(r)
        const twice = instruction.kind !== 'unknown' && out.some(({ kind }) => kind === instruction.kind)
        if (twice) r.fail(errorCodes.duplicateInstruction, `${instruction.kind} twice`, start)
        out.push(instruction)
      }
    } catch (error) {
      throw within(error, `[${out.length}]`)
    }
    const problem = misplacedTogether(out)
    if (problem !== null) r.fail(problem.error, problem.reason, at)
    return out
  },
  write(w, instructions) {
    for (let i = 0; i < instructions.length; i += 1) instructionCodec.write(w, instructions[i] as Instruction)
  },
}

/** What actions say about the instructions beside them: conjunction and the action write_metadata allow few. */
function misplacedTogether(instructions: readonly Instruction[]): Problem | null {
  const apply = instructions.find((i) => i.kind === 'apply_actions')
  if (apply === undefined || instructions.length === 1) return null
  const others = instructions.filter((i) => i.kind !== 'unknown' && i.kind !== 'apply_actions')
  if (others.length > 0 && apply.actions.some((action) => action.kind === 'conjunction')) {
    return { error: errorCodes.badConjunction, reason: '"conjunction" stands beside other instructions' }
  }
  const metadata = apply.actions.some((action) => action.kind === 'write_metadata')
  if (metadata && others.some(({ kind }) => kind !== 'meter' && kind !== 'goto_table')) {
    return { error: errorCodes.unsupportedOrder, reason: 'the action write_metadata stands before other instructions' }
  }
  return null
}

function formatInstruction(instruction: Instruction): string {
  return instruction.kind === 'unknown'
    ? `unknown_instruction(${dotted(instruction.bytes)})`
    : rowOf(instruction).format(instruction)
}

/** What follows `actions=`, as OVS prints it: in the order of execution, `drop` for none. */
export function formatInstructions(instructions: readonly Instruction[]): string {
  if (instructions.length === 0) return 'drop'
  const sorted = instructions.length === 1 ? instructions : instructions.toSorted((a, b) => orderOf(a) - orderOf(b))
  const parts = sorted.map(formatInstruction).filter((text) => text !== '')
  return parts.length === 0 ? 'drop' : parts.join(',')
}

type ParseInstruction = (text: string, context: ParseContext) => Instruction | null
const words: ReadonlyMap<string, ParseInstruction> = new Map<string, ParseInstruction>([
  ['meter', parseMeter],
  ['clear_actions', () => ({ kind: 'clear_actions' })],
  [
    'write_actions',
    (text, context) => {
      const actions = parseList(text, 'none', { ...context })
      return actions.length === 0 ? null : { kind: 'write_actions', actions }
    },
  ],
  ['write_metadata', parseWriteMetadata],
  ['goto_table', (text) => ({ kind: 'goto_table', table: parseTable(text) })],
])

const MAX_METER = 0xffff0000

function parseMeter(text: string): Instruction {
  const meter = parseUint(text, 32, 'meter')
  if (meter === 0 || meter > MAX_METER) throw new TextError(`${text}: meters are from 1 to ${MAX_METER}`)
  return { kind: 'meter', meter }
}

function parseWriteMetadata(text: string): Instruction {
  const [value = '', mask] = text.split('/')
  const metadata = parseUint64(value, 'metadata')
  return {
    kind: 'write_metadata',
    metadata,
    mask: mask === undefined ? 0xffff_ffff_ffff_ffffn : parseUint64(mask, 'mask'),
  }
}

/** As ofpacts_parse_instructions(), then what OVS sends for it on a 1.3 connection. Throws TextError. */
export function parseInstructions(text: string, flow: FlowContext = anyFlow): readonly Instruction[] {
  const context: ParseContext = { ...flow, depth: 0 }
  const out: Instruction[] = []
  const actions: Action[] = []
  let last: { readonly order: number; readonly name: string } | null = null
  let drop = false
  for (const { key, value } of items(text)) {
    const name = key.toLowerCase()
    if (name === 'apply_actions') throw new TextError('apply_actions is the default instruction')
    if (name === 'drop') {
      drop = true
      continue
    }
    const parse = words.get(name)
    const order = parse === undefined ? rows.apply_actions.order : rows[name as keyof Rows].order
    if (last !== null && (order < last.order || (order === last.order && parse !== undefined))) {
      throw new TextError(`invalid instruction ordering: ${name} after ${last.name}`)
    }
    last = { order, name }
    if (parse === undefined) actions.push(...parseWord(key, value, context))
    else {
      flush(actions, out)
      const instruction = parse(value, context)
      if (instruction !== null) out.push(instruction)
    }
  }
  if (drop && last !== null) throw new TextError('"drop" must not be accompanied by any other action or instruction')
  flush(actions, out)
  const problem = misplacedTogether(out)
  if (problem !== null) throw new TextError(problem.reason)
  return out
}

function parseWord(key: string, value: string, context: ParseContext): readonly Action[] {
  const parsed = parseAction(key, value, context)
  if (parsed === null) throw new TextError(`unknown action ${key}`)
  return parsed
}

/** Actions so far become an apply_actions. */
function flush(actions: Action[], out: Instruction[]): void {
  if (actions.length === 0) return
  const problem = misplaced(actions, 'instruction')
  if (problem !== null) throw new TextError(problem.reason)
  out.push({ kind: 'apply_actions', actions: actions.splice(0) })
}

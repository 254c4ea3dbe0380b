// learn in the ovs-ofctl language (learn_parse, learn_format).
import { bitsToBytes, maskedValue, toBits } from '../fields/bits.ts'
import { formatValue, parseValue } from '../fields/format.ts'
import { formatSubfield, parseSubfield } from '../fields/subfield.ts'
import { fieldOf } from '../fields/table.ts'
import { atoi, hex, hexNumber } from '../text/numbers.ts'
import { items, parseInteger, parseTable, parseUint64, TextError } from '../text/tokens.ts'
import type { Learn, Learn2, LearnSpec } from './learn.ts'
import { parseCopy } from './move.ts'
import type { ParseWord } from './row.ts'
import { needsLongHeader, type Subfield } from './subfield-wire.ts'

const DEFAULT_PRIORITY = 0x8000

export function formatLearn(a: Learn | Learn2): string {
  const parts = [`table=${a.table}`]
  if (a.idleTimeoutSeconds !== 0) parts.push(`idle_timeout=${a.idleTimeoutSeconds}`)
  if (a.hardTimeoutSeconds !== 0) parts.push(`hard_timeout=${a.hardTimeoutSeconds}`)
  if (a.finIdleTimeoutSeconds !== 0) parts.push(`fin_idle_timeout=${a.finIdleTimeoutSeconds}`)
  if (a.finHardTimeoutSeconds !== 0) parts.push(`fin_hard_timeout=${a.finHardTimeoutSeconds}`)
  if (a.priority !== DEFAULT_PRIORITY) parts.push(`priority=${a.priority}`)
  if (a.sendFlowRemoved) parts.push('send_flow_rem')
  if (a.deleteLearned) parts.push('delete_learned')
  if (a.cookie !== 0n) parts.push(`cookie=${hex(a.cookie)}`)
  if (a.kind === 'learn2' && a.limit !== 0) parts.push(`limit=${a.limit}`)
  if (a.kind === 'learn2' && a.result !== null) parts.push(`result_dst=${formatSubfield(a.result)}`)
  return `learn(${[...parts, ...a.specs.map(formatSpec)].join(',')})`
}

function formatSpec(spec: LearnSpec): string {
  if (spec.kind === 'output') return `output:${formatSubfield(spec.source)}`
  const { source, target } = spec
  if (spec.kind === 'load') {
    const text = typeof source === 'bigint' ? formatConstant(source, target.bits) : formatSubfield(source)
    return `load:${text}->${formatSubfield(target)}`
  }
  if (typeof source === 'bigint') return formatMatched(source, target)
  const same = source.field === target.field && source.start === target.start
  return same ? formatSubfield(target) : `${formatSubfield(target)}=${formatSubfield(source)}`
}

const formatConstant = (value: bigint, bits: number): string => hexNumber(bitsToBytes(value, Math.ceil(bits / 8)))

/** A whole field prints like a match. */
function formatMatched(value: bigint, target: Subfield): string {
  const field = fieldOf(target.field)
  if (target.start !== 0 || target.bits !== field.bits) {
    return `${formatSubfield(target)}=${formatConstant(value, target.bits)}`
  }
  const whole = maskedValue(field, { value, mask: (1n << BigInt(8 * field.bytes)) - 1n }).value
  return `${field.name}=${formatValue(field.name, whole as never)}`
}

export function parseLearn(...[text]: Parameters<ParseWord>): ReturnType<ParseWord> {
  const a = {
    idleTimeoutSeconds: 0,
    hardTimeoutSeconds: 0,
    finIdleTimeoutSeconds: 0,
    finHardTimeoutSeconds: 0,
    priority: DEFAULT_PRIORITY,
    cookie: 0n,
    table: 1,
    sendFlowRemoved: false,
    deleteLearned: false,
  }
  let limit = 0
  let result: Subfield | null = null
  const specs: LearnSpec[] = []
  for (const { key, value } of items(text)) {
    const timeout = timeouts.get(key)
    if (timeout !== undefined) a[timeout] = atoi(value) & 0xffff
    else if (key === 'table') a.table = parseLearnTable(value)
    else if (key === 'priority') a.priority = atoi(value) & 0xffff
    else if (key === 'cookie') a.cookie = parseUint64(value, 'cookie')
    else if (key === 'send_flow_rem') a.sendFlowRemoved = true
    else if (key === 'delete_learned') a.deleteLearned = true
    else if (key === 'limit') limit = atoi(value) >>> 0
    else if (key === 'result_dst') result = parseResult(value)
    else specs.push(parseSpec(key, value))
  }
  return limit !== 0 || result !== null
    ? [{ kind: 'learn2', ...a, limit, result, specs }]
    : [{ kind: 'learn', ...a, specs }]
}

const timeouts = new Map([
  ['idle_timeout', 'idleTimeoutSeconds'],
  ['hard_timeout', 'hardTimeoutSeconds'],
  ['fin_idle_timeout', 'finIdleTimeoutSeconds'],
  ['fin_hard_timeout', 'finHardTimeoutSeconds'],
] as const) as ReadonlyMap<
  string,
  'idleTimeoutSeconds' | 'hardTimeoutSeconds' | 'finIdleTimeoutSeconds' | 'finHardTimeoutSeconds'
>

function parseLearnTable(text: string): number {
  const table = parseTable(text)
  if (table === 255) throw new TextError("table id 255 not valid for `learn' action")
  return table
}

function parseResult(text: string): Subfield {
  const result = parseSubfield(text)
  if (!fieldOf(result.field).writable) throw new TextError(`${text} is read-only`)
  if (result.bits !== 1) throw new TextError("result_dst in 'learn' action must be a single bit")
  return result
}

/** `target`, `target=source`, `target=constant`, `load:...->target` or `output:source`. */
function parseSpec(key: string, value: string): LearnSpec {
  const target = subfieldOrNull(key)
  if (target !== null) return { kind: 'match', ...withSource(short(target), value) }
  if (key === 'load') return parseLoad(value)
  if (key === 'output') return { kind: 'output', source: parseSubfield(value) }
  throw new TextError(`unknown keyword ${key}`)
}

function subfieldOrNull(text: string): Subfield | null {
  try {
    return parseSubfield(text)
  } catch {
    return null
  }
}

function short(part: Subfield): Subfield {
  if (needsLongHeader(part.field)) throw new TextError(`experimenter OXM field '${part.field}' not supported`)
  return part
}

function withSource(target: Subfield, text: string): { readonly source: Subfield | bigint; readonly target: Subfield } {
  if (text === '') return { source: target, target }
  const source = subfieldOrNull(text)
  if (source === null) return { source: parseConstant(target, text), target }
  if (source.bits !== target.bits) {
    throw new TextError(`bit widths of ${text} (${source.bits}) and its target (${target.bits}) differ`)
  }
  return { source, target }
}

/** A whole field's value is written like the field's, another in numbers. */
function parseConstant(target: Subfield, text: string): bigint {
  const field = fieldOf(target.field)
  if (target.start === 0 && target.bits === field.bits) {
    const { value, mask } = parseValue(field.name, text)
    if (mask !== null) throw new TextError(`${text}: a mask has no place here`)
    return toBits(value)
  }
  return parseInteger(text, target.bits, 'value')
}

function parseLoad(text: string): LearnSpec {
  const arrow = text.indexOf('->')
  if (arrow <= 0) throw new TextError(`load: missing source or \`->' in \`${text}'`)
  const before = text.slice(0, arrow)
  if (!/^[0-9]/.test(before)) return { kind: 'load', ...parseCopy(text) }
  const target = short(parseSubfield(text.slice(arrow + 2)))
  return { kind: 'load', source: parseInteger(before, target.bits, 'value'), target }
}

// learn on the wire (NXAST_LEARN, NXAST_LEARN2): a flow that matching packets install, as a template of specs that copy
// from the packet or from constants into the new flow's match and actions. Its text is in learn-text.ts.
import { bitsToBytes, bytesToBits } from '../fields/bits.ts'
import { errorCodes } from '../wire/errors.ts'
import type { Reader } from '../wire/reader.ts'
import { struct, u16, u64, u8, zeros } from '../wire/struct.ts'
import type { Writer } from '../wire/writer.ts'
import { formatLearn, parseLearn } from './learn-text.ts'
import { irregular, nx, restZero, type RowValue } from './row.ts'
import {
  checkWritable,
  partOf,
  readField32,
  readFieldHeader,
  writeFieldHeader,
  type Subfield,
} from './subfield-wire.ts'

/**
 * Bits that go from a part of the packet, or from a constant, as wide as the target, into the new flow: to be matched
 * there, loaded by it, or taken as the number of its output port.
 */
export type LearnSpec =
  | { readonly kind: 'match' | 'load'; readonly source: Subfield | bigint; readonly target: Subfield }
  | { readonly kind: 'output'; readonly source: Subfield }

interface Template {
  readonly idleTimeoutSeconds: number
  readonly hardTimeoutSeconds: number
  readonly finIdleTimeoutSeconds: number
  readonly finHardTimeoutSeconds: number
  readonly priority: number
  readonly cookie: bigint
  readonly table: number
  readonly sendFlowRemoved: boolean
  /** Deletes the learned flows with the flow that learned them. */
  readonly deleteLearned: boolean
  readonly specs: readonly LearnSpec[]
}
export interface Learn extends Template {
  readonly kind: 'learn'
}
export interface Learn2 extends Template {
  readonly kind: 'learn2'
  /** At most so many learned flows; 0 for no limit. */
  readonly limit: number
  /** One bit that says whether the flow could be learned. */
  readonly result: Subfield | null
}

const flags = { sendFlowRemoved: 1, deleteLearned: 2, writeResult: 4 } as const
const NO_TABLE = 255

const header = struct('learn', {
  idleTimeoutSeconds: u16,
  hardTimeoutSeconds: u16,
  priority: u16,
  cookie: u64,
  flags: u16,
  table: u8,
  padding: zeros(1, errorCodes.badActionArgument),
  finIdleTimeoutSeconds: u16,
  finHardTimeoutSeconds: u16,
})

function readTemplate(r: Reader, allowedFlags: number): Omit<Template, 'specs'> & { readonly writeResult: boolean } {
  const at = r.offset
  const { flags: bits, ...template } = header.read(r)
  if (template.table === NO_TABLE) r.fail(errorCodes.badActionArgument, 'table 255', at + 16)
  if ((bits & ~allowedFlags) !== 0) r.fail(errorCodes.badActionArgument, `learn flags ${bits}`, at + 14)
  return {
    ...template,
    sendFlowRemoved: (bits & flags.sendFlowRemoved) !== 0,
    deleteLearned: (bits & flags.deleteLearned) !== 0,
    writeResult: (bits & flags.writeResult) !== 0,
  }
}

function writeTemplate(w: Writer, a: Learn | Learn2): void {
  const result = a.kind === 'learn2' && a.result !== null
  const bits =
    (a.sendFlowRemoved ? flags.sendFlowRemoved : 0) |
    (a.deleteLearned ? flags.deleteLearned : 0) |
    (result ? flags.writeResult : 0)
  header.write(w, { ...a, flags: bits })
}

const learn = irregular<Learn>(
  'learn',
  nx(16),
  32,
  {
    read(r) {
      const { writeResult: _, ...template } = readTemplate(r, flags.sendFlowRemoved | flags.deleteLearned)
      return { kind: 'learn', ...template, specs: readSpecs(r) }
    },
    write(w, a) {
      writeTemplate(w, a)
      writeSpecs(w, a.specs)
    },
  },
  { format: formatLearn, words: { learn: parseLearn } },
)

const learn2 = irregular<Learn2>(
  'learn2',
  nx(45),
  40,
  {
    read(r) {
      const { writeResult, ...template } = readTemplate(
        r,
        flags.sendFlowRemoved | flags.deleteLearned | flags.writeResult,
      )
      const limit = r.u32()
      const start = r.u16()
      if (r.u16() !== 0) r.fail(errorCodes.actionMustBeZero, 'reserved bytes are not zero', r.offset - 2)
      const result = writeResult ? readResult(r, start) : null
      if (!writeResult && start !== 0) r.fail(errorCodes.badActionArgument, 'an offset without a field', r.offset - 4)
      return { kind: 'learn2', ...template, limit, result, specs: readSpecs(r) }
    },
    write(w, a) {
      writeTemplate(w, a)
      w.u32(a.limit)
      w.u16(a.result?.start ?? 0)
      w.u16(0)
      if (a.result !== null) writeFieldHeader(w, a.result)
      writeSpecs(w, a.specs)
    },
  },
  { format: formatLearn },
)

function readResult(r: Reader, start: number): Subfield {
  const at = r.offset
  const field = readFieldHeader(r)
  return checkWritable(partOf(field, start, 1), r, at)
}

// A spec's header: bit 13 says that the source is a constant, bits 11 and 12 what is made of it, the rest how many bits.
const IMMEDIATE = 0x2000
const TARGETS = 0x1800
const targets = { match: 0, load: 0x800, output: 0x1000 } as const
const WIDTH = 0x3ff

/** Until a header of zero or the end of the action. */
function readSpecs(r: Reader): readonly LearnSpec[] {
  const specs: LearnSpec[] = []
  while (r.offset < r.end) {
    const header = r.u16()
    if (header === 0) break
    specs.push(readSpec(r, header))
  }
  restZero(r, errorCodes.badActionArgument)
  return specs
}

function readSpec(r: Reader, header: number): LearnSpec {
  const bits = header & WIDTH
  const immediate = (header & IMMEDIATE) !== 0
  const target = header & TARGETS
  const output = target === targets.output
  // Only reserved bits are set: without them, and OVS does not keep them, it would be the end of the list.
  if (bits === 0 && !immediate && target === targets.match) r.fail(errorCodes.badSetLength, 'no bits', r.offset - 2)
  if (target === TARGETS || (output && immediate)) r.fail(errorCodes.badActionArgument, `spec ${header}`, r.offset - 2)
  r.need((immediate ? 2 * Math.ceil(bits / 16) : 6) + (output ? 0 : 6), errorCodes.badActionLength)
  if (output) return { kind: 'output', source: readPart(r, bits) }
  const source = immediate ? readConstant(r, bits) : readPart(r, bits)
  return { kind: target === targets.match ? 'match' : 'load', source, target: readPart(r, bits) }
}

function readPart(r: Reader, bits: number): Subfield {
  const field = readField32(r)
  return partOf(field, r.u16(), bits)
}

/** Whole 16-bit words, of which OVS looks at as many bytes as the bits need. */
function readConstant(r: Reader, bits: number): bigint {
  const words = 2 * Math.ceil(bits / 16)
  const at = r.take(words)
  return bytesToBits(r.bytes.subarray(at + words - Math.ceil(bits / 8), at + words))
}

function writeSpecs(w: Writer, specs: readonly LearnSpec[]): void {
  for (const spec of specs) {
    const { bits } = spec.kind === 'output' ? spec.source : spec.target
    const immediate = typeof spec.source === 'bigint'
    w.u16(targets[spec.kind] | (immediate ? IMMEDIATE : 0) | bits)
    if (typeof spec.source === 'bigint') w.raw(bitsToBytes(spec.source, 2 * Math.ceil(bits / 16)))
    else writePart(w, spec.source)
    if (spec.kind !== 'output') writePart(w, spec.target)
  }
}

function writePart(w: Writer, part: Subfield): void {
  writeFieldHeader(w, part)
  w.u16(part.start)
}

export const learnRows = { learn, learn2 }
export type LearnAction = RowValue<typeof learnRows>

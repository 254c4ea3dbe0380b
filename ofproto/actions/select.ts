// Actions that choose by a hash of the packet: multipath stores a number, bundle and bundle_load choose a port.
import { formatSubfield, parseSubfield } from '../fields/subfield.ts'
import { atoi } from '../text/numbers.ts'
import { formatPort, parsePort, port11, ports } from '../fields/ports.ts'
import { TextError } from '../text/tokens.ts'
import { errorCodes } from '../wire/errors.ts'
import type { Reader } from '../wire/reader.ts'
import { oneOf, u16 } from '../wire/struct.ts'
import type { Writer } from '../wire/writer.ts'
import { checkOutPort } from './output.ts'
import { irregular, nx, type ParseWord, type RowValue } from './row.ts'
import {
  checkTarget,
  needsLongHeader,
  ofsNbits,
  readField32,
  subfield,
  writeFieldHeader,
  type Subfield,
} from './subfield-wire.ts'

const hashFields = {
  eth_src: 0,
  symmetric_l4: 1,
  symmetric_l3l4: 2,
  'symmetric_l3l4+udp': 3,
  nw_src: 4,
  nw_dst: 5,
  symmetric_l3: 6,
} as const
type HashFields = keyof typeof hashFields
const hashCodec = oneOf(u16, hashFields, errorCodes.badActionArgument, 'choice of fields to hash')

const multipathAlgorithms = { modulo_n: 0, hash_threshold: 1, hrw: 2, iter_hash: 3 } as const
const multipathAlgorithm = oneOf(u16, multipathAlgorithms, errorCodes.badActionArgument, 'multipath algorithm')
const bundleAlgorithms = { active_backup: 0, hrw: 1 } as const
const bundleAlgorithm = oneOf(u16, bundleAlgorithms, errorCodes.badActionArgument, 'bundle algorithm')

/** A name of `names` in any case. */
function named<N extends string>(names: Readonly<Record<N, number>>, text: string, what: string): N {
  const name = text.toLowerCase()
  if (!Object.hasOwn(names, name)) throw new TextError(`unknown ${what} \`${text}'`)
  return name as N
}

/** Where a choice of up to `links` is stored. */
function parseTarget(text: string): Subfield {
  const target = parseSubfield(text)
  if (needsLongHeader(target.field)) throw new TextError(`experimenter OXM field '${text}' not supported`)
  return target
}

/** Stores the number of the chosen link, from 0 to `links` - 1, in `target`. */
interface Multipath {
  readonly kind: 'multipath'
  readonly fields: HashFields
  readonly basis: number
  readonly algorithm: keyof typeof multipathAlgorithms
  readonly links: number
  readonly argument: number
  readonly target: Subfield
}
const multipath = irregular<Multipath>(
  'multipath',
  nx(10),
  32,
  {
    read(r) {
      const at = r.offset
      const fields = hashCodec.read(r)
      const basis = r.u16()
      r.skip(2)
      const algorithm = multipathAlgorithm.read(r)
      const links = r.u16() + 1
      const argument = r.u32()
      r.skip(2)
      const bits = r.u16()
      const target = checkTarget(subfield(readField32(r), bits), r, at)
      if (target.bits < Math.ceil(Math.log2(links))) {
        r.fail(errorCodes.badActionArgument, `${links} links do not fit ${target.bits} bits`, at)
      }
      return { kind: 'multipath', fields, basis, algorithm, links, argument, target }
    },
    write(w, a) {
      hashCodec.write(w, a.fields)
      w.u16(a.basis)
      w.zeros(2)
      multipathAlgorithm.write(w, a.algorithm)
      w.u16(a.links - 1)
      w.u32(a.argument)
      w.zeros(2)
      w.u16(ofsNbits(a.target))
      writeFieldHeader(w, a.target)
    },
  },
  {
    format: (a) =>
      `multipath(${a.fields},${a.basis},${a.algorithm},${a.links},${a.argument},${formatSubfield(a.target)})`,
    words: { multipath: parseMultipath },
  },
  32,
)

function parseMultipath(...[text]: Parameters<ParseWord>): ReturnType<ParseWord> {
  const [fields, basis, algorithm, linksText, argument, targetText] = text.split(/[, ]+/).filter((part) => part !== '')
  if (!fields || !basis || !algorithm || !linksText || !argument || !targetText) {
    throw new TextError(`${text}: not enough arguments to multipath action`)
  }
  const links = atoi(linksText)
  if (links < 1 || links > 65536) throw new TextError(`${text}: n_links ${links} is not in valid range 1 to 65536`)
  const target = parseTarget(targetText)
  if (target.bits < 16 && links > 1 << target.bits) {
    throw new TextError(`${text}: ${target.bits} bits cannot hold ${links} links`)
  }
  return [
    {
      kind: 'multipath',
      fields: named(hashFields, fields, 'fields'),
      basis: atoi(basis) & 0xffff,
      algorithm: named(multipathAlgorithms, algorithm, 'algorithm'),
      links,
      argument: atoi(argument) >>> 0,
      target,
    },
  ]
}

interface Choice {
  readonly fields: HashFields
  readonly basis: number
  readonly algorithm: keyof typeof bundleAlgorithms
  /** Port numbers. */
  readonly members: readonly number[]
}
/** Outputs to the chosen member. */
interface Bundle extends Choice {
  readonly kind: 'bundle'
}
/** Stores the port number of the chosen member. */
interface BundleLoad extends Choice {
  readonly kind: 'bundle_load'
  readonly target: Subfield
}

const IN_PORT = 2
const MAX_MEMBERS = 2048

function readChoice(r: Reader): Omit<Choice, 'members'> & { readonly count: number } {
  const algorithm = bundleAlgorithm.read(r)
  const fields = hashCodec.read(r)
  const basis = r.u16()
  const type = r.u32()
  if (type !== IN_PORT) r.fail(errorCodes.badActionArgument, `member type ${type}`, r.offset - 4)
  const count = r.u16()
  if (count > MAX_MEMBERS) r.fail(errorCodes.badActionArgument, `${count} members`, r.offset - 2)
  return { algorithm, fields, basis, count }
}

function readMembers(r: Reader, count: number): readonly number[] {
  for (let i = 0; i < 4; i += 1) if (r.u8() !== 0) r.fail(errorCodes.badActionArgument, 'reserved byte is not zero')
  const at = r.take(2 * count, errorCodes.badActionLength)
  const members: number[] = []
  for (let i = at; i < at + 2 * count; i += 2) {
    const short = r.view.getUint16(i)
    const port = port11(short)
    if (port === ports.controller) r.fail(errorCodes.badOutPort, 'a controller is no member', i)
    if (port !== ports.any) checkOutPort(port, r, i)
    members.push(port)
  }
  // OVS ignores what follows the members.
  r.offset = r.end
  return members
}

function writeChoice(w: Writer, a: Choice): void {
  bundleAlgorithm.write(w, a.algorithm)
  hashCodec.write(w, a.fields)
  w.u16(a.basis)
  w.u32(IN_PORT)
  w.u16(a.members.length)
}

function writeMembers(w: Writer, members: readonly number[]): void {
  w.zeros(4)
  for (const port of members) w.u16(port & 0xffff)
}

const bundle = irregular<Bundle>(
  'bundle',
  nx(12),
  32,
  {
    read(r) {
      const { algorithm, fields, basis, count } = readChoice(r)
      const at = r.take(6)
      for (let i = at; i < at + 6; i += 1) if (r.bytes[i] !== 0) r.fail(errorCodes.badActionArgument, 'a target', i)
      return { kind: 'bundle', fields, basis, algorithm, members: readMembers(r, count) }
    },
    write(w, a) {
      writeChoice(w, a)
      w.zeros(6)
      writeMembers(w, a.members)
    },
  },
  {
    format: (a) => `bundle(${a.fields},${a.basis},${a.algorithm},ofport,${formatMembers(a)})`,
    words: { bundle: (text) => [{ kind: 'bundle', ...parseChoice(text, false).choice }] },
  },
)

const bundleLoad = irregular<BundleLoad>(
  'bundle_load',
  nx(13),
  32,
  {
    read(r) {
      const start = r.offset
      const { algorithm, fields, basis, count } = readChoice(r)
      const bits = r.u16()
      const target = subfield(readField32(r), bits)
      if (target.bits < 16) r.fail(errorCodes.badActionArgument, `${target.bits} bits cannot hold a port`, start)
      const members = readMembers(r, count)
      return { kind: 'bundle_load', fields, basis, algorithm, members, target: checkTarget(target, r, start) }
    },
    write(w, a) {
      writeChoice(w, a)
      w.u16(ofsNbits(a.target))
      writeFieldHeader(w, a.target)
      writeMembers(w, a.members)
    },
  },
  {
    format: (a) =>
      `bundle_load(${a.fields},${a.basis},${a.algorithm},ofport,${formatSubfield(a.target)},${formatMembers(a)})`,
    words: { bundle_load: parseBundleLoad },
  },
)

const formatMembers = ({ members }: Choice): string => `members:${members.map(formatPort).join(',')}`

function parseBundleLoad(...[text]: Parameters<ParseWord>): ReturnType<ParseWord> {
  const { choice, target } = parseChoice(text, true)
  return [{ kind: 'bundle_load', ...choice, target: parseTarget(target) }]
}

/** `fields, basis, algorithm, ofport[, target], members:port,port...` */
function parseChoice(text: string, load: boolean): { readonly choice: Choice; readonly target: string } {
  const pattern = load
    ? /^[, ]*([^, ]+)[, ]+([^, ]+)[, ]+([^, ]+)[, ]+([^, ]+)[, ]+([^, ]+)[, ]+[: ]*([^: ]+)(.*)$/
    : /^[, ]*([^, ]+)[, ]+([^, ]+)[, ]+([^, ]+)[, ]+([^, ]+)()[, ]+[: ]*([^: ]+)(.*)$/
  const parts = pattern.exec(text)
  if (parts === null) throw new TextError(`${text}: not enough arguments to bundle action`)
  const [, fields = '', basis = '', algorithm = '', memberType = '', target = '', word = '', list = ''] = parts
  if (!/^(members|slaves)$/i.test(word)) {
    throw new TextError(`${text}: missing member delimiter, expected \`members', got \`${word}'`)
  }
  if (memberType.toLowerCase() !== 'ofport') throw new TextError(`${text}: unknown member_type \`${memberType}'`)
  const members = list
    .replace(/^[: ]/, '')
    .split(/[, [\]]+/)
    .filter((port) => port !== '')
  const choice: Choice = {
    fields: named(hashFields, fields, 'fields'),
    basis: atoi(basis) & 0xffff,
    algorithm: named(bundleAlgorithms, algorithm, 'algorithm'),
    members: members.slice(0, MAX_MEMBERS).map((port) => parsePort(port)),
  }
  return { choice, target }
}

export const selectRows = { multipath, bundle, bundle_load: bundleLoad }
export type SelectAction = RowValue<typeof selectRows>

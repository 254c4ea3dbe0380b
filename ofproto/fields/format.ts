// Values of fields as text, both ways (mf_format, mf_parse): what stands after `field=` in a match or a set_field.
import { hex } from '../text/numbers.ts'
import { TextError } from '../text/tokens.ts'
import {
  formatEthernet,
  formatIpv4,
  formatIpv6,
  parseEthernet,
  parseIpv4,
  parseIpv6,
  prefixLength,
  prefixMask,
} from './addresses.ts'
import { fullMask, maskedValue, ones, toBits, type Masked } from './bits.ts'
import { ctStates, formatMaskedFlags, parseFlags, tcpFlags, tunnelFlags, type FlagNames } from './flags.ts'
import { formatPort, formatPort10, parsePort, parsePort10 } from './ports.ts'
import { fieldOf, type Field, type FieldName, type ValueOf } from './table.ts'

/** mask bits (any, later), value, name */
const fragments: readonly (readonly [bigint, bigint, string])[] = [
  [3n, 0n, 'no'],
  [3n, 1n, 'first'],
  [3n, 3n, 'later'],
  [1n, 0n, 'no'],
  [1n, 1n, 'yes'],
  [2n, 0n, 'not_later'],
  [2n, 2n, 'later'],
]

export function formatFragment(value: bigint, mask: bigint): string {
  const relevant = mask & 3n
  return fragments.find(([m, v]) => m === relevant && v === (value & relevant))?.[2] ?? '<error>'
}

/** Single digits in decimal, more in hexadecimal; `*` where nothing counts. */
function formatWord(value: bigint, mask: bigint): string {
  if (mask === 0n) return '*'
  const text = value > 9n ? hex(value) : `${value}`
  return mask === 0xffffn ? text : `${text}/${hex(mask)}`
}

/** `(namespace,type)` of a packet without the default packet type, which is `eth`. */
export function formatPacketType(value: bigint, mask = 0xffff_ffffn): string {
  if (value === 0n && mask === 0xffff_ffffn) return 'eth'
  return `packet_type=(${formatWord(value >> 16n, mask >> 16n)},${formatWord(value & 0xffffn, mask & 0xffffn)})`
}

/** An IPv4 address with what its mask adds: nothing, `/24` or `/255.0.255.0`. */
export function formatIpv4Masked(value: bigint, mask: bigint): string {
  const prefix = prefixLength(mask, 32)
  return `${formatIpv4(value)}${prefix === 32 ? '' : `/${prefix ?? formatIpv4(mask)}`}`
}

export function formatIpv6Masked(value: bigint, mask: bigint): string {
  const prefix = prefixLength(mask, 128)
  return `${formatIpv6(value)}${prefix === 128 ? '' : `/${prefix ?? formatIpv6(mask)}`}`
}

export function formatEthernetMasked(value: bigint, mask: bigint): string {
  return `${formatEthernet(value)}${mask === ones(48) ? '' : `/${formatEthernet(mask)}`}`
}

const flagsOf = (field: Field): FlagNames =>
  field.format === 'TCP flags' ? tcpFlags : field.format === 'tunnel flags' ? tunnelFlags : ctStates

/** Value and mask of a field as mf_format() prints them; `ANY` where nothing counts. */
export function formatBits(field: Field, { value, mask }: Masked): string {
  if (mask === 0n) return 'ANY'
  const suffix = mask === fullMask(field) ? '' : `/${hex(mask)}`
  switch (field.format) {
    case 'decimal':
      return `${value}${suffix}`
    case 'hexadecimal':
      return `${hex(value)}${suffix}`
    case 'OpenFlow 1.0 port':
      return formatPort10(Number(value))
    case 'OpenFlow 1.1+ port':
      return formatPort(Number(value))
    case 'Ethernet':
      return formatEthernetMasked(value, mask)
    case 'IPv4':
      return formatIpv4Masked(value, mask)
    case 'IPv6':
      return formatIpv6Masked(value, mask)
    case 'frag':
      return formatFragment(value, mask)
    case 'packet type':
      return formatPacketType(value, mask)
    case 'ct state':
      return formatMaskedFlags(ctStates, Number(value), Number(mask))
    default: {
      const names = flagsOf(field)
      return formatMaskedFlags(names, Number(value), Number(mask) & names.all)
    }
  }
}

/** strtoull() with base 0 in decimal and octal, any number of digits in hexadecimal. */
function integer(field: Field, text: string): bigint {
  const fail = (why: string): never => {
    throw new TextError(`${text}: ${why} for ${field.bytes}-byte field ${field.name}`)
  }
  const digits = text.replaceAll(/\s+/g, '')
  if (!/^(0[xX][0-9a-fA-F]*|[+-]?(0[0-7]*|[1-9]\d*))$/.test(digits)) return fail('bad syntax')
  if (/^0x/i.test(digits)) {
    const value = digits.length === 2 ? 0n : BigInt(digits)
    return value > fullMask(field) ? fail('too large') : value
  }
  const magnitude = digits.replace(/^[+-]/, '')
  const absolute = BigInt(/^0[0-7]+$/.test(magnitude) ? `0o${magnitude.slice(1)}` : magnitude)
  if (absolute > ones(64)) return fail('too large')
  const value = BigInt.asUintN(64, digits.startsWith('-') ? -absolute : absolute)
  return value > fullMask(field) ? fail('too large') : value
}

/** `value` or `value/mask`, both read by `parse`; a mask may be a prefix length if `bits` is given. */
function slashed(field: Field, text: string, parse: (part: string) => bigint, bits: number | null = null): Masked {
  const slash = text.indexOf('/')
  if (slash < 0) return { value: parse(text), mask: fullMask(field) }
  const after = text.slice(slash + 1)
  const value = parse(text.slice(0, slash))
  if (bits === null || !/^\d+$/.test(after)) return { value, mask: parse(after) }
  if (Number(after) > bits) throw new TextError(`${text}: prefix is not between 0 and ${bits}`)
  return { value, mask: prefixMask(Number(after), bits) }
}

function parsePacketType(field: Field, text: string): bigint {
  const parts = /^\(([^,]*),([^)]*)\)/.exec(text)
  if (parts === null) throw new TextError(`${text}: packet type is (namespace,type)`)
  const [namespace, type] = [integer(field, parts[1] ?? ''), integer(field, parts[2] ?? '')]
  if (namespace > 0xffffn || type > 0xffffn) throw new TextError(`${text}: packet type is (16 bits,16 bits)`)
  return (namespace << 16n) | type
}

function parseFragment(text: string): Masked {
  const found = fragments.find(([, , name]) => name === text.toLowerCase())
  if (found === undefined) throw new TextError(`${text}: unknown fragment type (no, yes, first, later or not_later)`)
  // The upper bits of the mask are set so that a mask of both bits counts as exact.
  return { value: found[1], mask: found[0] | 0xfcn }
}

function parseNamedFlags(field: Field, text: string): Masked {
  const { flags, mask } = parseFlags(flagsOf(field), text)
  return { value: BigInt(flags), mask: mask === null ? fullMask(field) : BigInt(mask) }
}

function parse(field: Field, text: string): Masked {
  const exact = (value: bigint): Masked => ({ value, mask: fullMask(field) })
  switch (field.format) {
    case 'decimal':
    case 'hexadecimal':
      return slashed(field, text, (part) => integer(field, part))
    case 'OpenFlow 1.0 port':
      return exact(BigInt(parsePort10(text)))
    case 'OpenFlow 1.1+ port':
      return exact(BigInt(parsePort(text)))
    case 'Ethernet':
      return slashed(field, text, parseEthernet)
    case 'IPv4':
      return slashed(field, text, parseIpv4, 32)
    case 'IPv6':
      return slashed(field, text, parseIpv6, 128)
    case 'frag':
      return parseFragment(text)
    case 'packet type':
      return exact(parsePacketType(field, text))
    default:
      return parseNamedFlags(field, text)
  }
}

/** Reads `value`, `value/mask` or `*`; the value may have bits where the mask has none, as in the text. */
export function parseBits(field: Field, text: string): Masked {
  const bits = text === '*' ? { value: 0n, mask: 0n } : parse(field, text)
  if (!field.maskable && bits.mask !== 0n && bits.mask !== fullMask(field)) {
    throw new TextError(`${text}: invalid mask for field ${field.name}`)
  }
  return bits
}

/** Text of a value of field `name`, as in `set_field:` and in matches. */
export function formatValue<N extends FieldName>(name: N, value: ValueOf<N>, mask: ValueOf<N> | null = null): string {
  const field = fieldOf(name)
  return formatBits(field, { value: toBits(value), mask: mask === null ? fullMask(field) : toBits(mask) })
}

/** Value and mask from text; the mask is null for an exact value. */
export function parseValue<N extends FieldName>(
  name: N,
  text: string,
): { readonly value: ValueOf<N>; readonly mask: ValueOf<N> | null } {
  const field = fieldOf(name)
  return maskedValue(field, parseBits(field, text)) as { value: ValueOf<N>; mask: ValueOf<N> | null }
}

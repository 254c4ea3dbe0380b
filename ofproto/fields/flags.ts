// Sets of named bits as OVS writes them: `syn|ack` where every bit counts, `+syn-ack` where some do.
import { TextError } from '../text/tokens.ts'

export interface FlagNames {
  readonly what: string
  /** Bit number to name. */
  readonly names: readonly (string | undefined)[]
  /** The bits that text may set. */
  readonly allowed: number
  /** The mask that counts as "every bit". */
  readonly all: number
}

export const tcpFlags: FlagNames = {
  what: 'TCP',
  names: ['fin', 'syn', 'rst', 'psh', 'ack', 'urg', 'ece', 'cwr', 'ns', '[200]', '[400]', '[800]'],
  allowed: 0xfff,
  all: 0xfff,
}
export const tunnelFlags: FlagNames = {
  what: 'tunnel',
  names: ['oam', 'df', 'csum', 'key'],
  allowed: 1,
  all: 1,
}
/** In mf_format() no mask of ct_state is "every bit": it compares with 16 ones. */
export const ctStates: FlagNames = {
  what: 'ct_state',
  names: ['new', 'est', 'rel', 'rpl', 'inv', 'trk', 'snat', 'dnat'],
  allowed: 0xff,
  all: 0xffff,
}

/** `new|trk`; unknown bits in hexadecimal at the end; `0` for none. */
export function formatFlags({ names }: FlagNames, flags: number, delimiter = '|'): string {
  if (flags === 0) return '0'
  const parts: string[] = []
  let unknown = 0
  for (let bit = 0; bit < 32; bit += 1) {
    const one = 2 ** bit
    if (((flags >>> bit) & 1) === 0) continue
    const name = names[bit]
    if (name === undefined) unknown += one
    else parts.push(name)
  }
  if (unknown !== 0) parts.push(`0x${unknown.toString(16)}`)
  return parts.join(delimiter)
}

export function formatMaskedFlags(set: FlagNames, flags: number, mask: number): string {
  if (mask === set.all) return formatFlags(set, flags)
  if (mask === 0) return '0/0'
  let text = ''
  for (let bit = 0; bit < 32; bit += 1) {
    if (((mask >>> bit) & 1) !== 0) text += `${((flags >>> bit) & 1) === 0 ? '-' : '+'}${set.names[bit] ?? '[Unknown]'}`
  }
  return text
}

const number = (text: string): number => {
  if (!/^(0x[0-9a-f]+|0[0-7]*|[1-9]\d*)$/i.test(text)) return Number.NaN
  return /^0[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number(text)
}

/** Reads `+syn-ack`, `syn|ack`, `0x2/0x12` or `0x2`; the mask is null where every bit counts. */
export function parseFlags(set: FlagNames, text: string): { readonly flags: number; readonly mask: number | null } {
  const unknown = (): never => {
    throw new TextError(`${text}: unknown ${set.what} flag(s)`)
  }
  const bitOf = (name: string): number => {
    const bit = set.names.indexOf(name)
    return bit >= 0 && (set.allowed & (1 << bit)) !== 0 ? 1 << bit : unknown()
  }
  const allowed = (value: number): number => (Number.isNaN(value) || value & ~set.allowed ? unknown() : value)
  const [first = '', second, ...more] = text.split('/')
  if (second !== undefined && more.length === 0) return { flags: allowed(number(first)), mask: allowed(number(second)) }
  if (!/^[+-]/.test(text)) {
    const parts = text.split('|').map((part) => (/^\d/.test(part) ? allowed(number(part)) : bitOf(part)))
    return { flags: parts.reduce((flags, bit) => flags | bit, 0), mask: null }
  }
  let flags = 0
  let mask = 0
  for (const [, sign, name = ''] of text.matchAll(/([+-])([^+-]*)/g)) {
    const bit = bitOf(name)
    if ((mask & bit) !== 0) throw new TextError(`${text}: each ${set.what} flag can be specified only once`)
    mask |= bit
    if (sign === '+') flags |= bit
  }
  return { flags, mask }
}

// nat, inside ct: addresses and ports of the translation, each with a presence bit on the wire.
import { formatValue, parseValue } from '../fields/format.ts'
import { items, parseUint, TextError } from '../text/tokens.ts'
import { errorCodes } from '../wire/errors.ts'
import type { Reader } from '../wire/reader.ts'
import type { Writer } from '../wire/writer.ts'
import { irregular, nx, type RowValue } from './row.ts'
import type { Action } from './types.ts'

/** From `min` to `max`, both included; `max` null says nothing but `min`. */
interface Range<T> {
  readonly min: T
  readonly max: T | null
}
export interface Nat {
  readonly kind: 'nat'
  /** What is translated; null to do what the connection's own entry says. */
  readonly side: 'src' | 'dst' | null
  readonly persistent: boolean
  readonly hash: boolean
  readonly random: boolean
  readonly ipv4: Range<number> | null
  /** At most one of `ipv4` and `ipv6`. */
  readonly ipv6: Range<Uint8Array> | null
  /** Only with addresses. */
  readonly ports: Range<number> | null
}

const flagBits = { src: 1, dst: 2, persistent: 4, hash: 8, random: 16 } as const
const ALL_FLAGS = 31
const present = { ipv4Min: 1, ipv4Max: 2, ipv6Min: 4, ipv6Max: 8, portMin: 16, portMax: 32 } as const
const { badActionArgument } = errorCodes

const nat = irregular<Nat>(
  'nat',
  nx(36),
  16,
  {
    read(r) {
      const at = r.offset
      r.skip(2)
      const flags = r.u16()
      const has = (bit: number): boolean => (flags & bit) !== 0
      const both = (has(flagBits.src) && has(flagBits.dst)) || (has(flagBits.hash) && has(flagBits.random))
      if (flags > ALL_FLAGS || both) r.fail(badActionArgument, `nat flags ${flags}`, at + 2)
      const range = readRange(r)
      // What follows the range is padding, which OVS does not look at.
      r.offset = r.end
      return {
        kind: 'nat',
        side: has(flagBits.src) ? 'src' : has(flagBits.dst) ? 'dst' : null,
        persistent: has(flagBits.persistent),
        hash: has(flagBits.hash),
        random: has(flagBits.random),
        ...range,
      }
    },
    write(w, a) {
      w.zeros(2)
      const side = a.side === null ? 0 : flagBits[a.side]
      const method = (a.hash ? flagBits.hash : 0) | (a.random ? flagBits.random : 0)
      w.u16(side | (a.persistent ? flagBits.persistent : 0) | method)
      writeRange(w, a)
    },
  },
  { format: formatNat, words: { nat: (text) => [parseNat(text)] } },
)

function readRange(r: Reader): Pick<Nat, 'ipv4' | 'ipv6' | 'ports'> {
  const bits = r.u16()
  const has = (bit: number): boolean => (bits & bit) !== 0
  const v4 = has(present.ipv4Min | present.ipv4Max)
  const v6 = has(present.ipv6Min | present.ipv6Max)
  const ports = has(present.portMin | present.portMax)
  const minima = (!v4 || has(present.ipv4Min)) && (!v6 || has(present.ipv6Min)) && (!ports || has(present.portMin))
  if ((v4 && v6) || !minima || (ports && !v4 && !v6)) r.fail(badActionArgument, `nat range ${bits}`, r.offset - 2)
  return {
    ipv4: v4 ? numbers(r, 4, has(present.ipv4Max)) : null,
    ipv6: v6 ? addresses(r, has(present.ipv6Max)) : null,
    ports: ports ? numbers(r, 2, has(present.portMax)) : null,
  }
}

function numbers(r: Reader, size: 2 | 4, withMax: boolean): Range<number> {
  r.need(withMax ? 2 * size : size, badActionArgument)
  const read = (): number => (size === 2 ? r.u16() : r.u32())
  const min = read()
  const max = withMax ? read() : null
  if (min === 0 || (max !== null && max < min)) r.fail(badActionArgument, `nat range from ${min} to ${max}`)
  return { min, max }
}

function addresses(r: Reader, withMax: boolean): Range<Uint8Array> {
  r.need(withMax ? 32 : 16, badActionArgument)
  const min = r.raw(16)
  const max = withMax ? r.raw(16) : null
  const empty = min.every((byte) => byte === 0)
  if (empty || (max !== null && compare(max, min) < 0)) r.fail(badActionArgument, 'nat range of addresses')
  return { min, max }
}

function compare(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length; i += 1) {
    const difference = (a[i] as number) - (b[i] as number)
    if (difference !== 0) return difference
  }
  return 0
}

function writeRange(w: Writer, { ipv4, ipv6, ports }: Nat): void {
  const at = w.reserve(2)
  let bits = 0
  const mark = (bit: number): void => {
    bits |= bit
  }
  if (ipv4 !== null) {
    mark(present.ipv4Min)
    w.u32(ipv4.min)
    if (ipv4.max !== null) {
      mark(present.ipv4Max)
      w.u32(ipv4.max)
    }
  }
  if (ipv6 !== null) {
    mark(present.ipv6Min)
    w.raw(ipv6.min)
    if (ipv6.max !== null) {
      mark(present.ipv6Max)
      w.raw(ipv6.max)
    }
  }
  if (ports !== null) {
    mark(present.portMin)
    w.u16(ports.min)
    if (ports.max !== null) {
      mark(present.portMax)
      w.u16(ports.max)
    }
  }
  w.view.setUint16(at, bits)
}

/** True for a nat without arguments, the only action that a ct without commit may hold. */
export function isBareNat(a: Action): boolean {
  if (a.kind === 'unknown') return true
  return (
    a.kind === 'nat' && a.side === null && !a.persistent && !a.hash && !a.random && a.ipv4 === null && a.ipv6 === null
  )
}

export function formatNat(a: Nat): string {
  if (a.side === null) return 'nat'
  const range = formatRange(a)
  if (range === '') return `nat(${a.side})`
  const parts = [`${a.side}=${range}`]
  if (a.persistent) parts.push('persistent')
  if (a.hash) parts.push('hash')
  if (a.random) parts.push('random')
  return `nat(${parts.join(',')})`
}

function formatRange({ ipv4, ipv6, ports }: Nat): string {
  const bracket = (text: string): string => (ports === null ? text : `[${text}]`)
  let text = ''
  if (ipv4 !== null) {
    text = formatValue('ip_src', ipv4.min, null)
    if (ipv4.max !== null && ipv4.max !== ipv4.min) text += `-${formatValue('ip_src', ipv4.max, null)}`
  } else if (ipv6 !== null) {
    text = bracket(formatValue('ipv6_src', ipv6.min, null))
    if (ipv6.max !== null && compare(ipv6.max, ipv6.min) !== 0) {
      text += `-${bracket(formatValue('ipv6_src', ipv6.max, null))}`
    }
  }
  if (ports === null) return text
  return `${text}:${ports.min}${ports.max === null || ports.max === ports.min ? '' : `-${ports.max}`}`
}

export function parseNat(text: string): Nat {
  const flags = { persistent: false, hash: false, random: false }
  const sides = new Set<'src' | 'dst'>()
  let range: Pick<Nat, 'ipv4' | 'ipv6' | 'ports'> = { ipv4: null, ipv6: null, ports: null }
  for (const { key, value } of items(text)) {
    if (key === 'src' || key === 'dst') {
      sides.add(key)
      range = value === '' ? { ipv4: null, ipv6: null, ports: null } : parseRange(value)
    } else if (key === 'persistent' || key === 'hash' || key === 'random') flags[key] = true
    else throw new TextError(`invalid key "${key}" in "nat" argument`)
  }
  const [side = null] = sides
  if (sides.size > 1) throw new TextError('May only specify one of "src" or "dst".')
  if (side === null && (flags.persistent || flags.hash || flags.random)) {
    throw new TextError('Flags allowed only with "src" or "dst".')
  }
  if (flags.hash && flags.random) throw new TextError('Both "hash" and "random" are not allowed.')
  return { kind: 'nat', side, ...flags, ...range }
}

const V4 = /^([\d.]+)(?:-([\d.]+))?(?::(\d+)(?:-(\d+))?)?$/
const V6 =
  /^(?:\[([\da-fA-F:.]+)\](?:-\[([\da-fA-F:.]+)\])?(?::(\d+)(?:-(\d+))?)?|([\da-fA-F:.]+)(?:-([\da-fA-F:.]+))?)$/

/** `1.2.3.4-1.2.3.5:100-200`, `[fe80::1]-[fe80::2]:100`, `fe80::1-fe80::2`. Zero stands for absence, as in OVS. */
function parseRange(text: string): Pick<Nat, 'ipv4' | 'ipv6' | 'ports'> {
  const v4 = V4.exec(text)
  if (v4 !== null) {
    const min = parseValue('ip_src', v4[1] as string).value
    const max = v4[2] === undefined ? null : parseValue('ip_src', v4[2]).value
    if (max !== null && max < min) throw new TextError(`invalid nat range "${text}"`)
    return {
      ipv4: min === 0 ? null : { min, max: max === 0 ? null : max },
      ipv6: null,
      ports: parsePorts(text, v4[3], v4[4]),
    }
  }
  const v6 = V6.exec(text)
  if (v6 === null) throw new TextError(`invalid nat range "${text}"`)
  const min = parseValue('ipv6_src', (v6[1] ?? v6[5]) as string).value
  const last = v6[2] ?? v6[6]
  const max = last === undefined ? null : parseValue('ipv6_src', last).value
  if (max !== null && compare(max, min) < 0) throw new TextError(`invalid nat range "${text}"`)
  return { ipv4: null, ipv6: { min, max }, ports: parsePorts(text, v6[3], v6[4]) }
}

function parsePorts(text: string, first: string | undefined, last: string | undefined): Range<number> | null {
  if (first === undefined) return null
  const min = parseUint(first, 16, 'port')
  const max = last === undefined ? null : parseUint(last, 16, 'port')
  if (max !== null && max < min) throw new TextError(`invalid nat range "${text}"`)
  return min === 0 ? null : { min, max }
}

export const natRows = { nat }
export type NatAction = RowValue<typeof natRows>

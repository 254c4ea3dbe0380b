// Field values as integers of any width, for arithmetic on bits while text is parsed.
import { maskKind } from '../fields/check.ts'
import type { MatchEntry } from '../fields/match.ts'
import type { AnyValue, Field } from '../fields/table.ts'

export function toInteger(value: AnyValue): bigint {
  if (!(value instanceof Uint8Array)) return BigInt(value)
  return value.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n)
}

/** `size` bytes, the most significant first. */
export function toBytes(value: bigint, size: number): Uint8Array {
  const out = new Uint8Array(size)
  for (let i = size - 1, rest = value; rest > 0n && i >= 0; i -= 1, rest >>= 8n) out[i] = Number(rest & 0xffn)
  return out
}

/** Bytes that hold the greater of two integers; at least one. */
const width = (a: bigint, b: bigint): number => Math.max(1, Math.ceil((a > b ? a : b).toString(16).length / 2))

/** An entry of `field`; a variable-length field is as short as value and mask allow, as OVS sends it. */
export function fromInteger(field: Field, value: bigint, mask: bigint): MatchEntry {
  const size = field.variable ? width(value, mask) : field.bytes
  const convert = (x: bigint): AnyValue => (size > 8 || field.bytes > 8 ? toBytes(x, size) : field.bytes === 8 ? x : Number(x))
  const whole = maskKind(convert(mask), field.bytes) === -1 && size === field.bytes
  return { kind: field.name, value: convert(value), mask: whole ? null : convert(mask) } as MatchEntry
}

// Values of any field as one bigint, most significant byte first: the form in which text and normalisation work, where
// speed matters less than having one way to mask, shift and compare.
import type { AnyValue, Field } from './table.ts'

export interface Masked {
  readonly value: bigint
  readonly mask: bigint
}

/** Widths that occur again and again. */
const commonOnes: readonly bigint[] = Array.from({ length: 129 }, (_, bits) => (1n << BigInt(bits)) - 1n)
/** So many ones. */
export const ones = (bits: number): bigint => commonOnes[bits] ?? (1n << BigInt(bits)) - 1n
/** The mask that says "all of it". */
export const fullMask = (field: Field): bigint => ones(field.bytes * 8)

export function bytesToBits(bytes: Uint8Array): bigint {
  let value = 0n
  for (const byte of bytes) value = (value << 8n) | BigInt(byte)
  return value
}

export function bitsToBytes(bits: bigint, size: number): Uint8Array {
  const bytes = new Uint8Array(size)
  let rest = bits
  for (let i = size - 1; i >= 0 && rest !== 0n; i -= 1) {
    bytes[i] = Number(rest & 0xffn)
    rest >>= 8n
  }
  return bytes
}

export const toBits = (value: AnyValue): bigint => (value instanceof Uint8Array ? bytesToBits(value) : BigInt(value))

/** Bytes without leading zeros: how long OVS takes a tun_metadata to be. */
export const significantBytes = (bits: bigint): number => (bits === 0n ? 0 : Math.ceil(bits.toString(16).length / 2))

/** The value of `field` in `size` bytes (they matter for tun_metadata only). */
function fromBits(field: Field, bits: bigint, size: number = field.bytes): AnyValue {
  if (field.bytes < 8) return Number(bits)
  return field.bytes === 8 ? bits : bitsToBytes(bits, size)
}

/** How many bytes OVS sends for a tun_metadata; other fields have one size. */
export function wireSize(field: Field, { value, mask }: Masked): number {
  if (!field.variable) return field.bytes
  return Math.max(significantBytes(value), mask === fullMask(field) ? 0 : significantBytes(mask))
}

/** Value and mask as an entry has them: no mask where it is full. */
export function maskedValue(
  field: Field,
  bits: Masked,
  size: number = wireSize(field, bits),
): { value: AnyValue; mask: AnyValue | null } {
  const exact = bits.mask === fullMask(field)
  return { value: fromBits(field, bits.value, size), mask: exact ? null : fromBits(field, bits.mask, size) }
}

// One growing buffer, written forwards; lengths are patched backwards. Nothing is zeroed in advance: every padding
// byte is written, since the buffer is used again (the tests start from one full of 0xA5).
import { copy } from './copy.ts'
import { EncodeError } from './errors.ts'

const MAX_MESSAGE = 0xffff

export class Writer {
  bytes: Uint8Array
  view: DataView
  offset = 0

  constructor(capacity = 512) {
    this.bytes = new Uint8Array(capacity)
    this.view = new DataView(this.bytes.buffer)
  }

  /** Makes room for `size` bytes and gives where they start. Take `view` only after this: growing replaces it. */
  reserve(size: number): number {
    const at = this.offset
    const end = at + size
    if (end > this.bytes.length) this.grow(end)
    this.offset = end
    return at
  }

  u8(value: number): void {
    const at = this.reserve(1)
    this.view.setUint8(at, value)
  }

  u16(value: number): void {
    const at = this.reserve(2)
    this.view.setUint16(at, value)
  }

  u32(value: number): void {
    const at = this.reserve(4)
    this.view.setUint32(at, value)
  }

  u48(value: number): void {
    const at = this.reserve(6)
    this.view.setUint16(at, value / 0x1_0000_0000)
    this.view.setUint32(at + 2, value % 0x1_0000_0000)
  }

  u64(value: bigint): void {
    const at = this.reserve(8)
    this.view.setBigUint64(at, value)
  }

  raw(bytes: Uint8Array): void {
    const at = this.reserve(bytes.length)
    this.bytes.set(bytes, at)
  }

  zeros(size: number): void {
    const at = this.reserve(size)
    const bytes = this.bytes
    // Mostly a few bytes, for which fill would cost more than it does.
    if (size > 16) bytes.fill(0, at, at + size)
    else for (let i = at; i < at + size; i += 1) bytes[i] = 0
  }

  /** Zero bytes until the distance from `from` is a multiple of 8. */
  align8(from: number): void {
    const excess = (this.offset - from) & 7
    if (excess !== 0) this.zeros(8 - excess)
  }

  /** Writes the bytes between `from` and here as the 16-bit length at `at`. */
  patchLength(at: number, from: number): void {
    const length = this.offset - from
    if (length > MAX_MESSAGE) throw new EncodeError(`${length} bytes do not fit a 16-bit length`)
    this.view.setUint16(at, length)
  }

  /** A copy of what was written since `from`. */
  slice(from = 0): Uint8Array {
    return copy(this.bytes, from, this.offset)
  }

  private grow(needed: number): void {
    const next = new Uint8Array(Math.max(needed, this.bytes.length * 2))
    next.set(this.bytes.subarray(0, this.offset))
    this.bytes = next
    this.view = new DataView(next.buffer)
  }
}

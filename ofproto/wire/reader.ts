// A cursor over one message. `end` narrows while a nested structure is read, so that no reader can run past the
// length its parent declared.
import { copy } from './copy.ts'
import { DecodeError, errorCodes, type ErrorCode } from './errors.ts'

/** The same bytes as a Uint8Array and no subclass: slice() of Node's Buffer copies nothing. */
export function plain(bytes: Uint8Array): Uint8Array {
  return bytes.constructor === Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

export class Reader {
  bytes: Uint8Array
  view: DataView
  /** Next byte to read, and the first byte that must not be read, in bytes from the start of `bytes`. */
  offset: number
  end: number
  /** Where the message starts in `bytes`: error offsets count from here. */
  start: number
  /** Nested actions and properties so far; bounded so that hostile nesting cannot exhaust the stack. */
  depth = 0

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.bytes = plain(bytes)
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.offset = start
    this.start = start
    this.end = end
  }

  /** Begins another message, perhaps of the same buffer: a new DataView costs 80 ns. */
  reset(bytes: Uint8Array, start: number, end: number): void {
    if (bytes !== this.bytes) {
      this.bytes = plain(bytes)
      this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    }
    this.offset = start
    this.start = start
    this.end = end
    this.depth = 0
  }

  get remaining(): number {
    return this.end - this.offset
  }

  fail(error: ErrorCode, reason: string, offset = this.offset): never {
    throw new DecodeError(error, reason, offset - this.start)
  }

  /** Refuses unless `size` more bytes lie before `end`. */
  need(size: number, error: ErrorCode = errorCodes.badLength): void {
    if (this.end - this.offset < size) this.fail(error, `${size} bytes needed, ${this.end - this.offset} left`)
  }

  /** Takes `size` bytes and gives where they start. */
  take(size: number, error: ErrorCode = errorCodes.badLength): number {
    const at = this.offset
    if (this.end - at < size) this.fail(error, `${size} bytes needed, ${this.end - at} left`)
    this.offset = at + size
    return at
  }

  u8(): number {
    return this.view.getUint8(this.take(1))
  }

  u16(): number {
    return this.view.getUint16(this.take(2))
  }

  u32(): number {
    return this.view.getUint32(this.take(4))
  }

  u64(): bigint {
    return this.view.getBigUint64(this.take(8))
  }

  /** A MAC address as a number: 48 bits fit in a double. */
  u48(): number {
    const at = this.take(6)
    return this.view.getUint16(at) * 0x1_0000_0000 + this.view.getUint32(at + 2)
  }

  /** A copy: what is decoded outlives the receive buffer. */
  raw(size: number): Uint8Array {
    const at = this.take(size)
    return copy(this.bytes, at, at + size)
  }

  skip(size: number, error: ErrorCode = errorCodes.badLength): void {
    this.take(size, error)
  }
}

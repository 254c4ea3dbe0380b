// Cuts a byte stream into frames: an OpenFlow message each, as its header says. A frame that lies whole in one chunk is
// given where it lies; one that is split over chunks is put together by copying each of its bytes once. What is held
// never exceeds the 64 KiB that a length field can say, plus the chunk at hand.
//
//     framer.push(chunk)
//     while (framer.next()) use(framer.bytes, framer.start, framer.end)
import { DecodeError, errorCodes, type ErrorCode } from '../wire/errors.ts'
import { plain } from '../wire/reader.ts'

const HEADER_LENGTH = 8
/** The bytes after which a frame's length is known. */
const LENGTH_KNOWN = 4
const EMPTY = new Uint8Array(0)

export class Framer {
  /** The frame that next() found; valid until the following call. */
  bytes: Uint8Array = EMPTY
  start = 0
  end = 0

  /** The only version that frames may have from now on; null: any, as before versions are agreed upon. */
  version: number | null = null

  #chunk: Uint8Array = EMPTY
  #offset = 0
  /** The beginning of a frame whose end has not come; `#held` bytes of it, of `#wanted`. */
  #partial: Uint8Array = new Uint8Array(2048)
  #held = 0
  #wanted = LENGTH_KNOWN
  #failure: DecodeError | null = null

  /** Takes more of the stream. The frames of the chunk before must all have been fetched. */
  push(chunk: Uint8Array): void {
    if (this.#failure !== null) return
    if (this.#offset < this.#chunk.length) throw new RangeError('push() before next() gave false')
    this.#chunk = plain(chunk)
    this.#offset = 0
  }

  /**
   * Moves to the next frame; false when more bytes are needed. Throws DecodeError when the stream cannot be OpenFlow
   * (and again whenever it is asked: there is no way to find the next message).
   */
  next(): boolean {
    if (this.#failure !== null) throw this.#failure
    if (this.#held > 0) return this.#complete()
    const at = this.#offset
    const left = this.#chunk.length - at
    if (left >= LENGTH_KNOWN) {
      const length = this.#lengthAt(this.#chunk, at)
      if (left >= length) {
        this.bytes = this.#chunk
        this.start = at
        this.end = this.#offset = at + length
        return true
      }
      this.#want(length)
    } else this.#wanted = LENGTH_KNOWN
    this.#take()
    return false
  }

  /** Continues a frame that began in an earlier chunk. */
  #complete(): boolean {
    if (!this.#take()) return false
    if (this.#wanted === LENGTH_KNOWN) {
      this.#want(this.#lengthAt(this.#partial, 0))
      if (!this.#take()) return false
    }
    this.bytes = this.#partial
    this.start = 0
    this.end = this.#wanted
    this.#held = 0
    return true
  }

  /** Copies from the chunk what the partial frame lacks; true when it lacks nothing. */
  #take(): boolean {
    const from = this.#offset
    const to = Math.min(this.#chunk.length, from + this.#wanted - this.#held)
    this.#partial.set(this.#chunk.subarray(from, to), this.#held)
    this.#held += to - from
    this.#offset = to
    if (to === this.#chunk.length) {
      this.#chunk = EMPTY
      this.#offset = 0
    }
    return this.#held === this.#wanted
  }

  #want(length: number): void {
    this.#wanted = length
    if (this.#partial.length >= length) return
    const larger = new Uint8Array(Math.min(0x1_0000, length * 2))
    larger.set(this.#partial.subarray(0, this.#held))
    this.#partial = larger
  }

  #lengthAt(bytes: Uint8Array, at: number): number {
    const version = bytes[at] as number
    if (this.version !== null && version !== this.version)
      this.#fail(errorCodes.badVersion, `version ${version} after agreeing on ${this.version}`, 0)
    const length = ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)
    if (length < HEADER_LENGTH) this.#fail(errorCodes.badLength, `a message of ${length} bytes`, 2)
    return length
  }

  #fail(code: ErrorCode, reason: string, offset: number): never {
    this.#failure = new DecodeError(code, reason, offset)
    throw this.#failure
  }
}

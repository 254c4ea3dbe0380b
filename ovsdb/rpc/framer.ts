// Cuts a byte stream into JSON values. OVSDB has no delimiter between messages (RFC 7047 §4), so the end of a value
// is where its braces balance. A byte scanner finds that end, looking at each byte once whatever the split, and the
// native JSON.parse takes the complete text. Bytes of a UTF-8 sequence are all ≥ 0x80, so a split inside one never
// matters to the scanner.
import { isAscii } from 'node:buffer'
import { OvsdbError } from '../errors.ts'

export interface FramerLimits {
  /** Bytes of one message. The first reply to a monitor holds the whole database. */
  readonly maxBytes: number
  /** Nested arrays and objects; the protocol itself needs about ten. */
  readonly maxDepth: number
}

export const defaultLimits: FramerLimits = { maxBytes: 256 * 1024 * 1024, maxDepth: 100 }

const quote = 0x22
const backslash = 0x5c

/** What the scanner does with a byte outside strings: most bytes need nothing. */
const ordinary = 0
const opens = 1
const closes = 2
const startsString = 3
const classOf = new Uint8Array(256)
for (const char of '{[') classOf[char.charCodeAt(0)] = opens
for (const char of '}]') classOf[char.charCodeAt(0)] = closes
classOf[quote] = startsString

const isSpace = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09

const nothing = Buffer.alloc(0)

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export class JsonFramer {
  readonly #limits: FramerLimits
  /** Earlier bytes of the message under way: one growing buffer, since a list of one-byte chunks would weigh a hundredfold. */
  #held: Buffer = nothing
  #heldBytes = 0
  #depth = 0
  #inString = false
  #escaped = false

  constructor(limits: FramerLimits = defaultLimits) {
    this.#limits = limits
  }

  /** Bytes held for a message that is not complete yet. */
  get pendingBytes(): number {
    return this.#heldBytes
  }

  /**
   * Takes the next bytes and emits each value that is complete with them. Throws OvsdbError on malformed or oversized
   * input, after emitting what came before it; the framer must not be used after that.
   */
  push(chunk: Buffer, emit: (value: unknown) => void): void {
    let start = 0
    while (start < chunk.length) {
      if (this.#depth === 0) {
        start = skipSpace(chunk, start)
        if (start === chunk.length) break
        if (chunk[start] !== 0x7b)
          throw new OvsdbError('bad-json', `a message must start with '{', not ${show(chunk, start)}`)
      }
      // Nothing beyond the limit is even looked at, so that the fault found does not depend on the split.
      const limit = Math.min(chunk.length, start + this.#limits.maxBytes - this.#heldBytes)
      const end = this.#scan(chunk, start, limit)
      if (end < 0) {
        if (limit < chunk.length)
          throw new OvsdbError('message-too-large', `a message is longer than ${this.#limits.maxBytes} bytes`)
        this.#hold(chunk, start, chunk.length)
        break
      }
      emit(parse(this.#take(chunk, start, end)))
      start = end
    }
  }

  /** Offset just after the end of the message, or -1 when it does not end before `length`. */
  #scan(chunk: Buffer, from: number, length: number): number {
    const maxDepth = this.#limits.maxDepth
    let depth = this.#depth
    let inString = this.#inString
    let i = from
    if (this.#escaped) {
      this.#escaped = false
      i += 1
    }
    while (i < length) {
      if (inString) {
        let byte = 0
        while (i < length && (byte = chunk[i] as number) !== quote && byte !== backslash) i += 1
        if (i >= length) break
        if (byte === quote) {
          inString = false
          i += 1
        } else {
          i += 2
          if (i > length) this.#escaped = true
        }
        continue
      }
      const kind = classOf[chunk[i] as number]
      i += 1
      if (kind === ordinary) continue
      if (kind === startsString) inString = true
      else if (kind === opens) {
        depth += 1
        if (depth > maxDepth) throw new OvsdbError('message-too-deep', `a message nests deeper than ${maxDepth} levels`)
      } else {
        depth -= 1
        if (depth === 0) {
          this.#depth = 0
          this.#inString = false
          return i
        }
      }
    }
    this.#depth = depth
    this.#inString = inString
    return -1
  }

  #hold(chunk: Buffer, start: number, end: number): void {
    const bytes = this.#heldBytes + end - start
    if (bytes > this.#held.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(bytes, Math.min(2 * bytes, this.#limits.maxBytes)))
      this.#held.copy(grown, 0, 0, this.#heldBytes)
      this.#held = grown
    }
    chunk.copy(this.#held, this.#heldBytes, start, end)
    this.#heldBytes = bytes
  }

  /** The bytes of the message that ends at `end`; nothing of it is held any more. */
  #take(chunk: Buffer, start: number, end: number): Buffer {
    if (this.#heldBytes === 0) return chunk.subarray(start, end)
    this.#hold(chunk, start, end)
    const whole = this.#held.subarray(0, this.#heldBytes)
    this.#held = nothing
    this.#heldBytes = 0
    return whole
  }
}

function skipSpace(chunk: Buffer, from: number): number {
  let i = from
  while (i < chunk.length && isSpace(chunk[i] as number)) i += 1
  return i
}

function parse(bytes: Buffer): unknown {
  let text: string
  try {
    // Nearly all messages are ASCII; latin1 keeps them one byte a character and needs no transcoding.
    text = isAscii(bytes) ? bytes.toString('latin1') : utf8.decode(bytes)
  } catch (error) {
    throw new OvsdbError('bad-utf8', 'a message is not valid UTF-8', error)
  }
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    throw new OvsdbError('bad-json', `a message is not JSON: ${error instanceof Error ? error.message : ''}`, error)
  }
}

function show(chunk: Buffer, at: number): string {
  return JSON.stringify(chunk.toString('latin1', at, at + 20))
}

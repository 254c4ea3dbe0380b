// The messages whose layout no version of OpenFlow may change (hello, error, echo). They carry their version, since
// they are what two peers that have not agreed on one say to each other (OpenFlow 1.3.5 §6.3.1).
import { errorCodes } from '../wire/errors.ts'
import type { Reader } from '../wire/reader.ts'
import { list, type Codec } from '../wire/struct.ts'
import type { Writer } from '../wire/writer.ts'
import { sized, type MessageCodec } from './frame.ts'

export type HelloElement =
  | { readonly kind: 'version_bitmap'; readonly bitmaps: readonly number[] }
  | { readonly kind: 'unknown'; readonly type: number; readonly bytes: Uint8Array }

export interface Hello {
  readonly kind: 'hello'
  readonly version: number
  readonly xid: number
  readonly elements: readonly HelloElement[]
  /** What follows the elements and is none: OVS, like the specification, ignores it. */
  readonly rest: Uint8Array
}

export interface ErrorMessage {
  readonly kind: 'error'
  readonly version: number
  readonly xid: number
  readonly type: number
  readonly code: number
  /** Who defined the code; null unless `type` is 0xffff. */
  readonly experimenter: number | null
  /** The start of the message that failed, or text when hello failed. */
  readonly data: Uint8Array
}

export interface Echo<K extends 'echo_request' | 'echo_reply'> {
  readonly kind: K
  readonly version: number
  readonly xid: number
  readonly data: Uint8Array
}

const VERSION_BITMAP = 1
export const EXPERIMENTER_ERROR = 0xffff

/** The version and the xid at the start of the message. */
function readHeader(r: Reader): { version: number; xid: number } {
  const at = r.take(8)
  return { version: r.bytes[at] as number, xid: r.view.getUint32(at + 4) }
}

function writeHeader(w: Writer, type: number, message: { version: number; xid: number }): void {
  const at = w.reserve(8)
  w.view.setUint32(at, ((message.version << 24) | (type << 16)) >>> 0)
  w.view.setUint32(at + 4, message.xid)
}

const standard = <const K extends string>(kind: K, type: number) => ({ kind, type, experimenter: null, subtype: 0 })

const elementBody: Codec<HelloElement> = {
  read(r) {
    const type = r.u16()
    r.skip(2)
    if (type !== VERSION_BITMAP) return { kind: 'unknown', type, bytes: r.raw(r.remaining) }
    if (r.remaining === 0 || r.remaining % 4 !== 0) r.fail(errorCodes.badLength, 'version bitmap is cut')
    const bitmaps: number[] = []
    while (r.remaining > 0) bitmaps.push(r.u32())
    return { kind: 'version_bitmap', bitmaps }
  },
  write(w, element) {
    w.u16(element.kind === 'unknown' ? element.type : VERSION_BITMAP)
    w.u16(0)
    if (element.kind === 'unknown') w.raw(element.bytes)
    else for (const bitmap of element.bitmaps) w.u32(bitmap)
  },
}
const sizedElement = sized(elementBody, 4, errorCodes.badLength, 2)

/** Elements are padded to 8 bytes; the padding is not in their length. */
const element: Codec<HelloElement> = {
  read(r) {
    const start = r.offset
    const value = sizedElement.read(r)
    r.offset = Math.min(r.end, start + Math.ceil((r.offset - start) / 8) * 8)
    return value
  },
  write(w, value) {
    const start = w.offset
    sizedElement.write(w, value)
    w.align8(start)
  },
}

export const hello: MessageCodec<'hello', Hello> = {
  ...standard('hello', 0),
  read(r) {
    const { version, xid } = readHeader(r)
    const elements: HelloElement[] = []
    while (r.remaining >= 4) {
      // A broken element is not worth refusing a peer for: it and what follows are kept as they are.
      const start = r.offset
      const length = r.view.getUint16(start + 2)
      const bitmapIsCut = r.view.getUint16(start) === VERSION_BITMAP && (length < 8 || length % 4 !== 0)
      if (length < 4 || length > r.remaining || bitmapIsCut) break
      elements.push(element.read(r))
    }
    return { kind: 'hello', version, xid, elements, rest: r.raw(r.remaining) }
  },
  write(w, value) {
    writeHeader(w, 0, value)
    list(element).write(w, value.elements)
    w.raw(value.rest)
  },
}

export const error: MessageCodec<'error', ErrorMessage> = {
  ...standard('error', 1),
  read(r) {
    const { version, xid } = readHeader(r)
    const type = r.u16()
    const code = r.u16()
    const experimenter = type === EXPERIMENTER_ERROR ? r.u32() : null
    return { kind: 'error', version, xid, type, code, experimenter, data: r.raw(r.remaining) }
  },
  write(w, value) {
    writeHeader(w, 1, value)
    w.u16(value.type)
    w.u16(value.code)
    if (value.experimenter !== null) w.u32(value.experimenter)
    w.raw(value.data)
  },
}

function echo<const K extends 'echo_request' | 'echo_reply'>(kind: K, type: number): MessageCodec<K, Echo<K>> {
  return {
    ...standard(kind, type),
    read(r) {
      const { version, xid } = readHeader(r)
      return { kind, version, xid, data: r.raw(r.remaining) }
    },
    write(w, value) {
      writeHeader(w, type, value)
      w.raw(value.data)
    },
  }
}

export const echoRequest = echo('echo_request', 2)
export const echoReply = echo('echo_reply', 3)

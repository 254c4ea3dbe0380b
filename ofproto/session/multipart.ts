// Puts the parts of a multipart request or reply together to one message. Their number and bytes are bounded: a switch
// answers what is too much with OFPBRC_MULTIPART_BUFFER_OVERFLOW (OpenFlow 1.3.5 §7.3.5).
import type { MultipartReply, MultipartRequest } from '../messages/multipart.ts'
import { DecodeError, errorCodes } from '../wire/errors.ts'

type Multipart = MultipartRequest | MultipartReply

export interface MultipartLimits {
  readonly messages: number
  readonly bytes: number
}

/** Room for millions of flows. */
export const defaultLimits: MultipartLimits = { messages: 16_384, bytes: 256 << 20 }

/** One message in parts, all of the same kind, xid and body kind. */
export class Assembly<M extends Multipart> {
  readonly #limits: MultipartLimits
  #first: M | null = null
  #body: Record<string, unknown> = {}
  #messages = 0
  #bytes = 0

  constructor(limits: MultipartLimits) {
    this.#limits = limits
  }

  /** Adds a part of `size` bytes on the wire; gives the whole message after its last part. Throws DecodeError. */
  add(part: M, size: number): M | null {
    this.#messages += 1
    this.#bytes += size
    if (this.#messages > this.#limits.messages || this.#bytes > this.#limits.bytes)
      throw new DecodeError(errorCodes.multipartOverflow, `more than ${JSON.stringify(this.#limits)}`, 0)
    if (this.#first === null) {
      if (!part.more) return part
      if (part.body.kind === 'unknown') throw new DecodeError(errorCodes.badMultipart, 'parts of an unknown body', 8)
      this.#first = part
      this.#body = growable(part.body)
    } else append(this.#body, part.body)
    if (part.more) return null
    return { ...this.#first, more: false, body: this.#body }
  }
}

/** The body with lists of its own, which the following parts lengthen. */
function growable(body: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(body).map(([key, value]) => [key, Array.isArray(value) ? [...(value as unknown[])] : value]),
  )
}

/** The lists of a body continue from part to part; whatever else it has is said by each. */
function append(body: Record<string, unknown>, part: object): void {
  const more = part as Readonly<Record<string, unknown>>
  if (more['kind'] !== body['kind'])
    throw new DecodeError(errorCodes.badMultipart, `a part of ${String(more['kind'])} in ${String(body['kind'])}`, 8)
  for (const [key, value] of Object.entries(more)) {
    const list = body[key]
    if (!Array.isArray(value) || !Array.isArray(list)) continue
    for (let i = 0; i < value.length; i += 1) list.push(value[i])
  }
}

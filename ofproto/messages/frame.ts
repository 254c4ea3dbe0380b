// What every message declaration is made of. The 8 bytes of ofp_header (and the 8 that follow in experimenter messages)
// are constants of the declaration, so that header and fixed members are one bounds check and one run of stores; the
// length is patched when the message is complete (codec.ts).
import { MAX_10, MAX_11 } from '../fields/ports.ts'
import { errorCodes, type ErrorCode } from '../wire/errors.ts'
import type { Reader } from '../wire/reader.ts'
import { always, u32, variant, type Codec, type Members, type StructValue } from '../wire/struct.ts'

/** OpenFlow 1.3. */
export const VERSION = 4
export const ONF = 0x4f4e4600
export const NICIRA = 0x2320

export const HEADER_LENGTH = 8

export type MessageValue<K extends string, M extends Members> = {
  readonly kind: K
  readonly xid: number
} & StructValue<M>

/** A message with what tells it from the others on the wire. `experimenter` is null unless it is an extension. */
export interface MessageCodec<K extends string, T> extends Codec<T> {
  readonly kind: K
  readonly type: number
  readonly experimenter: number | null
  readonly subtype: number
}

const header = (type: number) => always(((VERSION << 24) | (type << 16)) >>> 0)

/** A message of ofp_type `type`. */
export function message<const K extends string, const M extends Members>(
  kind: K,
  type: number,
  members: M,
): MessageCodec<K, MessageValue<K, M>> {
  const codec = variant(kind, { header: header(type), xid: u32, ...members })
  return { ...(codec as unknown as Codec<MessageValue<K, M>>), kind, type, experimenter: null, subtype: 0 }
}

const EXPERIMENTER = 4

/** A message of type OFPT_EXPERIMENTER. */
export function extension<const K extends string, const M extends Members>(
  kind: K,
  experimenter: number,
  subtype: number,
  members: M,
): MessageCodec<K, MessageValue<K, M>> {
  const prefix = { header: header(EXPERIMENTER), xid: u32, who: always(experimenter), which: always(subtype) }
  const codec = variant(kind, { ...prefix, ...members })
  return { ...(codec as unknown as Codec<MessageValue<K, M>>), kind, type: EXPERIMENTER, experimenter, subtype }
}

/** An entry that states its own length in the 16 bits at `lengthAt`: bounded when read, patched when written. */
export function sized<T>(
  codec: Codec<T>,
  minimum: number,
  error: ErrorCode = errorCodes.badLength,
  lengthAt = 0,
): Codec<T> {
  return {
    read(r) {
      const start = r.offset
      r.need(minimum, error)
      const length = r.view.getUint16(start + lengthAt)
      if (length < minimum || length > r.remaining) r.fail(error, `length ${length} of ${r.remaining} bytes`)
      const outer = r.end
      r.end = start + length
      try {
        const value = codec.read(r)
        if (r.offset !== r.end) r.fail(error, `${r.end - r.offset} bytes too many`)
        return value
      } finally {
        r.end = outer
      }
    },
    write(w, value) {
      const start = w.offset
      codec.write(w, value)
      w.patchLength(start + lengthAt, start)
    },
  }
}

/** `codec` with what OVS refuses beyond lengths. `test` calls `r.fail`. */
export function checked<T, C extends object>(codec: Codec<T> & C, test: (value: T, r: Reader) => void): Codec<T> & C {
  return {
    ...codec,
    read(r) {
      const value = codec.read(r)
      test(value, r)
      return value
    },
  }
}

/** As ofputil_port_from_ofp11(): numbers that OVS cannot hold are refused. */
export function checkPort(r: Reader, port: number, error: ErrorCode = errorCodes.badOutPort): void {
  if (port >= MAX_10 && port < MAX_11) r.fail(error, `port ${port}`)
}

export const NO_BUFFER = 0xffffffff
export const ANY_GROUP = 0xffffffff
export const ALL_GROUPS = 0xfffffffc
export const ALL_TABLES = 0xff
export const ALL_QUEUES = 0xffffffff

/** Rows by (experimenter, subtype), which together do not fit one number. */
export class ByExtension<Row> {
  private readonly byExperimenter = new Map<number, Map<number, Row>>()

  set(experimenter: number, subtype: number, row: Row): void {
    const rows = this.byExperimenter.get(experimenter) ?? new Map<number, Row>()
    rows.set(subtype, row)
    this.byExperimenter.set(experimenter, rows)
  }

  get(experimenter: number, subtype: number): Row | undefined {
    return this.byExperimenter.get(experimenter)?.get(subtype)
  }
}

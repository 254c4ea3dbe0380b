// Queues: their configuration (OFPT_QUEUE_GET_CONFIG) and statistics.
import { MAX_10, ports } from '../fields/ports.ts'
import { errorCodes } from '../wire/errors.ts'
import { list, pad, struct, u32, u64, variant, type Codec, type ValueOf } from '../wire/struct.ts'
import { checked, checkPort, message, sized } from './frame.ts'

export const queueGetConfigRequest = checked(
  message('queue_get_config_request', 22, { port: u32, pad: pad(4) }),
  ({ port }, r) => {
    checkPort(r, port)
    if (port >= MAX_10 && port !== ports.any) r.fail(errorCodes.badQueuePort, `port ${port}`)
  },
)

/** Rates in tenths of a percent of the port's speed; above 1000 means that the queue has none. */
export type QueueProperty =
  | { readonly kind: 'min_rate'; readonly rate: number }
  | { readonly kind: 'max_rate'; readonly rate: number }
  | { readonly kind: 'unknown'; readonly type: number; readonly bytes: Uint8Array }

const MIN_RATE = 1
const MAX_RATE = 2
const RATE_LENGTH = 16

const propertyBody: Codec<QueueProperty> = {
  read(r) {
    const type = r.u16()
    r.skip(6)
    if (type !== MIN_RATE && type !== MAX_RATE) return { kind: 'unknown', type, bytes: r.raw(r.remaining) }
    if (r.remaining !== RATE_LENGTH - 8) r.fail(errorCodes.badLength, 'length of a rate')
    const rate = r.u16()
    r.skip(6)
    return { kind: type === MIN_RATE ? 'min_rate' : 'max_rate', rate }
  },
  write(w, value) {
    w.u16(value.kind === 'unknown' ? value.type : value.kind === 'min_rate' ? MIN_RATE : MAX_RATE)
    w.zeros(6)
    if (value.kind === 'unknown') w.raw(value.bytes)
    else {
      w.u16(value.rate)
      w.zeros(6)
    }
  },
}

export const packetQueue = checked(
  sized(
    struct('queue', {
      queue: u32,
      port: u32,
      length: pad(2),
      pad: pad(6),
      properties: list(sized(propertyBody, 8, errorCodes.badLength, 2)),
    }),
    16,
    errorCodes.badLength,
    8,
  ),
  // Lengths that are no multiple of 8 would shift what follows.
  (_, r) => {
    if ((r.offset - r.start) % 8 !== 0) r.fail(errorCodes.badLength, 'length is no multiple of 8')
  },
)
export type PacketQueue = ValueOf<typeof packetQueue>

export const queueGetConfigReply = checked(
  message('queue_get_config_reply', 23, { port: u32, pad: pad(4), queues: list(packetQueue) }),
  ({ port, queues }, r) => {
    // As OVS, which looks at the port when it looks at the first queue.
    if (queues.length > 0) checkPort(r, port)
  },
)

export const queueStatsRequest = checked(variant('queue', { port: u32, queue: u32 }), ({ port }, r) =>
  checkPort(r, port),
)

export const queueStats = checked(
  struct('queue_stats', {
    port: u32,
    queue: u32,
    sentBytes: u64,
    sentPackets: u64,
    sendErrors: u64,
    durationSeconds: u32,
    durationNanoseconds: u32,
  }),
  ({ port }, r) => checkPort(r, port),
)
export type QueueStats = ValueOf<typeof queueStats>
export const queueStatsReply = variant('queue', { queues: list(queueStats) })

// TCP as conntrack of OVS's userspace datapath follows it (conntrack-tcp.c, after pf): which segments belong to a
// connection, by flags and by windows of sequence numbers (van Rooij, "Real Stateful TCP Packet Filtering in IP
// Filter"). Time-outs aside: nothing expires here.

/** `update` says what a packet of a known connection is: part of it, before a reply, none of it, or of a new one. */
export type Verdict = 'established' | 'new' | 'invalid' | 'reopened'

export interface Segment {
  readonly flags: number
  readonly sequence: number
  readonly acknowledgement: number
  readonly window: number
  /** Of the data. */
  readonly size: number
  /** Shift of the window scale option (RFC 7323), null if there is none. */
  readonly scale: number | null
}

const [FIN, SYN, RST, PSH, ACK, URG] = [1, 2, 4, 8, 0x10, 0x20]
const HEADER = 20
const MAX_SCALE = 14
/** How far beside the windows a segment may lie: a window without scale, and some. */
const SLACK = 0xffff + 1500

/** In order: a later state is compared to be greater. */
const [CLOSED, SYN_SENT, ESTABLISHED, CLOSING, FIN_WAIT_2, TIME_WAIT] = [0, 2, 4, 7, 9, 10]

interface Peer {
  state: number
  /** The highest sequence number sent, and the end of the window that it may fill. */
  low: number
  high: number
  /** The largest window that it offered. */
  window: number
  /** 'unknown' where the connection was picked up after its beginning. */
  scale: number | null | 'unknown'
}

const u32 = (value: number): number => value >>> 0
/** Difference of two sequence numbers, with a sign. */
const distance = (a: number, b: number): number => (a - b) | 0
const atLeast = (a: number, b: number): boolean => distance(a, b) >= 0

const EOL = 0
const NOP = 1
const WINDOW_SCALE = 3

function scaleOf(options: Uint8Array): number | null {
  let scale: number | null = null
  for (let at = 0; options.length - at >= 3;) {
    const kind = options[at]
    if (kind === EOL) break
    if (kind === WINDOW_SCALE) scale = Math.min(options[at + 2] ?? 0, MAX_SCALE)
    at += kind === NOP ? 1 : Math.max(options[at + 1] ?? 0, 2)
  }
  return scale
}

/** `bytes` are header and data. */
export function readSegment(bytes: Uint8Array): Segment {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const header = (view.getUint8(12) >>> 4) * 4
  return {
    flags: view.getUint16(12) & 0x0fff,
    sequence: view.getUint32(4),
    acknowledgement: view.getUint32(8),
    window: view.getUint16(14),
    size: bytes.length - header,
    scale: scaleOf(bytes.subarray(HEADER, header)),
  }
}

function hasPossibleFlags({ flags }: Segment): boolean {
  if ((flags & SYN) !== 0 ? (flags & (RST | FIN)) !== 0 : (flags & (ACK | RST)) === 0) return false
  return (flags & ACK) !== 0 || (flags & (FIN | PSH | URG)) === 0
}

/** A connection may begin with a SYN, or in the middle, but not with the answer to a SYN. */
export const mayOpen = (segment: Segment): boolean =>
  hasPossibleFlags(segment) && (segment.flags & (SYN | ACK)) !== (SYN | ACK)

const shifted = (window: number, scale: Peer['scale']): number =>
  typeof scale === 'number' ? Math.ceil(window / 2 ** scale) : window

/** Sequence numbers that a segment takes up. */
const extent = ({ flags, size }: Segment): number =>
  size + ((flags & SYN) === 0 ? 0 : 1) + ((flags & FIN) === 0 ? 0 : 1)

export class TcpConnection {
  readonly #peers: readonly [Peer, Peer]

  constructor(first: Segment) {
    const scale = (first.flags & SYN) === 0 ? 'unknown' : first.scale
    this.#peers = [
      {
        state: SYN_SENT,
        low: first.sequence,
        high: u32(first.sequence + extent(first) + 1),
        window: shifted(Math.max(first.window, 1), scale),
        scale,
      },
      { state: CLOSED, low: 0, high: 1, window: 1, scale: scale === 'unknown' ? scale : null },
    ]
  }

  update(segment: Segment, reply: boolean): Verdict {
    const [source, target] = reply ? [this.#peers[1], this.#peers[0]] : this.#peers
    const { flags } = segment
    if (!hasPossibleFlags(segment)) return 'invalid'
    if ((flags & (SYN | ACK)) === SYN) {
      if (target.state >= FIN_WAIT_2 && source.state >= FIN_WAIT_2) return 'reopened'
      if (source.state <= SYN_SENT) {
        source.state = SYN_SENT
        return 'new'
      }
    }
    return follow(segment, source, target) ? 'established' : 'invalid'
  }
}

/** The first segment of an end sets its numbers; true if its acknowledgement need not fit yet. */
function meet(segment: Segment, source: Peer, target: Peer, targetShift: number): boolean {
  const end = u32(segment.sequence + extent(segment))
  source.low = segment.sequence
  source.state = SYN_SENT
  const limit = u32(end + Math.max(1, target.window << targetShift))
  if (source.high !== 1 && !atLeast(limit, source.high)) return false
  source.high = limit
  return true
}

/** Shifts of the windows of source and target. Both must have offered to scale; windows in SYNs are never scaled. */
function negotiate({ flags, scale }: Segment, source: Peer, target: Peer): readonly [number, number] {
  if ((flags & SYN) === 0) {
    if (source.scale === 'unknown' && target.scale === 'unknown') return [MAX_SCALE, MAX_SCALE]
    if (typeof source.scale === 'number' && typeof target.scale === 'number') return [source.scale, target.scale]
    return [0, 0]
  }
  if (source.state >= SYN_SENT || typeof target.scale !== 'number') return [0, 0]
  source.scale = scale
  if (scale !== null) return [scale, target.scale]
  target.window = (target.window << target.scale) & 0xffff
  target.scale = null
  return [0, 0]
}

/** Takes a segment into the windows; false if it fits into none. */
function follow(segment: Segment, source: Peer, target: Peer): boolean {
  const { flags } = segment
  const isFirst = source.state < SYN_SENT
  const [shift, targetShift] = negotiate(segment, source, target)
  const window = isFirst && (flags & SYN) !== 0 ? shifted(segment.window, shift) : segment.window
  const skewed = isFirst && meet(segment, source, target, targetShift)
  if (isFirst) source.window = Math.max(source.window, window)
  const saysNothing = (flags & ACK) === 0 || (segment.acknowledgement === 0 && (flags & RST) !== 0)
  const acknowledged = saysNothing ? target.low : segment.acknowledgement
  const empty = extent(segment) === 0
  const sequence = empty ? source.low : segment.sequence
  const end = empty ? source.low : u32(segment.sequence + extent(segment))

  const skew = skewed ? 0 : distance(target.low, acknowledged)
  const isExactReset = (flags & RST) === 0 || Math.abs(distance(segment.sequence, source.low)) <= 1
  const fits =
    atLeast(source.high, end) &&
    atLeast(sequence, u32(source.low - (target.window << targetShift))) &&
    skew >= -SLACK &&
    skew <= SLACK << shift &&
    isExactReset
  const isAwkward = target.state < SYN_SENT || target.state >= FIN_WAIT_2 || source.state >= FIN_WAIT_2
  const isNear = atLeast(u32(source.high + SLACK), end) && atLeast(sequence, u32(source.low - SLACK))
  if (!fits && !(isAwkward && isNear)) return false

  source.window = Math.max(source.window, window)
  if (distance(end, source.low) > 0) source.low = end
  const offered = window << shift
  if (atLeast(u32(acknowledged + offered), target.high)) target.high = u32(acknowledged + Math.max(offered, 1))
  advance(flags, source, target, fits)
  return true
}

function advance(flags: number, source: Peer, target: Peer, fits: boolean): void {
  if ((flags & FIN) !== 0 && source.state < CLOSING) source.state = CLOSING
  if (fits && (flags & ACK) !== 0) {
    if (target.state === SYN_SENT) target.state = ESTABLISHED
    else if (target.state === CLOSING) target.state = FIN_WAIT_2
  }
  if ((flags & RST) !== 0) source.state = target.state = TIME_WAIT
}

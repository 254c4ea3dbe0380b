// What the ports of a host are to hear unasked: where somebody's address is now. Said twice, as RFC 5227 §2.3 has it, since
// a guest may miss or mistrust the first.
import type { Announcement, PacketOut, Reads } from './app.ts'

const TIMES = 2
const INTERVAL_MILLISECONDS = 2_000

/** Which hosts say it, and where: to every port of the network, or on one host only. */
export function announced({ network, data, host }: Announcement, reads: Reads): (readonly [string, PacketOut])[] {
  if (host !== undefined) return [[host, { network, data }]]
  return reads
    .membersOf(network)
    .flatMap((at) => reads.localPorts(at, network).map(({ ofport }) => [at, { outPort: ofport, data }] as const))
}

interface Waiting {
  readonly packet: PacketOut
  readonly times: number
  /** On the clock of `due`. */
  readonly at: number
}

const NONE: readonly PacketOut[] = []

export class Announcements {
  readonly #waiting = new Map<string, Waiting>()

  /** Replaces what was to be said about this at that port or on that network. */
  add(about: string, packet: PacketOut): void {
    const where = 'outPort' in packet ? packet.outPort : packet.network
    this.#waiting.set(`${where} ${about}`, { packet, times: TIMES, at: 0 })
  }

  /** What is to be said at `now` milliseconds. */
  due(now: number): readonly PacketOut[] {
    if (this.#waiting.size === 0) return NONE
    const due = Array.from(this.#waiting).filter(([, { at }]) => at <= now)
    for (const [key, { packet, times }] of due) {
      if (times === 1) this.#waiting.delete(key)
      else this.#waiting.set(key, { packet, times: times - 1, at: now + INTERVAL_MILLISECONDS })
    }
    return due.map(([, { packet }]) => packet)
  }
}

// What the ports of a host are to hear unasked: where somebody's address is now. Said twice, as RFC 5227 §2.3 has it, since
// a guest may miss or mistrust the first.
import type { PacketOut } from './app.ts'

const TIMES = 2
const INTERVAL_MILLISECONDS = 2_000

interface Waiting {
  readonly packet: PacketOut
  readonly times: number
  /** On the clock of `due`. */
  readonly at: number
}

export class Announcements {
  readonly #waiting = new Map<string, Waiting>()

  /** Replaces what was to be said about this at that port or on that network. */
  add(about: string, packet: PacketOut): void {
    const where = 'outPort' in packet ? packet.outPort : packet.network
    this.#waiting.set(`${where} ${about}`, { packet, times: TIMES, at: 0 })
  }

  /** What is to be said at `now` milliseconds. */
  due(now: number): readonly PacketOut[] {
    const due = Array.from(this.#waiting).filter(([, { at }]) => at <= now)
    for (const [key, { packet, times }] of due) {
      if (times === 1) this.#waiting.delete(key)
      else this.#waiting.set(key, { packet, times: times - 1, at: now + INTERVAL_MILLISECONDS })
    }
    return due.map(([, { packet }]) => packet)
  }
}

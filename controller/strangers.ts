// Switches that have connected before the database of their host said whose they are, by the ids of their datapaths.
import type { Channel } from './connect/channel.ts'

export class Strangers {
  readonly #channels = new Map<bigint, Channel>()

  /** The last one of a datapath counts. */
  add(datapath: bigint, channel: Channel): void {
    this.#channels.get(datapath)?.close()
    this.#channels.set(datapath, channel)
    void channel.closed.then(() => {
      if (this.#channels.get(datapath) === channel) this.#channels.delete(datapath)
    })
  }

  /** It is no stranger any more. */
  take(datapath: bigint | null): Channel | undefined {
    if (datapath === null) return undefined
    const channel = this.#channels.get(datapath)
    this.#channels.delete(datapath)
    return channel
  }

  close(): void {
    for (const channel of this.#channels.values()) channel.close()
  }
}

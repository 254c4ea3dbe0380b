// The OpenFlow connection of a simulated switch: it connects to what it is told, comes back after every loss, and can be late
// or silent.
import { stayConnected } from '../../controller/connect/openflow.ts'
import type { Channel } from '../../controller/connect/channel.ts'

/** ovs-vswitchd's first pause between attempts is longer; tests would only wait. */
const FIRST_BACKOFF_MILLISECONDS = 100
/** Hello, error, echo request and echo reply. */
const LAST_TYPE_OF_THE_CHANNEL = 3

export interface SwitchLinkOptions {
  /** Takes one frame of the controller, which may be used again afterwards. */
  receive(frame: Uint8Array): void
  connected(is: boolean): void
}

export class SwitchLink {
  /** Time that each frame of the controller waits before the switch looks at it. */
  latencyMilliseconds = 0
  readonly #options: SwitchLinkOptions
  #channel: Channel | null = null
  #target: { readonly remote: string; readonly stop: AbortController } | null = null
  #late: { readonly frame: Uint8Array; readonly dueMs: number }[] = []

  constructor(options: SwitchLinkOptions) {
    this.#options = options
  }

  get isConnected(): boolean {
    return this.#channel !== null
  }

  /** null: to nothing. */
  connectTo(remote: string | null, maxMilliseconds = 8_000): void {
    if ((this.#target?.remote ?? null) === remote) return
    this.#target?.stop.abort()
    this.#target = null
    if (remote === null) return
    const stop = new AbortController()
    this.#target = { remote, stop }
    const backoff = { minMilliseconds: FIRST_BACKOFF_MILLISECONDS, maxMilliseconds }
    const claim = (frame: Uint8Array, channel: Channel): boolean => this.#take(frame, channel)
    void stayConnected(remote, { side: 'switch', backoff, claim }, (channel) => this.#opened(channel), stop.signal)
  }

  send(bytes: Uint8Array): void {
    this.#channel?.sendFrames(bytes)
  }

  /** Breaks the connection, which then comes back by itself. */
  break(): void {
    this.#channel?.close()
  }

  pause(): void {
    this.#channel?.pause()
  }

  resume(): void {
    this.#channel?.resume()
  }

  #opened(channel: Channel): void {
    if (this.#channel === channel) return
    this.#channel = channel
    this.#options.connected(true)
    void channel.closed.then(() => {
      if (this.#channel !== channel) return
      this.#channel = null
      this.#late = []
      this.#options.connected(false)
    })
  }

  /** At once, or when the latency is over. */
  #take(frame: Uint8Array, channel: Channel): boolean {
    if ((frame[1] as number) <= LAST_TYPE_OF_THE_CHANNEL) return false
    // The first request may come with the hello that opens the channel.
    this.#opened(channel)
    if (this.latencyMilliseconds === 0 && this.#late.length === 0) this.#options.receive(frame)
    else {
      this.#late.push({ frame: Uint8Array.from(frame), dueMs: performance.now() + this.latencyMilliseconds })
      if (this.#late.length === 1) setTimeout(() => this.#takeLate(), this.latencyMilliseconds)
    }
    return true
  }

  #takeLate(): void {
    const now = performance.now()
    while ((this.#late[0]?.dueMs ?? Infinity) <= now + 0.5) {
      this.#options.receive(this.#late.shift()?.frame as Uint8Array)
    }
    const [next] = this.#late
    if (next !== undefined) setTimeout(() => this.#takeLate(), next.dueMs - now)
  }
}

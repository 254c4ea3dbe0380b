// Packet-ins from many switches at once, as cbench makes them: each switch keeps a number of them unanswered and sends the
// next when one is answered. With one unanswered it measures latency, with several throughput.
import { setTimeout as sleep } from 'node:timers/promises'
import { quantile } from './statistics.ts'
import { cpuMicroseconds } from './watch-process.ts'

/** What has not been answered for so long never will be. */
const LOST_MILLISECONDS = 1_000

/** A switch that sends packet-ins: its OFPT_PACKET_INs, in turn. */
export interface Punter {
  readonly frames: readonly Uint8Array[]
  readonly send: (this: void, frame: Uint8Array) => void
}

export interface Served {
  readonly perSecond: number
  readonly perCpuSecond: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
  readonly lost: number
}

export class Load {
  readonly #punters: readonly Punter[]
  readonly #pid: number
  /** When the unanswered packet-ins of each switch were sent, oldest first: a controller answers a switch in order. */
  readonly #sent: number[][]
  readonly #next: number[]
  #latencies: number[] = []
  #lost = 0
  /** So many of the switches, from the first, take part. */
  #switches = 0

  /** `pid`: who answers. */
  constructor(punters: readonly Punter[], pid: number) {
    if (punters.some(({ frames }) => frames.length === 0)) throw new Error('a switch has nothing to send')
    this.#punters = punters
    this.#pid = pid
    this.#sent = punters.map(() => [])
    this.#next = punters.map(() => 0)
  }

  /** To be called when a packet-out has come to a switch. */
  answered(punter: number): void {
    const sent = this.#sent[punter]?.shift()
    if (sent === undefined) return
    this.#latencies.push(performance.now() - sent)
    if (punter < this.#switches) this.#send(punter)
  }

  /** First half as long to warm up, then measured. */
  async run(switches: number, unanswered: number, seconds: number): Promise<Served> {
    this.#switches = switches
    const watch = setInterval(() => this.#refill(unanswered), LOST_MILLISECONDS / 2)
    this.#refill(unanswered)
    await sleep(seconds * 500)
    this.#latencies = []
    this.#lost = 0
    const begin = performance.now()
    const spent = cpuMicroseconds(this.#pid)
    await sleep(seconds * 1000)
    const latencies = this.#latencies
    const perSecond = (latencies.length / (performance.now() - begin)) * 1000
    const perCpuSecond = (latencies.length / (cpuMicroseconds(this.#pid) - spent)) * 1e6
    this.#switches = 0
    clearInterval(watch)
    await sleep(LOST_MILLISECONDS)
    for (const sent of this.#sent) sent.length = 0
    const quantiles = { p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99) }
    return { perSecond, perCpuSecond, ...quantiles, lost: this.#lost }
  }

  #send(punter: number): void {
    const { frames, send } = this.#punters[punter] as Punter
    const at = this.#next[punter] as number
    this.#next[punter] = (at + 1) % frames.length
    this.#sent[punter]?.push(performance.now())
    send(frames[at] as Uint8Array)
  }

  #refill(unanswered: number): void {
    const late = performance.now() - LOST_MILLISECONDS
    for (const [punter, sent] of this.#sent.slice(0, this.#switches).entries()) {
      while ((sent[0] ?? Infinity) < late) {
        sent.shift()
        this.#lost += 1
      }
      while (sent.length < unanswered) this.#send(punter)
    }
  }
}

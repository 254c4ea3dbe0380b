// A stream of TCP or UDP between two machines that goes on until it is stopped, and how much of it arrives.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Machine } from './fabric.ts'
import { startDaemon, until, type Daemon } from './run.ts'

/** iperf3 tells what it has received in intervals of half a second, measured by its own clock. */
const INTERVAL = '0.5'
const SECONDS = '600'

let serial = 0

export class Load implements AsyncDisposable {
  readonly #daemons: readonly Daemon[]
  readonly #log: string

  private constructor(daemons: readonly Daemon[], log: string) {
    this.#daemons = daemons
    this.#log = log
  }

  /** `options`: of the client of iperf3(1), as `-u -b 10M`. */
  static async start(from: Machine, to: Machine, address: string, ...options: readonly string[]): Promise<Load> {
    serial += 1
    const log = join(to.folder, `iperf3.${serial}`)
    const port = String(5201 + serial)
    const serve = ['-s', '-p', port, '-i', INTERVAL, '-f', 'k', '--forceflush']
    const server = await startDaemon('iperf3', serve, { namespace: to.namespace, log })
    await until('iperf3 listens', async () => (await to.exec('ss', '-Hltn', `sport = :${port}`)) !== '')
    const client = ['-c', address, '-p', port, '-t', SECONDS, ...options]
    const load = new Load(
      [await startDaemon('iperf3', client, { namespace: from.namespace, log: `${log}.client` }), server],
      log,
    )
    await until('the stream has begun', () => load.rates().length > 0).catch(async (error: unknown) => {
      await load[Symbol.asyncDispose]()
      throw new Error(readFileSync(`${log}.client`, 'utf8'), { cause: error })
    })
    return load
  }

  /** Payload in kilobits a second, of each interval so far. */
  rates(): readonly number[] {
    const lines = readFileSync(this.#log, 'utf8').split('\n').slice(0, -1)
    return lines.flatMap((line) => {
      const rate = /\ssec\s.*\s([\d.]+) Kbits\/sec/.exec(line)?.[1]
      return rate === undefined ? [] : [Number(rate)]
    })
  }

  /** Waits until the mean of some seconds, from now on, lies between the two. */
  async comesTo(least: number, most: number): Promise<void> {
    const begun = this.rates().length
    const INTERVALS = 5
    let last = 0
    const settled = (): boolean => {
      const rates = this.rates().slice(begun).slice(-INTERVALS)
      last = rates.reduce((sum, rate) => sum + rate, 0) / INTERVALS
      return rates.length === INTERVALS && last >= least && last <= most
    }
    await until(`${least} to ${most} kbit/s arrive`, settled, 60).catch((error: unknown) => {
      const text = [this.#log, `${this.#log}.client`].map((log) => readFileSync(log, 'utf8').slice(-500)).join('\n')
      throw new Error(`${Math.round(last)} kbit/s arrive in the end:\n${text}`, { cause: error })
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const daemon of this.#daemons) await daemon.stop('SIGKILL')
  }
}

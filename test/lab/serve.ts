// `weft serve` as a process on loopback, on ports that the system chooses: for tests and benchmarks without namespaces.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { startDaemon, until, type Daemon } from './run.ts'

const MAIN = join(import.meta.dirname, '../../bin/main.ts')
/** A large store takes a while to be read. */
const READY_SECONDS = 120

interface Ready {
  readonly api: string
  readonly ovsdb: number
  readonly openflow: number
}

export class ServeProcess implements AsyncDisposable {
  readonly pid: number
  readonly url: string
  /** What hosts are pointed at. */
  readonly manager: string
  readonly openflow: string
  readonly logFile: string
  readonly #daemon: Daemon

  private constructor(daemon: Daemon, { api, ovsdb, openflow }: Ready, logFile: string) {
    this.pid = daemon.pid
    this.url = api
    this.manager = `tcp:127.0.0.1:${ovsdb}`
    this.openflow = `tcp:127.0.0.1:${openflow}`
    this.logFile = logFile
    this.#daemon = daemon
  }

  /** Keeps its data and its log in `folder`; `more`: flags of weft serve, `nodeFlags` of node. */
  static async start(
    folder: string,
    more: readonly string[] = [],
    nodeFlags: readonly string[] = [],
  ): Promise<ServeProcess> {
    const log = join(folder, 'serve.log')
    const before = existsSync(log) ? readFileSync(log).length : 0
    const anywhere = ['--api', '127.0.0.1:0', '--ovsdb', 'ptcp:0:127.0.0.1', '--openflow', 'ptcp:0:127.0.0.1']
    const serve = [...nodeFlags, MAIN, 'serve', '--data', join(folder, 'data'), ...anywhere, ...more]
    const daemon = await startDaemon(process.execPath, serve, { log })
    let ready: Ready | undefined
    const isReady = (): boolean => {
      const line = readFileSync(log)
        .subarray(before)
        .toString()
        .split('\n')
        .find((each) => each.includes('"weft is ready"'))
      ready = line === undefined ? undefined : (JSON.parse(line) as Ready)
      return ready !== undefined
    }
    await until('weft is ready', isReady, READY_SECONDS).catch(async (error: unknown) => {
      await daemon.stop()
      throw new Error(`${String(error)}; log:\n${readFileSync(log, 'utf8').slice(-5_000)}`)
    })
    return new ServeProcess(daemon, ready as Ready, log)
  }

  /** The body of an answer; one that is no 2xx rejects. */
  async call(method: string, path: string, body?: unknown): Promise<Readonly<Record<string, unknown>>> {
    return (await this.exchange(method, path, body)).answer
  }

  /** The same with the answer's headers. */
  async exchange(
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ readonly answer: Readonly<Record<string, unknown>>; readonly headers: Headers }> {
    const answer = await fetch(`${this.url}${path}`, {
      method,
      headers: body === undefined ? {} : { 'content-type': 'application/json' },
      body: body === undefined ? null : JSON.stringify(body),
    })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
    return {
      answer: text === '' ? {} : (JSON.parse(text) as Readonly<Record<string, unknown>>),
      headers: answer.headers,
    }
  }

  /** Ends it; SIGKILL gives it no chance to tidy up. */
  stop(signal?: NodeJS.Signals): Promise<void> {
    return this.#daemon.stop(signal)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}

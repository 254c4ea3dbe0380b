// `weft serve` as a process of its own in the controller's namespace of a Fabric: started, stopped and killed by tests,
// with its data folder kept in between, and asked over REST. Shared by the demo.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { WebSocket } from 'ws'
import { startDaemon, until, type Daemon } from './run.ts'

const MAIN = join(import.meta.dirname, '../../bin/main.ts')

/** JSON as the API gives it. */
export type Json = Readonly<Record<string, unknown>>

export interface Answer {
  readonly status: number
  readonly body: Json
}

/** Where it runs: a folder for its files, and a network namespace in which the ports that it listens on are free. */
export interface ControllerPlace {
  readonly folder: string
  readonly controller: string
}

export class ControllerProcess implements AsyncDisposable {
  readonly #place: ControllerPlace
  /** Leads to its API: sockets in the file system cross network namespaces. */
  readonly socket: string
  readonly #arguments: readonly string[]
  #process: Daemon | null = null
  /** Connections stay open, as those of a cloud's services do. */
  #agent = new Agent({ keepAlive: true })

  private constructor(place: ControllerPlace, more: readonly string[]) {
    this.#place = place
    this.socket = join(place.folder, 'api.sock')
    this.#arguments = [MAIN, 'serve', '--data', join(place.folder, 'data'), '--api-socket', this.socket, ...more]
  }

  /** `more`: flags of weft serve. */
  static async start(place: ControllerPlace, ...more: readonly string[]): Promise<ControllerProcess> {
    const controller = new ControllerProcess(place, more)
    await controller.run()
    return controller
  }

  get pid(): number {
    if (this.#process === null) throw new Error('the controller is not running')
    return this.#process.pid
  }

  /** Follows /v1/events from now on, or from after the cursor, until the socket is closed or the process ends. */
  async follow(onEvent: (event: Json) => void, cursor?: number): Promise<WebSocket> {
    const query = cursor === undefined ? '' : `?cursor=${cursor}`
    const events = new WebSocket(`ws+unix:${this.socket}:/v1/events${query}`)
    events.on('message', (data: Buffer) => onEvent(JSON.parse(data.toString()) as Json))
    await once(events, 'open')
    return events
  }

  get logFile(): string {
    return join(this.#place.folder, 'controller.log')
  }

  /** Starts the process and waits until its API answers. */
  async run(): Promise<void> {
    const options = { namespace: this.#place.controller, log: this.logFile }
    this.#process = await startDaemon(process.execPath, this.#arguments, options)
    const answers = (): Promise<boolean> =>
      this.request('GET', '/healthz').then(
        ({ status }) => status === 200,
        () => false,
      )
    await until('the API answers', answers).catch((error: unknown) => {
      throw new Error(`${String(error)}; log:\n${readFileSync(this.logFile, 'utf8')}`)
    })
  }

  /** Ends the process; SIGKILL gives it no chance to tidy up. */
  async halt(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await this.#process?.stop(signal)
    this.#process = null
    this.#agent.destroy()
    this.#agent = new Agent({ keepAlive: true })
  }

  async restart(signal?: NodeJS.Signals): Promise<void> {
    await this.halt(signal)
    await this.run()
  }

  async stop(): Promise<void> {
    await this.halt()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  /** What all processes so far have logged, one object a line. */
  log(): readonly Json[] {
    const lines = readFileSync(this.logFile, 'utf8').split('\n')
    // The last line may be half written, and a crash writes what is not JSON.
    return lines.flatMap((line) => (line.startsWith('{') && line.endsWith('}') ? [JSON.parse(line) as Json] : []))
  }

  request(method: string, path: string, body?: unknown): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    const headers = body === undefined ? {} : { 'content-type': 'application/json' }
    const call = request({ socketPath: this.socket, method, path, headers, agent: this.#agent }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        resolve({ status: response.statusCode ?? 0, body: text === '' ? {} : (JSON.parse(text) as Json) })
      })
    })
    call.on('error', reject)
    call.end(body === undefined ? undefined : JSON.stringify(body))
    return promise
  }

  /** The body of an answer; one that is no 2xx rejects. */
  async call(method: string, path: string, body?: unknown): Promise<Json> {
    const answer = await this.request(method, path, body)
    if (answer.status < 200 || answer.status > 299) {
      throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
    }
    return answer.body
  }
}

// Real ovsdb-servers for tests and benchmarks: each in its own temporary folder, on a unix socket or a port that the
// system chose, ended by its own process handle.
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const execute = promisify(execFile)
export const vswitchSchema = '/usr/share/openvswitch/vswitch.ovsschema'

/** Runs a command to its end; rejects with its standard error when it fails. */
export async function run(command: string, ...args: string[]): Promise<string> {
  const { stdout } = await execute(command, args, { maxBuffer: 1 << 28 })
  return stdout
}

/** Asks until the answer is true: for states of real processes, which announce nothing. */
export async function until(what: string, condition: () => boolean | Promise<boolean>, seconds = 30): Promise<void> {
  const end = performance.now() + seconds * 1000
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`after ${seconds} s still not: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

export class Lab {
  readonly folder: string
  readonly #servers: OvsdbServer[] = []
  readonly #cleanups: (() => unknown)[] = []

  private constructor(folder: string) {
    this.folder = folder
  }

  static async open(): Promise<Lab> {
    return new Lab(await mkdtemp(join(tmpdir(), 'weft-ovsdb-')))
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  /** An Open_vSwitch database with its root row, served on punix:NAME.sock. */
  async vswitch(name: string, ...args: string[]): Promise<OvsdbServer> {
    const file = this.path(`${name}.db`)
    await run('ovsdb-tool', 'create', file, vswitchSchema)
    const server = await this.serve(name, file, ...args)
    await run('ovs-vsctl', `--db=${server.remote}`, '--no-wait', 'init')
    return server
  }

  async serve(name: string, file: string, ...args: string[]): Promise<OvsdbServer> {
    const server = new OvsdbServer(this.folder, name, file, args)
    this.#servers.push(server)
    await server.start()
    return server
  }

  /** To be run by close(), the last one first. */
  defer(cleanup: () => unknown): void {
    this.#cleanups.push(cleanup)
  }

  async close(): Promise<void> {
    for (const cleanup of this.#cleanups.reverse()) await cleanup()
    for (const server of this.#servers) await server.stop()
    await rm(this.folder, { recursive: true, force: true })
  }
}

export class OvsdbServer {
  readonly name: string
  readonly socket: string
  readonly remote: string
  readonly file: string
  readonly #control: string
  readonly #log: string
  readonly #args: readonly string[]
  #process: ChildProcess | null = null

  constructor(folder: string, name: string, file: string, args: readonly string[]) {
    this.name = name
    this.file = file
    this.socket = join(folder, `${name}.sock`)
    this.remote = `unix:${this.socket}`
    this.#control = join(folder, `${name}.ctl`)
    this.#log = join(folder, `${name}.log`)
    this.#args = args
  }

  async start(): Promise<void> {
    const args = [
      `--remote=punix:${this.socket}`,
      `--unixctl=${this.#control}`,
      '-vconsole:off',
      `--log-file=${this.#log}`,
    ]
    const child = spawn('ovsdb-server', [...args, ...this.#args, this.file], { stdio: 'ignore' })
    this.#process = child
    await until(`${this.name} serves`, () => {
      if (child.exitCode !== null) throw new Error(`ovsdb-server ${this.name} ended with ${child.exitCode}`)
      return existsSync(this.socket) && existsSync(this.#control)
    })
    await until(`${this.name} answers`, () => this.control('version').then(Boolean, () => false))
  }

  /** Ends the process: SIGTERM lets it leave a cluster's connections in order, SIGKILL is a crash. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const child = this.#process
    this.#process = null
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    // One that a test has stopped would not see the other signal.
    child.kill('SIGCONT')
    child.kill(signal)
    await ended
    await rm(this.socket, { force: true })
    await rm(this.#control, { force: true })
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#process?.kill(signal)
  }

  /** ovs-appctl to this server. */
  control(...command: string[]): Promise<string> {
    return run('ovs-appctl', '-t', this.#control, ...command)
  }

  log(): Promise<string> {
    return readFile(this.#log, 'utf8')
  }

  /** The TCP port that the server chose for a remote with port 0. */
  async chosenPort(): Promise<number> {
    let port: string | undefined
    await until('the server names its port', async () => {
      port = /listening on port (\d+)/.exec(await this.log())?.[1]
      return port !== undefined
    })
    return Number(port)
  }

  /** ovs-vsctl on this database, without a switch. */
  vsctl(...args: string[]): Promise<string> {
    return run('ovs-vsctl', `--db=${this.remote}`, '--no-wait', ...args)
  }
}

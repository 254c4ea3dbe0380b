// Real ovsdb-servers for tests and benchmarks: each in its own temporary folder, on a unix socket or a port that the
// system chose, ended by its own process handle.
import { existsSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder, removeFolder } from './folder.ts'
import { run, startDaemon, until, type Daemon } from './run.ts'

export const vswitchSchema = '/usr/share/openvswitch/vswitch.ovsschema'

export class Lab {
  readonly folder: string
  readonly #servers: OvsdbServer[] = []
  readonly #cleanups: (() => unknown)[] = []

  private constructor(folder: string) {
    this.folder = folder
  }

  static async open(): Promise<Lab> {
    return new Lab(await makeFolder())
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  /** An Open_vSwitch database with its root row, served on punix:NAME.sock. */
  async vswitch(name: string, ...args: string[]): Promise<OvsdbServer> {
    const file = this.path(`${name}.db`)
    await run('ovsdb-tool', ['create', file, vswitchSchema])
    const server = await this.serve(name, file, ...args)
    await run('ovs-vsctl', [`--db=${server.remote}`, '--no-wait', 'init'])
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
    removeFolder(this.folder)
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
  #process: Daemon | null = null

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
    this.#process = await startDaemon('ovsdb-server', [...args, ...this.#args, this.file])
    const serves = (): boolean => existsSync(this.socket) && existsSync(this.#control)
    await until(`${this.name} serves`, serves)
    await until(`${this.name} answers`, () => this.control('version').then(Boolean, () => false))
  }

  /** Ends the process: SIGTERM lets it leave a cluster's connections in order, SIGKILL is a crash. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    // One that a test has stopped would not see the other signal.
    this.signal('SIGCONT')
    await this.#process?.stop(signal)
    this.#process = null
    await rm(this.socket, { force: true })
    await rm(this.#control, { force: true })
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#process?.signal(signal)
  }

  /** ovs-appctl to this server. */
  control(...command: string[]): Promise<string> {
    return run('ovs-appctl', ['-t', this.#control, ...command])
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
    return run('ovs-vsctl', [`--db=${this.remote}`, '--no-wait', ...args])
  }
}

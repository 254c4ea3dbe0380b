// A private Open vSwitch: its own ovsdb-server and ovs-vswitchd in a temporary folder, nothing on default paths. Without
// a namespace its bridges use the dummy datapath (no root needed, no kernel device); with one, the userspace datapath.
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { makeFolder, removeFolder } from './folder.ts'
import { run, startDaemon, until, type Daemon } from './run.ts'

const SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema'

export interface OvsOptions {
  /** A network namespace to run in; bridges are then to be made with datapath_type=netdev, unless `dummy`. */
  readonly namespace?: string
  /** The dummy datapath, which is the default without a namespace. */
  readonly dummy?: boolean
  /** More arguments for ovsdb-server, as the TLS options. */
  readonly ovsdbArguments?: readonly string[]
}

export class Ovs implements AsyncDisposable {
  readonly folder: string
  readonly #options: OvsOptions
  #database: Daemon | null = null
  #switch: Daemon | null = null

  private constructor(folder: string, options: OvsOptions) {
    this.folder = folder
    this.#options = options
  }

  static async start(options: OvsOptions = {}): Promise<Ovs> {
    const ovs = new Ovs(await makeFolder(), options)
    try {
      await run('ovsdb-tool', ['create', join(ovs.folder, 'conf.db'), SCHEMA])
      await ovs.startDatabase()
      await run('ovs-vsctl', [`--db=${ovs.database}`, '--no-wait', 'init'])
      await ovs.startSwitch()
    } catch (error) {
      await ovs.stop()
      throw error
    }
    return ovs
  }

  /** As OVS writes it: unix:PATH. */
  get database(): string {
    return `unix:${join(this.folder, 'db.sock')}`
  }

  /** The OpenFlow socket that ovs-vswitchd serves for a bridge. */
  management(bridge: string): string {
    return `unix:${join(this.folder, `${bridge}.mgmt`)}`
  }

  /** Of ovs-vswitchd, while it runs. */
  get switchPid(): number | null {
    return this.#switch?.pid ?? null
  }

  async startDatabase(): Promise<void> {
    const socket = join(this.folder, 'db.sock')
    const remotes = [`--remote=p${this.database}`, '--remote=db:Open_vSwitch,Open_vSwitch,manager_options']
    this.#database = await this.#daemon('ovsdb-server', [
      join(this.folder, 'conf.db'),
      ...remotes,
      ...(this.#options.ovsdbArguments ?? []),
    ])
    await until('ovsdb-server is listening', () => existsSync(socket) && statSync(socket).isSocket())
  }

  async startSwitch(): Promise<void> {
    const { namespace, dummy = namespace === undefined } = this.#options
    const datapath = dummy ? ['--disable-system', '--enable-dummy'] : []
    this.#switch = await this.#daemon('ovs-vswitchd', [this.database, ...datapath])
    await until('ovs-vswitchd answers', () =>
      this.appctl('version').then(
        () => true,
        () => false,
      ),
    )
  }

  /** Ends ovs-vswitchd with `signal`; its flows, groups and meters are gone with it. */
  async stopSwitch(signal?: NodeJS.Signals): Promise<void> {
    await this.#switch?.stop(signal)
    this.#switch = null
  }

  async stopDatabase(signal?: NodeJS.Signals): Promise<void> {
    await this.#database?.stop(signal)
    this.#database = null
  }

  /** Process ids. */
  get processes(): { readonly database: number; readonly switch: number } {
    if (this.#database === null || this.#switch === null) throw new Error('Open vSwitch is not running')
    return { database: this.#database.pid, switch: this.#switch.pid }
  }

  async stop(): Promise<void> {
    await this.stopSwitch()
    await this.stopDatabase()
    removeFolder(this.folder)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  vsctl(...args: readonly string[]): Promise<string> {
    return run('ovs-vsctl', [`--db=${this.database}`, '--timeout=20', ...args])
  }

  /** ovs-ofctl on OpenFlow 1.3; name bridges plainly. */
  ofctl(...args: readonly string[]): Promise<string> {
    return run('ovs-ofctl', ['-O', 'OpenFlow13', '--timeout=60', ...args], { OVS_RUNDIR: this.folder })
  }

  appctl(...args: readonly string[]): Promise<string> {
    return run('ovs-appctl', ['-t', join(this.folder, 'vswitchd.ctl'), '--timeout=20', ...args])
  }

  /** Makes an OpenFlow 1.3 bridge with ports named by `ports`, numbered from 1, of type dummy. */
  async addBridge(bridge: string, ports: readonly string[] = []): Promise<void> {
    const settings = ['datapath_type=dummy', 'fail_mode=secure', 'protocols=OpenFlow13,OpenFlow15']
    const port = (name: string, index: number): string[] => {
      const settings = ['type=dummy', `ofport_request=${index + 1}`]
      return ['--', 'add-port', bridge, name, '--', 'set', 'interface', name, ...settings]
    }
    await this.vsctl('add-br', bridge, '--', 'set', 'bridge', bridge, ...settings, ...ports.flatMap(port))
  }

  #daemon(program: string, args: readonly string[]): Promise<Daemon> {
    const short = program.replace(/^ovs-/, '')
    const files = [`--unixctl=${join(this.folder, `${short}.ctl`)}`, `--log-file=${join(this.folder, `${short}.log`)}`]
    return startDaemon(
      'env',
      [`OVS_RUNDIR=${this.folder}`, program, ...args, ...files, '-vconsole:off', '--no-chdir'],
      { namespace: this.#options.namespace },
    )
  }
}

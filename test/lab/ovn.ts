// OVN beside Weft, for comparisons: northbound and southbound ovsdb-server, ovn-northd, and one ovn-controller for each host,
// in a folder of its own. Hosts reach the southbound database by a socket in the file system, whatever their namespace.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { makeFolder, removeFolder } from './folder.ts'
import { OvnNorthbound } from './ovn-northbound.ts'
import type { Ovs } from './ovs.ts'
import { run, startDaemon, until, type Daemon } from './run.ts'

const SCHEMAS = '/usr/share/ovn'

export interface OvnHost {
  readonly name: string
  /** Where its tunnels end. */
  readonly address: string
  readonly ovs: Ovs
  readonly namespace: string
}

export class Ovn implements AsyncDisposable {
  readonly #folder: string
  readonly #hosts: OvnHost[] = []
  readonly #daemons = new Map<string, Daemon>()
  #northbound: OvnNorthbound | null = null

  private constructor(folder: string) {
    this.#folder = folder
  }

  static async start(): Promise<Ovn> {
    const ovn = new Ovn(await makeFolder())
    try {
      await Promise.all([ovn.#database('nb'), ovn.#database('sb')])
      await ovn.#startNorthd()
      ovn.#northbound = await OvnNorthbound.open(ovn.#remote('nb'))
    } catch (error) {
      await ovn.stop()
      throw error
    }
    return ovn
  }

  get northbound(): OvnNorthbound {
    if (this.#northbound === null) throw new Error('OVN is not running')
    return this.#northbound
  }

  /** Process ids by what they run; a host's ovn-controller has the name of the host. */
  get processes(): ReadonlyMap<string, number> {
    return new Map(Array.from(this.#daemons, ([name, { pid }]) => [name, pid]))
  }

  async stop(): Promise<void> {
    this.#northbound?.close()
    for (const daemon of [...this.#daemons.values()].toReversed()) await daemon.stop()
    removeFolder(this.#folder)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  /** Makes the host a hypervisor; its br-int is there. */
  async addHost(host: OvnHost): Promise<void> {
    const ids = {
      'system-id': host.name,
      'ovn-remote': this.#remote('sb'),
      'ovn-encap-type': 'geneve',
      'ovn-encap-ip': host.address,
      'ovn-monitor-all': 'true',
    }
    const pairs = Object.entries(ids).map(([key, value]) => `external_ids:${key}="${value}"`)
    await host.ovs.vsctl('set', 'Open_vSwitch', '.', ...pairs)
    this.#hosts.push(host)
    await this.#startController(host)
  }

  /** Kills ovn-northd and every ovn-controller, and starts them again. */
  async restart(): Promise<void> {
    const names = ['northd', ...this.#hosts.map(({ name }) => name)]
    await Promise.all(names.map(async (name) => this.#daemons.get(name)?.stop('SIGKILL')))
    await this.#startNorthd()
    await Promise.all(this.#hosts.map((host) => this.#startController(host)))
  }

  #remote(database: 'nb' | 'sb'): string {
    return `unix:${join(this.#folder, `${database}.sock`)}`
  }

  async #database(name: 'nb' | 'sb'): Promise<void> {
    const file = join(this.#folder, `${name}.db`)
    await run('ovsdb-tool', ['create', file, join(SCHEMAS, `ovn-${name}.ovsschema`)])
    const remote = this.#remote(name)
    await this.#daemon(name, 'ovsdb-server', [file, `--remote=p${remote}`])
    await until(`the ${name} database listens`, () => existsSync(remote.slice('unix:'.length)))
  }

  #startNorthd(): Promise<void> {
    const databases = [`--ovnnb-db=${this.#remote('nb')}`, `--ovnsb-db=${this.#remote('sb')}`]
    return this.#daemon('northd', 'ovn-northd', databases)
  }

  /** `OVS_RUNDIR`: where the OpenFlow socket of the host's br-int is. */
  #startController({ name, ovs, namespace }: OvnHost): Promise<void> {
    return this.#daemon(name, 'ovn-controller', [ovs.database], { namespace, ovsFolder: ovs.folder })
  }

  async #daemon(
    name: string,
    program: string,
    args: readonly string[],
    { namespace, ovsFolder = this.#folder }: { namespace?: string; ovsFolder?: string } = {},
  ): Promise<void> {
    const environment = [`OVN_RUNDIR=${this.#folder}`, `OVS_RUNDIR=${ovsFolder}`]
    const options = [`--log-file=${join(this.#folder, `${name}.log`)}`, '-vconsole:off', '--no-chdir']
    this.#daemons.set(name, await startDaemon('env', [...environment, program, ...args, ...options], { namespace }))
  }
}

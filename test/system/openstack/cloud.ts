// `weft serve` with credentials and three hosts, for the openstack client: hv1 and hv2 are connected, hv3 was. On hv1 the port
// `plugged-port` of the network `plugged` is plugged in. All have a way to the physical network `ext`, hv1 also to `phys`.
import { randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hashSecret } from '../../../controller/northbound/index.ts'
import { makeFolder, removeFolder } from '../../lab/folder.ts'
import { Ovs } from '../../lab/ovs.ts'
import { ServeProcess } from '../../lab/serve.ts'
import { openstack, runSdk, withPassword, type Outcome } from './client.ts'
import { expectAll, parseScript } from './script.ts'

const USER = 'ann'
const PASSWORD = 'secret'
const TOKEN = 't0ken'

export class OpenStackCloud implements AsyncDisposable {
  readonly url: string
  /** The agents' ids: $HV1, $HV2, $HV3. */
  readonly names: Readonly<Record<string, string>>
  readonly #close: () => Promise<void>

  private constructor(url: string, names: Readonly<Record<string, string>>, close: () => Promise<void>) {
    this.url = url
    this.names = names
    this.#close = close
  }

  static async start(): Promise<OpenStackCloud> {
    const folder = await makeFolder()
    await using started = new AsyncDisposableStack()
    started.defer(() => removeFolder(folder))
    const serve = started.use(await ServeProcess.start(folder, ['--credentials', await writeCredentials(folder)]))
    const hosts = await Promise.all(
      ['hv1', 'hv2', 'hv3'].map(async (name) => {
        const id = randomUUID()
        const wires = name === 'hv1' ? ['ext', 'phys'] : ['ext']
        return { name, id, ovs: started.use(await startHost(name, id, wires, serve.manager)) }
      }),
    )
    const names = Object.fromEntries(hosts.map(({ name, id }) => [name.toUpperCase(), id]))
    const rest = started.move()
    const cloud = new OpenStackCloud(serve.url, names, () => rest.disposeAsync())
    try {
      await cloud.#populate(hosts.map(({ ovs }) => ovs))
      return cloud
    } catch (error) {
      await cloud.stop()
      throw error
    }
  }

  /** An administrator who is in the project `demo`. */
  door(password = PASSWORD): string[] {
    return withPassword(this.url, USER, password, 'demo')
  }

  /** A static token of a member of `demo`, and HTTP basic. */
  tokenDoor(token = TOKEN): string[] {
    return ['--os-auth-type', 'admin_token', '--os-endpoint', this.url, '--os-token', token]
  }

  basicDoor(password = PASSWORD): string[] {
    const who = ['--os-username', USER, '--os-password', password]
    return ['--os-auth-type', 'http_basic', '--os-endpoint', this.url, ...who]
  }

  /** A script in sdk/. */
  sdk(script: string): Promise<Outcome> {
    return runSdk(script, this.url, USER, PASSWORD)
  }

  run(script: string | ReturnType<typeof parseScript>, door = this.door()): Promise<void> {
    return expectAll(door, typeof script === 'string' ? parseScript(script) : script, this.names)
  }

  async #populate([first, , lost]: readonly Ovs[]): Promise<void> {
    await this.run(`
network agent list -f value -c Host ~> hv1 && hv2 && hv3
network create plugged => plugged
subnet create plugged-subnet --network plugged --subnet-range 10.99.0.0/24 => plugged-subnet`)
    await lost?.stop()
    const create = 'port create plugged-port --network plugged -f value -c id'
    const [port] = await openstack(this.door(), [{ arguments: create.split(' ') }])
    const add = ['add-port', 'br-int', 'tap1', '--', 'set', 'interface', 'tap1', 'type=dummy']
    await first?.vsctl(...add, `external_ids:iface-id=${port?.out.trim()}`)
    await this.run(`
network agent show $HV3 -f value -c alive ~> False
port show plugged-port -f value -c status ~> ACTIVE`)
  }

  stop(): Promise<void> {
    return this.#close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}

async function writeCredentials(folder: string): Promise<string> {
  const file = join(folder, 'credentials.yaml')
  const roles = '[{ project: demo, role: admin }]'
  writeFileSync(
    file,
    `
projects: [{ id: p1, name: demo }, { id: p2, name: other }]
users: [{ id: u1, name: ${USER}, password: '${await hashSecret(PASSWORD)}', roles: ${roles} }]
tokens: [{ name: ci, token: '${await hashSecret(TOKEN)}', project: demo, role: member }]`,
  )
  return file
}

async function startHost(name: string, id: string, wires: readonly string[], manager: string): Promise<Ovs> {
  const ovs = await Ovs.start()
  for (const wire of wires) await ovs.addBridge(`br-${wire}`)
  const mappings = wires.map((wire) => `${wire}:br-${wire}`)
  const ids = [`system-id=${id}`, `hostname=${name}`, 'weft-datapath-type=dummy', 'weft-encap-ip=192.0.2.1']
  const all = [...ids, `weft-bridge-mappings="${mappings.join(',')}"`].map((pair) => `external_ids:${pair}`)
  await ovs.vsctl('set', 'Open_vSwitch', '.', ...all)
  await ovs.vsctl('set-manager', manager)
  return ovs
}

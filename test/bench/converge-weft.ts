// Weft in `converge`: intent through REST, confirmations as the API tells them.
import type { WebSocket } from 'ws'
import { ControllerProcess, type Json } from '../lab/controller.ts'
import type { DummyHosts } from '../lab/dummy-hosts.ts'
import { until } from '../lab/run.ts'
import type { Side } from './converge-side.ts'
import type { PlannedNetwork, PlannedPort, Topology } from './topology.ts'

interface Agent {
  readonly configurations: { readonly switch: string; readonly current: boolean }
}

const PATIENCE_SECONDS = 120

export class WeftSide implements Side {
  readonly name = 'Weft'
  readonly #hosts: DummyHosts
  readonly controller: ControllerProcess
  /** Of networks, their subnets and ports. */
  readonly #ids = new Map<string, string>()
  readonly #active = new Set<string>()
  #observed = Promise.withResolvers<void>()
  #events: WebSocket | null = null
  #router = ''
  /** The group that all ports are in. */
  group = ''
  #rule: string | null = null

  private constructor(hosts: DummyHosts, controller: ControllerProcess) {
    this.#hosts = hosts
    this.controller = controller
  }

  static async start(hosts: DummyHosts): Promise<WeftSide> {
    const side = new WeftSide(hosts, await ControllerProcess.start(hosts))
    await Promise.all(hosts.hosts.map(({ ovs }) => ovs.vsctl('set-manager', 'tcp:127.0.0.1:6640')))
    await side.#settled()
    await side.#follow()
    return side
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#events?.close()
    await this.controller.stop()
  }

  async #follow(): Promise<void> {
    this.#events = await this.controller.follow(({ type, kind, id, status }) => {
      if (type !== 'observed' || kind !== 'port') return
      if (status === 'ACTIVE') this.#active.add(id as string)
      else this.#active.delete(id as string)
      this.#observed.resolve()
      this.#observed = Promise.withResolvers()
    })
  }

  /** All hosts are there and have confirmed all that is meant for them. */
  async #settled(): Promise<void> {
    const settled = async (): Promise<boolean> => {
      const agents = (await this.controller.call('GET', '/v2.0/agents'))['agents'] as readonly Agent[]
      return agents.filter(({ configurations }) => configurations.current).length === this.#hosts.hosts.length
    }
    await until('all hosts have confirmed', settled, PATIENCE_SECONDS)
  }

  async create(kind: string, body: Json, wait = false): Promise<string> {
    const name = kind.replaceAll('-', '_')
    const path = `/v2.0/${kind}s${wait ? '?wait=realized' : ''}`
    const answer = await this.controller.call('POST', path, { [name]: body })
    return (answer[name] as Json)['id'] as string
  }

  #id(name: string): string {
    const id = this.#ids.get(name)
    if (id === undefined) throw new Error(`no ${name}`)
    return id
  }

  async build({ networks }: Topology): Promise<void> {
    const unlimited = { network: -1, subnet: -1, port: -1, router: -1 }
    await this.controller.call('PUT', '/v2.0/quotas/default', { quota: unlimited })
    this.#router = await this.create('router', {})
    // A new group lets everything out; what comes in must be from members.
    this.group = await this.create('security-group', { name: 'members' })
    for (const ethertype of ['IPv4', 'IPv6']) await this.#addRule({ ethertype, remote_group_id: this.group })
    for (const network of networks) {
      const { name, cidr, gateway, ports } = network
      this.#ids.set(name, await this.create('network', { name, 'provider:network_type': 'geneve' }))
      const subnet = { network_id: this.#id(name), ip_version: 4, cidr, gateway_ip: gateway }
      this.#ids.set(cidr, await this.create('subnet', subnet))
      const bodies = ports.map((port) => this.#bodyOf(network, port))
      const made = (await this.controller.call('POST', '/v2.0/ports', { ports: bodies }))['ports'] as readonly Json[]
      for (const port of made) this.#ids.set(port['name'] as string, port['id'] as string)
      await this.setInterface(network, true)
    }
    await this.#settled()
  }

  #bodyOf(network: PlannedNetwork, { name, mac, address }: PlannedPort): Json {
    return {
      name,
      network_id: this.#id(network.name),
      mac_address: mac,
      fixed_ips: [{ ip_address: address }],
      security_groups: [this.group],
    }
  }

  async addPort(network: PlannedNetwork, port: PlannedPort): Promise<void> {
    this.#ids.set(port.name, await this.create('port', this.#bodyOf(network, port)))
  }

  async removePort(_: PlannedNetwork, { name }: PlannedPort): Promise<void> {
    await this.controller.call('DELETE', `/v2.0/ports/${this.#id(name)}?wait=realized`)
  }

  idOf({ name }: PlannedPort): string {
    return this.#id(name)
  }

  async bound(ports: readonly PlannedPort[]): Promise<void> {
    const ids = ports.map(({ name }) => this.#id(name))
    while (!ids.every((id) => this.#active.has(id))) await this.#observed.promise
    await this.#settled()
  }

  #addRule(rule: Json): Promise<string> {
    return this.create('security-group-rule', { security_group_id: this.group, direction: 'ingress', ...rule }, true)
  }

  async setRule(there: boolean): Promise<void> {
    if (there) this.#rule = await this.#addRule({ protocol: 'tcp', port_range_min: 22, port_range_max: 22 })
    else await this.controller.call('DELETE', `/v2.0/security-group-rules/${this.#rule}?wait=realized`)
  }

  async setInterface({ cidr }: PlannedNetwork, there: boolean): Promise<void> {
    const action = `${there ? 'add' : 'remove'}_router_interface`
    const path = `/v2.0/routers/${this.#router}/${action}?wait=realized`
    await this.controller.call('PUT', path, { subnet_id: this.#id(cidr) })
  }

  async restart(): Promise<void> {
    this.#events?.close()
    await this.controller.restart('SIGKILL')
    await this.#settled()
    await this.#follow()
  }

  processes(): readonly (readonly [string, number])[] {
    return [['weft', this.controller.pid]]
  }
}

// A Fabric with a controller that its hosts are pointed at, and the few things that tests of virtual networks do with
// them: networks, ports and routers over REST, virtual machines on hosts.
import { ControllerProcess, type Json } from './controller.ts'
import { CONTROLLER_ADDRESS, Fabric, type Hypervisor, type Machine, type Vm } from './fabric.ts'
import { until } from './run.ts'

/** ovsdb-server waits up to 8 s between attempts to reach its manager; a dead peer is noticed after 10 s. */
const RECONNECTED_SECONDS = 30

export interface Network {
  readonly id: string
  readonly vni: number
  readonly mtu: number
}

export interface Subnet {
  readonly id: string
  readonly network: string
  readonly cidr: string
  readonly gateway: string | null
}

export interface Port {
  readonly id: string
  readonly mac: string
  readonly address: string
}

/** What a host is to the API: a Neutron agent. */
export interface Agent {
  readonly host: string
  readonly alive: boolean
  readonly configurations: {
    readonly switch: string
    readonly flowMods: number
    readonly meterMods: number
    readonly groupMods: number
    readonly alarms: readonly string[]
  }
}

/** A virtual machine and the port that it is plugged in as. */
export interface Guest {
  readonly vm: Vm
  readonly port: Port
}

interface PortBody {
  readonly id: string
  readonly mac_address: string
  readonly fixed_ips: readonly { readonly ip_address: string }[]
}

export class Cloud implements AsyncDisposable {
  readonly fabric: Fabric
  readonly controller: ControllerProcess

  private constructor(fabric: Fabric, controller: ControllerProcess) {
    this.fabric = fabric
    this.controller = controller
  }

  /** `flags`: of weft serve. */
  static async start(hosts: number, ...flags: readonly string[]): Promise<Cloud> {
    const fabric = await Fabric.start(hosts)
    try {
      const cloud = new Cloud(fabric, await ControllerProcess.start(fabric, ...flags))
      await Promise.all(fabric.hosts.map((host) => host.pointAt(`tcp:${CONTROLLER_ADDRESS}:6640`)))
      await cloud.settled()
      return cloud
    } catch (error) {
      await fabric.stop()
      throw error
    }
  }

  async stop(): Promise<void> {
    await this.controller.stop()
    await this.fabric.stop()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  host(index: number): Hypervisor {
    const host = this.fabric.hosts[index]
    if (host === undefined) throw new RangeError(`no host ${index}`)
    return host
  }

  async agents(): Promise<readonly Agent[]> {
    return (await this.controller.call('GET', '/v2.0/agents'))['agents'] as readonly Agent[]
  }

  async agent(host: Hypervisor): Promise<Agent> {
    const agent = (await this.agents()).find((each) => each.host === host.name)
    if (agent === undefined) throw new Error(`the controller does not know ${host.name}`)
    return agent
  }

  /** Every host is connected and has been compared. */
  async settled(): Promise<void> {
    const ready = async (): Promise<boolean> => {
      const agents = await this.agents()
      const there = agents.filter(({ alive, configurations }) => alive && configurations.switch === 'ready')
      return there.length === this.fabric.hosts.length
    }
    await until('all hosts are ready', ready, RECONNECTED_SECONDS)
  }

  async #create(kind: string, body: Json, wait = false): Promise<Json> {
    const answer = await this.controller.call('POST', `/v2.0/${kind}s${wait ? '?wait=realized' : ''}`, { [kind]: body })
    return answer[kind] as Json
  }

  async network(body: Json = {}): Promise<Network> {
    const made = await this.#create('network', body)
    return {
      id: made['id'] as string,
      vni: made['provider:segmentation_id'] as number,
      mtu: made['mtu'] as number,
    }
  }

  async subnet(network: Network, cidr: string, body: Json = {}): Promise<Subnet> {
    const made = await this.#create('subnet', { network_id: network.id, ip_version: 4, cidr, ...body })
    return { id: made['id'] as string, network: network.id, cidr, gateway: made['gateway_ip'] as string | null }
  }

  /** A router that stands on the gateway addresses of the subnets; its id. */
  async router(subnets: readonly Subnet[], body: Json = {}): Promise<string> {
    const id = (await this.#create('router', body))['id'] as string
    for (const { id: subnet } of subnets) {
      await this.controller.call('PUT', `/v2.0/routers/${id}/add_router_interface`, { subnet_id: subnet })
    }
    return id
  }

  /** Puts a router on a subnet with this address. */
  async attach(router: string, subnet: Subnet, address: string): Promise<void> {
    const fixed_ips = [{ subnet_id: subnet.id, ip_address: address }]
    const { id } = await this.#create('port', { network_id: subnet.network, fixed_ips })
    await this.controller.call('PUT', `/v2.0/routers/${router}/add_router_interface`, { port_id: id })
  }

  async port(network: Network, body: Json = {}): Promise<Port> {
    const made = (await this.#create('port', { network_id: network.id, ...body })) as unknown as PortBody
    return { id: made.id, mac: made.mac_address, address: made.fixed_ips[0]?.ip_address ?? '' }
  }

  /** Changes an object and waits until all hosts concerned have confirmed. */
  async update(kind: string, id: string, body: Json): Promise<Json> {
    const answer = await this.controller.call('PUT', `/v2.0/${kind}s/${id}?wait=realized`, { [kind]: body })
    return answer[kind] as Json
  }

  remove(kind: string, id: string): Promise<Json> {
    return this.controller.call('DELETE', `/v2.0/${kind}s/${id}?wait=realized`)
  }

  async status(port: Port): Promise<string> {
    const answer = await this.controller.call('GET', `/v2.0/ports/${port.id}?fields=status`)
    return (answer['port'] as Json)['status'] as string
  }

  async becomes(port: Port, status: string): Promise<void> {
    const is = async (): Promise<boolean> => (await this.status(port)) === status
    await until(`port ${port.id} is ${status}`, is, RECONNECTED_SECONDS)
  }

  /** A virtual machine on `host` with a port of its own and its address set by hand. */
  async guest(host: Hypervisor, network: Network, subnet: Subnet, body: Json = {}): Promise<Guest> {
    const port = await this.port(network, body)
    const vm = await this.fabric.addVm(host, port.id.slice(0, 8), port.mac, port.id)
    await vm.address(`${port.address}/${subnet.cidr.split('/')[1]}`, subnet.gateway)
    await this.becomes(port, 'ACTIVE')
    return { vm, port }
  }
}

/** Waits until a ping has come back, so that what follows does not wait for the underlay's ARP. */
export async function warm(from: Machine, address: string): Promise<void> {
  await until(`${from.name} reaches ${address}`, async () => (await from.ping(address, '-c', '1')) === 1)
}

// Several hypervisors in network namespaces, as a data centre has them: each with its own ovsdb-server and ovs-vswitchd on
// the userspace datapath, an underlay between them, one namespace on it for the controller, and virtual machines as
// namespaces plugged into br-int. Shared by the system tests and the demo.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeFolder, makeNamespace, removeFolder, removeNamespace } from './folder.ts'
import { Ovs } from './ovs.ts'
import { run, startDaemon, until } from './run.ts'

const UNDERLAY_MTU = '1500'
/** On the underlay. */
export const CONTROLLER_ADDRESS = '192.168.50.100'

/** What udhcpc does with an answer; like dhclient it prefers classless routes over the router option. */
const DHCP_SCRIPT = `#!/bin/sh
case "$1" in
bound|renew)
  ip -4 addr flush dev $interface
  ip addr add $ip/$mask dev $interface
  [ -n "$mtu" ] && ip link set $interface mtu $mtu
  if [ -n "$staticroutes" ]; then
    set -- $staticroutes
    while [ $# -ge 2 ]; do ip route replace $1 via $2; shift 2; done
  elif [ -n "$router" ]; then ip route replace default via $router; fi
  env | grep -E '^(ip|mask|router|dns|mtu|lease|serverid|domain|hostname|staticroutes|ntpsrv)=' >"$WEFT_LEASE" ;;
esac
`

const exec = (namespace: string, ...command: readonly string[]): Promise<string> =>
  run('ip', ['netns', 'exec', namespace, ...command])

export class Hypervisor {
  readonly name: string
  readonly namespace: string
  readonly address: string
  readonly ovs: Ovs

  constructor(name: string, namespace: string, address: string, ovs: Ovs) {
    this.name = name
    this.namespace = namespace
    this.address = address
    this.ovs = ovs
  }

  /** All that an operator does on a host. */
  async pointAt(manager: string): Promise<void> {
    await this.ovs.vsctl('set-manager', manager)
  }
}

export interface Capture {
  /** One line for each frame so far, as tcpdump -e prints it. */
  frames(): readonly string[]
  stop(): Promise<void>
}

/** A machine with one interface, eth0: a network namespace. */
export class Machine {
  readonly name: string
  readonly namespace: string
  /** Of the fabric, for the machine's files. */
  readonly folder: string
  #captures = 0

  constructor(name: string, namespace: string, folder: string) {
    this.name = name
    this.namespace = namespace
    this.folder = folder
  }

  exec(...command: readonly string[]): Promise<string> {
    return exec(this.namespace, ...command)
  }

  /** Takes an address by DHCP; the lease as udhcpc names its parts. */
  async dhcp(...options: readonly string[]): Promise<Record<string, string>> {
    const script = join(this.folder, 'udhcpc.sh')
    const lease = join(this.folder, `${this.name}.lease`)
    const udhcpc = ['busybox', 'udhcpc', '-i', 'eth0', '-n', '-q', '-f', '-t', '8', '-T', '1', '-s', script, ...options]
    await this.exec('env', `WEFT_LEASE=${lease}`, ...udhcpc)
    const text = await run('cat', [lease])
    return Object.fromEntries(
      text
        .trim()
        .split('\n')
        .map((line) => line.split('=', 2) as [string, string]),
    )
  }

  /** Sets the one address, `192.0.2.1/24`, and the way to other networks by hand. */
  async address(cidr: string, gateway: string | null = null): Promise<void> {
    await this.exec('ip', 'addr', 'replace', cidr, 'dev', 'eth0')
    if (gateway !== null) await this.exec('ip', 'route', 'replace', 'default', 'via', gateway)
  }

  /** Starts to record the frames that reach the machine and that the filter (pcap-filter(7)) selects. */
  async capture(...filter: readonly string[]): Promise<Capture> {
    this.#captures += 1
    const log = join(this.folder, `${this.name}.${this.#captures}.capture`)
    const options = ['-i', 'eth0', '-Q', 'in', '-n', '-e', '-l', '-t', '--immediate-mode']
    const tcpdump = await startDaemon('tcpdump', [...options, ...filter], { namespace: this.namespace, log })
    const read = (): string[] => readFileSync(log, 'utf8').split('\n')
    await until('tcpdump listens', () => read().some((line) => line.startsWith('listening on')))
    return {
      frames: () => read().filter((line) => /^\S+ > \S+, /.test(line)),
      stop: () => tcpdump.stop(),
    }
  }

  /** The share of echo requests that were answered, 0 to 1. */
  async ping(address: string, ...options: readonly string[]): Promise<number> {
    const text = await this.exec('ping', '-n', '-c', '3', '-i', '0.2', '-W', '1', ...options, address).catch(
      (error: unknown) => (error as { stdout?: string }).stdout ?? '',
    )
    const [, sent, received] = /(\d+) packets transmitted, (\d+) (?:packets )?received/.exec(text) ?? []
    return sent === undefined ? 0 : Number(received) / Number(sent)
  }
}

/** A machine that is plugged into a host's integration bridge. */
export class Vm extends Machine {
  /** The host's end of its cable. */
  readonly interface: string
  host: Hypervisor

  constructor(name: string, namespace: string, folder: string, device: string, host: Hypervisor) {
    super(name, namespace, folder)
    this.interface = device
    this.host = host
  }
}

export class Fabric implements AsyncDisposable {
  readonly folder: string
  readonly hosts: Hypervisor[] = []
  readonly #namespaces: string[] = []
  readonly #stops: (() => Promise<void>)[] = []
  #underlay = ''
  #controller = ''
  #count = 0

  private constructor(folder: string) {
    this.folder = folder
  }

  static async start(hosts: number): Promise<Fabric> {
    const fabric = new Fabric(await makeFolder())
    try {
      writeFileSync(join(fabric.folder, 'udhcpc.sh'), DHCP_SCRIPT, { mode: 0o755 })
      fabric.#underlay = await fabric.namespace()
      await run('ip', ['-n', fabric.#underlay, 'link', 'add', 'br0', 'type', 'bridge'])
      await run('ip', ['-n', fabric.#underlay, 'link', 'set', 'br0', 'up'])
      fabric.#controller = await fabric.namespace()
      await fabric.#attach(fabric.#controller, 'ctl')
      // The hosts' userspace datapaths take packets as they are: without a checksum they would be dropped.
      await exec(fabric.#controller, 'ethtool', '-K', 'eth0', 'tx', 'off')
      await run('ip', ['-n', fabric.#controller, 'addr', 'add', `${CONTROLLER_ADDRESS}/24`, 'dev', 'eth0'])
      await Promise.all(Array.from({ length: hosts }, (_, i) => fabric.#addHost(i + 1)))
      fabric.hosts.sort((a, b) => a.name.localeCompare(b.name))
      return fabric
    } catch (error) {
      await fabric.stop()
      throw error
    }
  }

  /** The namespace in which the controller runs. */
  get controller(): string {
    return this.#controller
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops) await stop()
    for (const { ovs } of this.hosts) await ovs.stop()
    for (const name of this.#namespaces) await removeNamespace(name).catch(() => {})
    removeFolder(this.folder)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  /** To be done before the hosts end. */
  onStop(stop: () => Promise<void>): void {
    this.#stops.push(stop)
  }

  /** Cuts a host off the underlay, or connects it again. */
  async setLink(host: Hypervisor, state: 'up' | 'down'): Promise<void> {
    await run('ip', ['-n', this.#underlay, 'link', 'set', `ul-${host.name}`, state])
  }

  /** A virtual machine with this MAC, plugged into the host as the given port. Its address comes by DHCP or from the caller. */
  async addVm(host: Hypervisor, name: string, mac: string, portId: string | null): Promise<Vm> {
    const namespace = await this.namespace()
    this.#count += 1
    const device = `tap${this.#count}`
    await run('ip', [
      '-n',
      host.namespace,
      'link',
      'add',
      device,
      'type',
      'veth',
      'peer',
      'name',
      'eth0',
      'netns',
      namespace,
    ])
    await run('ip', ['-n', host.namespace, 'link', 'set', device, 'up'])
    await run('ip', ['-n', namespace, 'link', 'set', 'eth0', 'address', mac, 'mtu', '1450', 'up'])
    await exec(namespace, 'ethtool', '-K', 'eth0', 'tx', 'off')
    const vm = new Vm(name, namespace, this.folder, device, host)
    if (portId !== null) await this.plug(vm, portId)
    return vm
  }

  async plug(vm: Vm, portId: string): Promise<void> {
    await until('the controller has made br-int', () =>
      vm.host.ovs.vsctl('br-exists', 'br-int').then(
        () => true,
        () => false,
      ),
    )
    const ids = ['--', 'set', 'interface', vm.interface, `external_ids:iface-id=${portId}`]
    await vm.host.ovs.vsctl('add-port', 'br-int', vm.interface, ...ids)
  }

  async unplug(vm: Vm): Promise<void> {
    await vm.host.ovs.vsctl('--if-exists', 'del-port', 'br-int', vm.interface)
  }

  /** Moves the cable of a virtual machine to another host; what it runs goes on. */
  async migrate(vm: Vm, to: Hypervisor, portId: string): Promise<void> {
    await this.unplug(vm)
    await run('ip', ['-n', vm.host.namespace, 'link', 'set', vm.interface, 'netns', to.namespace])
    vm.host = to
    await run('ip', ['-n', to.namespace, 'link', 'set', vm.interface, 'up'])
    await this.plug(vm, portId)
  }

  /** A namespace that goes with the fabric. */
  async namespace(): Promise<string> {
    const name = await makeNamespace()
    this.#namespaces.push(name)
    return name
  }

  async #attach(namespace: string, name: string): Promise<void> {
    const there = ['peer', 'name', 'eth0', 'netns', namespace]
    await run('ip', ['-n', this.#underlay, 'link', 'add', `ul-${name}`, 'type', 'veth', ...there])
    await run('ip', ['-n', this.#underlay, 'link', 'set', `ul-${name}`, 'master', 'br0', 'mtu', UNDERLAY_MTU, 'up'])
    await run('ip', ['-n', namespace, 'link', 'set', 'eth0', 'up'])
  }

  async #addHost(n: number): Promise<void> {
    const name = `host${n}`
    const address = `192.168.50.${n}`
    const namespace = await this.namespace()
    await this.#attach(namespace, name)
    const ovs = await Ovs.start({ namespace })
    this.hosts.push(new Hypervisor(name, namespace, address, ovs))
    await ovs.vsctl(
      'add-br',
      'br-phy',
      '--',
      'set',
      'bridge',
      'br-phy',
      'datapath_type=netdev',
      '--',
      'add-port',
      'br-phy',
      'eth0',
    )
    // The tunnel's end is an address of the bridge that owns the NIC (docs: userspace tunnelling).
    await run('ip', ['-n', namespace, 'addr', 'add', `${address}/24`, 'dev', 'br-phy'])
    await run('ip', ['-n', namespace, 'link', 'set', 'br-phy', 'up'])
    const ids = [`system-id=${name}`, `hostname=${name}`, 'weft-datapath-type=netdev', `weft-encap-ip=${address}`]
    await ovs.vsctl('set', 'Open_vSwitch', '.', ...ids.map((pair) => `external_ids:${pair}`))
  }
}

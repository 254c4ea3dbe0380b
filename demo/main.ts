// `npm run demo`: the controller and three OVS hosts in network namespaces, a network built through the REST API, traffic
// that passes; then it stays up to be explored. `-- --check` verifies and ends with 0 or 1. Everything ends with this
// process, however it ends; what a killed run left behind is removed by the next.
import { connect, createServer, type AddressInfo, type Server } from 'node:net'
import { pipeline } from 'node:stream'
import { attempt, Conversation } from '../test/lab/conversation.ts'
import { ControllerProcess } from '../test/lab/controller.ts'
import { CONTROLLER_ADDRESS, Fabric, type Vm } from '../test/lab/fabric.ts'
import { startDaemon, until } from '../test/lab/run.ts'
import { connectOutside, OUTSIDE } from './outside.ts'

const API_PORT = 9696
const HOSTS = 3
const WEB_PORT = 8080
const check = process.argv.includes('--check')

const bold = (text: string): string => (process.stdout.isTTY ? `\u001B[1m${text}\u001B[0m` : text)
const say = (text = ''): void => console.log(text)
let failures = 0

/** One line of the report. */
async function verify(what: string, test: () => Promise<string | boolean>): Promise<void> {
  const result = await test().catch((error: unknown) => {
    say(`      ${error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)}`)
    return false
  })
  if (result === false) failures += 1
  say(`  ${result === false ? 'FAIL' : 'ok  '} ${what}${typeof result === 'string' ? `   ${result}` : ''}`)
}

interface Plugged {
  readonly vm: Vm
  readonly port: { readonly id: string; readonly address: string }
}

class Demo {
  readonly fabric: Fabric
  #controller: ControllerProcess | null = null
  #door: Server | null = null
  url = ''
  /** Its id. */
  router = ''

  constructor(fabric: Fabric) {
    this.fabric = fabric
  }

  async startController(): Promise<void> {
    this.#controller = await ControllerProcess.start(this.fabric)
    const path = this.#controller.socket
    // For browsers and curl, which are in no namespace of the fabric.
    const door = createServer((caller) => void pipeline(caller, connect({ path }), caller, () => {}))
    this.#door = door
    await new Promise<void>((resolve, reject) => {
      // Where the usual port is taken, any will do.
      door.once('error', () => door.listen(0, '127.0.0.1', resolve).once('error', reject))
      door.listen(API_PORT, '127.0.0.1', resolve)
    })
    this.url = `http://127.0.0.1:${(door.address() as AddressInfo).port}`
  }

  get logFile(): string {
    return this.#controller?.logFile ?? ''
  }

  async stop(): Promise<void> {
    this.#door?.close()
    await this.#controller?.stop()
    await this.fabric.stop()
  }

  /** A REST call, shown. */
  async call<T>(method: string, path: string, body?: object): Promise<T> {
    say(`  ${bold(method.padEnd(4))} ${path}${body === undefined ? '' : `  ${JSON.stringify(body)}`}`)
    const init =
      body === undefined
        ? { method }
        : { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
    const response = await fetch(`${this.url}${path}`, init)
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    return (text === '' ? null : JSON.parse(text)) as T
  }

  async build(): Promise<Plugged[]> {
    const { fabric } = this
    const { router } = await this.call<{ router: { id: string } }>('POST', '/v2.0/routers', {
      router: { name: 'router' },
    })
    this.router = router.id
    const planned: {
      port: { id: string; mac_address: string; fixed_ips: { ip_address: string }[] }
      name: string
      host: number
    }[] = []
    for (const network of [1, 2]) {
      const { network: net } = await this.call<{ network: { id: string } }>('POST', '/v2.0/networks', {
        network: { name: `net${network}` },
      })
      const { subnet } = await this.call<{ subnet: { id: string } }>('POST', '/v2.0/subnets', {
        subnet: { network_id: net.id, ip_version: 4, cidr: `10.0.${network}.0/24`, dns_nameservers: ['9.9.9.9'] },
      })
      await this.call('PUT', `/v2.0/routers/${router.id}/add_router_interface`, { subnet_id: subnet.id })
      for (let host = 1; host <= HOSTS; host += 1) {
        const name = `vm${network}${host}`
        const { port } = await this.call<{ port: (typeof planned)[number]['port'] }>('POST', '/v2.0/ports', {
          port: { name, network_id: net.id },
        })
        planned.push({ port, name, host })
      }
    }
    say('\nPlugging in 6 virtual machines (ovs-vsctl add-port br-int … external_ids:iface-id=PORT)')
    const plugged: Plugged[] = []
    for (const { port, name, host } of planned) {
      const hypervisor = fabric.hosts[host - 1]
      const address = port.fixed_ips[0]?.ip_address
      if (hypervisor === undefined || address === undefined) throw new Error('the fabric is incomplete')
      plugged.push({
        vm: await fabric.addVm(hypervisor, name, port.mac_address, port.id),
        port: { id: port.id, address },
      })
    }
    return plugged
  }
}

async function tcp(from: Plugged, to: Plugged): Promise<string | boolean> {
  const server = await startDaemon('iperf3', ['-s', '-1'], { namespace: to.vm.namespace })
  try {
    await until('iperf3 listens', () =>
      to.vm.exec('ss', '-Hltn', 'sport = :5201').then((text) => text.includes('5201')),
    )
    const report = JSON.parse(await from.vm.exec('iperf3', '-J', '-t', '1', '-c', to.port.address)) as {
      end: { sum_received: { bits_per_second: number } }
    }
    const rate = report.end.sum_received.bits_per_second
    return rate > 0 && `${(rate / 1e6).toFixed(0)} Mbit/s`
  } finally {
    await server.stop()
  }
}

async function verifyTraffic(vms: readonly Plugged[]): Promise<void> {
  for (const {
    vm,
    port: { address },
  } of vms) {
    await verify(`${vm.name} gets ${address} by DHCP`, async () => (await vm.dhcp())['ip'] === address)
  }
  for (const from of vms) {
    const others = vms.filter((to) => to !== from)
    await verify(`${from.vm.name} on ${from.vm.host.name} reaches all others`, async () => {
      // The first packet to a tunnel endpoint waits for the underlay's ARP.
      const shares = await Promise.all(others.map(({ port }) => from.vm.ping(port.address, '-c', '5')))
      return shares.every((share) => share > 0)
    })
  }
  const [a, , , , , f] = vms
  if (a === undefined || f === undefined) throw new Error('virtual machines are missing')
  await verify(`TCP from ${a.vm.name} to ${f.vm.name}, routed across hosts`, () => tcp(a, f))
  await verify(`${a.vm.name} pings its gateway`, async () => (await a.vm.ping('10.0.1.1')) === 1)
  await verify(`traceroute from ${a.vm.name} shows the router, then ${f.vm.name}`, async () => {
    const text = await a.vm.exec('traceroute', '-n', '-q', '1', '-w', '2', f.port.address)
    return new RegExp(`10\\.0\\.1\\.1[^]*${f.port.address.replaceAll('.', '\\.')}`).test(
      text.split('\n').slice(1).join('\n'),
    )
  })
}

/** By the first host, which has a way to the physical network, from the last one, which has none. */
async function verifyOutside(demo: Demo, from: Plugged): Promise<void> {
  const { machine, gateway } = await connectOutside(demo, demo.router)
  const capture = await machine.capture('icmp')
  await verify(`${from.vm.name} on ${from.vm.host.name} reaches ${OUTSIDE} outside, as ${gateway}`, async () => {
    await until('it answers', async () => (await from.vm.ping(OUTSIDE, '-c', '1')) === 1)
    return capture.frames().every((frame) => frame.includes(`${gateway} > ${OUTSIDE}`))
  })
  await capture.stop()
}

/** The last machine in a group of its own, which lets in what its rules say, at once, and as long as they say so. */
async function verifySecurityGroup(demo: Demo, client: Plugged, server: Plugged): Promise<void> {
  const { security_group: group } = await demo.call<{ security_group: { id: string } }>(
    'POST',
    '/v2.0/security-groups',
    { security_group: { name: 'web' } },
  )
  await demo.call('PUT', `/v2.0/ports/${server.port.id}?wait=realized`, { port: { security_groups: [group.id] } })
  const connection = `TCP from ${client.vm.name} to port ${WEB_PORT} of ${server.vm.name}`
  await verify(`${connection} is dropped: no rule of its group allows it`, async () => {
    return (await attempt(client.vm, 'tcp', server.port.address, WEB_PORT)) === 'silence'
  })
  const { security_group_rule: rule } = await demo.call<{ security_group_rule: { id: string } }>(
    'POST',
    '/v2.0/security-group-rules?wait=realized',
    {
      security_group_rule: {
        security_group_id: group.id,
        direction: 'ingress',
        protocol: 'tcp',
        port_range_min: WEB_PORT,
        port_range_max: WEB_PORT,
      },
    },
  )
  await using conversation = await Conversation.start('tcp', client, server, WEB_PORT)
  await verify(`${connection} passes: a rule allows it`, () => conversation.goesOn().then(() => true))
  await demo.call('DELETE', `/v2.0/security-group-rules/${rule.id}?wait=realized`)
  await verify('the connection is cut: the rule is gone', () => conversation.isSilent().then(() => true))
}

function showCommands(demo: Demo, vms: readonly Plugged[]): void {
  const [first, last] = [vms[0], vms.at(-1)]
  const [host] = demo.fabric.hosts
  if (first === undefined || last === undefined || host === undefined) return
  say(`
${bold('It is running.')} Ctrl-C ends it and cleans up.

  API             ${demo.url}/v2.0/   (OpenStack Networking v2.0)
  API reference   ${demo.url}/docs
  Metrics         ${demo.url}/metrics
  Log             ${demo.logFile}

Try, in another terminal:
  openstack --os-auth-type none --os-endpoint ${demo.url} port list
  openstack --os-auth-type none --os-endpoint ${demo.url} network agent list
  bin/weft trace --url ${demo.url} --from ${first.port.id} --to ${last.port.id} --tcp ${WEB_PORT}   # why ${first.vm.name} does not reach ${last.vm.name}
  openstack --os-auth-type none --os-endpoint ${demo.url} security group rule create --ingress --protocol tcp --dst-port ${WEB_PORT} web   # so it does
  ip netns exec ${first.vm.namespace} ping 10.0.2.1          # from ${first.vm.name}
  ip netns exec ${first.vm.namespace} ping ${OUTSIDE}       # outside
  OVS_RUNDIR=${host.ovs.folder} ovs-ofctl -O OpenFlow13 dump-flows br-int --no-stats   # on ${host.name}
  ovs-vsctl --db=${host.ovs.database} show`)
}

async function main(): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error('the demo makes network namespaces: run it as root')
  say(`Starting ${HOSTS} hosts, each with its own ovsdb-server and ovs-vswitchd, and the underlay between them`)
  const demo = new Demo(await Fabric.start(HOSTS))
  const interrupted = Promise.withResolvers<void>()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => interrupted.resolve())
  try {
    await Promise.race([run(demo), interrupted.promise])
    if (!check && failures === 0) await interrupted.promise
  } finally {
    say('\nCleaning up')
    await demo.stop()
  }
}

async function run(demo: Demo): Promise<void> {
  say('Starting the controller (weft serve)')
  await demo.startController()
  say(`Pointing the hosts at it (ovs-vsctl set-manager tcp:${CONTROLLER_ADDRESS}:6640)`)
  for (const host of demo.fabric.hosts) await host.pointAt(`tcp:${CONTROLLER_ADDRESS}:6640`)
  say('\nBuilding two networks and a router through the API')
  const vms = await demo.build()
  say('\nWhat passes')
  await verifyTraffic(vms)
  const [client, server] = [vms[0], vms.at(-1)]
  if (client === undefined || server === undefined) throw new Error('virtual machines are missing')
  say('\nThe way to outside, through the router')
  await verifyOutside(demo, server)
  say('\nWhat a security group lets pass')
  await verifySecurityGroup(demo, client, server)
  if (check) say(failures === 0 ? '\nAll passed.' : `\n${failures} failed.`)
  else if (failures === 0) showCommands(demo, vms)
}

await main().catch((error: unknown) => {
  failures += 1
  console.error(error instanceof Error ? error.message : error)
})
process.exit(failures === 0 ? 0 : 1)

// `npm run bench -- derivation [ports=N] [hosts=N] [networks=N] [spread=N]`: from intent to flow-mods with the real apps
// and flows: everything at once, then one change at a time, beside computing everything anew for each.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Port } from '../../controller/app.ts'
import { apps } from '../../apps/index.ts'
import { Deployment } from '../../controller/deployment.ts'
import { Derivation } from '../../controller/derivation.ts'
import type { Sizes } from './main.ts'

/** `spread`: on so many hosts are the ports of a network. */
const defaults = { ports: 100_000, hosts: 1_000, networks: 1_000, spread: 10 }
type Size = typeof defaults
const CHANGES = 500

const hex = (n: number, width: number): string => n.toString(16).padStart(width, '0')
const uuid = (kind: number, n: number): string => `${hex(kind, 2)}${hex(n, 6)}-0000-4000-8000-000000000000`
const KIND = { network: 1, subnet: 2, port: 3 } as const

function quantile(values: readonly number[], q: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * q)] ?? Number.NaN
}

/** Address `place` on the /16 of a network; 10.0.0.0/8 has room for 256 networks, and they may overlap. */
const address = (network: number, place: number): string => `10.${network % 256}.${place >> 8}.${place & 255}`

function portRow({ networks }: Size, i: number, rest: Partial<Port> = {}): Port {
  const network = i % networks
  return {
    id: uuid(KIND.port, i),
    name: '',
    dns_name: '',
    network_id: uuid(KIND.network, network),
    mac_address: `02:00:${hex(i, 8).replace(/(..)(?=.)/g, '$1:')}`,
    fixed_ips: [{ subnet_id: uuid(KIND.subnet, network), ip_address: address(network, Math.floor(i / networks) + 2) }],
    admin_state_up: true,
    device_owner: '',
    device_id: '',
    port_security_enabled: true,
    allowed_address_pairs: [],
    extra_dhcp_opts: [],
    'binding:host_id': '',
    ...rest,
  }
}

/** The ports of a network are on a few hosts, as a tenant's are. */
function hostOf({ hosts, networks, spread }: Size, i: number): string {
  const network = i % networks
  const first = (network * spread) % hosts
  return `h${(first + (Math.floor(i / networks) % spread)) % hosts}`
}

function plug(derivation: Derivation, size: Size, i: number, host = hostOf(size, i)): void {
  const row = { host, name: `t${i}`, ofport: Math.floor(i / size.hosts) + 1, port: uuid(KIND.port, i) }
  derivation.inputs.vif.set(`${host}/${row.name}`, row)
}

function fill(derivation: Derivation, size: Size): void {
  const { network, subnet, port, host } = derivation.inputs
  for (let h = 0; h < size.hosts; h += 1) {
    host.set(`h${h}`, { id: `h${h}`, name: `h${h}`, encapIp: `192.${h >> 16}.${(h >> 8) & 255}.${h & 255}` })
  }
  for (let n = 0; n < size.networks; n += 1) {
    const id = uuid(KIND.network, n)
    network.set(id, {
      id,
      admin_state_up: true,
      mtu: 1450,
      dns_domain: '',
      'provider:network_type': 'vxlan',
      'provider:segmentation_id': n + 1,
    })
    subnet.set(uuid(KIND.subnet, n), {
      id: uuid(KIND.subnet, n),
      network_id: id,
      ip_version: 4,
      cidr: `${address(n, 0)}/16`,
      gateway_ip: address(n, 1),
      enable_dhcp: true,
      dns_nameservers: [],
      host_routes: [],
    })
  }
  for (let i = 0; i < size.ports; i += 1) {
    const row = portRow(size, i)
    port.set(row.id, row)
    plug(derivation, size, i)
  }
}

interface Step {
  readonly milliseconds: number
  /** Flow-mods and meter-mods for all hosts. */
  readonly sent: number
}

/** Applies what is staged. */
function step(derivation: Derivation, deployment: Deployment): Step {
  const begin = performance.now()
  const { units, scopes } = derivation.commit()
  deployment.update(units, scopes)
  let sent = 0
  for (const delta of deployment.take().values()) sent += delta.size
  return { milliseconds: performance.now() - begin, sent }
}

/** Bytes that survive a full garbage collection. */
function memoryKept(): number {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** Changes of port `i`, one after another: what each does can be told from the one before. */
function changes(derivation: Derivation, size: Size): Readonly<Record<string, (i: number) => void>> {
  const { port, vif } = derivation.inputs
  return {
    'port renamed (nothing to send)': (i) => port.set(uuid(KIND.port, i), portRow(size, i, { name: `n${i}` })),
    'port’s security switched off': (i) =>
      port.set(uuid(KIND.port, i), portRow(size, i, { port_security_enabled: false })),
    'port unplugged': (i) => vif.delete(`${hostOf(size, i)}/t${i}`),
    'port plugged in again': (i) => plug(derivation, size, i),
    'port moves to a host that is new to the network': (i) => {
      vif.delete(`${hostOf(size, i)}/t${i}`)
      plug(derivation, size, i, `h${(i * 7919) % size.hosts}`)
    },
    'port added on a network': (i) => {
      port.set(uuid(KIND.port, size.ports + i), portRow(size, size.ports + i))
      plug(derivation, size, size.ports + i)
    },
  }
}

export async function run(sizes: Sizes): Promise<void> {
  const size = { ...defaults, ...sizes }
  const memoryBefore = memoryKept()
  const derivation = new Derivation(apps)
  const deployment = new Deployment()
  fill(derivation, size)
  const cpu = process.cpuUsage()
  const whole = step(derivation, deployment)
  const { user, system } = process.cpuUsage(cpu)
  const memory = memoryKept() - memoryBefore
  const items = new Set(
    Array.from({ length: size.hosts }, (_, h) => deployment.itemsOf(`h${h}`).values()).flatMap((each) => [...each]),
  )
  const report = (name: string, value: string): void => console.log(`  ${name.padEnd(50)}${value}`)
  console.log(
    `derivation: ${size.ports} ports on ${size.networks} networks and ${size.hosts} hosts (${size.spread} a network), the real apps`,
  )
  report(
    'everything from scratch',
    `${(whole.milliseconds / 1000).toFixed(2)} s (${((user + system) / 1e6).toFixed(1)} s of CPU), ${items.size} flows, ${whole.sent} on all hosts`,
  )
  report(
    'memory kept',
    `${(memory / 2 ** 20).toFixed(0)} MiB, ${(memory / size.ports) | 0} bytes a port, ${(memory / items.size) | 0} a flow`,
  )
  for (const [name, change] of Object.entries(changes(derivation, size))) {
    const times: number[] = []
    let sent = 0
    for (let i = 0; i < CHANGES; i += 1) {
      change((i * 7) % size.ports)
      const done = step(derivation, deployment)
      times.push(done.milliseconds)
      sent += done.sent
    }
    const [p50, p99] = [quantile(times, 0.5), quantile(times, 0.99)]
    report(
      name,
      `${(p50 * 1000).toFixed(0)} µs, p99 ${(p99 * 1000).toFixed(0)} µs; ${(sent / CHANGES).toFixed(1)} flow-mods; anew ${(whole.milliseconds / p50).toFixed(0)} times`,
    )
  }
}

// `npm run bench -- derivation`: from intent to flow-mods with the real apps and flows: everything at once, then one
// port changed, moved and added; beside computing everything anew for each change.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { apps } from '../../apps/index.ts'
import { Deployment } from '../../controller/deployment.ts'
import { Derivation } from '../../controller/derivation.ts'
import type { Port } from '../../controller/app.ts'

const HOSTS = 100
const NETWORKS = 200
const PORTS = 20_000
const CHANGES = 200

const hex = (n: number, width: number): string => n.toString(16).padStart(width, '0')
const uuid = (kind: number, n: number): string => `${hex(kind, 2)}${hex(n, 6)}-0000-4000-8000-000000000000`
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN
const p99 = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length * 0.99)] ?? Number.NaN

function portRow(i: number, rest: Partial<Port> = {}): Port {
  const network = i % NETWORKS
  const place = Math.floor(i / NETWORKS) + 2
  return {
    id: uuid(3, i),
    name: '',
    dns_name: '',
    network_id: uuid(1, network),
    mac_address: `02:00:${hex(i, 8).replace(/(..)(?=.)/g, '$1:')}`,
    fixed_ips: [{ subnet_id: uuid(2, network), ip_address: `10.${network}.${place >> 8}.${place & 255}` }],
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

function fill(derivation: Derivation): void {
  const { network, subnet, port, router, host, vif } = derivation.inputs
  for (let h = 0; h < HOSTS; h += 1)
    host.set(`h${h}`, { id: `h${h}`, name: `h${h}`, encapIp: `192.0.2.${h}`, uplinks: {} })
  router.set(uuid(4, 0), { id: uuid(4, 0), admin_state_up: true, routes: [] })
  for (let n = 0; n < NETWORKS; n += 1) {
    const id = uuid(1, n)
    network.set(id, {
      id,
      admin_state_up: true,
      mtu: 1450,
      dns_domain: '',
      'provider:network_type': 'vxlan',
      'provider:physical_network': null,
      'provider:segmentation_id': n + 1,
    })
    subnet.set(uuid(2, n), {
      id: uuid(2, n),
      network_id: id,
      ip_version: 4,
      cidr: `10.${n}.0.0/16`,
      gateway_ip: `10.${n}.0.1`,
      enable_dhcp: true,
      dns_nameservers: [],
      host_routes: [],
    })
  }
  for (let i = 0; i < PORTS; i += 1) {
    const row = portRow(i)
    port.set(row.id, row)
    // The ports of a network are on a few hosts, as a tenant's are.
    const at = (((i % NETWORKS) * 7 + Math.floor(i / NETWORKS)) % 10) + ((i % NETWORKS) % 10) * 10
    vif.set(`h${at}/t${i}`, { host: `h${at}`, name: `t${i}`, ofport: i + 1, port: row.id })
  }
}

/** Applies what is staged; gives milliseconds and how many things hosts were told. */
function step(derivation: Derivation, deployment: Deployment): { milliseconds: number; sent: number } {
  const begin = performance.now()
  const { units, scopes } = derivation.commit()
  deployment.update(units, scopes)
  let sent = 0
  for (const { put, remove } of deployment.take().values()) sent += put.size + remove.size
  return { milliseconds: performance.now() - begin, sent }
}

/** Bytes that survive a full garbage collection. */
function memoryKept(): number {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

export async function run(): Promise<void> {
  const memoryBefore = memoryKept()
  const derivation = new Derivation(apps)
  const deployment = new Deployment()
  fill(derivation)
  const whole = step(derivation, deployment)
  const memory = memoryKept() - memoryBefore
  const report = (name: string, value: string): void => console.log(`  ${name.padEnd(64)}${value}`)
  console.log(`derivation: ${PORTS} ports on ${NETWORKS} networks and ${HOSTS} hosts, the real apps`)
  report(
    'everything from scratch',
    `${(whole.milliseconds / 1000).toFixed(2)} s, ${whole.sent} flow-mods for all hosts`,
  )
  report('memory kept', `${(memory / 2 ** 20).toFixed(0)} MiB, ${(memory / PORTS) | 0} bytes a port`)
  const kinds = {
    'one port renamed (nothing to send)': (i: number) =>
      derivation.inputs.port.set(uuid(3, i), portRow(i, { name: `n${i}` })),
    'one port’s security switched off': (i: number) =>
      derivation.inputs.port.set(uuid(3, i), portRow(i, { port_security_enabled: false })),
    'one port plugged in elsewhere': (i: number) => {
      const row = derivation.inputs.vif.keys()[i] as string
      const before = derivation.inputs.vif.get(row)
      if (before !== undefined) derivation.inputs.vif.set(row, { ...before, ofport: before.ofport + 30_000 })
    },
  }
  for (const [name, change] of Object.entries(kinds)) {
    const times: number[] = []
    let sent = 0
    for (let i = 0; i < CHANGES; i += 1) {
      change(i * 7)
      const done = step(derivation, deployment)
      times.push(done.milliseconds)
      sent += done.sent
    }
    const ratio = whole.milliseconds / median(times)
    report(
      name,
      `${(median(times) * 1000).toFixed(0)} µs median, ${(p99(times) * 1000).toFixed(0)} µs p99, ${(sent / CHANGES).toFixed(1)} flow-mods, ${ratio.toFixed(0)}x less than anew`,
    )
  }
}

// Intent and hosts for benchmarks without a store: networks with a subnet each, their ports, and hosts that have these.
import type { Port } from '../../controller/app.ts'
import type { Inputs } from '../../controller/derivation.ts'

export interface Size {
  readonly hosts: number
  readonly networks: number
  readonly ports: number
  /** On how many hosts the ports of one network are, as a tenant's are on a few. */
  readonly spread: number
}

const hex = (n: number, width: number): string => n.toString(16).padStart(width, '0')
const uuid = (kind: number, n: number): string => `${hex(kind, 2)}${hex(n, 6)}-0000-4000-8000-000000000000`

export const networkId = (n: number): string => uuid(1, n)
const subnetId = (n: number): string => uuid(2, n)
export const portId = (n: number): string => uuid(3, n)

export function portRow(i: number, { networks }: Size, rest: Partial<Port> = {}): Port {
  const network = i % networks
  const place = Math.floor(i / networks) + 2
  return {
    id: portId(i),
    name: '',
    dns_name: '',
    network_id: networkId(network),
    mac_address: `02:00:${hex(i, 8).replace(/(..)(?=.)/g, '$1:')}`,
    fixed_ips: [{ subnet_id: subnetId(network), ip_address: `10.${network}.${place >> 8}.${place & 255}` }],
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

/** Networks are at most 256. */
export function fill({ network, subnet, port, router, host, vif }: Inputs, size: Size): void {
  const { hosts, networks, ports, spread } = size
  for (let h = 0; h < hosts; h += 1) host.set(`h${h}`, { id: `h${h}`, name: `h${h}`, encapIp: `192.0.2.${h}` })
  router.set(uuid(4, 0), { id: uuid(4, 0), admin_state_up: true, routes: [] })
  for (let n = 0; n < networks; n += 1) {
    const id = networkId(n)
    network.set(id, {
      id,
      admin_state_up: true,
      mtu: 1450,
      dns_domain: '',
      'provider:network_type': 'vxlan',
      'provider:segmentation_id': n + 1,
    })
    subnet.set(subnetId(n), {
      id: subnetId(n),
      network_id: id,
      ip_version: 4,
      cidr: `10.${n}.0.0/16`,
      gateway_ip: `10.${n}.0.1`,
      enable_dhcp: true,
      dns_nameservers: [],
      host_routes: [],
    })
  }
  for (let i = 0; i < ports; i += 1) {
    const row = portRow(i, size)
    port.set(row.id, row)
    const place = Math.floor(i / networks) + (i % networks) * 7
    const at = ((place % spread) + (i % networks) * spread) % hosts
    vif.set(`h${at}/t${i}`, { host: `h${at}`, name: `t${i}`, ofport: i + 1, port: row.id })
  }
}

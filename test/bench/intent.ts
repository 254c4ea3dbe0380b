// Intent and hosts for benchmarks without a store: networks with a subnet each, their ports, and hosts that have these.
import type { Port, Vif } from '../../controller/app.ts'
import type { Inputs } from '../../controller/topology.ts'
import { host, network, port, router, subnet } from '../../controller/testing.ts'

export interface Size {
  readonly hosts: number
  readonly networks: number
  readonly ports: number
  /** On how many hosts the ports of one network are, as a tenant's are on a few. */
  readonly spread: number
}

const hex = (n: number, width: number): string => n.toString(16).padStart(width, '0')
const uuid = (kind: number, n: number): string => `${hex(kind, 2)}${hex(n, 6)}-0000-4000-8000-000000000000`

const networkId = (n: number): string => uuid(1, n)
const subnetId = (n: number): string => uuid(2, n)
export const portId = (n: number): string => uuid(3, n)

/** Address `place` of a network. They overlap beyond 256 networks, as tenants' do. */
const address = (network: number, place: number): string => `10.${network % 256}.${place >> 8}.${place & 255}`

/** The host of port `i`. */
export function hostOf(i: number, { hosts, networks, spread }: Size): string {
  const network = i % networks
  const place = Math.floor(i / networks) + network * 7
  return `h${((place % spread) + network * spread) % hosts}`
}

export function vifRow(i: number, host: string): Vif {
  // OpenFlow numbers end at 0xff00; no two ports of a host are 65,000 apart.
  return { host, name: `t${i}`, ofport: (i % 65_000) + 1, port: portId(i) }
}

export function portRow(i: number, { networks }: Size, rest: Partial<Port> = {}): Port {
  const network = i % networks
  const place = Math.floor(i / networks) + 2
  return port(0, 0, {
    id: portId(i),
    network_id: networkId(network),
    mac_address: `02:00:${hex(i, 8).replace(/(..)(?=.)/g, '$1:')}`,
    fixed_ips: [{ subnet_id: subnetId(network), ip_address: address(network, place) }],
    ...rest,
  })
}

export function fill(inputs: Inputs, size: Size): void {
  const { hosts, networks, ports } = size
  for (let h = 0; h < hosts; h += 1) {
    const encapIp = `192.${h >> 16}.${(h >> 8) & 255}.${h & 255}`
    inputs.host.set(`h${h}`, { ...host(0), id: `h${h}`, name: `h${h}`, encapIp })
  }
  inputs.router.set(uuid(4, 0), router(0, { id: uuid(4, 0) }))
  for (let n = 0; n < networks; n += 1) {
    const id = networkId(n)
    const range = { cidr: `${address(n, 0)}/16`, gateway_ip: address(n, 1) }
    inputs.network.set(id, network(0, { id, 'provider:segmentation_id': n + 1 }))
    inputs.subnet.set(subnetId(n), subnet(0, { id: subnetId(n), network_id: id, ...range }))
  }
  for (let i = 0; i < ports; i += 1) {
    const row = portRow(i, size)
    inputs.port.set(row.id, row)
    const at = hostOf(i, size)
    inputs.vif.set(`${at}/t${i}`, vifRow(i, at))
  }
}

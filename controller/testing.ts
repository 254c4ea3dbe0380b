// A small world for tests: networks with ports on hosts, in the shapes that the API stores.
import type {
  AddressGroup,
  Host,
  Network,
  Port,
  QosPolicy,
  QosRule,
  Router,
  SecurityGroup,
  SecurityGroupRule,
  Subnet,
  Vif,
  Zone,
} from './app.ts'

export { changesOf } from './switch/desired.ts'

/** A UUID from a letter and a number, so that tests can read it. */
export const uuid = (letter: string, n: number): string =>
  `${letter.charCodeAt(0).toString(16).padStart(2, '0')}${n.toString(16).padStart(6, '0')}-0000-4000-8000-000000000000`

export const network = (n: number, rest: Partial<Network> = {}): Network => ({
  id: uuid('n', n),
  admin_state_up: true,
  mtu: 1450,
  dns_domain: '',
  'provider:network_type': 'vxlan',
  'provider:physical_network': null,
  'provider:segmentation_id': n,
  ...rest,
})

/** 10.0.n.0/24 on network n. */
export const subnet = (n: number, rest: Partial<Subnet> = {}): Subnet => ({
  id: uuid('s', n),
  network_id: uuid('n', n),
  ip_version: 4,
  cidr: `10.0.${n}.0/24`,
  gateway_ip: `10.0.${n}.1`,
  enable_dhcp: true,
  dns_nameservers: [],
  host_routes: [],
  ...rest,
})

const byte = (n: number): string => n.toString(16).padStart(2, '0')

/** 10.0.n.i on network n. */
export const port = (n: number, i: number, rest: Partial<Port> = {}): Port => ({
  id: uuid('p', n * 256 + i),
  name: '',
  dns_name: '',
  network_id: uuid('n', n),
  mac_address: `02:00:00:00:${byte(n)}:${byte(i)}`,
  fixed_ips: [{ subnet_id: uuid('s', n), ip_address: `10.0.${n}.${i}` }],
  admin_state_up: true,
  device_owner: '',
  device_id: '',
  port_security_enabled: true,
  allowed_address_pairs: [],
  extra_dhcp_opts: [],
  'binding:host_id': '',
  ...rest,
})

/** The interface 10.0.n.1 of router r. */
export const gateway = (n: number, r: number): Port =>
  port(n, 1, { device_owner: 'network:router_interface', device_id: uuid('r', r) })

/** 10.0.n.i, by which router r stands on network n as its external one. */
export const externalGateway = (n: number, i: number, r: number): Port =>
  port(n, i, { device_owner: 'network:router_gateway', device_id: uuid('r', r), port_security_enabled: false })

/** Router r with network n as its external one. */
export const externalRouter = (r: number, n: number, enable_snat = true, rest: Partial<Router> = {}): Router =>
  router(r, { external_gateway_info: { network_id: uuid('n', n), enable_snat }, ...rest })

export const router = (r: number, rest: Partial<Router> = {}): Router => ({
  id: uuid('r', r),
  admin_state_up: true,
  routes: [],
  ...rest,
})

export const securityGroup = (g: number, rest: Partial<SecurityGroup> = {}): SecurityGroup => ({
  id: uuid('g', g),
  stateful: true,
  intra_group: true,
  ...rest,
})

/** Rule i of group g: lets in everything of IPv4, unless told otherwise. */
export const groupRule = (g: number, i: number, rest: Partial<SecurityGroupRule> = {}): SecurityGroupRule => ({
  id: uuid('u', g * 4096 + i),
  security_group_id: uuid('g', g),
  direction: 'ingress',
  ethertype: 'IPv4',
  protocol: null,
  port_range_min: null,
  port_range_max: null,
  remote_ip_prefix: null,
  remote_group_id: null,
  remote_address_group_id: null,
  action: 'allow',
  priority: null,
  enabled: true,
  log: false,
  ...rest,
})

export const addressGroup = (a: number, addresses: readonly string[]): AddressGroup => ({
  id: uuid('a', a),
  addresses,
})

export const qosPolicy = (q: number, rules: readonly QosRule[]): QosPolicy => ({ id: uuid('q', q), rules })

/** What an object has on host h. */
export const zone = (h: number, object: string, number: number): Zone => ({ host: `host${h}`, object, zone: number })

export const host = (n: number, uplinks: Readonly<Record<string, number>> = {}): Host => ({
  id: `host${n}`,
  name: `host${n}`,
  encapIp: `192.0.2.${n}`,
  uplinks,
})

/** Network n as a flat one on a physical network, or in a VLAN of it. */
export const wired = (n: number, physical: string, vlan: number | null = null, rest: Partial<Network> = {}): Network =>
  network(n, {
    'provider:network_type': vlan === null ? 'flat' : 'vlan',
    'provider:physical_network': physical,
    'provider:segmentation_id': vlan,
    ...rest,
  })

/** Port 10.0.n.i plugged into host h, with the OpenFlow number n * 256 + i. */
export const vif = (h: number, n: number, i: number): Vif => ({
  host: `host${h}`,
  name: `tap${n}-${i}`,
  ofport: n * 256 + i,
  port: uuid('p', n * 256 + i),
})

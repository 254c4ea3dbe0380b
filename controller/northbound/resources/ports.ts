// Ports: addresses, MAC, anti-spoofing exceptions, binding. Addresses and MACs are decided under the network's guard.
import type { IpVersion } from '../address.ts'
import {
  boolean,
  freeObject,
  ipAddress,
  ipOrCidr,
  listOf,
  mac,
  nullable,
  oneOf,
  record,
  refined,
  text,
  uuid,
} from '../attribute-types.ts'
import type { Reader } from '../cache.ts'
import { badRequest, conflict, forbidden, invalidInput } from '../errors.ts'
import type { FixedIpRequest } from '../ipam.ts'
import {
  type AddressPair,
  type DhcpOption,
  isRouterPort,
  type Network,
  type Port,
  routerGatewayOwner,
  routerInterfaceOwner,
} from '../model.ts'
import {
  attribute,
  computed,
  constant,
  fixed,
  type Operation,
  randomMac,
  readOnly,
  type Resource,
  standardAttributes,
} from '../resource.ts'
import type { Transaction } from '../transaction.ts'
import { dnsName } from './networks.ts'
import { addressesFor, addressesOn, type Addresses } from './port-addresses.ts'
import { groupIds, groupsOfChangedPort, groupsOfNewPort, shownGroups } from './port-groups.ts'
import { hostOf, isMisplaced } from './segment-hosts.ts'
import { ruleAction } from './security-group-rules.ts'
import { checkQosPolicy } from './qos-use.ts'
import { refuseGuest, seenNetwork, statusType } from './shared.ts'

export const fixedIps = listOf(
  record({ subnet_id: { type: uuid, optional: true }, ip_address: { type: ipAddress, optional: true } }),
  64,
)
/** Query form: `fixed_ips=ip_address=10.0.0.3` or `fixed_ips=subnet_id=…`; matched in `query.ts`. */
const fixedIpsType = {
  ...fixedIps,
  fromText: (value: string): unknown => {
    const at = value.indexOf('=')
    return { [value.slice(0, at)]: value.slice(at + 1) }
  },
}
const addressPairs = listOf(record({ ip_address: { type: ipOrCidr }, mac_address: { type: mac, optional: true } }), 64)
const dhcpOptions = listOf(
  record({
    opt_name: { type: refined(text(64), (value) => (value === '' ? 'opt_name is empty' : undefined)) },
    opt_value: { type: nullable(text(255)) },
    ip_version: { type: oneOf(4, 6), optional: true },
  }),
  64,
)
const hostLabel = refined(dnsName, (value) =>
  String(value)
    .replace(/\.$/, '')
    .split('.')
    .every((label) => label.length <= 63)
    ? undefined
    : 'a label has more than 63 characters',
)
/** Clients unbind with null. */
const hostId = { ...text(255), parse: (value: unknown) => text(255).parse(value ?? '') }
const binding = { create: 'admin', update: 'admin', read: 'admin' } as const

export const ports: Resource<'ports'> = {
  kind: 'ports',
  singular: 'port',
  label: 'Port',
  attributes: {
    ...standardAttributes,
    network_id: fixed(uuid),
    mac_address: attribute(mac, { default: undefined, update: 'admin' }),
    fixed_ips: attribute(fixedIpsType, { default: undefined }),
    ip_allocation: readOnly(oneOf('immediate', 'deferred', 'none')),
    device_id: attribute(text(255), { default: '' }),
    device_owner: attribute(text(255), { default: '' }),
    admin_state_up: attribute(boolean, { default: true }),
    port_security_enabled: attribute(boolean, { default: undefined }),
    allowed_address_pairs: attribute(addressPairs, { default: [] }),
    extra_dhcp_opts: attribute(dhcpOptions, { default: [] }),
    // Absent or null: the default group of the project.
    security_groups: attribute(groupIds, { default: undefined }),
    security_group_bindings: computed(
      listOf(record({ security_group_id: { type: uuid }, priority: { type: text() } })),
    ),
    default_ingress_action: attribute(ruleAction, { default: 'deny' }),
    default_egress_action: attribute(ruleAction, { default: 'deny' }),
    dns_name: attribute(hostLabel, { default: '' }),
    dns_domain: attribute(dnsName, { default: '' }),
    qos_policy_id: attribute(nullable(uuid), { default: null }),
    qos_network_policy_id: computed(nullable(uuid)),
    numa_affinity_policy: attribute(nullable(oneOf('required', 'preferred', 'legacy')), { default: null }),
    device_profile: fixed(nullable(text(255)), { default: null }),
    data_plane_status: attribute(nullable(oneOf('ACTIVE', 'DOWN')), { default: null, create: 'none', update: 'admin' }),
    propagate_uplink_status: fixed(boolean, { default: false }),
    dns_assignment: computed(listOf(text())),
    status: computed(statusType),
    'binding:host_id': attribute(hostId, { ...binding, default: '' }),
    'binding:profile': attribute(freeObject(4095), { ...binding, default: {} }),
    'binding:vnic_type': constant(text(64), 'normal', "only the vnic_type 'normal' is available"),
    'binding:vif_type': computed(text(), { read: 'admin' }),
    'binding:vif_details': computed(freeObject(4095), { read: 'admin' }),
  },

  create(draft, operation) {
    const { context, given } = operation
    const network = seenNetwork(draft.network_id, operation)
    refuseGuest(network, context, 'create_port')
    refuseOthersNetwork(network, draft, operation)
    refuseReservedOwner(draft.device_owner)
    checkQosPolicy(null, { kind: 'port', ...draft }, operation)
    const wanted = (given.has('fixed_ips') ? draft.fixed_ips : undefined) as FixedIpRequest[] | undefined
    const port = { ...draft, port_security_enabled: draft.port_security_enabled ?? network.port_security_enabled }
    return createPort(operation, { ...port, security_groups: groupsOfNewPort(port, operation) }, wanted)
  },

  update(before, after, operation) {
    const { tx, given } = operation
    const network = tx.get('networks', after.network_id)
    if (network) refuseOthersNetwork(network, after, operation)
    if (isRouterPort(before)) refuseRouterPortChange(before, given)
    else refuseReservedOwner(after.device_owner)
    checkQosPolicy(before.qos_policy_id, { kind: 'port', ...after }, operation)
    const moved = given.has('mac_address') && before.mac_address !== after.mac_address
    if (moved) refuseUsedMac(tx, after)
    const { fixed_ips, ip_allocation } = readdressed(before, after, operation)
    const security_groups = groupsOfChangedPort(before, after, operation)
    const extra_dhcp_opts = mergeOptions(before, after, given)
    return checkPairs({ ...after, fixed_ips, ip_allocation, security_groups, extra_dhcp_opts })
  },

  remove(port) {
    if (!isRouterPort(port)) return
    throw conflict(
      'ServicePortInUse',
      `Port ${port.id} cannot be deleted directly via the port API: has device owner ${port.device_owner} of router ${port.device_id}.`,
    )
  },

  shared: () => false,
  alsoOwnedBy: (port, reader) => reader.get('networks', port.network_id)?.project_id,

  compute: (port, { cache, live, settings }, context) => {
    const host = live.portHost(port.id)
    return {
      status: isMisplaced(cache, live, port) ? 'DOWN' : (live.portStatus(port.id) ?? 'DOWN'),
      ip_allocation: port.fixed_ips.length === 0 && port.ip_allocation === 'immediate' ? 'none' : port.ip_allocation,
      ...shownGroups(port, cache, context),
      dns_assignment: assignments(port, cache, settings.dnsDomain),
      // An operator's wish is shown as he wrote it; without one, the host that has the interface.
      'binding:host_id': port['binding:host_id'] || (host ?? ''),
      qos_network_policy_id: cache.get('networks', port.network_id)?.qos_policy_id ?? null,
      'binding:vnic_type': 'normal',
      'binding:vif_type': (host ?? port['binding:host_id']) ? 'ovs' : 'unbound',
      'binding:vif_details':
        (host ?? port['binding:host_id'])
          ? { connectivity: 'l2', port_filter: true, ovs_hybrid_plug: false, bridge_name: 'br-int' }
          : {},
    }
  },
}

/** Completes a port: MAC, addresses, pairs. Also used for the ports of routers. */
export function createPort(operation: Operation, draft: Port, wanted: readonly FixedIpRequest[] | undefined): Port {
  const { tx } = operation
  const port = draft.mac_address === undefined ? { ...draft, mac_address: freeMac(tx, draft.network_id) } : draft
  refuseUsedMac(tx, port)
  const addresses = addressesFor(operation, { ...port, fixed_ips: [] }, hostOf(port, operation.live), wanted)
  return checkPairs({ ...port, ...addresses, extra_dhcp_opts: options(port.extra_dhcp_opts) })
}

/** The addresses that a change of the port leaves it. */
function readdressed(before: Port, after: Port, operation: Operation): Addresses {
  const { given, live } = operation
  const rehosted = after['binding:host_id'] !== before['binding:host_id']
  const host = rehosted ? after['binding:host_id'] || undefined : hostOf(after, live)
  const port = { ...after, fixed_ips: before.fixed_ips }
  if (given.has('fixed_ips')) return addressesFor(operation, port, host, after.fixed_ips)
  return rehosted && host !== undefined ? addressesOn(operation, port, host) : before
}

function freeMac(tx: Transaction, networkId: string): string {
  for (;;) {
    const address = randomMac()
    if (tx.select('ports', 'networkMac', `${networkId}/${address}`).length === 0) return address
  }
}

function refuseUsedMac(tx: Transaction, port: Port): void {
  tx.guard(`networks/${port.network_id}`)
  const holders = tx.select('ports', 'networkMac', `${port.network_id}/${port.mac_address}`)
  if (holders.every((each) => each.id === port.id)) return
  throw conflict(
    'MacAddressInUse',
    `Unable to complete operation for network ${port.network_id}. The mac address ${port.mac_address} is in use.`,
  )
}

/** On a shared network, a guest of it may not choose what could disturb others. */
function refuseOthersNetwork(network: Network, port: Port, { context, given }: Operation): void {
  if (context.admin || network.project_id === context.projectId) return
  const wanted = given.has('fixed_ips') && port.fixed_ips.some((ip) => ip.ip_address !== undefined)
  const names = ['mac_address', 'allowed_address_pairs', 'port_security_enabled'].filter((name) => given.has(name))
  if (wanted) names.push('fixed_ips:ip_address')
  if (names.length > 0) throw forbidden(`(rule:create_port) and (rule:create_port:${names.join(', ')})`)
}

function refuseReservedOwner(deviceOwner: string): void {
  const way = reservedOwners[deviceOwner]
  if (way !== undefined) throw invalidInput(`device_owner ${deviceOwner} is set by ${way} only`)
}

const reservedOwners: Readonly<Record<string, string>> = {
  [routerInterfaceOwner]: 'add_router_interface',
  [routerGatewayOwner]: "a router's external_gateway_info",
}

function refuseRouterPortChange(port: Port, given: ReadonlySet<string>): void {
  const fixedByRouter = ['fixed_ips', 'mac_address', 'device_id', 'device_owner'].filter((name) => given.has(name))
  if (fixedByRouter.length === 0) return
  throw badRequest(
    `Attribute(s) '${fixedByRouter.join(', ')}' of a port of router ${port.device_id} (${port.device_owner}) cannot be changed`,
  )
}

function checkPairs(port: Port): Port {
  const pairs = port.allowed_address_pairs.map(({ ip_address, mac_address }): AddressPair => ({
    ip_address,
    mac_address: mac_address ?? port.mac_address,
  }))
  const texts = pairs.map((pair) => `${pair.ip_address} ${pair.mac_address}`)
  if (new Set(texts).size < texts.length) throw invalidInput('AllowedAddressPair: duplicate address pairs')
  if (pairs.length > 0 && !port.port_security_enabled) {
    throw conflict(
      'AddressPairAndPortSecurityRequired',
      'Port Security must be enabled in order to have allowed address pairs on a port.',
    )
  }
  return { ...port, allowed_address_pairs: pairs }
}

type GivenOption = Omit<DhcpOption, 'opt_value' | 'ip_version'> & { opt_value: string | null; ip_version?: IpVersion }

/** `opt_value: null` removes an option; others of the same name and IP version are replaced. */
function options(given: readonly GivenOption[], stored: readonly DhcpOption[] = []): DhcpOption[] {
  const merged = new Map(stored.map((option) => [`${option.opt_name}/${option.ip_version}`, option]))
  for (const { opt_name, opt_value, ip_version = 4 } of given) {
    if (opt_value === null) merged.delete(`${opt_name}/${ip_version}`)
    else merged.set(`${opt_name}/${ip_version}`, { opt_name, opt_value, ip_version })
  }
  return [...merged.values()]
}

const mergeOptions = (before: Port, after: Port, given: ReadonlySet<string>): readonly DhcpOption[] =>
  given.has('extra_dhcp_opts') ? options(after.extra_dhcp_opts, before.extra_dhcp_opts) : before.extra_dhcp_opts

function assignments(port: Port, reader: Reader, defaultDomain: string): object[] {
  const domain = (port.dns_domain || reader.get('networks', port.network_id)?.dns_domain || defaultDomain).replace(
    /\.?$/,
    '.',
  )
  return port.fixed_ips.map(({ ip_address }) => {
    const hostname = port.dns_name || `host-${ip_address.replace(/[.:]+/g, '-')}`
    const fqdn = hostname.endsWith('.') ? hostname : `${hostname}.${domain}`
    return { ip_address, hostname, fqdn }
  })
}

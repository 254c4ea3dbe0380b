// Networks: segment allocation, MTU, sharing.
import { boolean, integer, nullable, oneOf, refined, text, uuid } from '../attribute-types.ts'
import { type Reader, segmentKey } from '../cache.ts'
import { conflict, invalidInput, users } from '../errors.ts'
import { type Network, routerGatewayOwner } from '../model.ts'
import {
  attribute,
  computed,
  constant,
  fixed,
  type Operation,
  type Resource,
  standardAttributes,
  zoneHints,
} from '../resource.ts'
import { gatewayPorts } from './router-ports.ts'
import { checkQosPolicy, defaultQosPolicy } from './qos-use.ts'
import { idList, statusType } from './shared.ts'

/** Bytes that the outer headers take from the underlay's MTU (IPv4 underlay; Geneve with two 4-byte options, GRE with a key). */
const overheadBytes: Readonly<Record<Network['provider:network_type'], number>> = {
  vxlan: 50,
  geneve: 58,
  gre: 42,
  flat: 0,
  vlan: 0,
}

/** RFC 791: every IPv4 module must be able to forward 68 bytes. */
const minimumMtu = 68

export const dnsName = refined(text(253), (value) =>
  /^$|^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.?$/i.test(String(value))
    ? undefined
    : `'${String(value)}' is not a valid domain name`,
)

const provider = { create: 'admin', read: 'admin', default: undefined } as const

export const networks: Resource<'networks'> = {
  kind: 'networks',
  singular: 'network',
  label: 'Network',
  attributes: {
    ...standardAttributes,
    admin_state_up: attribute(boolean, { default: true }),
    shared: attribute(boolean, { default: false, create: 'admin', update: 'admin' }),
    // 0 asks for the default, as in Neutron.
    mtu: attribute(integer(0, 65_535), { default: 0 }),
    port_security_enabled: attribute(boolean, { default: true }),
    dns_domain: attribute(dnsName, { default: '' }),
    availability_zone_hints: fixed(zoneHints, { default: [] }),
    vlan_transparent: constant(boolean, false, 'VLAN transparent networks are not available'),
    qos_policy_id: attribute(nullable(uuid), { default: null }),
    // The external network that is taken when none is named.
    is_default: attribute(boolean, { default: false, create: 'admin', update: 'admin' }),
    'router:external': attribute(boolean, { default: false, create: 'admin', update: 'admin' }),
    'provider:network_type': fixed(oneOf('vxlan', 'geneve', 'gre', 'flat', 'vlan'), provider),
    'provider:physical_network': fixed(nullable(text(64)), provider),
    'provider:segmentation_id': fixed(nullable(integer(1, 16_777_215)), provider),
    status: computed(statusType),
    subnets: computed(idList),
    availability_zones: computed(zoneHints),
    ipv4_address_scope: computed(nullable(text())),
    ipv6_address_scope: computed(nullable(text())),
  },

  create(draft, operation) {
    checkDefault(draft, operation)
    const network = { ...draft, ...segment(draft, operation) }
    const qos_policy_id = draft.qos_policy_id ?? defaultQosPolicy(draft.project_id, operation)
    checkQosPolicy(null, { kind: 'network', id: draft.id, qos_policy_id }, operation)
    return { ...network, qos_policy_id, mtu: mtu(network, operation) }
  },

  update(before, after, operation) {
    checkDefault(after, operation)
    checkQosPolicy(before.qos_policy_id, { kind: 'network', ...after }, operation)
    if (before.shared && !after.shared) refuseOtherUsers(after, operation)
    if (before['router:external'] && !after['router:external']) refuseGateways(after, operation)
    return after.mtu === before.mtu ? after : { ...after, mtu: mtu(after, operation) }
  },

  remove(network, { tx }) {
    const ports = tx.select('ports', 'network_id', network.id)
    if (ports.length > 0) {
      const used = users(
        'port',
        ports.map((port) => port.id),
      )
      throw conflict('NetworkInUse', `Unable to complete operation on network ${network.id}. It is in use by ${used}.`)
    }
    for (const subnet of tx.select('subnets', 'network_id', network.id)) tx.delete('subnets', subnet.id)
  },

  shared: (network) => network.shared || network['router:external'],

  compute: (network, { cache, live }) => ({
    status: live.networkStatus(network.id) ?? 'ACTIVE',
    subnets: cache.select('subnets', 'network_id', network.id).map((subnet) => subnet.id),
    availability_zones: ['default'],
    ipv4_address_scope: addressScope(network, 4, cache),
    ipv6_address_scope: addressScope(network, 6, cache),
    vlan_transparent: false,
  }),
}

function addressScope(network: Network, version: 4 | 6, reader: Reader): string | null {
  const subnets = reader.select('subnets', 'network_id', network.id)
  const pool = subnets.find((subnet) => subnet.ip_version === version)?.subnetpool_id
  return (pool && reader.get('subnetpools', pool)?.address_scope_id) || null
}

function checkDefault(network: Network, { tx }: Operation): void {
  if (!network.is_default) return
  if (!network['router:external']) throw invalidInput('is_default is for external networks')
  tx.guard('default_external_network')
  const others = tx.select('networks', 'default', 'external').filter(({ id }) => id !== network.id)
  if (others.length === 0) return
  throw conflict('DefaultExternalNetworkExists', `A default external network already exists: ${others[0]?.id}.`)
}

function mtu(network: Network, { settings }: Operation): number {
  const maximum = settings.mtu.underlay - overheadBytes[network['provider:network_type']]
  if (network.mtu === 0) return maximum
  if (network.mtu < minimumMtu || network.mtu > maximum) {
    throw invalidInput(`Invalid input for mtu. Reason: ${network.mtu} is not in the range ${minimumMtu} to ${maximum}`)
  }
  return network.mtu
}

type Segment = Pick<Network, 'provider:network_type' | 'provider:physical_network' | 'provider:segmentation_id'>

function segment(draft: Network, operation: Operation): Segment {
  const type = draft['provider:network_type'] ?? operation.settings.defaultNetworkType
  const physical = draft['provider:physical_network'] ?? null
  const id = draft['provider:segmentation_id'] ?? null
  if (type === 'flat' || type === 'vlan') {
    if (!physical) throw invalidInput(`provider:physical_network is required for a ${type} network`)
    if (type === 'flat' && id !== null)
      throw invalidInput('provider:segmentation_id must not be given for a flat network')
    if (type === 'vlan' && (id === null || id > 4094)) {
      throw invalidInput('provider:segmentation_id of a vlan network must be in the range 1 to 4094')
    }
  } else if (physical) throw invalidInput(`provider:physical_network must not be given for a ${type} network`)
  operation.tx.guard('segments')
  const chosen = id ?? (type === 'flat' || type === 'vlan' ? null : freeSegment(operation))
  const used = operation.tx.select('networks', 'segment', segmentKey(type, physical, chosen))
  // Which network has it is told to nobody: it may be another project's.
  if (used.length > 0) throw inUse(type, physical, chosen)
  return { 'provider:network_type': type, 'provider:physical_network': physical, 'provider:segmentation_id': chosen }
}

function inUse(type: string, physical: string | null, id: number | null): Error {
  if (type === 'flat')
    return conflict('FlatNetworkInUse', `Unable to create the flat network. Physical network ${physical} is in use.`)
  if (type === 'vlan') {
    return conflict(
      'VlanIdInUse',
      `Unable to create the network. The VLAN ${id} on physical network ${physical} is in use.`,
    )
  }
  return conflict('TunnelIdInUse', `Unable to create the network. The tunnel ID ${id} is in use.`)
}

function freeSegment({ tx, settings }: Operation): number {
  const { first, last } = settings.segmentRange
  const size = last - first + 1
  const start = Number(tx.allocationHints.get('segments') ?? 0n)
  for (let i = 0; i < size; i++) {
    const offset = (start + i) % size
    if (tx.select('networks', 'segment', segmentKey('vxlan', null, first + offset)).length === 0) {
      tx.allocationHints.set('segments', BigInt(offset + 1))
      return first + offset
    }
  }
  throw conflict('NoNetworkAvailable', 'Unable to create the network. No segmentation id is free.')
}

function refuseGateways(network: Network, { tx }: Operation): void {
  tx.guard(`networks/${network.id}`)
  const routers = gatewayPorts(tx, network.id).map((port) => port.device_id)
  if (routers.length === 0) return
  throw conflict(
    'ExternalNetworkInUse',
    `External network ${network.id} cannot be updated to be made non-external (router:external), since it has existing gateway ports: ${users('router', routers)}.`,
  )
}

function refuseOtherUsers(network: Network, { tx }: Operation): void {
  tx.guard(`networks/${network.id}`)
  const others = tx
    .select('ports', 'network_id', network.id)
    .filter((port) => port.project_id !== network.project_id && port.device_owner !== routerGatewayOwner)
  if (others.length === 0) return
  throw conflict(
    'InvalidSharedSetting',
    `Unable to reconfigure sharing settings for network ${network.id}. Multiple projects are using it: ${users(
      'port',
      others.map((port) => port.id),
    )}.`,
  )
}

// Networks: what carries them, MTU, sharing.
import { segmentsOf, type Segment as ProviderSegment } from '../../segments.ts'
import { boolean, integer, listOf, nullable, oneOf, record, refined, text, uuid } from '../attribute-types.ts'
import type { Reader } from '../cache.ts'
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
import {
  allocateSegment,
  carriedBy,
  MAXIMUM_SEGMENTATION_ID,
  networkTypes,
  overheadBytes,
  placeOf,
  providerSegment,
} from './segment-allocation.ts'
import { idList, statusType } from './shared.ts'

/** RFC 791: every IPv4 module must be able to forward 68 bytes. */
const minimumMtu = 68

export const dnsName = refined(text(253), (value) =>
  /^$|^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.?$/i.test(String(value))
    ? undefined
    : `'${String(value)}' is not a valid domain name`,
)

const provider = { create: 'admin', read: 'admin', default: undefined } as const
const providerTypes = {
  'provider:network_type': oneOf(...networkTypes),
  'provider:physical_network': nullable(text(64)),
  'provider:segmentation_id': nullable(integer(1, MAXIMUM_SEGMENTATION_ID)),
}
const providerNames = Object.keys(providerTypes) as readonly (keyof ProviderSegment)[]
const providerFields = Object.fromEntries(
  providerNames.map((name) => [name, { type: providerTypes[name], optional: true } as const]),
)

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
    'provider:network_type': fixed(providerTypes['provider:network_type'], provider),
    'provider:physical_network': fixed(providerTypes['provider:physical_network'], provider),
    'provider:segmentation_id': fixed(providerTypes['provider:segmentation_id'], provider),
    segments: fixed(listOf(record(providerFields)), { ...provider, default: [] }),
    l2_adjacency: computed(boolean),
    status: computed(statusType),
    subnets: computed(idList),
    availability_zones: computed(zoneHints),
    ipv4_address_scope: computed(nullable(text())),
    ipv6_address_scope: computed(nullable(text())),
  },

  create(draft, operation) {
    checkDefault(draft, operation)
    const network = { ...draft, ...segmentsOfNew(draft, operation) }
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
    for (const kind of ['subnets', 'segments'] as const) {
      for (const { id } of tx.select(kind, 'network_id', network.id)) tx.delete(kind, id)
    }
  },

  shared: (network) => network.shared || network['router:external'],

  compute: (network, { cache, live }) => ({
    status: live.networkStatus(network.id) ?? 'ACTIVE',
    subnets: cache.select('subnets', 'network_id', network.id).map((subnet) => subnet.id),
    availability_zones: ['default'],
    ipv4_address_scope: addressScope(network, 4, cache),
    ipv6_address_scope: addressScope(network, 6, cache),
    // As in Neutron, only where there are several.
    segments: network.segments.length > 0 ? network.segments : undefined,
    l2_adjacency: cache.select('subnets', 'network_id', network.id).every(({ segment_id }) => segment_id === null),
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

const headerBytes = ({ 'provider:network_type': type }: ProviderSegment): number =>
  type === null ? 0 : overheadBytes[type]

function mtu(network: Network, { settings }: Operation): number {
  const maximum = settings.mtu.underlay - Math.max(...segmentsOf(network).map(headerBytes))
  if (network.mtu === 0) return maximum
  if (network.mtu < minimumMtu || network.mtu > maximum) {
    throw invalidInput(`Invalid input for mtu. Reason: ${network.mtu} is not in the range ${minimumMtu} to ${maximum}`)
  }
  return network.mtu
}

/** What carries a new network: what the body says in one way or the other, each with a row of its own. */
function segmentsOfNew(draft: Network, operation: Operation): ReturnType<typeof carriedBy> {
  const { tx, make, given, settings } = operation
  const [single, several] = [providerNames.some((name) => given.has(name)), draft.segments.length > 0]
  if (single && several) throw invalidInput('Segments and provider values cannot both be set')
  const places = (several ? draft.segments : [draft]).map((wanted) => {
    const place = allocateSegment(placeOf(wanted, settings), operation)
    tx.put('segments', make('segments', { network_id: draft.id, ...place }, draft.project_id))
    return providerSegment(place)
  })
  return carriedBy(places)
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

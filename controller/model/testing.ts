// For tests: the network that rows describe, run by the apps on modelled hosts; and the packets that stations send.
import { composeArp, ETHERTYPE_ARP, type Arp } from '../../packet/arp.ts'
import { BROADCAST_MAC, checksum, composeFrame, composeIpv4, parseFrame, parseIpv4 } from '../../packet/frame.ts'
import { apps } from '../../apps/index.ts'
import {
  neighbourKey,
  type AddressGroup,
  type Host,
  type Neighbour,
  type Network,
  type Port,
  type QosPolicy,
  type Router,
  type SecurityGroup,
  type SecurityGroupRule,
  type Subnet,
  type Vif,
} from '../app.ts'
import { ipv4, mac } from '../address.ts'
import { Deployment } from '../deployment.ts'
import { Derivation } from '../derivation.ts'
import { appController, Fabric, type Delivery } from './fabric.ts'

export interface Rows {
  readonly hosts: readonly Host[]
  readonly networks: readonly Network[]
  readonly subnets: readonly Subnet[]
  readonly ports: readonly Port[]
  readonly routers?: readonly Router[]
  readonly vifs: readonly Vif[]
  readonly securityGroups?: readonly SecurityGroup[]
  readonly securityGroupRules?: readonly SecurityGroupRule[]
  readonly addressGroups?: readonly AddressGroup[]
  /** The hosts that stand for routers, by router. */
  readonly routerHosts?: Readonly<Record<string, string>>
  readonly neighbours?: readonly Neighbour[]
  readonly qosPolicies?: readonly QosPolicy[]
}

export interface Simulated {
  readonly fabric: Fabric
  readonly derivation: Derivation
  readonly deployment: Deployment
  /** Brings what was changed in the inputs to all hosts. */
  settle(this: void): void
}

/** Conntrack zones by network or router; the same on every host and in every world, so that worlds compare. */
const zoneNumbers = new Map<string, number>()

/** What a host wants zones for, and what it has; a zone is flushed before it is used. */
function assignZones(fabric: Fabric, { inputs }: Derivation, host: string, objects: ReadonlySet<string>): void {
  for (const object of zoneNumbers.keys()) if (!objects.has(object)) inputs.zone.delete(`${host}/${object}`)
  for (const object of objects) {
    const key = `${host}/${object}`
    if (inputs.zone.get(key) !== undefined) continue
    const zone = zoneNumbers.get(object) ?? zoneNumbers.size + 1
    zoneNumbers.set(object, zone)
    fabric.switchOf(host).conntrack.flush(zone)
    inputs.zone.set(key, { host, object, zone })
  }
}

/** All rows at once, and everything that follows from them on every host. */
export function simulate(rows: Rows): Simulated {
  const derivation = new Derivation(apps)
  const { inputs } = derivation
  for (const row of rows.hosts) inputs.host.set(row.id, row)
  for (const row of rows.networks) inputs.network.set(row.id, row)
  for (const row of rows.subnets) inputs.subnet.set(row.id, row)
  for (const row of rows.ports) inputs.port.set(row.id, row)
  for (const row of rows.routers ?? []) inputs.router.set(row.id, row)
  for (const row of rows.vifs) inputs.vif.set(`${row.host}/${row.name}`, row)
  for (const row of rows.securityGroups ?? []) inputs.security_group.set(row.id, row)
  for (const row of rows.securityGroupRules ?? []) inputs.security_group_rule.set(row.id, row)
  for (const [id, at] of Object.entries(rows.routerHosts ?? {}))
    inputs.router_host.set(id, { id, host: at, pinned: false, avoid: null })
  for (const row of rows.neighbours ?? []) inputs.neighbour.set(neighbourKey(row.network, row.address), row)
  for (const row of rows.addressGroups ?? []) inputs.address_group.set(row.id, row)
  for (const row of rows.qosPolicies ?? []) inputs.qos_policy.set(row.id, row)
  const deployment = new Deployment()
  const fabric = new Fabric(appController(apps, derivation.reads), (stage) => derivation.tables.table(stage))
  for (const { id, encapIp, uplinks } of rows.hosts) {
    const ofports = rows.vifs.filter(({ host }) => host === id).map(({ ofport }) => ofport)
    fabric.addHost(id, ipv4(encapIp) ?? 0, ofports)
    fabric.addUplinks(id, uplinks)
  }
  const settle = (): void => {
    do {
      const { units, scopes, zones } = derivation.commit()
      deployment.update(units, scopes)
      for (const [host, objects] of zones) assignZones(fabric, derivation, host, objects ?? new Set())
    } while (derivation.pending)
    const [problem] = derivation.problems()
    if (problem !== undefined) throw new Error(JSON.stringify(problem))
    for (const [host, delta] of deployment.take()) fabric.apply(host, delta)
  }
  settle()
  return { fabric, derivation, deployment, settle }
}

export const address = (text: string): number => ipv4(text) ?? 0

export const arpFrame = (source: number, destination: number, arp: Arp): Uint8Array =>
  composeFrame({ source, destination, etherType: ETHERTYPE_ARP, payload: composeArp(arp) })

/** "Who has `wanted`?", from the owner of `hardware` and `own`. */
export const whoHas = (hardware: string, own: string, wanted: string): Uint8Array =>
  arpFrame(mac(hardware), BROADCAST_MAC, {
    op: 1,
    sha: mac(hardware),
    spa: address(own),
    tha: 0,
    tpa: address(wanted),
  })

export interface Ping {
  readonly fromMac: string | number
  readonly toMac: string | number
  readonly from: string
  readonly to: string
  readonly ttl?: number
  /** 8 for a request, 0 for a reply. */
  readonly type?: number
}

const hardware = (value: string | number): number => (typeof value === 'number' ? value : mac(value))

export function pingFrame({ fromMac, toMac, from, to, ttl = 64, type = 8 }: Ping): Uint8Array {
  const icmp = Uint8Array.of(type, 0, 0, 0, 0x12, 0x34, 0, 1, 1, 2, 3, 4)
  const sum = checksum(icmp)
  icmp.set([sum >>> 8, sum & 0xff], 2)
  const packet = { source: address(from), destination: address(to), protocol: 1, ttl, dscp: 0, payload: icmp }
  return composeFrame({
    source: hardware(fromMac),
    destination: hardware(toMac),
    etherType: 0x0800,
    payload: composeIpv4(packet),
  })
}

export interface Received {
  readonly where: string
  readonly fromMac: number
  readonly toMac: number
  readonly from: number
  readonly to: number
  readonly ttl: number
  readonly icmp: number | null
}

/** An IPv4 packet as its receiver sees it, whose checksums are right; null for anything else. */
export function received({ host, ofport, bytes }: Delivery): Received | null {
  const frame = parseFrame(bytes)
  const packet = frame === null ? null : parseIpv4(frame.payload)
  if (frame === null || packet === null) return null
  const isIcmp = packet.protocol === 1
  if (isIcmp && checksum(packet.payload) !== 0) return null
  return {
    where: `${host}/${ofport}`,
    fromMac: frame.source,
    toMac: frame.destination,
    from: packet.source,
    to: packet.destination,
    ttl: packet.ttl,
    icmp: isIcmp ? (packet.payload[0] ?? null) : null,
  }
}

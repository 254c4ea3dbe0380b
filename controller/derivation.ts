// The engine's dataflow: rows of intent and of hosts in, units of items and the scopes of hosts out. Apps see it as
// `Reads`; nothing here knows what an app does.
import {
  physicalNetwork,
  ROUTER_INTERFACE,
  type Announcement,
  type App,
  type Binding,
  type Contribution,
  type FlowSpec,
  type Host,
  type LocalPort,
  type Network,
  type Port,
  type Reads,
  type Router,
  type Subnet,
  type Vif,
} from './app.ts'
import { sameItem, scopeKey, type ScopeChange, type Unit, type UnitChange } from './deployment.ts'
import { Engine, type Change, type KeySource, type Output, type Problem } from './engine/index.ts'
import { connectFlooding } from './flooding.ts'
import { flowMaker, missFlows, packetMeter } from './pipeline/flow.ts'
import { layout, type Layout } from './pipeline/layout.ts'
import type { Item } from './pipeline/value.ts'
import { finish } from './slices.ts'
import { connectPolicy, goneFrom, policyInputs, sourcesOf, type PolicyInputs, type Tracked } from './policy.ts'

const NONE: readonly string[] = []
const always = (): boolean => true

/** Engine tables by the names that rules use for them. */
export interface Inputs extends PolicyInputs {
  readonly network: ReturnType<typeof Engine.prototype.table<string, Network>>
  readonly subnet: ReturnType<typeof Engine.prototype.table<string, Subnet>>
  readonly port: ReturnType<typeof Engine.prototype.table<string, Port>>
  readonly router: ReturnType<typeof Engine.prototype.table<string, Router>>
  readonly host: ReturnType<typeof Engine.prototype.table<string, Host>>
  /** Keyed `host/interface`. */
  readonly vif: ReturnType<typeof Engine.prototype.table<string, Vif>>
}

/** What a commit changed. */
export interface Derived {
  readonly units: readonly UnitChange[]
  readonly scopes: readonly ScopeChange[]
  /** Ports that several interfaces claim, or claimed. */
  readonly contests: readonly Contest[]
  /** The networks for which each host needs a conntrack zone. */
  readonly zones: readonly (readonly [string, ReadonlySet<string> | null])[]
  /** Whose connections hosts shall forget. */
  readonly gone: readonly Tracked[]
  /** For each host whose ports are on other physical networks than before to which it has no way: which these are. */
  readonly stranded: readonly (readonly [string, Stranded])[]
  /** What is true of routers now and was not before; none of what was so from the start. */
  readonly announcements: readonly Announcement[]
}

/** Physical networks that a host has ports on but no way to: before and after a commit. */
export interface Stranded {
  readonly before: readonly string[]
  readonly after: readonly string[]
}

/** Of one rule for one key: the rows that it read, directly or not. */
export interface Reading {
  readonly rule: string
  readonly key: string
  readonly rows: readonly { readonly table: string; readonly key: string }[]
}

/** The interfaces that claim one port, as HOST/INTERFACE, the one that has it first; none without a contest. */
export interface Contest {
  readonly port: string
  readonly before: readonly string[]
  readonly after: readonly string[]
}

export class Derivation {
  readonly inputs: Inputs
  readonly reads: Reads
  readonly tables: Layout
  readonly #engine = new Engine()
  /** By name. */
  readonly #rules = new Map<string, Output<string, readonly Unit[]>>()
  readonly #scopes: Output<string, ReadonlySet<string>>
  readonly #contests: Output<string, readonly string[]>
  readonly #zones: Output<string, ReadonlySet<string>>
  readonly #tracked: Output<string, Tracked | null>
  readonly #stranded: Output<string, readonly string[]>
  readonly #announcements: readonly Output<string, readonly Announcement[]>[]
  readonly #constants: readonly UnitChange[]
  #started = false

  constructor(apps: readonly App[]) {
    const engine = this.#engine
    this.inputs = {
      network: engine.table('network'),
      subnet: engine.table('subnet'),
      port: engine.table('port'),
      router: engine.table('router'),
      host: engine.table('host'),
      vif: engine.table('vif'),
      ...policyInputs(engine),
    }
    const { reads, keys, scopesOf, zonesOf, strandedOf, trackedOf, contested } = connect(engine, this.inputs)
    this.reads = reads
    this.tables = layout(apps.flatMap(({ stages }) => stages))
    const names = apps.map(({ name }) => name)
    const make = flowMaker(this.tables, names)
    for (const app of apps) {
      for (const [i, rule] of app.rules.entries()) {
        const run = (key: string): readonly Unit[] => unitsOf(app.name, key, rule.contribute(reads, key), make)
        const { over } = rule
        const sources: readonly KeySource<string>[] =
          over === 'member' || over === 'copy' || over === 'part' ? keys[over] : [this.inputs[over]]
        for (const source of sources) {
          const name = `${app.name} ${i} ${source.name}`
          this.#rules.set(name, engine.output(name, source, run, { equals: sameUnits }))
        }
      }
    }
    this.#scopes = engine.output('scopes', this.inputs.host, scopesOf)
    this.#contests = engine.output('contests', contested, (id) => claimantsOf(reads.binding(id)))
    this.#zones = engine.output('zones', this.inputs.host, zonesOf)
    this.#tracked = engine.output('tracked', this.inputs.vif, trackedOf)
    this.#stranded = engine.output('stranded', this.inputs.host, strandedOf)
    this.#announcements = apps.flatMap(({ name, announce }) =>
      announce === undefined
        ? []
        : [engine.output(`${name} announcements`, this.inputs.router, (id) => announce(reads, id))],
    )
    this.#constants = apps.map((app) => {
      const everywhere: Contribution = { scope: { kind: 'all' }, flows: [], ...app.constant }
      const [unit] = unitsOf(app.name, '0', [everywhere], make)
      const misses = missFlows(app.name, app.stages, make)
      return { scope: 'all', object: '0', before: null, after: [...(unit?.items ?? []), ...misses] }
    })
  }

  commit(): Derived {
    return finish(this.steps())
  }

  /** The same in small steps, between which nothing may be committed otherwise. */
  *steps(): Generator<void, Derived> {
    let changes = this.#engine.commitSlice(always)
    for (; changes === undefined; changes = this.#engine.commitSlice(always)) yield
    const first = !this.#started
    this.#started = true
    const units: UnitChange[] = first ? [...this.#constants] : []
    for (const change of changes) {
      if (this.#rules.has(change.name)) pairUnits(change as Change<string, readonly Unit[]>, units)
      yield
    }
    const scopes = this.#scopes.of(changes).map(({ key, after }) => [key, after ?? null] as const)
    const zones = this.#zones.of(changes).map(({ key, after }) => [key, after ?? null] as const)
    const contests = this.#contests
      .of(changes)
      .map(({ key, before = NONE, after = NONE }) => ({ port: key, before, after }))
    const gone = this.#tracked.of(changes).flatMap(({ before, after }) => goneFrom(before ?? null, after ?? null))
    const stranded = this.#stranded
      .of(changes)
      .map(({ key, before = NONE, after = NONE }) => [key, { before, after }] as const)
      .filter(([, { before, after }]) => before.length + after.length > 0)
    const announcements = first ? [] : this.#announcements.flatMap((output) => output.of(changes).flatMap(added))
    return { units, scopes, contests, zones, gone, stranded, announcements }
  }

  get pending(): boolean {
    return this.#engine.pending
  }

  /** What the rules that run for an object have read to come to their results. */
  explain(object: string): readonly Reading[] {
    const at = this.reads.binding(object)
    const vif = at === null ? undefined : this.reads.vifAt(at.host, at.ofport)
    const keys = vif === undefined ? [object] : [object, `${vif.host}/${vif.name}`]
    return Array.from(this.#rules.values()).flatMap((rule) =>
      keys
        .filter((key) => rule.committed(key) !== undefined)
        .map((key) => {
          const rows = rule.explain(key).filter(({ kind }) => kind === 'table')
          return { rule: rule.name, key, rows: rows.map(({ name, key }) => ({ table: name, key: String(key) })) }
        }),
    )
  }

  /** Rules that throw now, with the last good result still in place. */
  problems(): readonly Problem[] {
    return this.#engine.problems()
  }
}

function added({ before = [], after = [] }: Change<string, readonly Announcement[]>): readonly Announcement[] {
  const same = (a: Announcement, b: Announcement): boolean =>
    a.network === b.network && Buffer.compare(a.data, b.data) === 0
  return after.filter((each) => !before.some((old) => same(old, each)))
}

const claimantsOf = (binding: Binding | null): readonly string[] =>
  binding === null ? NONE : [binding.vif, ...binding.rivals]

/** Contributions by scope and object: one unit for each. An item of several objects counts as the first says it. */
function unitsOf(
  app: string,
  key: string,
  contributions: readonly Contribution[],
  make: ReturnType<typeof flowMaker>,
): readonly Unit[] {
  if (contributions.length === 1) {
    const [{ scope, object = key, flows, limits }] = contributions as readonly [Contribution]
    return [{ scope: scopeKey(scope), object, items: firstOfEach(itemsOf(flows, limits, make({ app, object }))) }]
  }
  const units = new Map<string, { scope: string; object: string; items: Item[] }>()
  const taken = new Set<string>()
  for (const { scope, object = key, flows, limits } of contributions) {
    const name = scopeKey(scope)
    const id = `${name} ${object}`
    let unit = units.get(id)
    if (unit === undefined) units.set(id, (unit = { scope: name, object, items: [] }))
    for (const item of itemsOf(flows, limits, make({ app, object }))) {
      const where = `${name} ${item.key}`
      if (!taken.has(where)) unit.items.push(item)
      taken.add(where)
    }
  }
  return [...units.values()]
}

function itemsOf(flows: readonly FlowSpec[], limits: Contribution['limits'], flowOf: (spec: FlowSpec) => Item): Item[] {
  const items: Item[] = (limits ?? []).map((limit) => packetMeter(limit.meter, limit.packetsPerSecond, limit.burst))
  for (const spec of flows) items.push(flowOf(spec))
  return items
}

const FEW = 8

function firstOfEach(items: readonly Item[]): readonly Item[] {
  // Comparing a few costs less than a map of them, and repetitions are rare.
  const differ = (item: Item, at: number): boolean => !items.some(({ key }, i) => i < at && key === item.key)
  if (items.length <= FEW && items.every(differ)) return items
  const taken = new Set<string>()
  return items.filter(({ key }) => !taken.has(key) && taken.add(key))
}

function sameUnits(a: readonly Unit[], b: readonly Unit[]): boolean {
  return a.length === b.length && b.every((unit, i) => sameUnit(a[i], unit))
}

function sameUnit(a: Unit | undefined, b: Unit): boolean {
  if (a === undefined || a.scope !== b.scope || a.object !== b.object || a.items.length !== b.items.length) return false
  return a.items.every((item, i) => sameItem(b.items[i], item))
}

/** Units of one scope and object replace one another. */
function pairUnits({ before = [], after = [] }: Change<string, readonly Unit[]>, into: UnitChange[]): void {
  const old = new Map(before.map((unit) => [`${unit.scope} ${unit.object}`, unit]))
  for (const { scope, object, items } of after) {
    const id = `${scope} ${object}`
    into.push({ scope, object, before: old.get(id)?.items ?? null, after: items })
    old.delete(id)
  }
  for (const { scope, object, items } of old.values()) into.push({ scope, object, before: items, after: null })
}

/** A port where it is plugged in. */
interface Place extends Binding, LocalPort {
  readonly network: string
}

// The ids of networks are UUIDs.
const memberKey = (network: string, host: string): string => `${network}/${host}`
const networkOf = (member: string): string => member.slice(0, member.indexOf('/'))
const hostOf = (member: string): string => member.slice(member.indexOf('/') + 1)

type Claim = readonly [key: string, vif: Vif]

/** Which interface a port is: one of the host that the port asks for, else the first by host and name. */
function winner(port: Port, claims: readonly Claim[]): Binding | undefined {
  const first = claims.find(([, { host }]) => host === port['binding:host_id']) ?? claims[0]
  if (first === undefined) return undefined
  const [key, { host, ofport }] = first
  const rivals = claims.length === 1 ? NONE : claims.flatMap(([each]) => (each === key ? [] : [each]))
  return { host, ofport, vif: key, rivals }
}

/** Unknown unicast must reach a port that may use MACs which no other port says it has. */
const listensToAll = (port: Port): boolean =>
  !port.port_security_enabled || port.allowed_address_pairs.some((pair) => pair.mac_address !== port.mac_address)

interface Connected {
  readonly reads: Reads
  /** What rules may be over beside tables. */
  readonly keys: Readonly<Record<'member' | 'copy' | 'part', readonly KeySource<string>[]>>
  scopesOf(this: void, host: string): ReadonlySet<string>
  zonesOf(this: void, host: string): ReadonlySet<string>
  /** The physical networks on which the host has ports and to which it has no way. */
  strandedOf(this: void, host: string): readonly string[]
  /** The ports that several interfaces claim. */
  readonly contested: KeySource<string>
  trackedOf(this: void, vif: string): Tracked | null
}

/** Tables, groupings and queries between the inputs and the apps. */
function connect(engine: Engine, inputs: Inputs): Connected {
  const { network, subnet, port, router, host, vif } = inputs
  const isInterface = (row: Port): boolean => row.device_owner === ROUTER_INTERFACE
  const portsOf = engine.grouping('ports of network', port, (row) => [row.network_id])
  const isOpen = (row: Port): boolean => !row.port_security_enabled || row.allowed_address_pairs.length > 0
  const openPorts = engine.grouping('open ports of network', port, (row) =>
    isOpen(row) && !isInterface(row) ? [row.network_id] : NONE,
  )
  const subnetsOf = engine.grouping('subnets of network', subnet, (row) => [row.network_id])
  const interfacesOf = engine.grouping('interfaces of router', port, (row) =>
    isInterface(row) ? [row.device_id] : NONE,
  )
  const gatewaysOf = engine.grouping('router interfaces of network', port, (row) =>
    isInterface(row) ? [row.network_id] : NONE,
  )
  const claimsOf = engine.grouping('interfaces of port', vif, (row) => [row.port])
  const vifAt = engine.grouping('interface by number', vif, (row) => [`${row.host}/${row.ofport}`])

  const placeOf = engine.derivedTable('place', port, (id: string): Place | undefined => {
    const row = port.get(id)
    if (row === undefined) return undefined
    const claims = claimsOf.get(id).flatMap((key): Claim[] => {
      const claim = vif.get(key)
      return claim === undefined || host.get(claim.host) === undefined ? [] : [[key, claim]]
    })
    const binding = winner(row, claims)
    return binding && { id, ...binding, network: row.network_id, up: row.admin_state_up, listens: listensToAll(row) }
  })
  /** Ports by `network/host`: what flooding depends on, so that other edits of a port stop here. */
  const placesOn = engine.grouping('ports of member', placeOf, ({ network: on, host: at }) => [memberKey(on, at)])
  const membersOf = engine.grouping('members of network', placesOn, (_, member) => [networkOf(member)])
  const networksOn = engine.grouping('networks of host', placesOn, (_, member) => [hostOf(member)])
  const contested = engine.grouping('contested ports', placeOf, ({ rivals }, id) => (rivals.length > 0 ? [id] : NONE))
  const memberHosts = engine.query('hosts of network', (id: string): readonly string[] => membersOf.get(id).map(hostOf))
  const localPorts = engine.query('local ports', (member: string): readonly LocalPort[] =>
    placesOn.get(member).flatMap((id) => placeOf.get(id) ?? []),
  )
  /** The networks that a network is connected with by routers, itself included. */
  const connected = (id: string, joins: (network: string) => boolean): ReadonlySet<string> => {
    const found = new Set([id])
    for (const each of joins(id) ? found : NONE) {
      for (const gateway of gatewaysOf.get(each)) {
        const owner = port.get(gateway)?.device_id
        for (const other of owner === undefined ? NONE : interfacesOf.get(owner)) {
          const next = port.get(other)?.network_id
          if (next !== undefined && joins(next)) found.add(next)
        }
      }
    }
    return found
  }
  const domain = engine.query('domain', (id: string) => connected(id, () => true))
  /** Tenants with the same addresses may stand on a shared network: what lies behind it is not in its zone. */
  const zoneMates = engine.query('zone mates', (id: string): readonly string[] => {
    const ageOf = (each: string): string => `${network.get(each)?.created_at} ${each}`
    const mates = connected(id, (each) => network.get(each)?.shared !== true)
    return [...mates].toSorted((a, b) => (ageOf(a) < ageOf(b) ? -1 : 1))
  })
  const hostsOf = engine.query('hosts of domain', (id: string): readonly string[] =>
    [...new Set(Array.from(domain.get(id)).flatMap((each) => memberHosts.get(each)))].toSorted(),
  )
  const portsAt = engine.query('ports at host', (id: string): readonly string[] =>
    networksOn.get(id).flatMap((member) => placesOn.get(member)),
  )
  const flooding = connectFlooding(engine, placeOf)
  const { reads: policyReads, members, groupsOf, setsOf } = connectPolicy(engine, port, inputs)
  const scopesOf = (id: string): ReadonlySet<string> => {
    const scopes = new Set([scopeKey({ kind: 'all' }), scopeKey({ kind: 'host', host: id })])
    for (const member of networksOn.get(id)) {
      for (const each of domain.get(networkOf(member))) scopes.add(scopeKey({ kind: 'network', network: each }))
    }
    for (const group of groupsOf(portsAt.get(id))) {
      scopes.add(scopeKey({ kind: 'group', group }))
      for (const set of setsOf(group)) scopes.add(scopeKey({ kind: 'set', set }))
    }
    return scopes
  }
  /** The network in whose zone a network's connections are. */
  const zoneOf = (id: string): string => zoneMates.get(id)[0] ?? id
  /** Those of the networks with a port here that is tracked. */
  const zonesOf = (id: string): ReadonlySet<string> => {
    const isTracked = (each: string): boolean => policyReads.policy(each)?.stateful === true
    const tracking = networksOn.get(id).filter((member) => placesOn.get(member).some(isTracked))
    return new Set(tracking.map((member) => zoneOf(networkOf(member))))
  }
  const trackedOf = (key: string): Tracked | null => {
    const at = vif.get(key)
    const row = at && port.get(at.port)
    if (!row || placeOf.get(row.id)?.host !== at.host || policyReads.policy(row.id)?.stateful !== true) return null
    return { host: at.host, zone: zoneOf(row.network_id), prefixes: sourcesOf(row) }
  }
  const strandedOf = (id: string): readonly string[] => {
    const uplinks = host.get(id)?.uplinks ?? {}
    const physical = networksOn.get(id).flatMap((member) => {
      const row = network.get(networkOf(member))
      const name = row === undefined ? null : physicalNetwork(row)
      return name === null || Object.hasOwn(uplinks, name) ? [] : [name]
    })
    return [...new Set(physical)].toSorted()
  }
  const reads: Reads = {
    network: (id) => network.get(id),
    subnet: (id) => subnet.get(id),
    port: (id) => port.get(id),
    router: (id) => router.get(id),
    host: (id) => host.get(id),
    vif: (key) => vif.get(key),
    vifAt: (id, ofport) => vif.get(vifAt.get(`${id}/${ofport}`)[0] ?? ''),
    portsOf: (id) => portsOf.get(id),
    openPorts: (id) => openPorts.get(id),
    subnetsOf: (id) => subnetsOf.get(id),
    gatewaysOf: (id) => gatewaysOf.get(id),
    interfacesOf: (id) => interfacesOf.get(id),
    binding: (id) => placeOf.get(id) ?? null,
    membersOf: (id) => memberHosts.get(id),
    hostsOf: (id) => hostsOf.get(id),
    localPorts: (id, on) => localPorts.get(memberKey(on, id)),
    zoneMates: (id) => zoneMates.get(id),
    ...policyReads,
    ...flooding.reads,
  }
  const keys = { member: members, copy: [flooding.copies], part: [flooding.parts] }
  return { reads, keys, scopesOf, zonesOf, strandedOf, trackedOf, contested }
}

// The engine's dataflow: rows of intent and of hosts in, units of items and the scopes of hosts out. Apps see it as
// `Reads`; nothing here knows what an app does.
import {
  ROUTER_INTERFACE,
  type App,
  type Binding,
  type Contribution,
  type Host,
  type LocalPort,
  type Network,
  type Port,
  type Reads,
  type Router,
  type Subnet,
  type Vif,
} from './app.ts'
import { sameItem, scopeKey, type Unit } from './deployment.ts'
import { Engine, type Change, type KeySource, type Output, type Problem } from './engine/index.ts'
import { flowMaker, missFlows, packetMeter } from './pipeline/flow.ts'
import { layout, type Layout } from './pipeline/layout.ts'
import type { Item } from './pipeline/value.ts'
import { connectPolicy, policyInputs, type PolicyInputs } from './policy.ts'

const NONE: readonly string[] = []

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
  readonly units: readonly (readonly [string, Unit | null])[]
  readonly scopes: readonly (readonly [string, ReadonlySet<string> | null])[]
  /** Ports that several hosts claim, or claimed. */
  readonly contests: readonly Contest[]
  /** The networks and routers for which each host needs a conntrack zone. */
  readonly zones: readonly (readonly [string, ReadonlySet<string> | null])[]
}

/** Of one rule for one key: the rows that it read, directly or not. */
export interface Reading {
  readonly rule: string
  readonly key: string
  readonly rows: readonly { readonly table: string; readonly key: string }[]
}

/** The hosts that claim one port, the one that has it first; none when there is no contest (any more). */
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
  readonly #rules: readonly Output<string, readonly Unit[]>[]
  readonly #scopes: Output<string, ReadonlySet<string>>
  readonly #contests: Output<string, readonly string[]>
  readonly #zones: Output<string, ReadonlySet<string>>
  readonly #constants: readonly (readonly [string, Unit])[]
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
    const { reads, members, scopesOf, zonesOf } = connect(engine, this.inputs)
    this.reads = reads
    this.tables = layout(apps.flatMap(({ stages }) => stages))
    const names = apps.map(({ name }) => name)
    const make = flowMaker(this.tables, names)
    this.#rules = apps.flatMap((app) =>
      app.rules.flatMap((rule, i) => {
        const run = (key: string): readonly Unit[] => unitsOf(app.name, key, rule.contribute(reads, key), make)
        const sources: readonly KeySource<string>[] = rule.over === 'member' ? members : [this.inputs[rule.over]]
        return sources.map((source) =>
          engine.output(`${app.name} ${i} ${source.name}`, source, run, { equals: sameUnits }),
        )
      }),
    )
    this.#scopes = engine.output('scopes', this.inputs.host, scopesOf)
    this.#contests = engine.output('contests', this.inputs.port, (id) => claimantsOf(reads.binding(id)), {
      equals: (a, b) => a.join() === b.join(),
    })
    this.#zones = engine.output('zones', this.inputs.host, zonesOf)
    this.#constants = apps.map((app) => {
      const everywhere: Contribution = { scope: { kind: 'all' }, flows: [], ...app.constant }
      const [unit] = unitsOf(app.name, '0', [everywhere], make)
      const misses = missFlows(app.name, app.stages, make)
      return [
        `${app.name} constant`,
        { scope: 'all', objects: [], items: [...(unit?.items ?? []), ...misses] },
      ] as const
    })
  }

  commit(): Derived {
    const changes = this.#engine.commit()
    const units: (readonly [string, Unit | null])[] = this.#started ? [] : [...this.#constants]
    this.#started = true
    for (const output of this.#rules) for (const change of output.of(changes)) units.push(...unitChanges(change))
    const scopes = this.#scopes.of(changes).map(({ key, after }) => [key, after ?? null] as const)
    const zones = this.#zones.of(changes).map(({ key, after }) => [key, after ?? null] as const)
    const contests = this.#contests
      .of(changes)
      .map(({ key, before = NONE, after = NONE }) => ({ port: key, before, after }))
      .filter(({ before, after }) => before.length + after.length > 0)
    return { units, scopes, contests, zones }
  }

  get pending(): boolean {
    return this.#engine.pending
  }

  /** What the rules that run for an object have read to come to their results. */
  explain(object: string): readonly Reading[] {
    const at = this.reads.binding(object)
    const vif = at === null ? undefined : this.reads.vifAt(at.host, at.ofport)
    const keys = vif === undefined ? [object] : [object, `${vif.host}/${vif.name}`]
    return this.#rules.flatMap((rule) =>
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

const claimantsOf = (binding: Binding | null): readonly string[] =>
  binding === null || binding.rivals.length === 0 ? NONE : [binding.host, ...binding.rivals]

function isFirst(taken: Set<string>, name: string): boolean {
  const first = !taken.has(name)
  taken.add(name)
  return first
}

/** A unit for each contribution. An item of several of them counts as the first says it. */
function unitsOf(
  app: string,
  key: string,
  contributions: readonly Contribution[],
  make: ReturnType<typeof flowMaker>,
): readonly Unit[] {
  const taken = contributions.length > 1 ? new Set<string>() : null
  return contributions.map(({ scope, object = key, flows, limits = [] }) => {
    const where = scopeKey(scope)
    const flowOf = make({ app, object })
    const all: Item[] = limits.map(({ meter, packetsPerSecond, burst }) => packetMeter(meter, packetsPerSecond, burst))
    for (const spec of flows) all.push(flowOf(spec))
    const items = taken === null ? all : all.filter(({ key: item }) => isFirst(taken, `${where} ${item}`))
    return { scope: where, objects: [object], items }
  })
}

function sameUnits(a: readonly Unit[], b: readonly Unit[]): boolean {
  return a.length === b.length && b.every((unit, i) => sameUnit(a[i], unit))
}

function sameUnit(a: Unit | undefined, b: Unit): boolean {
  if (a === undefined || a.scope !== b.scope || a.items.length !== b.items.length) return false
  return a.items.every((item, i) => sameItem(b.items[i], item))
}

function unitChanges({
  name,
  key,
  before = [],
  after = [],
}: Change<string, readonly Unit[]>): (readonly [string, Unit | null])[] {
  const nameOf = ({ scope, objects }: Unit): string => `${name} ${key} ${scope} ${objects[0]}`
  const old = new Map(before.map((unit) => [nameOf(unit), unit]))
  const now = new Map(after.map((unit) => [nameOf(unit), unit]))
  return [
    ...Array.from(old.keys()).flatMap((unit) => (now.has(unit) ? [] : [[unit, null] as const])),
    ...Array.from(now).filter(([unit, value]) => !sameUnit(old.get(unit), value)),
  ]
}

/** Which host has a port: the one that the port asks for, else the first by id. The others are rivals. */
function winner(port: Port | undefined, claims: readonly Vif[]): Binding | null {
  const wanted = port?.['binding:host_id']
  const first = claims.find(({ host }) => host === wanted) ?? claims[0]
  if (first === undefined) return null
  const rivals = [...new Set(claims.map(({ host }) => host))].filter((host) => host !== first.host)
  return { host: first.host, ofport: first.ofport, rivals }
}

/** Groupings and queries between the tables and the apps. */
function connect(
  engine: Engine,
  inputs: Inputs,
): {
  readonly reads: Reads
  readonly members: readonly KeySource<string>[]
  scopesOf(this: void, host: string): ReadonlySet<string>
  zonesOf(this: void, host: string): ReadonlySet<string>
} {
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
  const vifsOf = engine.grouping('interfaces of host', vif, (row) => [row.host])
  const vifAt = engine.grouping('interface by number', vif, (row) => [`${row.host}/${row.ofport}`])

  const binding = engine.query('binding', (id: string): Binding | null => {
    const claims = claimsOf.get(id).flatMap((key) => vif.get(key) ?? [])
    return winner(
      port.get(id),
      claims.filter((row) => host.get(row.host) !== undefined),
    )
  })
  /** Ports by host, of one network: what its flooding depends on, so that other edits of a port stop here. */
  const placement = engine.query('placement', (id: string): ReadonlyMap<string, readonly LocalPort[]> => {
    const hosts = new Map<string, LocalPort[]>()
    for (const each of portsOf.get(id)) {
      const at = binding.get(each)
      if (at === null) continue
      const local = { id: each, ofport: at.ofport, up: port.get(each)?.admin_state_up === true }
      const there = hosts.get(at.host)
      if (there === undefined) hosts.set(at.host, [local])
      else there.push(local)
    }
    return hosts
  })
  const membersOf = engine.query('members', (id: string): readonly string[] => [...placement.get(id).keys()].toSorted())
  /** The networks that a network is connected with by routers, itself included. */
  const domain = engine.query('domain', (id: string): ReadonlySet<string> => {
    const found = new Set([id])
    for (const each of found) {
      for (const gateway of gatewaysOf.get(each)) {
        const owner = port.get(gateway)?.device_id
        for (const other of owner === undefined ? NONE : interfacesOf.get(owner)) {
          const connected = port.get(other)?.network_id
          if (connected !== undefined) found.add(connected)
        }
      }
    }
    return found
  })
  /** Apart from the port, since a host has many and reads only this of them. */
  const networkOf = engine.query('network of port', (id: string) => port.get(id)?.network_id)
  const portsAt = engine.query('ports at host', (id: string): readonly string[] =>
    vifsOf
      .get(id)
      .flatMap((key) => vif.get(key)?.port ?? [])
      .filter((each) => binding.get(each)?.host === id),
  )
  /** The networks with a port that is bound to the host. */
  const networksOf = engine.query(
    'networks of host',
    (id: string): ReadonlySet<string> => new Set(portsAt.get(id).flatMap((each) => networkOf.get(each) ?? [])),
  )
  const { reads: policyReads, members, groupsOf, setsOf } = connectPolicy(engine, port, inputs)
  const scopesOf = (id: string): ReadonlySet<string> => {
    const scopes = new Set([scopeKey({ kind: 'all' }), scopeKey({ kind: 'host', host: id })])
    for (const near of networksOf.get(id)) {
      for (const each of domain.get(near)) scopes.add(scopeKey({ kind: 'network', network: each }))
    }
    for (const group of groupsOf(portsAt.get(id))) {
      scopes.add(scopeKey({ kind: 'group', group }))
      for (const set of setsOf(group)) scopes.add(scopeKey({ kind: 'set', set }))
    }
    return scopes
  }
  /** Of each network with a port here that is tracked: itself, and the routers through which its traffic may go. */
  const zonesOf = (id: string): ReadonlySet<string> => {
    const tracked = portsAt.get(id).filter((each) => policyReads.policy(each)?.stateful === true)
    const networks = new Set(tracked.flatMap((each) => networkOf.get(each) ?? []))
    const routers = Array.from(networks).flatMap((each) =>
      gatewaysOf.get(each).flatMap((gateway) => port.get(gateway)?.device_id ?? []),
    )
    return new Set([...networks, ...routers])
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
    interfacesOf: (id) => interfacesOf.get(id),
    binding: (id) => binding.get(id),
    membersOf: (id) => membersOf.get(id),
    localPorts: (id, on) => placement.get(on).get(id) ?? [],
    ...policyReads,
  }
  return { reads, members, scopesOf, zonesOf }
}

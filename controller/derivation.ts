// The engine's dataflow: rows of intent and of hosts in, units of items and the scopes of hosts out. Apps see it as
// `Reads`; nothing here knows what an app does.
import type { Announcement, App, Binding, Contribution, Reads } from './app.ts'
import type { ScopeChange, Unit, UnitChange } from './deployment.ts'
import { Engine, type Change, type KeySource, type Output, type Problem } from './engine/index.ts'
import { flowMaker, missFlows } from './pipeline/flow.ts'
import { layout, type Layout } from './pipeline/layout.ts'
import { goneFrom, type Tracked } from './policy.ts'
import { finish } from './slices.ts'
import { connectTopology, inputTables, type Inputs } from './topology.ts'
import { pairUnits, sameUnits, unitsOf } from './units.ts'

const NONE: readonly string[] = []
const always = (): boolean => true

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
  readonly stranded: readonly (readonly [string, Revision])[]
  /** The same for networks of which a host has a way to several segments: their ids. */
  readonly ambiguous: readonly (readonly [string, Revision])[]
  /** What is true of routers now and was not before; none of what was so from the start. */
  readonly announcements: readonly Announcement[]
}

/** What a list was before a commit, and is after it. */
export interface Revision {
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
  readonly #ambiguous: Output<string, readonly string[]>
  readonly #announcements: readonly Output<string, readonly Announcement[]>[]
  readonly #constants: readonly UnitChange[]
  #started = false

  constructor(apps: readonly App[]) {
    const engine = this.#engine
    this.inputs = inputTables(engine)
    const topology = connectTopology(engine, this.inputs)
    const { reads, keys, contested } = topology
    this.reads = reads
    this.tables = layout(apps.flatMap(({ stages }) => stages))
    const names = apps.map(({ name }) => name)
    const make = flowMaker(this.tables, names)
    const isDerived = (over: string): over is keyof typeof keys => Object.hasOwn(keys, over)
    for (const app of apps) {
      for (const [i, rule] of app.rules.entries()) {
        const run = (key: string): readonly Unit[] => unitsOf(app.name, key, rule.contribute(reads, key), make)
        const { over } = rule
        const sources: readonly KeySource<string>[] = isDerived(over) ? keys[over] : [this.inputs[over]]
        for (const source of sources) {
          const name = `${app.name} ${i} ${source.name}`
          this.#rules.set(name, engine.output(name, source, run, { equals: sameUnits }))
        }
      }
    }
    this.#scopes = engine.output('scopes', this.inputs.host, topology.scopesOf)
    this.#contests = engine.output('contests', contested, (id) => claimantsOf(reads.binding(id)))
    this.#zones = engine.output('zones', this.inputs.host, topology.zonesOf)
    this.#tracked = engine.output('tracked', this.inputs.vif, topology.trackedOf)
    this.#stranded = engine.output('stranded', this.inputs.host, topology.strandedOf)
    this.#ambiguous = engine.output('ambiguous', this.inputs.host, topology.ambiguousOf)
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
    let committed = this.#engine.commitSlice(always)
    for (; committed === undefined; committed = this.#engine.commitSlice(always)) yield
    const first = !this.#started
    this.#started = true
    const units: UnitChange[] = first ? [...this.#constants] : []
    /** Those of other outputs than rules. */
    const changes: Change[] = []
    for (const change of committed) {
      if (this.#rules.has(change.name)) pairUnits(change as Change<string, readonly Unit[]>, units)
      else changes.push(change)
      yield
    }
    const scopes = this.#scopes.of(changes).map(({ key, after }) => [key, after ?? null] as const)
    const zones = this.#zones.of(changes).map(({ key, after }) => [key, after ?? null] as const)
    const contests = this.#contests
      .of(changes)
      .map(({ key, before = NONE, after = NONE }) => ({ port: key, before, after }))
    const gone = this.#tracked.of(changes).flatMap(({ before, after }) => goneFrom(before ?? null, after ?? null))
    const stranded = revisions(this.#stranded.of(changes))
    const ambiguous = revisions(this.#ambiguous.of(changes))
    // What is there from the start was announced when it came; but a move to another host may have been the last thing done.
    const announcements = this.#announcements
      .flatMap((output) => output.of(changes).flatMap(added))
      .filter(({ host }) => !first || host !== undefined)
    return { units, scopes, contests, zones, gone, stranded, ambiguous, announcements }
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

const revisions = (changes: readonly Change<string, readonly string[]>[]): (readonly [string, Revision])[] =>
  changes
    .map(({ key, before = NONE, after = NONE }) => [key, { before, after }] as const)
    .filter(([, { before, after }]) => before.length + after.length > 0)

function added({ before = [], after = [] }: Change<string, readonly Announcement[]>): readonly Announcement[] {
  const same = (a: Announcement, b: Announcement): boolean =>
    a.network === b.network && a.host === b.host && Buffer.compare(a.data, b.data) === 0
  return after.filter((each) => !before.some((old) => same(old, each)))
}

const claimantsOf = (binding: Binding | null): readonly string[] =>
  binding === null ? NONE : [binding.vif, ...binding.rivals]

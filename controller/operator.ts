// What operators ask through the API (northbound/operator.ts), answered from what the controller wants on the hosts and,
// where they ask for it, from the switches themselves.
import { decodeMessage } from '../ofproto/messages/index.ts'
import type { App } from './app.ts'
import type { Derivation } from './derivation.ts'
import type { Fleet, HostRecord } from './fleet.ts'
import type { Counters, Counts, Explanation, HostFlow, Operator } from './northbound/index.ts'
import { cookieOf } from './pipeline/cookie.ts'
import type { Item } from './pipeline/value.ts'
import { readFlows, type InstalledFlow } from './trace/installed.ts'
import { stageOf, tracedFlow } from './trace/journey.ts'
import { checkLive, liveFlow, type InstalledFlows } from './trace/live.ts'
import { Tracer, type TracedHost } from './trace/tracer.ts'

/** The app whose flows count for rules of security groups. */
const GROUPS = 'groups'
const EXACT = 0xffff_ffff_ffff_ffffn
/** Of ct_state. */
const NEW = 1

const tracedHost = ({ facts, control }: HostRecord): TracedHost => ({
  id: facts.id,
  encapIp: facts.encapIp,
  ofports: facts.vifs.map(({ ofport }) => ofport),
  items: () => control.wanted.values(),
})

/** Null where the switch does not answer. */
async function installedOn(record: HostRecord | undefined): Promise<InstalledFlows> {
  const flows = await (record?.channel && readFlows(record.channel).catch(() => null))
  return flows ? new Map(flows.map((flow) => [flow.key, flow])) : null
}

/** Whether only the first packet of a connection matches. */
function opensSession({ frame }: InstalledFlow): boolean {
  const flow = decodeMessage(frame)
  if (flow.kind !== 'flow_mod') return false
  const state = flow.match.find((entry) => entry.kind === 'ct_state')
  return state !== undefined && (state.value & (state.mask ?? EXACT_STATE) & NEW) !== 0
}
const EXACT_STATE = 0xffff_ffff

/** `seen`: settles when the engine has the store's revision. */
export class FleetOperator implements Operator {
  readonly #fleet: Fleet
  readonly #derivation: Derivation
  readonly #names: readonly string[]
  readonly #seen: (revision: number) => Promise<void>
  readonly #tracer: Tracer

  constructor(fleet: Fleet, derivation: Derivation, apps: readonly App[], seen: (revision: number) => Promise<void>) {
    this.#fleet = fleet
    this.#derivation = derivation
    this.#names = apps.map(({ name }) => name)
    this.#seen = seen
    this.#tracer = new Tracer({ apps, derivation, hosts: () => Array.from(fleet.hosts.values(), tracedHost) })
  }

  async reached(revision: number): Promise<void> {
    await this.#seen(revision)
    this.#fleet.commit()
  }

  host(idOrName: string): string | undefined {
    if (this.#fleet.hosts.has(idOrName)) return idOrName
    for (const [id, { facts }] of this.#fleet.hosts) if (facts.name === idOrName) return id
    return undefined
  }

  readonly trace: Operator['trace'] = (question) => this.#tracer.trace(question)

  readonly check: Operator['check'] = async (question, report) => {
    const { hosts } = this.#fleet
    const live = await checkLive(
      report,
      (installed) => this.#tracer.trace(question, installed),
      (host) => installedOn(hosts.get(host)),
    )
    return {
      report: live.report,
      flow: (host, flow) =>
        liveFlow(flow, hosts.get(host)?.control.wanted.get(flow.key), live.installed.get(host) ?? null),
    }
  }

  async flows(host: string, live: boolean): Promise<readonly HostFlow[]> {
    const record = this.#fleet.hosts.get(host)
    const wanted = record?.control.wanted ?? new Map<string, Item>()
    const installed = live ? await installedOn(record) : null
    const others = Array.from(installed?.values() ?? []).filter(({ key }) => !wanted.has(key))
    return [...wanted.values(), ...others]
      .flatMap((item) => this.#hostFlow(item, wanted, installed))
      .toSorted((a, b) => a.table - b.table || b.flow.priority - a.flow.priority)
  }

  /** Nothing for groups and meters. */
  #hostFlow(item: Item, wanted: ReadonlyMap<string, Item>, installed: InstalledFlows): HostFlow[] {
    const message = decodeMessage(item.frame)
    if (message.kind !== 'flow_mod') return []
    const { table } = message
    const flow = tracedFlow({ ...message, key: item.key }, this.#names)
    const stage = stageOf(this.#derivation.tables, table)
    return [{ table, stage, flow, live: liveFlow(flow, wanted.get(item.key), installed) }]
  }

  explain(object: string): Explanation {
    const unconfirmed = new Map(this.#fleet.unconfirmed(object).map(({ host, reason }) => [host, reason]))
    const own = object.replaceAll('-', '').slice(0, 12)
    const byHost = new Map<string, HostFlow[]>()
    for (const { items, hosts } of this.#fleet.causedBy(object)) {
      const flows = items.flatMap((item) => this.#hostFlow(item, new Map(), null))
      // A rule may have put flows of other objects into the same unit.
      const caused = flows.filter(({ flow }) => flow.origin?.object === own)
      for (const host of hosts) byHost.set(host, [...(byHost.get(host) ?? []), ...caused])
    }
    const hosts = Array.from(byHost, ([host, flows]) => ({ host, unconfirmed: unconfirmed.get(host) ?? null, flows }))
    return { hosts: hosts.filter(({ flows }) => flows.length > 0), rules: this.#derivation.explain(object) }
  }

  async count(rules: readonly string[]): Promise<Counts> {
    const wanted = rules.flatMap((rule) => this.#hostsOf(rule).map((host) => ({ rule, host })))
    const missing = new Set<string>()
    const answers = await Promise.all(
      wanted.map(async ({ rule, host }) => {
        const channel = this.#fleet.hosts.get(host)?.channel
        const cookie = cookieOf({ app: GROUPS, object: rule }, this.#names)
        const flows = await (channel && readFlows(channel, cookie, EXACT).catch(() => null))
        if (!flows) missing.add(host)
        return { rule, flows: flows ?? [] }
      }),
    )
    const counters = new Map<string, Counters>()
    for (const { rule, flows } of answers) counters.set(rule, added(counters.get(rule), flows))
    return { counters, missing: [...missing] }
  }

  #hostsOf(object: string): readonly string[] {
    return [...new Set(this.#fleet.causedBy(object).flatMap(({ hosts }) => hosts))]
  }
}

const added = (
  { sessions, packets, bytes }: Counters = { sessions: 0, packets: 0, bytes: 0 },
  flows: readonly InstalledFlow[],
): Counters => {
  const total = (count: (flow: InstalledFlow) => bigint): number =>
    flows.reduce((sum, flow) => sum + Number(count(flow)), 0)
  return {
    sessions: sessions + total((flow) => (opensSession(flow) ? flow.packets : 0n)),
    packets: packets + total((flow) => flow.packets),
    bytes: bytes + total((flow) => flow.bytes),
  }
}

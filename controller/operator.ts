// What operators ask through the API (northbound/operator.ts), answered from what the controller wants on the hosts
// and, where they ask for it, from the switches themselves.
import type { Match } from '../ofproto/fields/match.ts'
import { decodeMessage } from '../ofproto/messages/index.ts'
import type { App } from './app.ts'
import type { Derivation } from './derivation.ts'
import type { Fleet } from './fleet.ts'
import type { HostRecord } from './host-record.ts'
import type { Counters, Counts, Explanation, HostFlow, Operator } from './northbound/index.ts'
import { cookieMasks, cookieOf } from './pipeline/cookie.ts'
import type { Item } from './pipeline/value.ts'
import { readFlows, type InstalledFlow } from './trace/installed.ts'
import { stageOf, tracedFlow } from './trace/journey.ts'
import { checkLive, liveFlow, type InstalledFlows } from './trace/live.ts'
import { Tracer, type TracedHost } from './trace/tracer.ts'

/** The app and the stage whose flows count for rules of security groups. */
const GROUPS = 'groups'
const RULES = 'rules'
/** Of ct_state. */
const NEW = 1

const tracedHost = ({ facts, control }: HostRecord): TracedHost => ({
  id: facts.id,
  encapIp: facts.encapIp,
  ofports: facts.vifs.map(({ ofport }) => ofport),
  uplinks: facts.uplinks,
  items: () => control.wanted.values(),
})

/** Null where the switch does not answer. */
async function installedOn(record: HostRecord | undefined): Promise<InstalledFlows> {
  const flows = await (record?.channel && readFlows(record.channel).catch(() => null))
  return flows ? new Map(flows.map((found) => [found.flow.key, found])) : null
}

/** Whether only the first packet of a connection matches. */
function opensSession(match: Match): boolean {
  const state = match.find((entry) => entry.kind === 'ct_state')
  return state !== undefined && (state.value & NEW) !== 0
}

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
    await this.#fleet.committed()
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
    const others = Array.from(installed?.values() ?? [], ({ flow }) => flow).filter(({ key }) => !wanted.has(key))
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
    const byHost = new Map<string, HostFlow[]>()
    for (const { item, hosts } of this.#fleet.causedBy(new Set([object]))) {
      const flows = this.#hostFlow(item, new Map(), null)
      for (const host of hosts) byHost.set(host, [...(byHost.get(host) ?? []), ...flows])
    }
    const hosts = Array.from(byHost, ([host, flows]) => ({ host, unconfirmed: unconfirmed.get(host) ?? null, flows }))
    return { hosts, rules: this.#derivation.explain(object) }
  }

  async count(rules: readonly string[]): Promise<Counts> {
    const hosts = new Set(this.#fleet.causedBy(new Set(rules)).flatMap(({ hosts: some }) => [...some]))
    const cookies = new Map(rules.map((rule) => [cookieOf({ app: GROUPS, object: rule }, this.#names), rule]))
    const [first = 0n] = cookies.keys()
    // Of several, all rules on a host come in one answer: they are fewer than what asking for each costs.
    const cookieMask = rules.length > 1 ? cookieMasks.app : cookieMasks.all
    const filter = { table: this.#derivation.tables.table(RULES), cookie: first, cookieMask }

    const counters = new Map<string, Counters>()
    const missing: string[] = []
    const ask = async (host: string): Promise<void> => {
      const channel = this.#fleet.hosts.get(host)?.channel
      const flows = await (channel && readFlows(channel, filter).catch(() => null))
      if (!flows) missing.push(host)
      for (const flow of flows ?? []) count(counters, cookies, flow)
    }
    await Promise.all(Array.from(hosts, ask))
    return { counters, missing }
  }
}

function count(counters: Map<string, Counters>, rules: ReadonlyMap<bigint, string>, found: InstalledFlow): void {
  const message = decodeMessage(found.flow.frame)
  const rule = rules.get(found.flow.cookie)
  if (message.kind !== 'flow_mod' || rule === undefined) return
  const { sessions, packets, bytes } = counters.get(rule) ?? { sessions: 0, packets: 0, bytes: 0 }
  counters.set(rule, {
    sessions: sessions + (opensSession(message.match) ? Number(found.packets) : 0),
    packets: packets + Number(found.packets),
    bytes: bytes + Number(found.bytes),
  })
}

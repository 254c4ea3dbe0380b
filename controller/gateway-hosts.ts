// Which host stands for each router on its external network. A host that was chosen stays, as moving breaks translated
// connections; it is replaced when it does not carry the network any more, or has been lost for some time
// (a router that is not `ha` waits for it). An operator may pin a router to a host: then it stays there whatever happens.
import { createHash } from 'node:crypto'
import { carries, type Host, type Network, type Reads, type RouterHost } from './app.ts'

/** A router that needs a host. */
export interface Candidate {
  readonly router: string
  /** Those that it stands on. */
  readonly networks: readonly Network[]
  readonly present: RouterHost | undefined
  /** Whether it may leave a lost host. */
  readonly ha: boolean
}

/** What is known of a host's connection; disabled: an operator does not want it to be used. */
export type Presence = 'connected' | 'missed' | 'lost' | 'disabled'

export interface Standing {
  readonly host: Host
  readonly presence: Presence
}

const carriesAll = ({ uplinks }: Host, networks: readonly Network[]): boolean =>
  networks.every((network) => carries(uplinks, network))

/** Among equals the choice depends on router and host alone (rendezvous hashing), not on the order in which hosts came. */
const rank = (router: string, host: string): string => createHash('sha256').update(`${router} ${host}`).digest('hex')

/** Hosts by router, for those that change. Few routers on each host, as even as can be. */
export function chooseHosts(routers: readonly Candidate[], hosts: readonly Standing[]): ReadonlyMap<string, string> {
  const stays = ({ networks, present, ha }: Candidate): boolean => {
    if (present?.pinned) return true
    const at = hosts.find(({ host }) => host.id === present?.host)
    if (at === undefined || at.presence === 'disabled' || present?.avoid === present?.host) return false
    return (at.presence !== 'lost' || !ha) && carriesAll(at.host, networks)
  }
  const load = new Map<string, number>()
  const count = (host: string): number => load.get(host) ?? 0
  const moving: Candidate[] = []
  for (const each of routers) {
    if (each.present !== undefined && stays(each)) load.set(each.present.host, count(each.present.host) + 1)
    else moving.push(each)
  }
  const chosen = new Map<string, string>()
  for (const { router, networks, present } of moving) {
    const [best] = hosts
      .filter(({ host, presence }) => presence === 'connected' && carriesAll(host, networks))
      .map(({ host: { id } }) => ({
        id,
        avoided: id === present?.avoid ? 1 : 0,
        load: count(id),
        rank: rank(router, id),
      }))
      .toSorted((a, b) => a.avoided - b.avoided || a.load - b.load || (a.rank < b.rank ? -1 : 1))
    // A lost host is better than none: it may come back.
    const host = best?.id ?? present?.host
    if (host !== undefined) load.set(host, count(host) + 1)
    if (host !== undefined && host !== present?.host) chosen.set(router, host)
  }
  return chosen
}

const REVIEW_MILLISECONDS = 250

interface KnownHost {
  readonly id: string
  readonly connected: boolean
  /** When its switch was heard last, on the clock of performance.now(). */
  readonly heard: number
  /** Whether an operator wants it to be used. */
  readonly enabled: boolean
}

interface Options {
  readonly reads: Reads
  /** All routers, and those that have a host. */
  readonly routers: () => readonly string[]
  readonly placed: () => readonly string[]
  readonly hosts: () => readonly KnownHost[]
  /** How long a host may be silent once its switch is not connected. */
  readonly takeoverMilliseconds: number
  /** Stores which host has a router, unless that has changed meanwhile. */
  readonly place: (router: string, before: RouterHost | undefined, after: RouterHost | null) => Promise<void>
}

export class GatewayHosts {
  readonly #options: Options
  readonly #timer: NodeJS.Timeout
  /** Routers whose new host is being stored. */
  readonly #placing = new Set<string>()
  /** Something has changed, or time will change it. */
  #due = true

  constructor(options: Options) {
    this.#options = options
    this.#timer = setInterval(() => {
      if (this.#due) this.#review()
    }, REVIEW_MILLISECONDS)
  }

  close(): void {
    clearInterval(this.#timer)
  }

  /** Hosts, networks or routers have changed. */
  touch(): void {
    this.#due = true
  }

  #review(): void {
    const { reads } = this.#options
    const candidates = this.#options.routers().flatMap((router) => this.#candidate(router) ?? [])
    const known = candidates.length === 0 ? [] : this.#options.hosts()
    const hosts = known.flatMap((known): Standing[] => {
      const host = reads.host(known.id)
      return host === undefined ? [] : [{ host, presence: this.#presence(known) }]
    })
    this.#due = hosts.some(({ presence }) => presence === 'missed')
    for (const [router, host] of chooseHosts(candidates, hosts)) {
      this.#place(router, { id: router, host, pinned: false, avoid: reads.routerHost(router)?.avoid ?? null })
    }
    for (const router of this.#options.placed()) {
      const isGone = reads.router(router) === undefined
      const isIdle = reads.gatewayPortOf(router) === undefined && reads.routerHost(router)?.pinned !== true
      if (isGone || isIdle) this.#place(router, null)
    }
  }

  #presence({ connected, heard, enabled }: KnownHost): Presence {
    if (!enabled) return 'disabled'
    if (connected) return 'connected'
    return performance.now() - heard < this.#options.takeoverMilliseconds ? 'missed' : 'lost'
  }

  #candidate(router: string): Candidate | null {
    const { reads } = this.#options
    const gateway = reads.gatewayPortOf(router)
    if (gateway === undefined || this.#placing.has(router)) return null
    const ids = [gateway.network_id, ...reads.interfacesOf(router).flatMap((id) => reads.port(id)?.network_id ?? [])]
    const networks = ids.flatMap((id) => reads.network(id) ?? [])
    return { router, networks, present: reads.routerHost(router), ha: reads.router(router)?.ha !== false }
  }

  #place(router: string, after: RouterHost | null): void {
    this.#placing.add(router)
    void this.#options.place(router, this.#options.reads.routerHost(router), after).finally(() => {
      this.#placing.delete(router)
      this.touch()
    })
  }
}

// Many simulated hosts in one process, which a controller takes for real ones. What tests and benchmarks want of them:
// interfaces plugged in, faults, counters, and when a change has come to which host.
import { FlowPool, type PooledFlow } from './flow-pool.ts'
import { SimulatedHost, type HostOptions } from './host.ts'
import type { SwitchCounters } from './switch.ts'

/** A cookie's part that says which object a flow is for (controller/pipeline/cookie.ts). */
const OBJECT = 0xffff_ffff_ffffn

export const objectOf = (uuid: string): bigint => BigInt(`0x${uuid.replaceAll('-', '').slice(0, 12)}`)

export interface FleetOptions extends Pick<HostOptions, 'manager' | 'delivered' | 'packetOut'> {
  readonly hosts: number
  /** The UUIDs of the ports that are plugged in on a host from the start. */
  readonly portsOf?: (host: number) => readonly string[]
  readonly latencyMilliseconds?: number
}

/** Changes of flows that an object caused, since they have been watched. Milliseconds of Date, with fractions. */
export interface Watched {
  readonly changes: number
  readonly hosts: number
  readonly firstMs: number
  readonly lastMs: number
}

export interface Totals extends SwitchCounters {
  readonly connected: number
  readonly flows: number
  /** Flows whose bytes are kept: those that hosts share count once. */
  readonly distinctFlows: number
  /** When the hosts began to connect, and when a flow last changed anywhere. Milliseconds of Date, with fractions. */
  readonly startedMs: number
  readonly lastChangeMs: number
}

export const nowMs = (): number => performance.timeOrigin + performance.now()

interface Watch {
  changes: number
  readonly hosts: Set<number>
  firstMs: number
  lastMs: number
}

export class Fleet {
  readonly hosts: readonly SimulatedHost[]
  readonly #pool = new FlowPool()
  readonly #watches = new Map<bigint, Watch>()
  #startedMs = 0
  #lastChangeMs = 0

  constructor({ hosts, portsOf, latencyMilliseconds = 0, ...shared }: FleetOptions) {
    const changed = (host: SimulatedHost, flow: PooledFlow): void => this.#changed(host, flow)
    this.hosts = Array.from({ length: hosts }, (_, index) => {
      const host = new SimulatedHost({ ...shared, index, pool: this.#pool, changed })
      host.link.latencyMilliseconds = latencyMilliseconds
      host.plug((portsOf?.(index) ?? []).map((port) => [interfaceOf(port), port]))
      return host
    })
  }

  start(): void {
    this.#startedMs = nowMs()
    for (const host of this.hosts) host.start()
  }

  stop(): void {
    for (const host of this.hosts) host.stop()
  }

  host(index: number): SimulatedHost {
    const host = this.hosts[index]
    if (host === undefined) throw new RangeError(`no host ${index}`)
    return host
  }

  /** From now on, changes of flows whose cookies name this object are counted and timed. */
  watch(uuid: string): void {
    this.#watches.set(objectOf(uuid), { changes: 0, hosts: new Set(), firstMs: 0, lastMs: 0 })
  }

  /** What has been seen since watch(). */
  watched(uuid: string): Watched {
    const { changes = 0, hosts, firstMs = 0, lastMs = 0 } = this.#watches.get(objectOf(uuid)) ?? {}
    return { changes, hosts: hosts?.size ?? 0, firstMs, lastMs }
  }

  unwatch(uuid: string): void {
    this.#watches.delete(objectOf(uuid))
  }

  totals(): Totals {
    const counters: SwitchCounters = { ...(this.hosts[0] as SimulatedHost).switch.counters }
    const names = Object.keys(counters) as (keyof SwitchCounters)[]
    for (const host of this.hosts.slice(1)) for (const name of names) counters[name] += host.switch.counters[name]
    return {
      ...counters,
      connected: this.hosts.filter(({ link }) => link.isConnected).length,
      flows: this.hosts.reduce((sum, host) => sum + host.switch.tables.flows.size, 0),
      distinctFlows: this.#pool.size,
      startedMs: this.#startedMs,
      lastChangeMs: this.#lastChangeMs,
    }
  }

  #changed(host: SimulatedHost, flow: PooledFlow): void {
    const now = nowMs()
    this.#lastChangeMs = now
    if (this.#watches.size === 0) return
    const watch = this.#watches.get(flow.cookie & OBJECT)
    if (watch === undefined) return
    if (watch.changes === 0) watch.firstMs = now
    watch.changes += 1
    watch.lastMs = now
    watch.hosts.add(host.index)
  }
}

/** The name of the interface that is plugged in for a port: at most 15 characters (IFNAMSIZ). */
export const interfaceOf = (port: string): string => `tap${port.replaceAll('-', '').slice(0, 12)}`

export function startFleet(options: FleetOptions): Fleet {
  const fleet = new Fleet(options)
  fleet.start()
  return fleet
}

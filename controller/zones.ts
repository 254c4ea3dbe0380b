// Conntrack zones of each host: which network has which number. A number is flushed on the switch before flows
// use it, so that nobody's old connections count for another; it is stored then, and stays over restarts. Numbers are
// given out in turn, so the one that has just become free is the last to be used again.
import type { Zone } from './app.ts'
import type { Channel } from './connect/channel.ts'

type Switch = Pick<Channel, 'send' | 'nextXid' | 'barrier'>

/** Below the numbers that kernel networking and others on a host take from the top. */
const LAST = 65_519

const NONE: ReadonlySet<string> = new Set()

interface HostZones {
  readonly numbers: Map<string, number>
  /** Those whose number is flushed. */
  readonly ready: Set<string>
  /** Null until it is known. */
  wanted: ReadonlySet<string> | null
  last: number
  channel: Switch | null
}

/** Told of each object's zone that may be used from now on, and of each that may not any more. */
type Publish = (key: string, zone: Zone | null) => void

export class Zones {
  readonly #hosts = new Map<string, HostZones>()
  /** By object the hosts on which its zone is not ready. */
  readonly #waiting = new Map<string, Set<string>>()
  readonly #publish: Publish

  constructor(publish: Publish) {
    this.#publish = publish
  }

  /** A zone that was flushed before a restart. */
  recall({ host, object, zone }: Zone): void {
    const zones = this.#of(host)
    zones.numbers.set(object, zone)
    zones.ready.add(object)
    zones.last = Math.max(zones.last, zone)
  }

  /** The networks that shall have a zone on the host. Those that had one before keep it until the others are ready. */
  want(host: string, objects: ReadonlySet<string>): void {
    const zones = this.#of(host)
    zones.wanted = objects
    for (const object of objects) {
      if (zones.numbers.has(object)) continue
      zones.numbers.set(object, freeNumber(zones))
      this.#wait(host, object)
    }
    void this.#flush(host, zones)
  }

  /** The hosts that track connections of a network soon, but do not yet. */
  waitingFor(object: string): ReadonlySet<string> {
    return this.#waiting.get(object) ?? NONE
  }

  connected(host: string, channel: Switch): void {
    const zones = this.#of(host)
    zones.channel = channel
    void this.#flush(host, zones)
  }

  /** Forgets the connections of single addresses in the zone of a network. */
  forget(host: string, object: string, addresses: readonly Uint8Array[]): void {
    const { channel, numbers } = this.#of(host)
    const value = numbers.get(object)
    if (channel === null || value === undefined) return
    for (const address of addresses) {
      for (const kind of ['source', 'destination'] as const) {
        const properties = [{ kind: 'original', tuple: [{ kind, address }] } as const, { kind: 'zone', value } as const]
        channel.send({ kind: 'ct_flush', xid: channel.nextXid(), ipProtocol: 0, properties })
      }
    }
  }

  #of(host: string): HostZones {
    let zones = this.#hosts.get(host)
    if (zones === undefined) {
      this.#hosts.set(host, (zones = { numbers: new Map(), ready: new Set(), wanted: null, last: 0, channel: null }))
    }
    return zones
  }

  #wait(host: string, object: string): void {
    const hosts = this.#waiting.get(object)
    if (hosts === undefined) this.#waiting.set(object, new Set([host]))
    else hosts.add(host)
  }

  #endWait(host: string, object: string): void {
    const hosts = this.#waiting.get(object)
    hosts?.delete(host)
    if (hosts?.size === 0) this.#waiting.delete(object)
  }

  #release(host: string, zones: HostZones, object: string): void {
    zones.numbers.delete(object)
    this.#endWait(host, object)
    if (zones.ready.delete(object)) this.#publish(`${host}/${object}`, null)
  }

  /** Publishes what the switch has confirmed; what a lost connection leaves open is done by the next. */
  async #flush(host: string, zones: HostZones): Promise<void> {
    const { channel } = zones
    const pending = Array.from(zones.numbers).filter(
      ([object]) => zones.wanted?.has(object) && !zones.ready.has(object),
    )
    if (pending.length === 0) return this.#tidy(host, zones)
    if (channel === null) return
    for (const [, zone] of pending) channel.send({ kind: 'ct_flush_zone', xid: channel.nextXid(), zone })
    const done = await channel.barrier().then(
      () => true,
      () => false,
    )
    if (!done) return
    for (const [object, zone] of pending) {
      if (zones.numbers.get(object) !== zone || zones.ready.has(object)) continue
      zones.ready.add(object)
      this.#endWait(host, object)
      this.#publish(`${host}/${object}`, { host, object, zone })
    }
    this.#tidy(host, zones)
  }

  /** Frees what is not wanted any more. */
  #tidy(host: string, zones: HostZones): void {
    for (const object of zones.numbers.keys())
      if (zones.wanted?.has(object) === false) this.#release(host, zones, object)
  }
}

function freeNumber(zones: HostZones): number {
  const used = new Set(zones.numbers.values())
  if (used.size >= LAST) throw new RangeError('a host has no conntrack zone left')
  do zones.last = (zones.last % LAST) + 1
  while (used.has(zones.last))
  return zones.last
}

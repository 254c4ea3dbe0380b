// Machines next to routers on external networks: whom to ask for, and who has answered. An address is asked for when a
// packet waits for it; once known it is a fact, stored, from which flows follow, and asked about now and then, first the
// machine itself and then everybody; who does not answer is forgotten.
import { ipv4, mac } from './address.ts'
import { neighbourKey, type Neighbour, type NeighbourNews, type PacketOut, type Port, type Reads } from './app.ts'
import { prefix } from './address.ts'
import { question } from '../packet/arp.ts'
import { withDestination } from '../packet/frame.ts'

const ATTEMPTS = 3
const ATTEMPT_MILLISECONDS = 1_000
/** Between an answer and the next question. */
const REFRESH_MILLISECONDS = 15_000
/** For one neighbour: what comes after that pushes out what came first, as in other systems. */
const MOST_WAITING = 3
const MOST_NEIGHBOURS = 65_536
const TICK_MILLISECONDS = 250

interface Entry {
  readonly network: string
  readonly address: string
  /** Null while nobody has answered. */
  mac: string | null
  waiting: { readonly host: string; readonly data: Uint8Array }[]
  /** Questions since the last answer, and when the next is due. */
  attempts: number
  at: number
}

interface Options {
  readonly reads: Reads
  /** False if the host cannot be told. */
  readonly send: (host: string, packet: PacketOut) => boolean
  /** A neighbour is as it is now; null: unknown. */
  readonly publish: (key: string, neighbour: Neighbour | null) => void
  readonly now?: () => number
}

export class Neighbours {
  readonly #options: Options
  readonly #entries = new Map<string, Entry>()
  readonly #timer: NodeJS.Timeout

  constructor(options: Options) {
    this.#options = options
    this.#timer = setInterval(() => this.tick(), TICK_MILLISECONDS)
  }

  close(): void {
    clearInterval(this.#timer)
  }

  get #now(): number {
    return (this.#options.now ?? performance.now.bind(performance))()
  }

  /** One that was known before a restart. Not all are asked about at once. */
  recall({ network, address, mac_address }: Neighbour): void {
    const at = this.#now + Math.random() * REFRESH_MILLISECONDS
    const entry = { network, address, mac: mac_address, waiting: [], attempts: 0, at }
    this.#entries.set(neighbourKey(network, address), entry)
  }

  news(host: string, news: NeighbourNews): void {
    if (news.kind === 'heard') return this.#heard(news.neighbour)
    const { network, address, data } = news
    const key = neighbourKey(network, address)
    let entry = this.#entries.get(key)
    if (entry === undefined) {
      if (this.#entries.size >= MOST_NEIGHBOURS) return
      this.#entries.set(key, (entry = { network, address, mac: null, waiting: [], attempts: 0, at: 0 }))
    }
    entry.waiting.push({ host, data })
    if (entry.waiting.length > MOST_WAITING) entry.waiting.shift()
    if (entry.mac === null) this.tick()
    else this.#release(entry)
  }

  /** Only of those that somebody wants to know. */
  #heard(neighbour: Neighbour): void {
    const key = neighbourKey(neighbour.network, neighbour.address)
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    entry.attempts = 0
    entry.at = this.#now + REFRESH_MILLISECONDS
    if (entry.mac !== neighbour.mac_address) {
      entry.mac = neighbour.mac_address
      this.#options.publish(key, neighbour)
    }
    this.#release(entry)
  }

  #release(entry: Entry): void {
    const { network, waiting } = entry
    entry.waiting = []
    for (const { host, data } of waiting) {
      this.#options.send(host, { network, data: withDestination(data, mac(entry.mac ?? '')) })
    }
  }

  tick(): void {
    const now = this.#now
    for (const [key, entry] of this.#entries) {
      if (entry.at > now) continue
      if (entry.attempts >= ATTEMPTS || this.#options.reads.gatewayPortsOn(entry.network).length === 0) {
        this.#entries.delete(key)
        if (entry.mac !== null) this.#options.publish(key, null)
        continue
      }
      entry.at = now + ATTEMPT_MILLISECONDS
      // While no host can ask, nobody can answer.
      if (this.#ask(entry)) entry.attempts += 1
    }
  }

  #ask({ network, address, mac: known, attempts }: Entry): boolean {
    const { reads, send } = this.#options
    const wanted = ipv4(address) ?? 0
    return reads.gatewayPortsOn(network).some((id) => {
      const port = reads.port(id)
      const host = port && reads.hostOfRouter(port.device_id)
      const own = port && nearest(reads, port, wanted)
      if (port === undefined || host === undefined || own === undefined) return false
      const hardware = mac(port.mac_address)
      const data =
        known !== null && attempts === 0 ? question(hardware, own, wanted, mac(known)) : question(hardware, own, wanted)
      return send(host, { network, data })
    })
  }
}

/** The address by which a port asks. */
function nearest(reads: Reads, port: Port, wanted: number): number | undefined {
  const [first, ...others] = port.fixed_ips.flatMap(({ subnet_id, ip_address }) => {
    const range = prefix(reads.subnet(subnet_id)?.cidr ?? '::/0')
    const address = ipv4(ip_address)
    return range === null || address === null ? [] : [{ ...range, address }]
  })
  const near = others.find(({ network, mask }) => (wanted & mask) >>> 0 === network)
  return (near ?? first)?.address
}

// Several modelled hosts, joined by tunnels and by wires, under one controller: a packet that a port sends, and what
// becomes of it on every host, answers of the controller included. Nothing takes time here; a network is milliseconds.
import { TUNNEL_PORTS, type App, type PacketOut, type Reads } from '../app.ts'
import { packetInReason, ports as reserved } from '../../ofproto/messages/index.ts'
import { packetHandler } from '../packet-in.ts'
import { outActions } from '../packet-out.ts'
import { ModelSwitch, type Arrival } from './switch.ts'
import { plainPort, tunnelPort } from './tables.ts'
import type { Punt, Trace } from './trace.ts'
import { changesOf, type Delta } from '../switch/desired.ts'

/** A packet that left by a port without a tunnel: to a station, or onto a wire. */
export interface Delivery {
  readonly host: string
  readonly ofport: number
  readonly bytes: Uint8Array
}

/** A packet's pass through one switch. */
export interface Visit {
  readonly host: string
  /** What came in, and where; the controller's port for what it sent itself. */
  readonly arrival: Arrival
  readonly trace: Trace
}

export interface Journey {
  readonly deliveries: readonly Delivery[]
  readonly visits: readonly Visit[]
  /** Copies that were not followed, as there were too many. */
  readonly unfollowed: number
}

/** What a controller does with a packet-in. */
export type Controller = (host: string, punt: Punt) => readonly PacketOut[]

/** A host's port to a physical network. */
interface Uplink {
  readonly host: string
  readonly ofport: number
}

interface Arriving {
  readonly host: string
  readonly arrival: Arrival
}

/** Switches that one packet may pass, copies and answers counted. */
const MAX_VISITS = 10_000

/** The controller that hands a packet-in to the app whose flow sent it. */
export function appController(apps: readonly App[], reads: Reads): Controller {
  const handle = packetHandler(apps, reads)
  return (host, { reason, cookie, metadata, bytes: data }) =>
    // OVS does not report packets whose TTL ran out unless asked to (ofputil_async_cfg_default).
    reason === packetInReason.invalidTtl ? [] : (handle({ host, cookie, metadata, data })?.packets ?? [])
}

export class Fabric {
  readonly #switches = new Map<string, ModelSwitch>()
  readonly #hostAt = new Map<number, string>()
  readonly #wires = new Map<string, Uplink[]>()
  readonly #controller: Controller
  /** Of a stage, on every host. */
  readonly #table: (stage: string) => number

  constructor(controller: Controller, table: (stage: string) => number) {
    this.#controller = controller
    this.#table = table
  }

  /** `encapIp` is where tunnels to the host end. */
  addHost(host: string, encapIp: number, ofports: Iterable<number>, model = new ModelSwitch(encapIp)): void {
    model.showsFragmentPorts = true
    for (const number of ofports) model.ports.set(number, plainPort)
    for (const number of Object.values(TUNNEL_PORTS)) model.ports.set(number, tunnelPort)
    this.#switches.set(host, model)
    this.#hostAt.set(encapIp, host)
  }

  /** Joins hosts to a physical network, which brings each frame to all others on it. */
  addUplinks(host: string, uplinks: Readonly<Record<string, number>>): void {
    for (const [physical, ofport] of Object.entries(uplinks)) {
      this.switchOf(host).ports.set(ofport, plainPort)
      this.#wires.set(physical, [...(this.#wires.get(physical) ?? []), { host, ofport }])
    }
  }

  switchOf(host: string): ModelSwitch {
    const model = this.#switches.get(host)
    if (model === undefined) throw new RangeError(`there is no host '${host}'`)
    return model
  }

  apply(host: string, delta: Delta): void {
    const model = this.switchOf(host)
    for (const [key, item] of changesOf(delta)) {
      if (item === null) model.remove(key)
      else model.put(item)
    }
  }

  send(host: string, ofport: number, bytes: Uint8Array): readonly Delivery[] {
    return this.follow(host, { bytes, inPort: ofport }).deliveries
  }

  /** What a machine on a physical network sends. */
  sendOnWire(physical: string, bytes: Uint8Array): readonly Delivery[] {
    return this.#follow(this.#arrivals(this.#wires.get(physical) ?? [], bytes)).deliveries
  }

  #arrivals(uplinks: readonly Uplink[], bytes: Uint8Array): Arriving[] {
    return uplinks.map(({ host, ofport }) => ({ host, arrival: { bytes, inPort: ofport } }))
  }

  /** The other ends of the wire that a port leads to. */
  #peers(host: string, ofport: number): readonly Uplink[] {
    const isHere = (uplink: Uplink): boolean => uplink.host === host && uplink.ofport === ofport
    const wire = Array.from(this.#wires.values()).find((uplinks) => uplinks.some(isHere)) ?? []
    return wire.filter((uplink) => !isHere(uplink))
  }

  /** Breadth first, up to `mostVisits`. Throws where packets multiply without end. */
  follow(host: string, arrival: Arrival, mostVisits = Number.POSITIVE_INFINITY): Journey {
    return this.#follow([{ host, arrival }], mostVisits)
  }

  #follow(queue: Arriving[], mostVisits = Number.POSITIVE_INFINITY): Journey {
    const deliveries: Delivery[] = []
    const visits: Visit[] = []
    const pass = (at: string, arrival: Arrival, trace: Trace): void => {
      visits.push({ host: at, arrival, trace })
      if (visits.length > MAX_VISITS) throw new RangeError(`a packet passes more than ${MAX_VISITS} switches`)
      for (const { port, tunnel, bytes: sent } of trace.outputs) {
        if (tunnel === null) {
          deliveries.push({ host: at, ofport: port, bytes: sent })
          queue.push(...this.#arrivals(this.#peers(at, port), sent))
        }
        const next = tunnel === null ? undefined : this.#hostAt.get(tunnel.destination)
        if (next !== undefined) queue.push({ host: next, arrival: { bytes: sent, inPort: port, tunnel } })
      }
      for (const punt of trace.packetIns) {
        for (const packet of this.#controller(at, punt)) {
          const { host: on = at, data } = packet
          const actions = outActions(packet, this.#table)
          const arrival = { bytes: data, inPort: reserved.controller }
          pass(on, arrival, this.switchOf(on).packetOut(data, arrival.inPort, actions))
        }
      }
    }
    let unfollowed = 0
    for (const { host: at, arrival } of queue) {
      if (visits.length >= mostVisits) unfollowed += 1
      else pass(at, arrival, this.switchOf(at).trace(arrival))
    }
    return { deliveries, visits, unfollowed }
  }
}

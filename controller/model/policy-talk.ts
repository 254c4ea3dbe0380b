// For tests: what stations of a random world say to each other, packet by packet, and what a plain evaluator is to know of
// each packet.
import * as fc from 'fast-check'
import { mac } from '../address.ts'
import { port } from '../testing.ts'
import { linkLocalOf, type Packet } from './policy-reference.ts'
import { portOf, second, type Station } from './policy-world.ts'
import {
  echoFrame,
  fragmentFrames,
  ipFrame,
  sctpFrame,
  TCP_FLAGS,
  tcpFrame,
  udpFrame,
  unreachableFrame,
  type Ends,
} from './testing-packets.ts'

/** What two stations say to each other. */
export interface Talk {
  readonly from: number
  readonly to: number
  /** 'second': IPv4 to and from the second addresses; of a station that is not paired, a lie. */
  readonly family: 'IPv4' | 'second' | 'IPv6' | 'link-local'
  readonly protocol: 'tcp' | 'udp' | 'icmp' | 'sctp' | 'gre'
  readonly client: number
  readonly server: number
}

export const talks: fc.Arbitrary<Talk> = fc.record({
  from: fc.nat(20),
  to: fc.nat(20),
  family: fc.constantFrom('IPv4', 'IPv4', 'IPv4', 'second', 'IPv6', 'link-local'),
  protocol: fc.constantFrom('tcp', 'tcp', 'udp', 'udp', 'icmp', 'sctp', 'gre'),
  client: fc.constantFrom(1000, 1001),
  server: fc.constantFrom(80, 81, 53, 2000),
})

export type Saying = 'forth' | 'back' | 'error forth' | 'error back' | 'fragments'
export const sayings = fc.constantFrom<Saying[]>(
  ...(['forth', 'forth', 'forth', 'back', 'back', 'error forth', 'error back', 'fragments'] as const),
)

const speaksIpv4 = ({ family }: Talk): boolean => family === 'IPv4' || family === 'second'

const addressOf = (row: Station, family: Talk['family']): string => {
  if (family === 'link-local') return linkLocalOf(portOf(row))
  if (family === 'second') return second(row)
  return family === 'IPv4' ? `10.0.${row.n}.${row.i}` : `2001:db8:${row.n}::${row.i}`
}

export interface Said {
  readonly source: Station
  readonly target: Station
  /** One packet, whole or in fragments. */
  readonly frames: readonly Uint8Array[]
  readonly packet: Packet
}

const protocols = { tcp: 6, udp: 17, icmp: 1, sctp: 132, gre: 47 } as const
/** Data that conntrack reassembles: fragments are not too small. */
const BIG = new Uint8Array(2600)
const FRAGMENT = 1240

/** One conversation as it goes on. */
export class Conversation {
  readonly #a: Station
  readonly #b: Station
  readonly #talk: Talk
  readonly #viaRouter: boolean
  /** How far each end's stream is; the packets that each sent last. */
  readonly #said = { forth: 0, back: 0 }
  readonly #last: { forth: Said | null; back: Said | null } = { forth: null, back: null }

  constructor(a: Station, b: Station, talk: Talk) {
    this.#a = a
    this.#b = b
    this.#talk = talk
    this.#viaRouter = a.n !== b.n
  }

  say(saying: Saying, serial: number): Said | null {
    switch (saying) {
      case 'forth':
      case 'back':
        return this.#plain(saying)
      case 'error forth':
        return this.#error('forth')
      case 'error back':
        return this.#error('back')
      default:
        return this.#fragments(serial)
    }
  }

  #ends(way: 'forth' | 'back'): Ends {
    const [source, target] = way === 'forth' ? [this.#a, this.#b] : [this.#b, this.#a]
    const { family } = this.#talk
    return {
      fromMac: mac(port(source.n, source.i).mac_address),
      toMac: mac(port(this.#viaRouter ? source.n : target.n, this.#viaRouter ? 1 : target.i).mac_address),
      from: addressOf(source, family),
      to: addressOf(target, family),
    }
  }

  #plain(way: 'forth' | 'back'): Said {
    const { protocol, client, server } = this.#talk
    const ends = this.#ends(way)
    const between = way === 'forth' ? ([client, server] as const) : ([server, client] as const)
    const opens = this.#opens(way)
    const frame = {
      tcp: () => this.#segment(way, ends, between),
      udp: () => udpFrame(ends, between),
      icmp: () => echoFrame(ends, way === 'forth' ? 'request' : 'reply'),
      sctp: () => sctpFrame(ends, between),
      gre: () => ipFrame(ends, protocols.gre, new Uint8Array(8)),
    }[protocol]()
    const isIpv4 = speaksIpv4(this.#talk)
    const request = isIpv4 ? 8 : 128
    const icmp = [way === 'forth' ? request : isIpv4 ? 0 : 129, 0] as const
    const packet: Packet = {
      protocol: protocol === 'icmp' && !isIpv4 ? 58 : protocols[protocol],
      from: ends.from,
      to: ends.to,
      ports: protocol === 'icmp' ? icmp : protocol === 'gre' ? null : between,
      opens,
      about: null,
    }
    return this.#remember(way, { ...this.#route(way), frames: [frame], packet })
  }

  #opens(way: 'forth' | 'back'): boolean {
    if (way === 'forth' || this.#talk.protocol === 'gre') return true
    if (this.#talk.protocol === 'tcp') return this.#said.forth === 0 || this.#said.back > 0
    return this.#talk.protocol !== 'icmp'
  }

  /** With a handshake, unless the server is the first to speak: then the stream is an old one. */
  #segment(way: 'forth' | 'back', ends: Ends, ports: readonly [number, number]): Uint8Array {
    const { forth, back } = this.#said
    const { syn, synAck, ack } = TCP_FLAGS
    this.#said[way] += 1
    const sequence = way === 'forth' ? 100 + 4 * forth : 5000 + 4 * back
    const acknowledgement = way === 'forth' ? 5000 + 4 * back : 100 + 4 * forth
    if (way === 'forth' && forth + back === 0) return tcpFrame(ends, ports, syn, { sequence: 103 })
    if (way === 'back' && back === 0 && forth > 0) {
      return tcpFrame(ends, ports, synAck, { sequence: 5003, acknowledgement: 104 })
    }
    return tcpFrame(ends, ports, ack, { sequence, acknowledgement, data: 'data' })
  }

  #route(way: 'forth' | 'back'): Pick<Said, 'source' | 'target'> {
    return way === 'forth' ? { source: this.#a, target: this.#b } : { source: this.#b, target: this.#a }
  }

  #remember(way: 'forth' | 'back', said: Said): Said {
    this.#last[way] = said
    return said
  }

  /** About the last packet of the other end, whether or not that arrived. */
  #error(way: 'forth' | 'back'): Said | null {
    const cause = this.#last[way === 'forth' ? 'back' : 'forth']
    const [about] = cause?.frames ?? []
    if (cause === null || about === undefined) return null
    const ends = this.#ends(way)
    const isIpv4 = speaksIpv4(this.#talk)
    return {
      ...this.#route(way),
      frames: [unreachableFrame(ends, about)],
      packet: {
        protocol: isIpv4 ? 1 : 58,
        from: ends.from,
        to: ends.to,
        ports: isIpv4 ? [3, 3] : [1, 4],
        opens: false,
        about: cause.packet,
      },
    }
  }

  #fragments(serial: number): Said | null {
    const { protocol, client, server } = this.#talk
    if (protocol !== 'udp') return null
    const ends = this.#ends('forth')
    const { from, to } = ends
    return {
      ...this.#route('forth'),
      frames: fragmentFrames(udpFrame(ends, [client, server], BIG), FRAGMENT, serial),
      packet: { protocol: protocols.udp, from, to, ports: [client, server], opens: true, about: null },
    }
  }
}

// Random conversations as packets: handshakes, answers, endings, nonsense in between, errors about what was sent, and
// fragments in any order. Packets follow from what was said before, so that most of them mean something.
import * as fc from 'fast-check'
import { parseIpv4, parseIpv6 } from '../../ofproto/fields/addresses.ts'
import { bytesToBits } from '../../ofproto/fields/bits.ts'
import {
  echoFrame,
  fragmentFrames,
  icmpFrame,
  ipFrame,
  reply,
  sctpFrame,
  TCP_FLAGS,
  tcpFrame,
  udpFrame,
  unreachableFrame,
  type Ends,
} from '../../controller/model/testing-packets.ts'

const [A, B] = [0x0200_0000_000a, 0x0200_0000_000b]
const macs = { fromMac: A, toMac: B }
/** What each end sends to the other. */
type Pair = readonly [forth: Ends, back: Ends]
const pairs: readonly Pair[] = [
  { ...macs, from: '10.0.0.1', to: '10.0.0.2' },
  { ...macs, from: '2001:db8::1', to: '2001:db8::2' },
].map((forth) => [forth, reply(forth)])
/** Two clients that share an address, as the server sees them. */
export const translatedPairs: readonly Pair[] = ['10.0.0.1', '10.0.0.3'].map((from) => [
  { ...macs, from, to: '10.0.0.2' },
  { ...macs, from: '10.0.0.2', to: '10.0.0.9' },
])
/** Client's and server's. */
const portPairs = [
  [1000, 80],
  [1001, 80],
  [1000, 21],
  [3000, 2049],
] as const

const { syn, synAck, ack, fin, rst } = TCP_FLAGS
const kinds = ['syn', 'synAck', 'ack', 'data', 'fin', 'rst', 'wild'] as const

interface Step {
  readonly pair: number
  readonly ports: number
  /** By the server. */
  readonly back: boolean
  readonly what: 'tcp' | 'udp' | 'echo' | 'error' | 'fragments' | 'sctp' | 'gre' | 'ftp' | 'tftp' | 'odd'
  readonly kind: (typeof kinds)[number]
  readonly random: number
}

const step: fc.Arbitrary<Step> = fc.record({
  pair: fc.nat(pairs.length - 1),
  ports: fc.nat(portPairs.length - 1),
  back: fc.boolean(),
  what: fc.oneof(
    { weight: 8, arbitrary: fc.constant('tcp' as const) },
    { weight: 3, arbitrary: fc.constant('udp' as const) },
    { weight: 2, arbitrary: fc.constant('error' as const) },
    { weight: 4, arbitrary: fc.constantFrom<Step['what'][]>('echo', 'fragments', 'sctp', 'gre', 'ftp', 'tftp', 'odd') },
  ),
  kind: fc.constantFrom(...kinds),
  random: fc.nat(0xffff_ffff),
})

/**
 * Nothing that closes a connection: when one begins anew, OVS keeps the old one's translated tuple until its cleaner has
 * come by, and the model has no clock.
 */
const open = (kind: Step['kind']): Step['kind'] => (kind === 'fin' || kind === 'rst' || kind === 'wild' ? 'data' : kind)

/** One end's numbers. */
interface Numbers {
  next: number
}

class Talk {
  readonly #pairs: readonly Pair[]
  readonly #sent: Uint8Array[] = []
  readonly #numbers = new Map<string, readonly [Numbers, Numbers]>()

  constructor(among: readonly Pair[]) {
    this.#pairs = among
  }

  get #isTranslated(): boolean {
    return this.#pairs === translatedPairs
  }

  packets(each: Step): readonly Uint8Array[] {
    const made = this.#make(each)
    this.#sent.push(...made)
    return made
  }

  #make({ pair, ports, back, what, kind, random }: Step): readonly Uint8Array[] {
    const both = this.#pairs[pair] as Pair
    const ends = both[back ? 1 : 0]
    const [client, server] = portPairs[ports] ?? [1, 1]
    const between = back ? ([server, client] as const) : ([client, server] as const)
    switch (what) {
      case 'tcp':
        return [this.#segment(`${pair} ${ports}`, ends, between, back, this.#isTranslated ? open(kind) : kind, random)]
      case 'udp':
        return [udpFrame(ends, between)]
      case 'echo':
        return [echoFrame(ends, random % 2 === 0 ? 'request' : 'reply', (random >>> 1) % 3)]
      case 'error': {
        if (this.#isTranslated) {
          // What the sender of the error got had the addresses that it answers to.
          const [own, other] = between
          const about = kind === 'syn' ? tcpFrame(reply(ends), [other, own], syn) : udpFrame(reply(ends), [other, own])
          // Of TCP the whole header: ovs-vswitchd 3.1 writes its checksum where that would be, and beyond the packet if
          // the error quotes no more than RFC 792 asks for.
          const quoted = 14 + 20 + (kind === 'syn' ? 20 : 8)
          return [unreachableFrame(ends, random % 2 === 0 ? about : about.slice(0, quoted))]
        }
        const about = this.#sent[random % Math.max(this.#sent.length, 1)]
        if (about === undefined) return []
        // Mostly to the sender of the packet; if not, nonsense.
        const to = this.#pairs.flat().find((one) => isFrom(about, one)) ?? ends
        return [unreachableFrame(random % 7 === 0 ? ends : reply(to), about)]
      }
      case 'fragments': {
        const parts = fragmentFrames(udpFrame(ends, between, new Uint8Array(2600)), 1240, this.#sent.length)
        const order = random % 3
        return order === 0 ? parts : order === 1 ? parts.toReversed() : parts.slice(1)
      }
      case 'sctp':
        return [sctpFrame(ends, between)]
      case 'gre':
        return [ipFrame(ends, 47, new Uint8Array(12))]
      case 'ftp':
        return this.#ftp(pair, back, random)
      case 'tftp':
        return this.#tftp(ends, random)
      default:
        return [odd(ends, between, random)]
    }
  }

  #segment(
    name: string,
    ends: Ends,
    ports: readonly [number, number],
    back: boolean,
    kind: Step['kind'],
    random: number,
  ): Uint8Array {
    const both = this.#numbers.get(name) ?? [{ next: 100 }, { next: 5000 }]
    this.#numbers.set(name, both)
    const [own, other] = back ? [both[1], both[0]] : both
    const fields = { sequence: own.next, acknowledgement: other.next }
    switch (kind) {
      case 'syn':
        own.next += 1
        return tcpFrame(ends, ports, syn, { sequence: fields.sequence })
      case 'synAck':
        own.next += 1
        return tcpFrame(ends, ports, synAck, fields)
      case 'data':
        own.next += 5
        return tcpFrame(ends, ports, ack, { ...fields, data: 'hello' })
      case 'fin':
        own.next += 1
        return tcpFrame(ends, ports, fin | ack, fields)
      case 'rst':
        return tcpFrame(ends, ports, random % 2 === 0 ? rst : rst | ack, fields)
      case 'wild': {
        const sequence = random % 3 === 0 ? random : (own.next + (random % 200_000) - 100_000) >>> 0
        return tcpFrame(ends, ports, random >>> 26, { sequence, acknowledgement: other.next, window: random & 0xffff })
      }
      default:
        return tcpFrame(ends, ports, ack, fields)
    }
  }

  /** A control connection from its start, in which one end announces, and the data connection that follows. */
  #ftp(pair: number, byServer: boolean, random: number): readonly Uint8Array[] {
    const [forth, back] = this.#pairs[pair] as Pair
    const texts =
      pair === 0
        ? ['PORT 10,0,0,1,8,1\r\n', '227 Entering Passive Mode (10,0,0,2,8,1).\r\n']
        : ['EPRT |2|2001:db8::1|2049|\r\n', '229 Entering Extended Passive Mode (|||2049|)\r\n']
    const client = 1100 + (random % 50)
    const announced = byServer
      ? tcpFrame(back, [21, client], ack, { sequence: 501, acknowledgement: 101, data: texts[1] ?? '' })
      : tcpFrame(forth, [client, 21], ack, { sequence: 101, acknowledgement: 501, data: texts[0] ?? '' })
    const data = byServer ? forth : back
    return [
      tcpFrame(forth, [client, 21], syn, { sequence: 100 }),
      tcpFrame(back, [21, client], synAck, { sequence: 500, acknowledgement: 101 }),
      announced,
      tcpFrame(data, [client, 2049], syn, { sequence: 7 }),
      tcpFrame(reply(data), [2049, client], synAck, { sequence: 9, acknowledgement: 8 }),
    ]
  }

  #tftp(ends: Ends, random: number): readonly Uint8Array[] {
    const client = 3000 + (random % 50)
    const transfer = 4000 + (random % 7)
    const asked = udpFrame(ends, [client, 69])
    return [asked, udpFrame(reply(ends), [transfer, client]), udpFrame(ends, [client, transfer])]
  }
}

/** By what stands in the source's place. */
function isFrom(frame: Uint8Array, { from }: Ends): boolean {
  const address = from.includes(':') ? parseIpv6(from) : parseIpv4(from)
  const [at, size] = from.includes(':') ? [22, 16] : [26, 4]
  return (frame[12] === 8) === (size === 4) && bytesToBits(frame.subarray(at, at + size)) === address
}

function odd(ends: Ends, ports: readonly [number, number], random: number): Uint8Array {
  switch (random % 4) {
    case 0: {
      const broken = udpFrame(ends, ports, Uint8Array.of(1, 2, 3))
      broken[broken.length - 1] = 9
      return broken
    }
    case 1:
      return udpFrame(ends, [0, ports[1]])
    case 2:
      return icmpFrame(ends, random >>> 24, 0, new Uint8Array(20))
    default:
      return tcpFrame(ends, ports, syn).slice(0, -2)
  }
}

/** Packets in the order in which they are sent, all from one side of the switch. */
export function conversations(seed: number, steps: number, among: readonly Pair[] = pairs): readonly Uint8Array[] {
  const talk = new Talk(among)
  return fc.sample(step, { seed, numRuns: steps }).flatMap((each) => talk.packets(each))
}

// The connections that a switch knows, by zone, and what the ct action finds out about a packet: conntrack of OVS's
// userspace datapath (conntrack.c of 3.1). There is no clock: connections stay until their zone is flushed.
import { ETH_TYPE, IP_PROTO } from '../../../ofproto/fields/protocols.ts'
import { extractFlow, type FlowKey } from '../../../ofproto/packet/index.ts'
import { announced, controlOf, expectedKey, type Helper } from './expect.ts'
import { Fragments } from './fragments.ts'
import { classify, isRequest, nameOf, reversed, type Classified, type ConnectionKey } from './key.ts'
import { answerTuple, otherSide, translate, translateFragment, type NatRequest, type Translation } from './nat.ts'
import { mayOpen, readSegment, TcpConnection, type Verdict } from './tcp.ts'

/** Bits of ct_state. */
export const CT = { new: 1, est: 2, rel: 4, rpl: 8, inv: 0x10, trk: 0x20, snat: 0x40, dnat: 0x80 } as const
const TRANSLATED = CT.snat | CT.dnat

/** A value and which of its bits count. */
interface Bits {
  readonly value: bigint
  readonly mask: bigint
}

/** What a ct action asks for. */
export interface TrackRequest {
  readonly zone: number
  readonly commit: boolean
  /** A connection of the other direction gives way. */
  readonly force: boolean
  readonly helper: Helper | null
  readonly mark: Bits
  readonly label: Bits
  /** Whether addresses are translated, and how those of a new connection. */
  readonly nat: NatRequest | null
  /** Tells apart the ct actions that one packet meets. */
  readonly place: string
}

/** What is known of a packet that was tracked. */
export interface Tracked {
  readonly state: number
  readonly zone: number
  readonly mark: bigint
  readonly label: bigint
  /** Of the connection's first packet, or of that of its parent; null where there is none. */
  readonly tuple: ConnectionKey | null
  /** Known to be of it in that zone: not looked for again. */
  readonly connection: Connection | null
  /** It goes the other way than the connection's first packet, whether or not it is valid. */
  readonly reply: boolean
}

/** A packet's bytes with what is known of it. */
export interface Carrier {
  readonly bytes: Uint8Array
  readonly key: FlowKey
  readonly tracked: Tracked | null
}

/** All packets that go on: one, none (a fragment is held), or all fragments of a packet. */
export type Released = readonly Release[]
interface Release {
  readonly bytes: Uint8Array
  readonly tracked: Tracked
}

export interface Tracker {
  track(carrier: Carrier, request: TrackRequest): Released
}

/** Connections other than TCP: established by the first answer. */
class Exchange {
  #answered = false

  update(reply: boolean): Verdict {
    this.#answered ||= reply
    return this.#answered ? 'established' : 'new'
  }
}

interface Connection {
  readonly key: ConnectionKey
  /** Of its answers: not the key reversed where addresses are translated. */
  readonly answer: ConnectionKey
  /** Which end of what goes in its direction is translated. */
  readonly translated: 'src' | 'dst' | null
  readonly protocol: TcpConnection | Exchange
  readonly helper: Helper | null
  /** The control connection that announced this one. */
  readonly parent: ConnectionKey | null
  mark: bigint
  label: bigint
}

/** Which connection a packet is of, and the key that it has there. */
interface Known {
  readonly connection: Connection | null
  readonly key: ConnectionKey
  readonly reply: boolean
}

/** Mark and label are the parent's when it announced. */
interface Expectation {
  readonly key: ConnectionKey
  readonly parent: Connection
  readonly mark: bigint
  readonly label: bigint
}

const merge = (before: bigint, { value, mask }: Bits): bigint => (before & ~mask) | (value & mask)

const payloadOf = ({ bytes, key }: Carrier): Uint8Array => bytes.subarray(key.transportOffset, key.transportEnd)

function mayBegin(carrier: Carrier, { protocol, sourcePort }: ConnectionKey): boolean {
  if (protocol === IP_PROTO.tcp) return mayOpen(readSegment(payloadOf(carrier)))
  return (protocol !== IP_PROTO.icmp && protocol !== IP_PROTO.icmpv6) || isRequest(protocol, sourcePort)
}

export class Conntrack implements Tracker {
  readonly #connections = new Map<string, Connection>()
  readonly #expectations = new Map<string, Expectation>()
  readonly #fragments = new Fragments()

  track(carrier: Carrier, request: TrackRequest): Released {
    if (carrier.key.fragment === 0) return [this.#translated(carrier, this.#trackWhole(carrier, request), request)]
    const found = this.#fragments.add(carrier.bytes, carrier.key, `${request.zone} ${request.place}`)
    if (found === 'held') return []
    if (found === 'invalid') return [{ bytes: carrier.bytes, tracked: describe(CT.inv, request.zone, null, null) }]
    const whole = { bytes: found.whole, key: extractFlow(found.whole), tracked: carrier.tracked }
    const { bytes, tracked } = this.#translated(whole, this.#trackWhole(whole, request), request)
    const wholeKey = extractFlow(bytes)
    const asWhole = (part: Uint8Array): Uint8Array =>
      bytes === found.whole ? part : translateFragment(part, extractFlow(part), bytes, wholeKey)
    return found.parts.map((part) => ({ bytes: asWhole(part), tracked: { ...tracked, connection: null } }))
  }

  /** The packet with what was found of it, and with its addresses translated if that is asked for. */
  #translated({ bytes, key }: Carrier, tracked: Tracked, { nat, zone }: TrackRequest): Release {
    if (nat === null) return { bytes, tracked }
    const cleared = { ...tracked, connection: null }
    const found = tracked.connection === null ? null : classify(bytes, key, zone)
    const to = tracked.connection && translationOf(tracked.connection, tracked.reply)
    if (found === null || to === null || (tracked.state & TRANSLATED) !== 0) return { bytes, tracked: cleared }
    const state = tracked.state | (to.side === 'src' ? CT.snat : CT.dnat)
    return { bytes: translate(bytes, key, to, found.related), tracked: { ...cleared, state } }
  }

  /** Forgets the connections of a zone. */
  flush(zone: number): void {
    for (const [name, { key }] of this.#connections) if (key.zone === zone) this.#connections.delete(name)
    for (const [name, { key }] of this.#expectations) if (key.zone === zone) this.#expectations.delete(name)
  }

  #trackWhole(carrier: Carrier, request: TrackRequest): Tracked {
    const { zone } = request
    const control = controlOf(carrier.key.protocol, [carrier.key.tpSrc, carrier.key.tpDst], request.helper)
    const known = carrier.tracked?.connection ?? null
    if (known !== null && known.key.zone === zone && !request.force && control === null) {
      const { state = 0, reply = false } = carrier.tracked ?? {}
      return this.#noted(known, { ...describe(state, zone, known, known.key), reply }, request)
    }
    const found = classify(carrier.bytes, carrier.key, zone)
    return found === null ? describe(CT.inv, zone, null, null) : this.#trackClassified(carrier, found, request, control)
  }

  #trackClassified(carrier: Carrier, found: Classified, request: TrackRequest, control: Helper | null): Tracked {
    const { zone, force } = request
    const before = carrier.tracked?.zone === zone ? carrier.tracked.state : 0
    const known = this.#known(found.key, (before & TRANSLATED) !== 0)
    const { key, reply } = known
    let { connection } = known
    if (connection !== null && force && reply) {
      this.#remove(connection)
      connection = null
    }
    let state: number = CT.inv
    if (connection !== null) {
      const next = continued(carrier, found, connection, reply, before)
      if (next === null) {
        this.#remove(connection)
        connection = null
      } else state = next
    }
    const isFresh = connection === null && !found.related
    const expectation = isFresh ? this.#expected(key) : null
    if (isFresh && mayBegin(carrier, key)) {
      state = CT.new | (expectation === null ? 0 : CT.rel)
      // A helper for another protocol than the packet's is none.
      const helper = control === null || control === request.helper ? request.helper : null
      if (request.commit) connection = this.#add(carrier, key, helper, expectation, request.nat)
    }
    const tracked = { ...describe(state, zone, connection, key, expectation), reply: connection !== null && reply }
    const noted = connection === null ? tracked : this.#noted(connection, tracked, request)
    return connection?.helper && control !== null ? this.#announce(carrier, connection, control, noted) : noted
  }

  /** A packet that was translated already is of the connection whose answers have its key reversed. */
  #known(key: ConnectionKey, isTranslated: boolean): Known {
    const asked = isTranslated ? reversed(key) : key
    const connection = this.#connections.get(nameOf(asked)) ?? null
    if (connection === null) return { connection, key, reply: false }
    const reply = (nameOf(connection.key) !== nameOf(asked)) !== isTranslated
    return { connection, key: reply ? connection.answer : connection.key, reply }
  }

  #expected(key: ConnectionKey): Expectation | null {
    return this.#expectations.get(nameOf({ ...key, sourcePort: 0 })) ?? null
  }

  /** Null where no tuple is left to translate it to. */
  #add(
    carrier: Carrier,
    key: ConnectionKey,
    helper: Helper | null,
    expectation: Expectation | null,
    nat: NatRequest | null,
  ): Connection | null {
    const isTaken = (tuple: ConnectionKey): boolean => this.#connections.has(nameOf(tuple))
    const answer = nat === null ? reversed(key) : answerTuple(key, nat, isTaken)
    if (answer === null) return null
    const isTcp = key.protocol === IP_PROTO.tcp
    const protocol = isTcp ? new TcpConnection(readSegment(payloadOf(carrier))) : new Exchange()
    const { parent = null, mark = 0n, label = 0n } = expectation ?? {}
    const common = { key, answer, translated: nat?.side ?? null, protocol, helper }
    const connection = { ...common, parent: parent?.key ?? null, mark, label }
    this.#connections.set(nameOf(answer), connection)
    this.#connections.set(nameOf(key), connection)
    return connection
  }

  #remove(connection: Connection): void {
    this.#connections.delete(nameOf(connection.key))
    this.#connections.delete(nameOf(connection.answer))
    for (const [name, { parent }] of this.#expectations) if (parent === connection) this.#expectations.delete(name)
  }

  /** Sets mark and label, which an announced connection has from its parent. */
  #noted(connection: Connection, tracked: Tracked, { mark, label }: TrackRequest): Tracked {
    if (connection.parent === null) {
      connection.mark = merge(tracked.mark, mark)
      connection.label = merge(tracked.label, label)
    }
    return { ...tracked, mark: connection.mark, label: connection.label }
  }

  #announce(carrier: Carrier, connection: Connection, control: Helper, tracked: Tracked): Tracked {
    const { key } = connection
    const port = control === 'tftp' ? key.sourcePort : portIn(carrier, key)
    if (port === 'malformed') return { ...tracked, state: tracked.state | CT.inv }
    if (port === 'nothing') return tracked
    const expected = expectedKey(key, (tracked.state & CT.rpl) !== 0, port)
    const name = nameOf(expected)
    const { mark, label } = connection
    if (!this.#expectations.has(name)) this.#expectations.set(name, { key: expected, parent: connection, mark, label })
    return tracked
  }
}

function portIn(carrier: Carrier, key: ConnectionKey): ReturnType<typeof announced> {
  const bytes = payloadOf(carrier)
  return announced(bytes.subarray(bytes.length - readSegment(bytes).size), carrier.key.ethType === ETH_TYPE.ip, key)
}

/** The state of a packet of a known connection; null if it begins another one with the same addresses and ports. */
function continued(
  carrier: Carrier,
  { related }: Classified,
  connection: Connection,
  reply: boolean,
  before: number,
): number | null {
  const direction = reply ? CT.rpl : 0
  if (related) return before | CT.rel | direction
  const { protocol, parent } = connection
  const verdict =
    protocol instanceof TcpConnection ? protocol.update(readSegment(payloadOf(carrier)), reply) : protocol.update(reply)
  const base = before | (parent === null ? 0 : CT.rel)
  switch (verdict) {
    case 'established':
      return (base & ~CT.new) | CT.est | direction
    case 'new':
      return base | CT.new
    case 'invalid':
      return CT.inv
    default:
      return null
  }
}

/** What becomes of a packet of the connection; null if nothing. */
function translationOf({ key, answer, translated }: Connection, reply: boolean): Translation | null {
  if (translated === null) return null
  return reply ? { side: otherSide(translated), tuple: reversed(key) } : { side: translated, tuple: reversed(answer) }
}

function describe(
  state: number,
  zone: number,
  connection: Connection | null,
  key: ConnectionKey | null,
  expectation: Expectation | null = null,
): Tracked {
  const { mark, label } = connection ?? expectation ?? { mark: 0n, label: 0n }
  const tuple = connection === null ? (expectation?.parent.key ?? key) : (connection.parent ?? connection.key)
  return { state: state | CT.trk, zone, mark, label, tuple, connection, reply: false }
}

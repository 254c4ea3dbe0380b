// DHCPv4 messages (RFC 2131 §2) and their options (RFC 2132), as bytes and as values; UDP payload only.
import { get16, get32, get48, put16, put32, put48, zeros } from './bytes.ts'

export const DHCP_SERVER_PORT = 67
export const DHCP_CLIENT_PORT = 68

/** Option 53 (RFC 2132 §9.6). */
export const messageTypes = {
  discover: 1,
  offer: 2,
  request: 3,
  decline: 4,
  ack: 5,
  nak: 6,
  release: 7,
  inform: 8,
} as const

export interface DhcpMessage {
  /** 1 request (from a client), 2 reply. */
  readonly op: 1 | 2
  readonly xid: number
  readonly seconds: number
  /** The client cannot take a unicast yet (flag B). */
  readonly broadcast: boolean
  readonly clientAddress: number
  readonly yourAddress: number
  readonly serverAddress: number
  readonly relayAddress: number
  /** chaddr: an Ethernet address as a 48-bit number. */
  readonly clientMac: number
  readonly serverName: string
  readonly bootFile: string
  /** By option number, without pad (0) and end (255); split options are joined (RFC 3396). */
  readonly options: ReadonlyMap<number, Uint8Array>
}

const MAGIC = 0x6382_5363
const FIXED = 240
/** Clients may drop anything shorter (RFC 951: 300 bytes of BOOTP). */
const MINIMUM = 300
const PAD = 0
const END = 255
const OVERLOAD = 52

/** Options as they are found: what continues one that has been there (RFC 3396) apart, as hardly any does. */
class Options {
  readonly found = new Map<number, Uint8Array>()
  readonly #more: (readonly [tag: number, part: Uint8Array])[] = []

  /** Reads those between two places; false when one runs past the end. */
  read(bytes: Uint8Array, from: number, end: number): boolean {
    let at = from
    while (at < end) {
      const tag = bytes[at] as number
      at += 1
      if (tag === PAD) continue
      if (tag === END) return true
      const value = at + 1
      if (value > end || value + (bytes[at] as number) > end) return false
      at = value + (bytes[at] as number)
      const part = bytes.subarray(value, at)
      if (this.found.has(tag)) this.#more.push([tag, part])
      else this.found.set(tag, part)
    }
    return true
  }

  joined(): ReadonlyMap<number, Uint8Array> {
    if (this.#more.length === 0) return this.found
    for (const [tag, parts] of Map.groupBy(this.#more, ([each]) => each)) {
      const all = [this.found.get(tag) as Uint8Array, ...parts.map(([, part]) => part)]
      this.found.set(tag, Uint8Array.from(Buffer.concat(all)))
    }
    return this.found
  }
}

function latin1(bytes: Uint8Array, from: number, end: number): string {
  let text = ''
  for (let at = from; at < end && bytes[at] !== 0; at += 1) text += String.fromCharCode(bytes[at] as number)
  return text
}

/** The message in a UDP payload, or null if it is not a well-formed DHCP message over Ethernet. */
export function parseDhcp(bytes: Uint8Array): DhcpMessage | null {
  if (bytes.length < FIXED) return null
  const op = bytes[0]
  const ethernet = bytes[1] === 1 && bytes[2] === 6
  if ((op !== 1 && op !== 2) || !ethernet || get32(bytes, 236) !== MAGIC) return null
  const options = new Options()
  if (!options.read(bytes, FIXED, bytes.length)) return null
  // Option overload: more options in `file` (1), `sname` (2) or both (3), in this order.
  const overload = options.found.get(OVERLOAD)?.[0] ?? 0
  if (overload & 1 && !options.read(bytes, 108, 236)) return null
  if (overload & 2 && !options.read(bytes, 44, 108)) return null
  return {
    op,
    xid: get32(bytes, 4),
    seconds: get16(bytes, 8),
    broadcast: (get16(bytes, 10) & 0x8000) !== 0,
    clientAddress: get32(bytes, 12),
    yourAddress: get32(bytes, 16),
    serverAddress: get32(bytes, 20),
    relayAddress: get32(bytes, 24),
    clientMac: get48(bytes, 28),
    serverName: overload & 2 ? '' : latin1(bytes, 44, 108),
    bootFile: overload & 1 ? '' : latin1(bytes, 108, 236),
    options: options.joined(),
  }
}

function writeText(bytes: Uint8Array, at: number, size: number, value: string): void {
  for (let i = 0; i < Math.min(size - 1, value.length); i += 1) bytes[at + i] = value.charCodeAt(i)
}

/** An option longer than 255 bytes goes out in pieces (RFC 3396), each with number and length before it. */
const LONGEST = 255

export type Option = readonly [tag: number, value: Uint8Array]

/** Options in their order, as they stand in a message. */
export function composeOptions(options: Iterable<Option>): Uint8Array {
  const parts: Uint8Array[] = []
  for (const [tag, value] of options) {
    let from = 0
    do {
      const part = value.subarray(from, from + LONGEST)
      parts.push(Uint8Array.of(tag, part.length), part)
      from += part.length
    } while (from < value.length)
  }
  return Buffer.concat(parts)
}

/** The message as a UDP payload; options in the order of the map. */
export const composeDhcp = (message: DhcpMessage): Uint8Array =>
  composeDhcpWith(message, [composeOptions(message.options)])

/** The same with options that are composed already, each part of them maybe for many messages. */
export function composeDhcpWith(message: Omit<DhcpMessage, 'options'>, options: readonly Uint8Array[]): Uint8Array {
  let end = FIXED
  for (const part of options) end += part.length
  const bytes = zeros(Math.max(MINIMUM, end + 1))
  bytes[0] = message.op
  bytes[1] = 1
  bytes[2] = 6
  put32(bytes, 4, message.xid)
  put16(bytes, 8, message.seconds)
  put16(bytes, 10, message.broadcast ? 0x8000 : 0)
  put32(bytes, 12, message.clientAddress)
  put32(bytes, 16, message.yourAddress)
  put32(bytes, 20, message.serverAddress)
  put32(bytes, 24, message.relayAddress)
  put48(bytes, 28, message.clientMac)
  writeText(bytes, 44, 64, message.serverName)
  writeText(bytes, 108, 128, message.bootFile)
  put32(bytes, 236, MAGIC)
  let at = FIXED
  for (const part of options) {
    bytes.set(part, at)
    at += part.length
  }
  bytes[end] = END
  return bytes
}

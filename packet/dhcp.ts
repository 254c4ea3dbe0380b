// DHCPv4 messages (RFC 2131 §2) and their options (RFC 2132), as bytes and as values; UDP payload only.

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

/** Reads one area of options into `chunks`; false when an option runs past the area. */
function readOptions(area: Uint8Array, chunks: Map<number, Uint8Array[]>): boolean {
  let i = 0
  while (i < area.length) {
    const tag = area[i] as number
    i += 1
    if (tag === PAD) continue
    if (tag === END) return true
    const length = area[i]
    if (length === undefined || i + 1 + length > area.length) return false
    const value = area.subarray(i + 1, i + 1 + length)
    const known = chunks.get(tag)
    if (known === undefined) chunks.set(tag, [value])
    else known.push(value)
    i += 1 + length
  }
  return true
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

const latin1 = (bytes: Uint8Array): string => {
  const end = bytes.indexOf(0)
  return String.fromCharCode(...(end < 0 ? bytes : bytes.subarray(0, end)))
}

/** The message in a UDP payload, or null if it is not a well-formed DHCP message over Ethernet. */
export function parseDhcp(bytes: Uint8Array): DhcpMessage | null {
  if (bytes.length < FIXED) return null
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const op = view.getUint8(0)
  const ethernet = view.getUint8(1) === 1 && view.getUint8(2) === 6
  if ((op !== 1 && op !== 2) || !ethernet || view.getUint32(236) !== MAGIC) return null
  const chunks = new Map<number, Uint8Array[]>()
  if (!readOptions(bytes.subarray(FIXED), chunks)) return null
  // Option overload: more options in `file` (1), `sname` (2) or both (3), in this order.
  const overload = chunks.get(OVERLOAD)?.[0]?.[0] ?? 0
  if (overload & 1 && !readOptions(bytes.subarray(108, 236), chunks)) return null
  if (overload & 2 && !readOptions(bytes.subarray(44, 108), chunks)) return null
  return {
    op,
    xid: view.getUint32(4),
    seconds: view.getUint16(8),
    broadcast: (view.getUint16(10) & 0x8000) !== 0,
    clientAddress: view.getUint32(12),
    yourAddress: view.getUint32(16),
    serverAddress: view.getUint32(20),
    relayAddress: view.getUint32(24),
    clientMac: view.getUint16(28) * 0x1_0000_0000 + view.getUint32(30),
    serverName: overload & 2 ? '' : latin1(bytes.subarray(44, 108)),
    bootFile: overload & 1 ? '' : latin1(bytes.subarray(108, 236)),
    options: new Map(Array.from(chunks, ([tag, parts]) => [tag, join(parts)] as const)),
  }
}

function writeText(bytes: Uint8Array, at: number, size: number, value: string): void {
  for (let i = 0; i < Math.min(size - 1, value.length); i += 1) bytes[at + i] = value.charCodeAt(i)
}

/** An option longer than 255 bytes goes out in pieces (RFC 3396), each with number and length before it. */
const LONGEST = 255

function optionsLength(options: DhcpMessage['options']): number {
  let length = 1
  for (const { length: size } of options.values()) length += size + 2 * Math.max(1, Math.ceil(size / LONGEST))
  return length
}

function writeOptions(bytes: Uint8Array, start: number, options: DhcpMessage['options']): void {
  let at = start
  for (const [tag, value] of options) {
    let from = 0
    do {
      const size = Math.min(LONGEST, value.length - from)
      bytes[at] = tag
      bytes[at + 1] = size
      // Mostly a few bytes, for which set() would cost more than it does.
      for (let i = 0; i < size; i += 1) bytes[at + 2 + i] = value[from + i] as number
      at += 2 + size
      from += size
    } while (from < value.length)
  }
  bytes[at] = END
}

/** The message as a UDP payload; options in the order of the map. */
export function composeDhcp(message: DhcpMessage): Uint8Array {
  const bytes = new Uint8Array(Math.max(MINIMUM, FIXED + optionsLength(message.options)))
  const view = new DataView(bytes.buffer)
  view.setUint8(0, message.op)
  view.setUint8(1, 1)
  view.setUint8(2, 6)
  view.setUint32(4, message.xid)
  view.setUint16(8, message.seconds)
  view.setUint16(10, message.broadcast ? 0x8000 : 0)
  view.setUint32(12, message.clientAddress)
  view.setUint32(16, message.yourAddress)
  view.setUint32(20, message.serverAddress)
  view.setUint32(24, message.relayAddress)
  view.setUint16(28, message.clientMac / 0x1_0000_0000)
  view.setUint32(30, message.clientMac % 0x1_0000_0000)
  writeText(bytes, 44, 64, message.serverName)
  writeText(bytes, 108, 128, message.bootFile)
  view.setUint32(236, MAGIC)
  writeOptions(bytes, FIXED, message.options)
  return bytes
}

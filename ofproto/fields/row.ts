// How a row of the field table is made: from the compact form of table.ts to what codecs and text need at hand.

export type Width = 1 | 2 | 4 | 6 | 8 | 16 | 124
export type Format =
  | 'decimal'
  | 'hexadecimal'
  | 'ct state'
  | 'Ethernet'
  | 'IPv4'
  | 'IPv6'
  | 'OpenFlow 1.0 port'
  | 'OpenFlow 1.1+ port'
  | 'frag'
  | 'tunnel flags'
  | 'TCP flags'
  | 'packet type'
export type Prerequisite =
  | 'none'
  | 'Ethernet'
  | 'ARP'
  | 'VLAN VID'
  | 'IPv4'
  | 'IPv6'
  | 'IPv4/IPv6'
  | 'NSH'
  | 'CT'
  | 'MPLS'
  | 'TCP'
  | 'UDP'
  | 'SCTP'
  | 'ICMPv4'
  | 'ICMPv6'
  | 'ND'
  | 'ND solicit'
  | 'ND advert'

/** One OXM or NXM header of a field. */
export interface Header {
  readonly name: string
  /** The OpenFlow version byte that introduced it, 0 for an extension. */
  readonly version: number
  /** The experimenter id of class 0xffff, otherwise 0. */
  readonly experimenter: number
  /** The 32 bits on the wire (class, field, mask bit, length) without and with a mask. */
  readonly word: number
  readonly maskedWord: number
}

export interface Row<N extends string, A extends string | null, B extends Width> {
  /** Its place in the table. */
  readonly id: number
  readonly name: N
  readonly aka: A
  /** Size on the wire (the greatest, for tun_metadata) and the low bits of it that carry the value. */
  readonly bytes: B
  readonly bits: number
  readonly variable: boolean
  readonly maskable: boolean
  readonly format: Format
  readonly prerequisite: Prerequisite
  readonly writable: boolean
  readonly headers: readonly Header[]
  /** What OVS sends on an OpenFlow 1.3 connection; null if the field has no header (dl_vlan, tun_ttl ...). */
  readonly oxm: Header | null
  /** What OVS prefers in Nicira actions and prints in move, load, stack ...: the oldest header. */
  readonly nxm: Header | null
}

const OPENFLOW13 = 4

/** Name prefix to [class, experimenter]; the longest that fits counts. */
const classes: readonly (readonly [string, number, number])[] = [
  ['NXM_OF_', 0x0000, 0],
  ['NXM_NX_', 0x0001, 0],
  ['ERICOXM_OF_', 0x1000, 0],
  ['OXM_OF_PKT_REG', 0x8001, 0],
  ['OXM_OF_', 0x8000, 0],
  ['NXOXM_NSH_', 0xffff, 0x005a_d650],
  ['NXOXM_ET_', 0xffff, 0x0000_2320],
  ['ONFOXM_ET_', 0xffff, 0x4f4e_4600],
]

/** `NAME:number` or `NAME:number@version`. */
function header(text: string, bytes: number): Header {
  const [name = '', rest = ''] = text.split(':')
  const [number, version = '0'] = rest.split('@')
  const [, oxmClass, experimenter] = classes.find(([prefix]) => name.startsWith(prefix)) ?? ['', 0, 0]
  const idBytes = experimenter === 0 ? 0 : 4
  const base = oxmClass * 0x1_0000 + Number(number) * 0x200
  // A masked tun_metadata would not fit the length byte at its greatest size; its length is written as it is used.
  return {
    name,
    version: Number(version),
    experimenter,
    word: base + idBytes + bytes,
    maskedWord: base + 0x100 + ((idBytes + 2 * bytes) & 0xff),
  }
}

/** The header that a connection of OpenFlow `version` uses: the newest not newer than it, else the oldest. */
function preferred(headers: readonly Header[], version: number): Header | null {
  return headers.reduce<Header | null>((best, h) => (best === null || h.version <= version ? h : best), null)
}

let rows = 0

/** A row; `headers` lists them oldest OpenFlow version first, as OVS sorts them. */
export function field<const N extends string, const A extends string | null, const B extends Width>(
  name: N,
  aka: A,
  bytes: B,
  bits: number,
  masking: 'masked' | 'exact',
  format: Format,
  prerequisite: Prerequisite,
  access: 'r' | 'rw',
  headers: string,
): Row<N, A, B> {
  const list = headers.split(' ').flatMap((text) => (text === '' ? [] : [header(text, bytes)]))
  rows += 1
  return {
    id: rows - 1,
    name,
    aka,
    bytes,
    bits,
    variable: bytes === 124,
    maskable: masking === 'masked',
    format,
    prerequisite,
    writable: access === 'rw',
    headers: list,
    oxm: preferred(list, OPENFLOW13),
    nxm: preferred(list, 0),
  }
}

type Digit = '0' | '1' | '2' | '3' | '4' | '5' | '6' | '7' | '8' | '9'
interface Indexes {
  readonly 4: '0' | '1' | '2' | '3'
  readonly 8: Exclude<Digit, '8' | '9'>
  readonly 16: Digit | `1${'0' | '1' | '2' | '3' | '4' | '5'}`
  readonly 64: Digit | `${'1' | '2' | '3' | '4' | '5'}${Digit}` | `6${'0' | '1' | '2' | '3'}`
}
const upTo = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i}`)
/** '0' up to the count less one, with their literal types. */
export const indexes = { 4: upTo(4), 8: upTo(8), 16: upTo(16), 64: upTo(64) } as unknown as {
  readonly [C in keyof Indexes]: readonly Indexes[C][]
}

/** Rows that differ in their number only: maskable, hexadecimal, writable, without prerequisites. */
export function family<const P extends string, const I extends string, const B extends Width>(
  prefix: P,
  numbers: readonly I[],
  bytes: B,
  headerPrefix: string,
  firstNumber: number,
  version = '',
): readonly { [N in I]: Row<`${P}${N}`, null, B> }[I][] {
  return numbers.map((n, i) =>
    field(
      `${prefix}${n}`,
      null,
      bytes,
      bytes * 8,
      'masked',
      'hexadecimal',
      'none',
      'rw',
      `${headerPrefix}${n}:${firstNumber + i}${version}`,
    ),
  )
}

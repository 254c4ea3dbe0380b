// What several messages print in the same way, as ovs-ofctl does.

/** `bytes` as ds_put_hex_dump() of OVS prints them: 16 a line with their offset and, in bars, their ASCII. */
export function hexDump(bytes: Uint8Array): string {
  let out = ''
  for (let offset = 0; offset < bytes.length; offset += 16) out += dumpLine(offset, bytes.subarray(offset, offset + 16))
  return out
}

function dumpLine(offset: number, line: Uint8Array): string {
  let hex = ''
  let ascii = ''
  for (let i = 0; i < 16; i += 1) {
    const byte = line[i]
    hex += byte === undefined ? '   ' : byte.toString(16).padStart(2, '0') + (i === 7 ? '-' : ' ')
    ascii += byte === undefined ? ' ' : byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '.'
  }
  return `${offset.toString(16).padStart(8, '0')}  ${hex}|${ascii}|\n`
}

/** The names of the bits that are set, lowest first, then the rest in hexadecimal. `names[n]` is the name of bit n. */
export function bitNames(bits: number, names: readonly (string | undefined)[], separator = ' '): string {
  if (bits === 0) return '0'
  const out: string[] = []
  let rest = bits
  for (let bit = 0; bit < 32; bit += 1) {
    const name = names[bit]
    if (name === undefined || ((bits >>> bit) & 1) === 0) continue
    out.push(name)
    rest &= ~(1 << bit)
  }
  if (rest !== 0) out.push(`0x${(rest >>> 0).toString(16)}`)
  return out.join(separator)
}

/** Seconds with as many decimals as nanoseconds need, but milliseconds with exactly three. */
export function formatDuration(seconds: number, nanoseconds: number): string {
  if (nanoseconds === 0) return `${seconds}s`
  if (nanoseconds % 1_000_000 === 0) return `${seconds}.${`${nanoseconds / 1_000_000}`.padStart(3, '0')}s`
  return `${seconds}.${`${nanoseconds}`.padStart(9, '0').replace(/0+$/, '')}s`
}

const UNKNOWN_COUNT = 0xffff_ffff_ffff_ffffn

/** A counter; all ones stand for one that the switch does not keep. */
export const formatCount = (count: bigint): string => (count === UNKNOWN_COUNT ? '?' : `${count}`)

export const hex = (value: number | bigint): string => `0x${value.toString(16)}`

/** As C's `%#x`, which leaves zero bare. */
export const hexOrZero = (value: number | bigint): string => (value === 0 || value === 0n ? '0' : hex(value))

/** A MAC address. */
export function formatMac(mac: number): string {
  const digits = mac.toString(16).padStart(12, '0')
  return (digits.match(/../g) as string[]).join(':')
}

/** ASCII that is fit for print; other bytes, quotes and backslashes in octal (ds_put_printable). */
export function printable(bytes: Uint8Array): string {
  let out = ''
  for (const byte of bytes) {
    const plain = byte >= 0x20 && byte <= 0x7e && byte !== 0x5c && byte !== 0x22
    out += plain ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, '0')}`
  }
  return out
}

export const DEFAULT_PRIORITY = 0x8000

/** A match with the priority before it, unless that is the default. */
export const withPriority = (match: string, priority: number): string =>
  [priority === DEFAULT_PRIORITY ? '' : `priority=${priority}`, match].filter((part) => part !== '').join(',')

const flowRemovedReasons = ['idle', 'hard', 'delete', 'group_delete', 'meter_delete', 'eviction']
export const flowRemovedReasonName = (reason: number): string => flowRemovedReasons[reason] ?? `${reason}`
const packetInReasons = ['no_match', 'action', 'invalid_ttl', 'action_set', 'group', 'packet_out', '', '']
export const packetInReasonName = (reason: number): string => packetInReasons[reason] ?? `${reason}`

// OpenFlow port numbers: 16 bits with reserved numbers from 0xfff7 in OpenFlow 1.0 and inside OVS, 32 bits with reserved numbers
// from 0xfffffff7 on a 1.3 connection. Reserved ports have names; matching and actions share this (ofputil_port_*).
import { TextError } from '../text/tokens.ts'

/** Reserved port numbers (OpenFlow 1.3.5 §7.2.1). */
export const ports = {
  unset: 0xffff_fff7,
  inPort: 0xffff_fff8,
  table: 0xffff_fff9,
  normal: 0xffff_fffa,
  flood: 0xffff_fffb,
  all: 0xffff_fffc,
  controller: 0xffff_fffd,
  local: 0xffff_fffe,
  any: 0xffff_ffff,
} as const

/** OFPP_MAX of OpenFlow 1.0: OVS keeps ports in 16 bits, and ordinary ones are below this. */
export const MAX_10 = 0xff00
/** OFPP_MAX of 1.1+: where the reserved numbers begin. */
export const MAX_11 = 0xffff_ff00
/** What lies between the two numberings. */
export const OFFSET = MAX_11 - MAX_10

/** By the numbers of 1.0. */
const names: ReadonlyMap<number, string> = new Map([
  [ports.unset - OFFSET, 'UNSET'],
  [ports.inPort - OFFSET, 'IN_PORT'],
  [ports.table - OFFSET, 'TABLE'],
  [ports.normal - OFFSET, 'NORMAL'],
  [ports.flood - OFFSET, 'FLOOD'],
  [ports.all - OFFSET, 'ALL'],
  [ports.controller - OFFSET, 'CONTROLLER'],
  [ports.local - OFFSET, 'LOCAL'],
  [ports.any - OFFSET, 'ANY'],
])
const numbers: ReadonlyMap<string, number> = new Map([
  ...[...names].map(([number, name]): [string, number] => [name, number]),
  ['NONE', 0xffff],
])

/** 1.0 number to 1.1+ number. */
export const port11 = (port: number): number => (port < MAX_10 ? port : port + OFFSET)
/** 1.1+ number to 1.0 number; null for what no 16-bit number stands for. */
export const port10 = (port: number): number | null => (port < MAX_10 ? port : port >= MAX_11 ? port - OFFSET : null)

/** A 16-bit port number as OVS prints it. */
export const formatPort10 = (port: number): string => names.get(port) ?? `${port}`
/** A 32-bit port number as OVS prints it; one that OVS cannot represent prints as ANY. */
export const formatPort = (port: number): string => formatPort10(port10(port) ?? 0xffff)

/** A port number or name as a 16-bit number. */
export function parsePort10(text: string): number {
  const named = numbers.get(text.toUpperCase())
  if (named !== undefined) return named
  const port = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  // 0xff00 to 0xffff are the reserved numbers of OpenFlow 1.0, which OVS still reads.
  const port16 = port <= 0xffff ? port : port <= 0xffff_ffff && port >= MAX_11 ? port - OFFSET : null
  if (port16 === null) throw new TextError(`${text}: not a valid OpenFlow port`)
  return port16
}

/** A port number or name as the 32-bit number that goes on the wire. */
export const parsePort = (text: string): number => port11(parsePort10(text))

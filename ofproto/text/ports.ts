// OpenFlow port numbers in the ovs-ofctl language. Values hold the 32-bit numbers of OpenFlow 1.1 and later everywhere;
// Nicira actions carry 16 bits, in which the reserved ports from 0xff00 stand for those from 0xffffff00.
import { fixed, type Fixed } from '../wire/struct.ts'
import { TextError } from './tokens.ts'

export const ports = {
  max: 0xff00,
  unset: 0xfffffff7,
  inPort: 0xfffffff8,
  table: 0xfffffff9,
  normal: 0xfffffffa,
  flood: 0xfffffffb,
  all: 0xfffffffc,
  controller: 0xfffffffd,
  local: 0xfffffffe,
  any: 0xffffffff,
} as const

const OFFSET = 0xffff0000

/** A 16-bit port number on the wire. */
export const port16: Fixed<number> = fixed(
  2,
  (at) => `(v.getUint16(${at}) < ${ports.max} ? v.getUint16(${at}) : v.getUint16(${at}) + ${OFFSET})`,
  (at, x) => `v.setUint16(${at}, ${x} & 0xffff)`,
)

const names = new Map<number, string>([
  [ports.inPort, 'IN_PORT'],
  [ports.table, 'TABLE'],
  [ports.normal, 'NORMAL'],
  [ports.flood, 'FLOOD'],
  [ports.all, 'ALL'],
  [ports.controller, 'CONTROLLER'],
  [ports.local, 'LOCAL'],
  [ports.any, 'ANY'],
  [ports.unset, 'UNSET'],
])
const numbers = new Map<string, number>([...[...names].map(([n, name]) => [name, n] as const), ['NONE', ports.any]])

/** As ofputil_format_port(): reserved numbers without a name print in their 16-bit form. */
export function formatPort(port: number): string {
  return names.get(port) ?? String(port < ports.max ? port : port & 0xffff)
}

/** As ofputil_port_from_string(): a decimal number or a reserved name in any case; null for anything else. */
export function portFromText(text: string): number | null {
  if (!/^\+?\d+$/.test(text)) return numbers.get(text.toUpperCase()) ?? null
  const port = Number(text)
  if (port < ports.max) return port
  if (port <= 0xffff) return port + OFFSET
  return port >= 0xffffff00 && port <= 0xffffffff ? port : null
}

export function parsePort(text: string, what: string): number {
  const port = portFromText(text)
  if (port === null) throw new TextError(`${text}: ${what} to unknown port`)
  return port
}

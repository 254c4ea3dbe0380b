// Connection methods as OVS writes them (ovsdb(7) "Connection Methods"): tcp:HOST:PORT, ssl:HOST:PORT, unix:PATH to
// connect, ptcp:PORT[:HOST], pssl:PORT[:HOST], punix:PATH to be connected to.
import { OvsdbError } from '../errors.ts'

export type ActiveRemote =
  | { readonly kind: 'tcp' | 'ssl'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }

export type PassiveRemote =
  | { readonly kind: 'ptcp' | 'pssl'; readonly host: string | null; readonly port: number }
  | { readonly kind: 'punix'; readonly path: string }

/** The port that IANA assigned to OVSDB (RFC 7047 §6). */
const defaultPort = 6640

/** An IPv6 address stands in brackets. */
const active = /^(tcp|ssl):(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/
const passive = /^(ptcp|pssl):(\d*)(?::(?:\[([^\]]+)\]|([^:]+)))?$/

export function parseActiveRemote(text: string): ActiveRemote {
  if (text.startsWith('unix:') && text.length > 5) return { kind: 'unix', path: text.slice(5) }
  const [, kind, ipv6, name, port] = active.exec(text) ?? []
  const host = ipv6 ?? name
  if (!kind || !host) throw new OvsdbError('bad-argument', `not tcp:HOST:PORT, ssl:HOST:PORT or unix:PATH: ${text}`)
  return { kind: kind as 'tcp' | 'ssl', host, port: portNumber(port, text) }
}

export function parsePassiveRemote(text: string): PassiveRemote {
  if (text.startsWith('punix:') && text.length > 6) return { kind: 'punix', path: text.slice(6) }
  const [, kind, port, ipv6, name] = passive.exec(text) ?? []
  if (!kind) throw new OvsdbError('bad-argument', `not ptcp:PORT[:HOST], pssl:PORT[:HOST] or punix:PATH: ${text}`)
  return { kind: kind as 'ptcp' | 'pssl', host: ipv6 ?? name ?? null, port: portNumber(port, text) }
}

function portNumber(text: string | undefined, remote: string): number {
  if (!text) return defaultPort
  const port = Number(text)
  if (port > 65535) throw new OvsdbError('bad-argument', `port ${text} is over 65535: ${remote}`)
  return port
}

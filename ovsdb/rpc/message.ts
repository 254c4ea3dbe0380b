// JSON-RPC 1.0 messages as OVSDB uses them (RFC 7047 §4): peer to peer, so both sides send requests.
import { OvsdbError } from '../errors.ts'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }
export type JsonObject = { readonly [name: string]: Json }

export type RpcMessage =
  | { readonly kind: 'request'; readonly id: Json; readonly method: string; readonly params: readonly Json[] }
  | { readonly kind: 'notification'; readonly method: string; readonly params: readonly Json[] }
  | { readonly kind: 'result'; readonly id: Json; readonly result: Json }
  | { readonly kind: 'error'; readonly id: Json; readonly error: Json }

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function isArray(value: unknown): value is readonly Json[] {
  return Array.isArray(value)
}

/** Sorts a parsed value into a message; throws OvsdbError 'bad-message' on anything else. */
export function toMessage(value: unknown): RpcMessage {
  if (!isObject(value)) throw bad('it is not an object')
  const { id = null, method, params, result = null, error = null } = value
  if (method !== undefined) {
    if (typeof method !== 'string') throw bad('its method is not a string')
    // ovsdb-server's own get_server_id is documented with null params.
    if (params !== null && !isArray(params)) throw bad(`the params of '${clip(method)}' are not an array`)
    return id === null
      ? { kind: 'notification', method, params: params ?? [] }
      : { kind: 'request', id, method, params: params ?? [] }
  }
  if (id === null)
    throw bad(error === null ? 'it has neither a method nor an id' : `error ${clip(JSON.stringify(error))}`)
  if (error !== null) return { kind: 'error', id, error }
  return { kind: 'result', id, result }
}

/** Text from the peer, short enough for a log line. */
export function clip(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}

function bad(why: string): OvsdbError {
  return new OvsdbError('bad-message', `the peer sent a malformed message: ${why}`)
}

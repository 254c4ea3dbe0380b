// Why a transaction was not committed, as a discriminated union: the errors of RFC 7047, each with the clause that
// defines it, those that ovsdb-server adds (ovsdb-server(7) §3.1), and `unknown` for whatever a server invents.
import { clip, isObject, type Json } from './rpc/message.ts'

const rfc = (clause: string): string => `RFC 7047 §${clause}`
const ovs = (clause: string): string => `ovsdb-server(7) §${clause}`

/** The error strings of the protocol and the clause that defines each. */
export const transactionErrorClauses = {
  // Of one operation.
  'duplicate uuid-name': rfc('5.2.1'),
  'duplicate uuid': ovs('5.2.1'),
  'domain error': rfc('5.2.4'),
  'range error': rfc('5.2.4'),
  'timed out': rfc('5.2.6'),
  'not supported': rfc('5.2.7'),
  aborted: rfc('5.2.8'),
  'not owner': rfc('5.2.10'),
  // Of one operation or of the commit.
  'constraint violation': rfc('4.1.3'),
  'referential integrity violation': rfc('4.1.3'),
  'resources exhausted': rfc('4.1.3'),
  'I/O error': rfc('4.1.3'),
  // Of the whole request.
  'unknown database': rfc('4.1.3'),
  canceled: rfc('4.1.4'),
  'syntax error': ovs('3.1'),
  'unknown column': ovs('3.1'),
  'unknown table': ovs('3.1'),
  'internal error': ovs('3.1'),
  'ovsdb error': ovs('3.1'),
  'permission error': ovs('4.1.3'),
  'not allowed': ovs('4.1.3'),
  'database not available': 'ovsdb(7) Service Models',
  'cluster error': 'ovsdb(7) Clustered Database Service Model',
} as const

interface ErrorDetails {
  /** Index of the operation that failed, in the order they were added; null: the commit or the request as a whole. */
  readonly operation: number | null
  /** The server's own explanation. */
  readonly details: string
  readonly clause: string
}

export type TransactionErrorKind = keyof typeof transactionErrorClauses

export type TransactionError =
  | { [K in TransactionErrorKind]: ErrorDetails & { readonly kind: K } }[TransactionErrorKind]
  | (ErrorDetails & { readonly kind: 'unknown'; readonly error: string })

function isKnown(error: string): error is TransactionErrorKind {
  return Object.hasOwn(transactionErrorClauses, error)
}

/** From an <error> object (RFC 7047 §3.1) or, as JSON-RPC errors sometimes are, a bare string. */
export function toTransactionError(json: Json, operation: number | null): TransactionError {
  const error = isObject(json) ? json['error'] : json
  const name = clip(typeof error === 'string' ? error : JSON.stringify(json))
  const details = isObject(json)
    ? ['details', 'syntax', 'io-error']
        .flatMap((key) => (typeof json[key] === 'string' ? [clip(json[key])] : []))
        .join('; ')
    : ''
  if (isKnown(name)) return { kind: name, operation, details, clause: transactionErrorClauses[name] }
  return { kind: 'unknown', error: name, operation, details, clause: rfc('3.1') }
}

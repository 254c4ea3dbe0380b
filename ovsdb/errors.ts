// The one error type of this library. A fault of the peer or of the transport ends that connection with exactly one
// OvsdbError and touches nothing else; errors of a transaction are values (transaction-error.ts), not exceptions.

/** What went wrong; stable, for programs. The message is for people. */
export type OvsdbErrorCode =
  // The peer broke the protocol: the connection is closed.
  | 'message-too-large'
  | 'message-too-deep'
  | 'bad-json'
  | 'bad-utf8'
  | 'bad-message'
  | 'bad-value'
  | 'unexpected-reply'
  | 'replica-too-large'
  // The peer went away or fell silent, or was never there.
  | 'connect-failed'
  | 'connection-lost'
  | 'inactive'
  | 'closed'
  // This side: the call was not sent.
  | 'send-queue-full'
  | 'bad-argument'
  // Code of this process threw while handling what the peer sent; the cause says what.
  | 'handler-failed'
  // The peer answered, and the answer is no.
  | 'request-failed'
  | 'schema-mismatch'
  | 'database-missing'
  | 'database-unavailable'

export class OvsdbError extends Error {
  readonly code: OvsdbErrorCode

  constructor(code: OvsdbErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'OvsdbError'
    this.code = code
  }
}

/** Anything that was thrown, as an OvsdbError: an unforeseen one keeps its cause. */
export function asOvsdbError(thrown: unknown, code: OvsdbErrorCode): OvsdbError {
  if (thrown instanceof OvsdbError) return thrown
  return new OvsdbError(code, thrown instanceof Error ? thrown.message : String(thrown), thrown)
}

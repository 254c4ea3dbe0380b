// The protocol of one connection as a state machine: bytes in, events and bytes out. It owns no socket and reads no
// clock; connect/ feeds it both. It answers echoes, probes a silent peer, matches replies to requests, and turns
// every fault of the peer into one OvsdbError after which it is dead.
import { OvsdbError } from '../errors.ts'
import { defaultLimits, JsonFramer, type FramerLimits } from './framer.ts'
import { clip, toMessage, type Json, type RpcMessage } from './message.ts'

export interface SessionOptions {
  readonly limits?: Partial<FramerLimits>
  /** After this long without a byte from the peer an echo is sent; after as long again the peer is gone. 0: never. */
  readonly probeMilliseconds?: number
  /** Answers the peer's requests, but for echo: a database server does, a client has none (RFC 7047 §4.1.11). */
  readonly serve?: Serve
}

/** What a request is answered with; null: the method is unknown. */
export type Serve = (
  method: string,
  params: readonly Json[],
) => { readonly result: Json } | { readonly error: Json } | null

export type SessionEvent =
  | { readonly kind: 'result'; readonly id: number; readonly result: Json }
  | { readonly kind: 'error'; readonly id: number; readonly error: Json }
  | { readonly kind: 'notification'; readonly method: string; readonly params: readonly Json[] }

/** ovsdb-server's own default (5 s, ovsdb-server(1)): idle connections cost one small message each way. */
const defaultProbeMilliseconds = 5000

const probeId = 'echo'

export class Session {
  readonly #framer: JsonFramer
  readonly #probe: number
  readonly #serve: Serve
  readonly #pending = new Set<number>()
  #nextId = 0
  #heardAt: number
  #probing = false
  #output: string[] = []
  #answered = 0

  constructor(now: number, options: SessionOptions = {}) {
    this.#framer = new JsonFramer({ ...defaultLimits, ...options.limits })
    this.#probe = options.probeMilliseconds ?? defaultProbeMilliseconds
    this.#serve = options.serve ?? (() => null)
    this.#heardAt = now
  }

  /** Queues a request and returns the id that its reply will carry. */
  request(method: string, params: readonly Json[]): number {
    const id = this.#nextId++
    this.#pending.add(id)
    this.#output.push(JSON.stringify({ id, method, params }))
    return id
  }

  /** Queues a message that has no reply (RFC 7047 §4.1.4 cancel, §4.1.6 update). */
  notify(method: string, params: readonly Json[]): void {
    this.#output.push(JSON.stringify({ id: null, method, params }))
  }

  /**
   * Takes bytes and emits what they mean, in order. Throws OvsdbError when the peer breaks the protocol, after emitting
   * what came before the fault: how the bytes were split changes nothing.
   */
  receive(bytes: Buffer, now: number, emit: (event: SessionEvent) => void): void {
    this.#heardAt = now
    this.#probing = false
    this.#framer.push(bytes, (value) => {
      const event = this.#handle(toMessage(value))
      if (event) emit(event)
    })
  }

  /** When tick() has something to do, in the clock of `now`; Infinity when probing is off. */
  get deadline(): number {
    if (this.#probe <= 0) return Infinity
    return this.#heardAt + (this.#probing ? 2 : 1) * this.#probe
  }

  /** Sends a probe that is due; throws OvsdbError 'inactive' when the last one went unanswered. */
  tick(now: number): void {
    if (now < this.deadline) return
    if (this.#probing) throw new OvsdbError('inactive', `no answer to an inactivity probe in ${this.#probe} ms`)
    this.#probing = true
    this.#output.push(JSON.stringify({ id: probeId, method: 'echo', params: [] }))
  }

  /** Characters of all answers so far to requests of the peer: what it makes us send, as opposed to what we want to. */
  get answered(): number {
    return this.#answered
  }

  /** The texts to send, each one message; they are handed over once. */
  takeOutput(): string[] {
    const output = this.#output
    this.#output = []
    return output
  }

  #handle(message: RpcMessage): SessionEvent | null {
    if (message.kind === 'notification') return message
    if (message.kind === 'request') {
      this.#answer(message)
      return null
    }
    const { id } = message
    if (id === probeId) return null
    if (typeof id !== 'number' || !this.#pending.delete(id))
      throw new OvsdbError('unexpected-reply', `the peer answered a request never made: ${clip(JSON.stringify(id))}`)
    return message.kind === 'result'
      ? { kind: 'result', id, result: message.result }
      : { kind: 'error', id, error: message.error }
  }

  #answer(request: RpcMessage & { kind: 'request' }): void {
    const { id, method, params } = request
    const answer = method === 'echo' ? { result: params } : (this.#serve(method, params) ?? { error: 'unknown method' })
    const text = JSON.stringify({ id, result: null, error: null, ...answer })
    this.#answered += text.length
    this.#output.push(text)
  }
}

// One end of an OpenFlow connection as a state machine: bytes in; events and bytes to send out. It opens no socket and
// reads no clock: whoever drives it (controller/connect/openflow.ts, tests) gives it chunks and the time.
//
//     session.receive(chunk, now)   ─►  events;  then send session.takeOutput()
//     session.tick(now)  at session.deadline
import { decodeMessage, writeMessage, type Message } from '../messages/index.ts'
import type { ErrorMessage } from '../messages/immutable.ts'
import type { MultipartReply, MultipartRequest } from '../messages/multipart.ts'
import { packetIn } from '../messages/packet.ts'
import { DecodeError } from '../wire/errors.ts'
import { Writer } from '../wire/writer.ts'
import { Framer } from './framer.ts'
import { agrees, incompatible, ourHello, VERSION } from './hello.ts'
import { Assembly, defaultLimits, type MultipartLimits } from './multipart.ts'

export type SessionEvent =
  /** Both ends have agreed on OpenFlow 1.3: requests may be sent. */
  | { readonly kind: 'open' }
  /** A message that answers no request() of ours; a request of the peer in parts comes as one. */
  | { readonly kind: 'message'; readonly message: Message }
  /** The answer to request(): the parts of a multipart reply come as one. */
  | { readonly kind: 'reply'; readonly xid: number; readonly message: Message }
  /** The peer answered request() with an error, or with what cannot be decoded. */
  | { readonly kind: 'refused'; readonly xid: number; readonly error: ErrorMessage | DecodeError }
  /** A whole frame that cannot be decoded and answers no request(): the connection goes on. */
  | { readonly kind: 'undecodable'; readonly xid: number; readonly error: DecodeError }
  /** The last event. Requests without an answer get none. */
  | { readonly kind: 'closed'; readonly reason: CloseReason; readonly detail: string }

/** `framing`: the stream is no OpenFlow; `inactive`: an echo request got no answer in time; `ended`: see end(). */
export type CloseReason = 'incompatible' | 'framing' | 'inactive' | 'ended'

export interface SessionOptions {
  /** A switch answers a request that it cannot decode with the error that it earned; a controller does not. */
  readonly side?: 'controller' | 'switch'
  /** After this time without a message an echo request is sent, after another the peer is given up; 0: never. */
  readonly probeMilliseconds?: number
  readonly limits?: MultipartLimits
  /**
   * Takes frames as they are, once versions are agreed upon; true: this one is dealt with. Valid during the call. Packet-ins
   * answer nothing that anybody sent and come fastest: they are always messages.
   */
  readonly claim?: (frame: Uint8Array) => boolean
}

/** How much of a faulty request an error carries back; at least 64 bytes (OpenFlow 1.3.5 §7.4.4). */
const ERROR_DATA = 64
const XIDS = 0x1_0000_0000

export class Session {
  readonly #options: Required<Omit<SessionOptions, 'claim'>> & Pick<SessionOptions, 'claim'>
  readonly #framer = new Framer()
  readonly #output = new Writer(4096)
  /** Requests in flight, by xid; parts of their replies once there are some. */
  readonly #pending = new Map<number, Assembly<MultipartReply> | null>()
  /** Requests of the peer that come in parts. Only one at a time is held. */
  #incoming: { readonly xid: number; readonly assembly: Assembly<MultipartRequest> } | null = null
  #state: 'hello' | 'open' | 'closed' = 'hello'
  #xid = 0
  #heard: number
  #probed: number | null = null
  #events: SessionEvent[] = []

  /** `now` in milliseconds of any clock that never goes back. */
  constructor(options: SessionOptions, now: number) {
    this.#options = { side: 'controller', probeMilliseconds: 5000, limits: defaultLimits, ...options }
    this.#heard = now
    this.send(ourHello(this.nextXid()))
  }

  get state(): 'hello' | 'open' | 'closed' {
    return this.#state
  }

  /** When tick() has something to do. */
  get deadline(): number {
    const { probeMilliseconds } = this.#options
    if (probeMilliseconds === 0 || this.#state === 'closed') return Infinity
    return (this.#probed ?? this.#heard) + probeMilliseconds
  }

  /** A transaction id that no request in flight has. Never 0: switches use it for what nobody asked for. */
  nextXid(): number {
    do this.#xid = (this.#xid + 1) % XIDS
    while (this.#xid === 0 || this.#pending.has(this.#xid))
    return this.#xid
  }

  /** Queues a message. Throws EncodeError, and then nothing of it is queued. */
  send(message: Message): void {
    if (this.#state === 'closed') return
    const before = this.#output.offset
    try {
      writeMessage(this.#output, message)
    } catch (error) {
      this.#output.offset = before
      throw error
    }
  }

  /** Queues whole messages that are already bytes. */
  sendFrames(bytes: Uint8Array): void {
    if (this.#state !== 'closed') this.#output.raw(bytes)
  }

  /** Queues a message to which the peer answers with one of the same xid: a `reply` or `refused` event will follow. */
  request(message: Message): void {
    const { xid } = message
    if (this.#pending.has(xid)) throw new RangeError(`xid ${xid} is in use`)
    this.send(message)
    this.#pending.set(xid, null)
  }

  /** The bytes to send since the last call, in a buffer of their own; null when there are none. */
  takeOutput(): Uint8Array | null {
    if (this.#output.offset === 0) return null
    const bytes = this.#output.slice()
    this.#output.offset = 0
    return bytes
  }

  /** Takes bytes of the peer, in whatever pieces they come. */
  receive(chunk: Uint8Array, now: number): readonly SessionEvent[] {
    if (this.#state === 'closed') return []
    this.#framer.push(chunk)
    try {
      while (this.#framer.next()) {
        this.#heard = now
        this.#probed = null
        this.#frame(this.#framer.bytes, this.#framer.start, this.#framer.end)
        // oxlint-disable-next-line typescript/no-unnecessary-condition -- the frame may have closed the session
        if ((this.#state as string) === 'closed') break
      }
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      this.#close('framing', error.message)
    }
    return this.#takeEvents()
  }

  /** Lets time pass. */
  tick(now: number): readonly SessionEvent[] {
    if (now < this.deadline) return []
    if (this.#probed !== null || this.#state === 'hello')
      this.#close('inactive', `no message for ${Math.round(now - this.#heard)} ms`)
    else {
      this.#probed = now
      this.send({ kind: 'echo_request', version: VERSION, xid: this.nextXid(), data: new Uint8Array(0) })
    }
    return this.#takeEvents()
  }

  /** The connection is gone, or to be given up. */
  end(detail: string): readonly SessionEvent[] {
    if (this.#state !== 'closed') this.#close('ended', detail)
    return this.#takeEvents()
  }

  #takeEvents(): readonly SessionEvent[] {
    const events = this.#events
    this.#events = []
    return events
  }

  #close(reason: CloseReason, detail: string): void {
    this.#state = 'closed'
    this.#pending.clear()
    this.#incoming = null
    this.#events.push({ kind: 'closed', reason, detail })
  }

  #frame(bytes: Uint8Array, start: number, end: number): void {
    if (this.#state === 'open' && bytes[start + 1] !== packetIn.type) {
      if (this.#options.claim?.(bytes.subarray(start, end)) === true) return
    }
    let message: Message
    try {
      message = decodeMessage(bytes, start, end)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      if (this.#state === 'hello') this.#close('framing', error.message)
      else this.#undecodable(error, bytes.slice(start, end))
      return
    }
    if (this.#state === 'hello') this.#beforeOpen(message)
    else this.#message(message, end - start)
  }

  /** Before versions are agreed upon, a peer says hello, or says why not. */
  #beforeOpen(message: Message): void {
    if (message.kind === 'hello') {
      if (agrees(message)) {
        this.#state = 'open'
        this.#framer.version = VERSION
        this.#events.push({ kind: 'open' })
      } else {
        this.send(incompatible(message))
        this.#close('incompatible', `the peer offers version ${message.version} and not 1.3`)
      }
    } else if (message.kind === 'error') {
      this.#close('incompatible', `the peer refuses: ${new TextDecoder().decode(message.data)}`)
    } else this.#close('framing', `${message.kind} before hello`)
  }

  #message(message: Message, size: number): void {
    switch (message.kind) {
      case 'echo_request':
        this.send({ ...message, kind: 'echo_reply' })
        return
      case 'echo_reply':
        // One that answers a probe has done its work by coming.
        if (this.#pending.has(message.xid)) this.#answer(message, size)
        return
      case 'error':
        if (this.#pending.delete(message.xid)) {
          this.#events.push({ kind: 'refused', xid: message.xid, error: message })
          return
        }
        break
      case 'multipart_request':
        this.#part(message, size)
        return
      default:
        if (this.#pending.has(message.xid)) {
          this.#answer(message, size)
          return
        }
    }
    this.#events.push({ kind: 'message', message })
  }

  #answer(message: Message, size: number): void {
    const { xid } = message
    if (message.kind !== 'multipart_reply') {
      this.#pending.delete(xid)
      this.#events.push({ kind: 'reply', xid, message })
      return
    }
    let assembly = this.#pending.get(xid) ?? null
    if (assembly === null) this.#pending.set(xid, (assembly = new Assembly(this.#options.limits)))
    try {
      const whole = assembly.add(message, size)
      if (whole === null) return
      this.#events.push({ kind: 'reply', xid, message: whole })
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      this.#events.push({ kind: 'refused', xid, error })
    }
    this.#pending.delete(xid)
  }

  /** A request of the peer, whole or in parts. */
  #part(message: MultipartRequest, size: number): void {
    const { xid } = message
    if (this.#incoming?.xid !== xid) this.#incoming = { xid, assembly: new Assembly(this.#options.limits) }
    try {
      const whole = this.#incoming.assembly.add(message, size)
      if (whole === null) return
      this.#events.push({ kind: 'message', message: whole })
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      this.#undecodable(error, encodeStart(message))
    }
    this.#incoming = null
  }

  #undecodable(error: DecodeError, frame: Uint8Array): void {
    const xid = new DataView(frame.buffer, frame.byteOffset).getUint32(4)
    if (this.#options.side === 'switch') {
      const { type, code, experimenter } = error.error
      const data = frame.slice(0, ERROR_DATA)
      this.send({ kind: 'error', version: VERSION, xid, type, code, experimenter, data })
    }
    if (this.#pending.delete(xid)) this.#events.push({ kind: 'refused', xid, error })
    else this.#events.push({ kind: 'undecodable', xid, error })
  }
}

/** The message as it came, for the error that answers it. */
function encodeStart(message: Message): Uint8Array {
  const w = new Writer()
  writeMessage(w, message)
  return w.slice()
}

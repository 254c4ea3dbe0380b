// The thin shell around a socket that speaks OpenFlow: gives a Session its bytes and its clock, and its replies to
// whoever asked. All decisions are the Session's (ofproto/session/session.ts).
import type { Socket } from 'node:net'
import type { ErrorMessage } from '../../ofproto/messages/immutable.ts'
import type { Message } from '../../ofproto/messages/index.ts'
import { Session, type SessionEvent, type SessionOptions } from '../../ofproto/session/session.ts'
import type { DecodeError } from '../../ofproto/wire/errors.ts'

export type ChannelErrorCode = 'connect-failed' | 'refused' | 'closed'

/** `refused`: the peer answered the request with `error`; the channel lives on. */
export class ChannelError extends Error {
  override readonly name = 'ChannelError'
  readonly code: ChannelErrorCode
  readonly error: ErrorMessage | DecodeError | null

  constructor(code: ChannelErrorCode, message: string, error: ErrorMessage | DecodeError | null = null) {
    super(message)
    this.code = code
    this.error = error
  }
}

export interface ChannelOptions extends Omit<SessionOptions, 'claim'> {
  /** Sees each frame before it is decoded, and takes it by returning true (see SessionOptions.claim). */
  readonly claim?: (frame: Uint8Array, channel: Channel) => boolean
  /** Every message that is not the answer to a request(); errors whose xid is of a message sent with send() too. */
  readonly onMessage?: (message: Message, channel: Channel) => void
  /** A message that cannot be decoded; it harms nothing but itself. */
  readonly onUndecodable?: (error: DecodeError, channel: Channel) => void
}

interface Waiter {
  readonly resolve: (message: Message) => void
  readonly reject: (error: ChannelError) => void
}

/** Answers to a peer that does not read: above this many bytes waiting, we do not read from it either. */
const CONGESTED = 1 << 20
/** As much as one read gives. Where there is more, others come first: libuv would read on, up to 2 MiB (a dump takes 10 ms). */
const FULL_READ = 64 * 1024

/** Bytes that go out by themselves. */
const LARGE = 16 * 1024
/** Buffers of this size for them are used again: to allocate one takes longer than to fill it. */
const ROOM = 512 * 1024
const SPARE_MAX = 16
const spare: Buffer[] = []

function writeCopy(socket: Socket, bytes: Uint8Array): void {
  if (bytes.length > ROOM) return void socket.write(Buffer.from(bytes))
  const room = spare.pop() ?? Buffer.allocUnsafeSlow(ROOM)
  room.set(bytes)
  socket.write(room.subarray(0, bytes.length), () => {
    if (spare.length < SPARE_MAX) spare.push(room)
  })
}

const now = (): number => performance.now()

export class Channel {
  readonly peer: string
  /** Settles when both ends have agreed on 1.3; rejects with ChannelError when the channel ends before. */
  readonly opened: Promise<this>
  /** Settles with the reason when the channel has ended. */
  readonly closed: Promise<ChannelError>
  readonly #socket: Socket
  readonly #session: Session
  readonly #options: ChannelOptions
  readonly #waiters = new Map<number, Waiter>()
  readonly #opened = Promise.withResolvers<this>()
  readonly #closed = Promise.withResolvers<ChannelError>()
  #drained: PromiseWithResolvers<void> | null = null
  #flushing = false
  #paused = false
  #failure: ChannelError | null = null
  #timer: NodeJS.Timeout | null = null

  /** `socket` is connected. */
  constructor(socket: Socket, peer: string, options: ChannelOptions) {
    this.peer = peer
    this.#socket = socket
    this.#options = options
    const { claim, ...rest } = options
    const claiming = claim === undefined ? {} : { claim: (frame: Uint8Array) => claim(frame, this) }
    this.#session = new Session({ ...rest, ...claiming }, now())
    this.opened = this.#opened.promise
    this.opened.catch(() => {})
    this.closed = this.#closed.promise
    socket.on('data', (bytes: Buffer) => this.#receive(bytes))
    socket.on('drain', () => this.#onDrain())
    socket.on('error', (error) => this.#end(error.message))
    socket.on('close', () => this.#end('the peer closed the connection'))
    this.#flush()
    this.#keepTime()
  }

  /** A transaction id for the next message. */
  nextXid(): number {
    return this.#session.nextXid()
  }

  /** Sends without waiting. An error that answers it comes to onMessage. Throws EncodeError. */
  send(message: Message): void {
    this.#session.send(message)
    this.#flushSoon()
  }

  /** The same for whole messages that are already bytes, which may be used again afterwards. */
  sendFrames(bytes: Uint8Array): void {
    if (bytes.length < LARGE) {
      this.#session.sendFrames(bytes)
      this.#flushSoon()
    } else if (this.#failure === null && this.#socket.writable) {
      // Past the session, which would keep as much memory for what is sent next.
      this.#flush()
      writeCopy(this.#socket, bytes)
    }
  }

  /**
   * Sends, and settles with the answer; a multipart reply comes whole. Rejects with ChannelError: 'refused' by the
   * peer, or 'closed' before the answer came (it may have been done or not).
   */
  request(message: Message): Promise<Message> {
    if (this.#failure !== null) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      this.#session.request(message)
      this.#waiters.set(message.xid, { resolve, reject })
      this.#flushSoon()
    })
  }

  /** Settles when the peer has done all that was sent before. */
  async barrier(): Promise<void> {
    await this.request({ kind: 'barrier_request', xid: this.nextXid() })
  }

  /** When the peer was heard last, on the clock of performance.now(). */
  get heard(): number {
    return this.#session.heard
  }

  /** Null when there is room to send; else settles when there is again, or when the channel has ended. */
  get congestion(): Promise<void> | null {
    if (this.#failure !== null || this.#socket.writableLength < CONGESTED) return null
    return (this.#drained ??= Promise.withResolvers<void>()).promise
  }

  /** Stops taking messages, until resume(); the kernel then makes the peer wait. */
  pause(): void {
    this.#paused = true
    this.#socket.pause()
  }

  resume(): void {
    this.#paused = false
    this.#goOn()
  }

  #goOn(): void {
    if (!this.#paused && this.congestion === null) this.#socket.resume()
  }

  /** Sends what is queued and ends. */
  close(): void {
    this.#flush()
    this.#end('closed by us')
  }

  #receive(bytes: Buffer): void {
    this.#take(this.#session.receive(bytes, now()))
    if (bytes.length < FULL_READ) return
    this.#socket.pause()
    setImmediate(() => this.#goOn())
  }

  #take(events: readonly SessionEvent[]): void {
    for (const event of events) this.#handle(event)
    this.#flushSoon()
    if (this.congestion !== null) this.#socket.pause()
  }

  #handle(event: SessionEvent): void {
    switch (event.kind) {
      case 'open':
        this.#opened.resolve(this)
        return
      case 'message':
        this.#options.onMessage?.(event.message, this)
        return
      case 'undecodable':
        this.#options.onUndecodable?.(event.error, this)
        return
      case 'reply':
        this.#waiter(event.xid)?.resolve(event.message)
        return
      case 'refused':
        this.#waiter(event.xid)?.reject(new ChannelError('refused', describe(event.error), event.error))
        return
      case 'closed':
        this.#finish(new ChannelError('closed', `${this.peer}: ${event.detail}`))
    }
  }

  #waiter(xid: number): Waiter | undefined {
    const waiter = this.#waiters.get(xid)
    this.#waiters.delete(xid)
    return waiter
  }

  #onDrain(): void {
    this.#drained?.resolve()
    this.#drained = null
    this.#goOn()
  }

  /** All that is sent in one turn of the event loop goes out in one write. */
  #flushSoon(): void {
    if (this.#flushing) return
    this.#flushing = true
    queueMicrotask(() => {
      this.#flushing = false
      this.#flush()
    })
  }

  #flush(): void {
    const bytes = this.#session.takeOutput()
    if (bytes !== null && this.#socket.writable) this.#socket.write(bytes)
  }

  #end(detail: string): void {
    this.#take(this.#session.end(detail))
  }

  #finish(failure: ChannelError): void {
    if (this.#failure !== null) return
    this.#failure = failure
    this.#flush()
    if (this.#timer !== null) clearTimeout(this.#timer)
    // What is queued (an error that says why) still goes out.
    this.#socket.destroySoon()
    for (const waiter of this.#waiters.values()) waiter.reject(failure)
    this.#waiters.clear()
    this.#drained?.resolve()
    this.#opened.reject(failure)
    this.#closed.resolve(failure)
  }

  /** By setImmediate: what has arrived while this process was busy is read before the peer's silence is judged. */
  #onTime(): void {
    this.#take(this.#session.tick(now()))
    this.#keepTime()
  }

  /** One timer, set anew only when it fires: receiving a message touches no timer. */
  #keepTime(): void {
    const { deadline } = this.#session
    if (deadline === Infinity || this.#failure !== null) return
    this.#timer = setTimeout(() => setImmediate(() => this.#onTime()), Math.max(0, deadline - now()) + 1)
  }
}

function describe(error: ErrorMessage | DecodeError): string {
  if ('reason' in error) return `the answer cannot be decoded: ${error.message}`
  return `the peer answered with an error of type ${error.type}, code ${error.code}`
}

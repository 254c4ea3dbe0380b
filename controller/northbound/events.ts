// WebSocket /v1/events: every change of an object or a host as one JSON text. `cursor` is the store's revision: a client
// that reconnects with `?cursor=N` gets everything after N, each once. Host changes are not stored, hence not repeated:
// a client reads `GET /v2.0/agents` after connecting.
import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Cache } from './cache.ts'
import type { Context } from './context.ts'
import { ApiError } from './errors.ts'
import { type Batch, CompactedError, type Store } from '../store/index.ts'
import type { LiveState } from './live.ts'
import { intentPrefix, type Model, parseIntentKey, type ResourceKind } from './model.ts'
import { resourceKinds } from './resources/index.ts'
import type { Service } from './service.ts'
import { parseStored } from './stored.ts'

export interface EventOptions {
  readonly store: Store
  readonly cache: Cache
  readonly live: LiveState
  readonly service: Service
  /** Rejects with an ApiError. */
  readonly authorize: (request: IncomingMessage) => Promise<Context>
}

/** A client this far behind is cut off: it comes back with its cursor and costs no memory meanwhile. */
const maximumBacklogBytes = 16 * 1024 * 1024
const policyViolation = 1008
const tryAgainLater = 1013
/** Private use (RFC 6455 section 7.4.2): the history after the cursor is gone; read the collections again. */
const cursorTooOld = 4410

export function serveEvents(server: Server, options: EventOptions): () => void {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: 4096 })
  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    accept(request, socket, head).catch((error: unknown) => refuse(socket, error))
  }

  async function accept(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://local')
    if (url.pathname.replace(/\/$/, '') !== '/v1/events') throw new ApiError(404, 'HTTPNotFound', 'not a WebSocket')
    const origin = request.headers.origin
    // Browsers send cookies and reach loopback from any page: only our own pages may connect.
    if (origin !== undefined && new URL(origin).host !== request.headers.host)
      throw new ApiError(403, 'Forbidden', 'foreign origin')
    const who = await options.authorize(request)
    if (!who.admin) throw new ApiError(403, 'PolicyNotAuthorized', 'rule:get_events is disallowed by policy')
    const cursor = url.searchParams.get('cursor') ?? String(options.cache.revision)
    if (!/^\d+$/.test(cursor)) throw new ApiError(400, 'HTTPBadRequest', `Invalid cursor '${cursor}'`)
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      follow(webSocket, Number(cursor), who, options).catch((error: unknown) =>
        webSocket.close(policyViolation, String(error).slice(0, 100)),
      )
    })
  }

  server.on('upgrade', onUpgrade)
  return () => {
    server.off('upgrade', onUpgrade)
    for (const client of sockets.clients) client.terminate()
    sockets.close()
  }
}

function refuse(socket: Duplex, error: unknown): void {
  const status = error instanceof ApiError ? error.status : 400
  const message = error instanceof Error ? error.message : 'bad request'
  socket.end(
    `HTTP/1.1 ${status} Refused\r\nconnection: close\r\ncontent-length: ${Buffer.byteLength(message)}\r\n\r\n${message}`,
  )
}

async function follow(socket: WebSocket, cursor: number, who: Context, options: EventOptions): Promise<void> {
  const { store, cache, live } = options
  let ended = false
  const stops: (() => void)[] = []
  socket.on('error', () => socket.terminate())
  socket.on('close', () => {
    ended = true
    for (const stop of stops) stop()
  })

  const send = (event: object): void => {
    if (ended) return
    if (socket.bufferedAmount > maximumBacklogBytes)
      return socket.close(tryAgainLater, 'too slow: resume with your cursor')
    socket.send(JSON.stringify(event))
  }
  const watch = store.watch(intentPrefix, cursor + 1)
  stops.push(() => watch.close())
  stops.push(live.subscribe((change) => send({ cursor: cache.revision, type: 'observed', ...change })))
  try {
    for await (const batch of watch) for (const event of eventsOf(batch, who, options)) send(event)
  } catch (error) {
    if (!(error instanceof CompactedError)) throw error
    socket.close(cursorTooOld, 'cursor too old: read the collections again')
  }
}

function eventsOf(batch: Batch, who: Context, { service }: EventOptions): object[] {
  return batch.events.flatMap((event): object[] => {
    const parsed = parseIntentKey(event.kind === 'put' ? event.entry.key : event.key)
    if (!parsed) return []
    const { kind, id } = parsed
    const base = { cursor: batch.revision, kind, id }
    if (event.kind === 'delete') return [{ ...base, type: 'deleted', object: null }]
    const object = parseStored(kind, event.entry.value)
    const type = event.entry.version === 1 ? 'created' : 'updated'
    const resource = resourceKinds.find((each) => each === kind)
    return [
      { ...base, type, object: resource ? service.project(who, resource, object as Model[ResourceKind]) : object },
    ]
  })
}

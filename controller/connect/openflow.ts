// OpenFlow connections over tcp, ssl and unix, both ways: switches come to us (listen), or we go to a switch (connect),
// and stay with it (stayConnected).
import { connect as connectTcp, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import { acceptAt, type Listener } from '../../ovsdb/connect/accept.ts'
import { Backoff, type BackoffOptions } from '../../ovsdb/connect/backoff.ts'
import { parseActiveRemote, parsePassiveRemote } from '../../ovsdb/connect/remote.ts'
import { tlsOptions, type TlsIdentity } from '../../ovsdb/connect/socket.ts'
import { Channel, ChannelError, type ChannelOptions } from './channel.ts'

export interface ConnectOptions extends ChannelOptions {
  readonly tls?: TlsIdentity
}

/** How long connect() and a TLS handshake may take. */
const CONNECT_MILLISECONDS = 10_000

/** Connects once. Settles when versions are agreed upon; rejects with ChannelError. */
export async function connect(remote: string, options: ConnectOptions, signal?: AbortSignal): Promise<Channel> {
  const channel = new Channel(await dial(remote, options.tls, signal), remote, options)
  const abort = (): void => channel.close()
  signal?.addEventListener('abort', abort)
  try {
    return await channel.opened
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}

function openSocket(remote: string, tls: TlsIdentity | undefined): { socket: Socket; ready: string } {
  const address = parseActiveRemote(remote)
  if (address.kind === 'unix') return { socket: connectTcp({ path: address.path }), ready: 'connect' }
  const { host, port } = address
  if (address.kind === 'tcp') return { socket: connectTcp({ host, port, noDelay: true }), ready: 'connect' }
  // OVS verifies certificates and no host names; so do we (ovs-vswitchd(8), SSL options).
  const socket = connectTls({ ...tlsOptions(tls), host, port, checkServerIdentity: () => undefined })
  socket.setNoDelay(true)
  return { socket, ready: 'secureConnect' }
}

function dial(remote: string, tls: TlsIdentity | undefined, signal?: AbortSignal): Promise<Socket> {
  const { socket, ready } = openSocket(remote, tls)
  const { promise, resolve, reject } = Promise.withResolvers<Socket>()
  const failed = (error?: unknown): void => {
    const why = error instanceof Error ? error.message : 'the peer closed the connection'
    reject(new ChannelError('connect-failed', `${remote}: ${why}`))
  }
  const abort = (): void => void socket.destroy(new Error('given up'))
  const timer = setTimeout(() => socket.destroy(new Error('timed out')), CONNECT_MILLISECONDS)
  // Stays: what the socket still says after it failed is about an attempt already reported.
  socket.on('error', failed)
  socket.once('close', failed)
  socket.once(ready, () => resolve(socket))
  signal?.addEventListener('abort', abort)
  if (signal?.aborted === true) abort()
  return promise.finally(() => {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
    socket.off('close', failed)
  })
}

/** Listens on ptcp:PORT[:HOST], pssl:PORT[:HOST] or punix:PATH. `onChannel` gets each channel that has opened. */
export async function listen(
  remote: string,
  options: ConnectOptions,
  onChannel: (channel: Channel) => void,
): Promise<Listener> {
  const address = parsePassiveRemote(remote)
  const accept = (socket: Socket): void => {
    const from = address.kind === 'punix' ? address.path : `${socket.remoteAddress}:${socket.remotePort}`
    new Channel(socket, `${address.kind.slice(1)}:${from}`, options).opened.then(onChannel, () => {})
  }
  const newServer = (): Server =>
    address.kind === 'pssl'
      ? createTlsServer(
          { ...tlsOptions(options.tls), requestCert: true, handshakeTimeout: CONNECT_MILLISECONDS, noDelay: true },
          accept,
        )
      : createTcpServer({ noDelay: true }, accept)
  const place = address.kind === 'punix' ? { path: address.path } : { port: address.port, host: address.host ?? '::' }
  try {
    return await acceptAt(place, newServer)
  } catch (error) {
    throw new ChannelError('connect-failed', `${remote}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

export interface StayConnectedOptions extends ConnectOptions {
  readonly backoff?: BackoffOptions
  readonly onFailure?: (error: ChannelError, retryMilliseconds: number) => void
}

/** Connects, again and again with growing pauses, until `signal` aborts; `onChannel` gets each channel that has opened. */
export async function stayConnected(
  remote: string,
  options: StayConnectedOptions,
  onChannel: (channel: Channel) => void,
  signal: AbortSignal,
): Promise<void> {
  const backoff = new Backoff(options.backoff ?? {}, Math.random)
  while (!signal.aborted) {
    const failure = await once(remote, options, signal, (channel) => {
      backoff.reset()
      onChannel(channel)
    })
    if (signal.aborted) return
    const milliseconds = backoff.next()
    options.onFailure?.(failure, milliseconds)
    await pause(milliseconds, signal)
  }
}

/** One channel from beginning to end; gives why it ended. */
async function once(
  remote: string,
  options: ConnectOptions,
  signal: AbortSignal,
  onChannel: (channel: Channel) => void,
): Promise<ChannelError> {
  let channel: Channel
  try {
    channel = await connect(remote, options, signal)
  } catch (error) {
    if (error instanceof ChannelError) return error
    throw error
  }
  const abort = (): void => channel.close()
  signal.addEventListener('abort', abort)
  onChannel(channel)
  const failure = await channel.closed
  signal.removeEventListener('abort', abort)
  return failure
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, milliseconds)
    signal.addEventListener('abort', done)
  })
}

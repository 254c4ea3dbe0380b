// The thin shell around a socket: gives a Connection its bytes and its clock. All decisions are the Connection's.
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { Connection, type ConnectionOptions } from '../connection.ts'
import { OvsdbError } from '../errors.ts'
import { parseActiveRemote, type ActiveRemote } from './remote.ts'

/** PEM texts. OVS verifies certificates both ways and no host names; so do we (ovs-vswitchd(8), SSL options). */
export interface TlsIdentity {
  readonly key: string
  readonly certificate: string
  /** The authority that must have signed the peer's certificate. */
  readonly authority: string
}

export interface SocketOptions extends ConnectionOptions {
  readonly tls?: TlsIdentity
}

const now = (): number => performance.now()

/** How long connect() and a TLS handshake may take. */
const connectTimeoutMilliseconds = 10_000

/** Connects once. Rejects with OvsdbError 'connect-failed', or 'closed' when the signal aborts. */
export async function dial(remote: string, options: SocketOptions = {}, signal?: AbortSignal): Promise<Connection> {
  return attach(await openStream(remote, options.tls, signal), remote, options)
}

/** The same without a protocol. */
export async function openStream(
  remote: string,
  tls: TlsIdentity | undefined,
  signal: AbortSignal | undefined,
): Promise<Socket> {
  const socket = openSocket(parseActiveRemote(remote), tls)
  return new Promise((resolve, reject) => {
    const ready = 'encrypted' in socket ? 'secureConnect' : 'connect'
    const timer = setTimeout(() => socket.destroy(new Error('timed out')), connectTimeoutMilliseconds)
    const abort = (): void => {
      socket.destroy(new Error('given up'))
    }
    const settled = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
      socket.off('error', failed)
      socket.off('close', failed)
    }
    const failed = (error: unknown): void => {
      settled()
      // What the socket still has to say is about an attempt already reported.
      socket.on('error', () => {})
      socket.destroy()
      const why = error instanceof Error ? error.message : 'the peer closed the connection'
      reject(new OvsdbError(signal?.aborted ? 'closed' : 'connect-failed', `${remote}: ${why}`, error))
    }
    socket.once('error', failed)
    socket.once('close', failed)
    socket.once(ready, () => {
      settled()
      resolve(socket)
    })
    signal?.addEventListener('abort', abort)
    if (signal?.aborted) abort()
  })
}

function openSocket(remote: ActiveRemote, tls: TlsIdentity | undefined): Socket {
  if (remote.kind === 'unix') return connectTcp({ path: remote.path })
  const { host, port } = remote
  if (remote.kind === 'tcp') return connectTcp({ host, port, noDelay: true })
  return connectTls({ ...tlsOptions(tls), host, port, checkServerIdentity: () => undefined }).setNoDelay(true)
}

export function tlsOptions(tls: TlsIdentity | undefined): {
  key: string
  cert: string
  ca: string
  minVersion: 'TLSv1.2'
} {
  if (!tls) throw new OvsdbError('bad-argument', 'ssl needs a private key, a certificate and an authority')
  return { key: tls.key, cert: tls.certificate, ca: tls.authority, minVersion: 'TLSv1.2' }
}

/** A dual-stack listener shows IPv4 peers as ::ffff:192.0.2.1. */
const plainAddress = (address: string | undefined): string | null => address?.replace(/^::ffff:(?=\d+\.)/, '') ?? null

/** Makes a connected socket a Connection. */
export function attach(socket: Socket, peer: string, options: ConnectionOptions = {}): Connection {
  const written = (): void => {
    if (socket.writableLength === 0) connection.drained()
  }
  const connection = new Connection(
    {
      peer,
      localAddress: plainAddress(socket.localAddress),
      remoteAddress: plainAddress(socket.remoteAddress),
      get queuedBytes() {
        return socket.writableLength
      },
      write: (text) => {
        socket.write(text, written)
      },
      pause: () => {
        socket.pause()
      },
      resume: () => {
        socket.resume()
      },
      close: () => {
        socket.destroy()
      },
    },
    now(),
    options,
  )
  socket.on('data', (bytes: Buffer) => connection.receive(bytes, now()))
  socket.on('error', (error) => connection.fail(new OvsdbError('connection-lost', `${peer}: ${error.message}`, error)))
  socket.on('close', () => connection.fail(new OvsdbError('connection-lost', `${peer}: closed by the peer`)))
  keepTime(connection)
  return connection
}

/** One timer a connection, set anew only when it fires: receiving a message touches no timer. */
function keepTime(connection: Connection): void {
  if (connection.deadline === Infinity) return
  let timer: NodeJS.Timeout
  // By setImmediate: what has arrived while this process was busy is read before the peer's silence is judged.
  const onTime = (): void => {
    connection.tick(now())
    if (!connection.failure) arm()
  }
  const arm = (): void => {
    timer = setTimeout(() => setImmediate(onTime), Math.max(0, connection.deadline - now()) + 1)
  }
  arm()
  void connection.closed.then(() => clearTimeout(timer))
}

// Passive connections: hosts come to us (`ovs-vsctl set-manager tcp:CONTROLLER:6640`). Each accepted socket becomes a
// Connection, on which we are the database client all the same.
import { createServer as createTcpServer, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import type { Connection } from '../connection.ts'
import { OvsdbError } from '../errors.ts'
import { parsePassiveRemote, type PassiveRemote } from './remote.ts'
import { attach, tlsOptions, type SocketOptions } from './socket.ts'

export interface Listener {
  /** The TCP port in use (asked for 0, the system chose one); null for punix. */
  readonly port: number | null
  /** Stops listening; connections accepted before live on. */
  close(): Promise<void>
}

/** A peer that has not finished its TLS handshake by then is dropped. */
const handshakeTimeoutMilliseconds = 10_000

/** Rejects with OvsdbError 'connect-failed' when the address cannot be listened on. */
export async function listen(
  remote: string,
  options: SocketOptions,
  onConnection: (connection: Connection) => void,
): Promise<Listener> {
  const address = parsePassiveRemote(remote)
  const accept = (socket: Socket): void => {
    const from = address.kind === 'punix' ? address.path : `${socket.remoteAddress}:${socket.remotePort}`
    onConnection(attach(socket, `${address.kind.slice(1)}:${from}`, options))
  }
  const server =
    address.kind === 'pssl'
      ? createTlsServer(
          {
            ...tlsOptions(options.tls),
            requestCert: true,
            rejectUnauthorized: true,
            handshakeTimeout: handshakeTimeoutMilliseconds,
          },
          accept,
        )
      : createTcpServer({ noDelay: true }, accept)
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(new OvsdbError('connect-failed', `${remote}: ${error.message}`, error)))
    server.listen(toListenOptions(address), () => {
      const bound = server.address()
      // The callback of close() would wait for the connections too.
      const close = async (): Promise<void> => void server.close()
      resolve({ port: typeof bound === 'object' && bound ? bound.port : null, close })
    })
  })
}

function toListenOptions(address: PassiveRemote): { path: string } | { port: number; host?: string } {
  if (address.kind === 'punix') return { path: address.path }
  return address.host ? { port: address.port, host: address.host } : { port: address.port }
}

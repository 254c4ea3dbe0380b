// Passive connections: hosts come to us (`ovs-vsctl set-manager tcp:CONTROLLER:6640`). Each accepted socket becomes a
// Connection, on which we are the database client all the same.
import { createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import type { Connection } from '../connection.ts'
import { OvsdbError } from '../errors.ts'
import { acceptAt, type Listener, type Place } from './accept.ts'
import { parsePassiveRemote, type PassiveRemote } from './remote.ts'
import { attach, tlsOptions, type SocketOptions } from './socket.ts'

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
  const newServer = (): Server =>
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
  try {
    return await acceptAt(placeOf(address), newServer)
  } catch (error) {
    throw new OvsdbError(
      'connect-failed',
      `${remote}: ${error instanceof Error ? error.message : String(error)}`,
      error,
    )
  }
}

function placeOf(address: PassiveRemote): Place {
  if (address.kind === 'punix') return { path: address.path }
  return address.host ? { port: address.port, host: address.host } : { port: address.port }
}

// Listening for very many peers. libuv takes one connection from a listening socket in each turn of the event loop, and turns
// are long while much is to do: a thousand hosts that come at once would give up before their turn. So several sockets
// listen on one TCP port, and the kernel shares out among them who comes (SO_REUSEPORT, socket(7)).
import type { ListenOptions, Server } from 'node:net'

const SOCKETS = 16
/** Connections that wait to be taken; the kernel's own limit counts too. */
const BACKLOG = 4096

export interface Listener {
  /** The TCP port in use (asked for 0, the system chose one); null for a socket of the file system. */
  readonly port: number | null
  /** Stops listening; connections accepted before live on. */
  close(): Promise<void>
}

export type Place = { readonly path: string } | { readonly port: number; readonly host?: string }

/** Rejects with the system's error when the place cannot be listened on. */
export async function acceptAt(place: Place, newServer: () => Server): Promise<Listener> {
  if ('path' in place) return listenerOf([await bind(newServer(), place)], null)
  // A port that somebody else listens on could be shared with him.
  if (place.port !== 0) await closed(await bind(newServer(), place))
  const shared = { ...place, reusePort: true, backlog: BACKLOG }
  const first = await bind(newServer(), shared)
  const address = first.address()
  const port = typeof address === 'object' && address !== null ? address.port : place.port
  const others = Array.from({ length: SOCKETS - 1 }, () => bind(newServer(), { ...shared, port }))
  return listenerOf([first, ...(await Promise.all(others))], port)
}

function listenerOf(servers: readonly Server[], port: number | null): Listener {
  return {
    port,
    // The callback of close() would wait for the connections too.
    close: async () => {
      for (const server of servers) server.close()
    },
  }
}

function bind(server: Server, options: ListenOptions): Promise<Server> {
  return new Promise((resolve, reject) => {
    // Stays: a connection that cannot be taken for want of files is no reason to end.
    server.on('error', reject)
    server.listen(options, () => resolve(server))
  })
}

const closed = (server: Server): Promise<void> => new Promise((resolve) => server.close(() => resolve()))

// Carries TCP connections out of the controller's network namespace: sockets in the file system cross namespaces, TCP
// ports do not. `node test/lab/relay.ts PATH PORT` listens on PATH and connects to 127.0.0.1:PORT where it runs.
import { connect, createServer, type Server, type Socket } from 'node:net'
import { pathToFileURL } from 'node:url'

/** A server that joins each connection with one made by `open`. */
export function relay(open: () => Socket): Server {
  return createServer((incoming) => {
    const outgoing = open()
    for (const [from, to] of [
      [incoming, outgoing],
      [outgoing, incoming],
    ] as const) {
      from.on('error', () => to.destroy())
      from.pipe(to)
    }
  })
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [path, port] = process.argv.slice(2)
  relay(() => connect({ host: '127.0.0.1', port: Number(port) })).listen(path)
}

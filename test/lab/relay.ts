// Run inside a namespace: hands every connection to a unix socket on to an address there, so that a test outside reaches
// an API that listens on the namespace's loopback only. Arguments: the socket's path, the address's port.
import { createServer, connect } from 'node:net'

const [path, port] = process.argv.slice(2)

createServer((outer) => {
  const inner = connect(Number(port), '127.0.0.1')
  outer.pipe(inner).pipe(outer)
  outer.on('error', () => inner.destroy())
  inner.on('error', () => outer.destroy())
}).listen(path)

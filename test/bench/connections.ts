// TCP connections one after another, for `dataplane`: `connections.ts listen PORT` accepts and closes; `connections.ts
// connect ADDRESS PORT SECONDS WORKERS` opens, waits for the other's end, and prints how many it had.
import { once } from 'node:events'
import { connect, createServer } from 'node:net'

const [mode, ...rest] = process.argv.slice(2)

/** One that fails, or is not over in time, does not count. */
async function worker(host: string, port: number, until: number): Promise<number> {
  let count = 0
  while (performance.now() < until) {
    const socket = connect({ host, port })
    const timer = setTimeout(() => socket.destroy(), until - performance.now())
    socket.on('error', () => {})
    socket.resume()
    const [failed] = (await once(socket, 'close')) as [boolean]
    clearTimeout(timer)
    if (!failed && performance.now() < until) count += 1
  }
  return count
}

if (mode === 'listen') createServer((socket) => socket.end()).listen(Number(rest[0]), '0.0.0.0')
else {
  const [address = '', port, seconds, workers] = rest
  const until = performance.now() + Number(seconds) * 1000
  const counts = Array.from({ length: Number(workers) }, () => worker(address, Number(port), until))
  console.log((await Promise.all(counts)).reduce((a, b) => a + b, 0))
}

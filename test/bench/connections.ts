// TCP connections one after another, for `dataplane`: `connections.ts listen PORT` accepts and closes; `connections.ts
// connect ADDRESS PORT COUNT WORKERS` opens so many, waits for the other's end of each, and prints how many succeeded a second.
import { connect, createServer } from 'node:net'

const [mode, ...rest] = process.argv.slice(2)
const LATE_MILLISECONDS = 10_000

/** Whether it was over in time and without an error. */
async function connection(host: string, port: number): Promise<boolean> {
  const socket = connect({ host, port })
  const timer = setTimeout(() => socket.destroy(new Error('late')), LATE_MILLISECONDS)
  socket.on('error', () => {})
  socket.resume()
  const failed = await new Promise<boolean>((resolve) => socket.on('close', resolve))
  clearTimeout(timer)
  return !failed
}

if (mode === 'listen') createServer((socket) => socket.end()).listen(Number(rest[0]), '0.0.0.0')
else {
  const [host = '', port, count, workers] = rest
  let left = Number(count)
  let opened = 0
  const worker = async (): Promise<void> => {
    for (; left > 0;) {
      left -= 1
      if (await connection(host, Number(port))) opened += 1
    }
  }
  const begin = performance.now()
  await Promise.all(Array.from({ length: Number(workers) }, worker))
  console.log(opened / ((performance.now() - begin) / 1000))
}

// TCP between two machines.
import { randomUUID } from 'node:crypto'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Machine } from './fabric.ts'
import { startDaemon, until } from './run.ts'

/** Sends `bytes` over TCP; what the other side received. */
export async function stream(from: Machine, to: Machine, address: string, bytes: Buffer): Promise<Buffer> {
  const source = join(from.folder, randomUUID())
  const target = `${source}.received`
  writeFileSync(source, bytes)
  const receive = `require('net').createServer((peer) => peer.pipe(process.stdout)).listen(5201)`
  const send = `require('fs').createReadStream('${source}').pipe(require('net').connect(5201, '${address}'))`
  const server = await startDaemon(process.execPath, ['-e', receive], { namespace: to.namespace, log: target })
  try {
    await until('the server listens', async () => (await to.exec('ss', '-Hltn', 'sport = :5201')) !== '')
    await from.exec(process.execPath, '-e', send)
    await until('all has arrived', () => statSync(target).size >= bytes.length)
    return readFileSync(target)
  } finally {
    await server.stop()
  }
}

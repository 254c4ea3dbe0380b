// The API on a Unix socket: for whoever may open the file, from any network namespace.
import { once } from 'node:events'
import { lstat, rm } from 'node:fs/promises'
import type { Server } from 'node:http'
import { connect, createServer } from 'node:net'

/**
 * Lets only the owner of this process connect. Replaces the file of a process that is gone; throws if one still serves
 * it, or if the path is something else. Returns what ends it.
 */
export async function serveSocket(server: Server, path: string): Promise<() => void> {
  if (await isServed(path)) throw new Error(`another process serves ${path}`)
  const door = createServer((connection) => server.emit('connection', connection))
  const umask = process.umask(0o177)
  try {
    door.listen(path)
  } finally {
    process.umask(umask)
  }
  await once(door, 'listening')
  return () => door.close()
}

async function isServed(path: string): Promise<boolean> {
  const probe = connect({ path })
  try {
    await once(probe, 'connect')
    return true
  } catch (error) {
    // Nobody listens: a socket outlived who made it. What is no socket is not ours to remove.
    if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED' && (await lstat(path)).isSocket()) await rm(path)
    return false
  } finally {
    probe.destroy()
  }
}

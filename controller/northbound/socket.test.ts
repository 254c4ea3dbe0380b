import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { serveSocket } from './socket.ts'

const folder = mkdtempSync(join(tmpdir(), 'weft-socket-'))
afterAll(() => rmSync(folder, { recursive: true }))

const server = createServer((_, response) => response.end('here'))

async function ask(socketPath: string): Promise<string> {
  const [response] = await once(request({ socketPath }).end(), 'response')
  const [body] = await once(response, 'data')
  return String(body)
}

test('who may open the file is served, and only the owner may; it goes with the server', async () => {
  const path = join(folder, 'api')
  const close = await serveSocket(server, path)
  expect(await ask(path)).toBe('here')
  expect(statSync(path).mode & 0o777).toBe(0o600)
  await expect(serveSocket(server, path)).rejects.toThrow('another process serves')
  expect(await ask(path)).toBe('here')
  close()
  expect(() => statSync(path)).toThrow('ENOENT')
})

test('the socket of a process that was killed is replaced', async () => {
  const path = join(folder, 'left')
  const listen = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  spawnSync(process.execPath, ['-e', listen])
  expect(statSync(path).isSocket()).toBe(true)
  const close = await serveSocket(server, path)
  expect(await ask(path)).toBe('here')
  close()
})

test('a file that is no socket stays as it is', async () => {
  const path = join(folder, 'file')
  writeFileSync(path, 'precious')
  await expect(serveSocket(server, path)).rejects.toThrow('EADDRINUSE')
  expect(readFileSync(path, 'utf8')).toBe('precious')
})

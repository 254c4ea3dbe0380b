// Listening sockets that take very many peers.
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { acceptAt } from '../../ovsdb/connect/accept.ts'

const PEERS = 200

test('of peers that come at once, many are taken in each turn of the event loop', async () => {
  const taken: Socket[] = []
  const listener = await acceptAt({ port: 0, host: '127.0.0.1' }, () => createServer((socket) => taken.push(socket)))
  const peers = Array.from({ length: PEERS }, () => connect(listener.port ?? 0, '127.0.0.1'))
  try {
    // The kernel has completed the connections of all before this process takes any further.
    await Promise.all(peers.map((peer) => once(peer, 'connect')))
    let turns = 0
    for (; taken.length < PEERS; turns += 1) await turn()
    expect(turns).toBeLessThan(PEERS / 2)
  } finally {
    await listener.close()
    for (const socket of [...peers, ...taken]) socket.destroy()
  }
})

test('a port that somebody listens on is refused, even if he would share it', async () => {
  for (const reusePort of [false, true]) {
    const other = createServer().listen({ port: 0, host: '127.0.0.1', reusePort })
    await once(other, 'listening')
    const address = other.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    await expect(acceptAt({ port, host: '127.0.0.1' }, createServer)).rejects.toThrow('EADDRINUSE')
    other.close()
  }
})

// Channels over real sockets against peers that are not what they should be.
import { once } from 'node:events'
import { connect as connectSocket, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Channel } from '../../controller/connect/channel.ts'
import { connect, listen } from '../../controller/connect/openflow.ts'
import type { Listener } from '../../ovsdb/index.ts'
import { encodeMessage, type Message } from '../../ofproto/messages/index.ts'
import { ourHello } from '../../ofproto/session/hello.ts'
import { until } from '../lab/run.ts'

let listener: Listener
let channels: Channel[]
let messages: Message[]
const sockets: Socket[] = []

beforeEach(async () => {
  channels = []
  messages = []
  const options = { probeMilliseconds: 200, onMessage: (message: Message): void => void messages.push(message) }
  listener = await listen('ptcp:0:127.0.0.1', options, (channel) => channels.push(channel))
})
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  for (const channel of channels) channel.close()
  await listener.close()
})

/** A peer that has said hello. */
async function peer(): Promise<Socket> {
  const socket = connectSocket(listener.port as number, '127.0.0.1')
  sockets.push(socket)
  await once(socket, 'connect')
  const before = channels.length
  socket.write(encodeMessage(ourHello(1)))
  await until('the channel has opened', () => channels.length === before + 1)
  return socket
}
const echo = (xid: number, size = 0): Message => ({ kind: 'echo_request', version: 4, xid, data: new Uint8Array(size) })
const barrier = (xid: number): Message => ({ kind: 'barrier_reply', xid })

test('a peer that talks nonsense loses its connection, and only its own', async () => {
  const good = await peer()
  const bad = await peer()
  bad.write('GET / HTTP/1.1\r\n\r\n')
  const failure = await channels[1]?.closed
  expect(failure).toMatchObject({ code: 'closed', message: expect.stringContaining('OFPBRC_BAD_VERSION') })
  good.write(encodeMessage(barrier(9)))
  await until('the other is still heard', () => messages.some(({ xid }) => xid === 9))
})

test('a peer that falls silent is given up after it was probed', async () => {
  const socket = await peer()
  const heard: Buffer[] = []
  socket.on('data', (bytes) => heard.push(bytes))
  expect(await channels[0]?.closed).toMatchObject({ message: expect.stringContaining('no message for') })
  // hello, then the probe
  expect(Buffer.concat(heard).subarray(16, 18).toString('hex')).toBe('0402')
})

test('a peer is not given up for what this process has slept: its answer is read first', async () => {
  const socket = await peer()
  let ended = false
  void channels[0]?.closed.then(() => (ended = true))
  let probes = 0
  socket.on('data', () => {
    probes += 1
    socket.write(encodeMessage({ ...echo(probes), kind: 'echo_reply' } as Message))
    // Longer than a peer may be silent, with the answer already sent.
    const end = performance.now() + 500
    while (performance.now() < end);
  })
  await until('some probes are answered', () => probes >= 5 || ended)
  expect(ended).toBe(false)
})

test('requests of a channel that ends are told so', async () => {
  const socket = await peer()
  const pending = channels[0]?.barrier()
  socket.destroy()
  await expect(pending).rejects.toMatchObject({ code: 'closed' })
  await expect(channels[0]?.barrier()).rejects.toMatchObject({ code: 'closed' })
})

test('a peer that asks and does not listen is not read from either, and loses nothing', async () => {
  const channel = await listen('ptcp:0:127.0.0.1', { probeMilliseconds: 0 }, (each) => channels.push(each))
  const socket = connectSocket(channel.port as number, '127.0.0.1')
  sockets.push(socket)
  socket.pause()
  await once(socket, 'connect')
  socket.write(encodeMessage(ourHello(1)))
  const frame = encodeMessage(echo(5, 60_000))
  const count = 400
  for (let i = 0; i < count; i += 1) socket.write(frame)
  await until('the channel is congested', () => channels[0] !== undefined && channels[0].congestion !== null)
  // Nothing is dropped, nothing more is taken in: what was not sent still waits here.
  await new Promise((resolve) => setTimeout(resolve, 200))
  expect(socket.writableLength).toBeGreaterThan((count * frame.length) / 4)
  let received = 0
  socket.on('data', (bytes) => (received += bytes.length))
  socket.resume()
  await until('all answers have come', () => received === count * frame.length + 16)
  expect(channels[0]?.congestion).toBeNull()
  await channel.close()
})

test('what nobody listens on is reported with its address', async () => {
  const port = listener.port as number
  await listener.close()
  await expect(connect(`tcp:127.0.0.1:${port}`, {})).rejects.toMatchObject({
    code: 'connect-failed',
    message: expect.stringContaining(`tcp:127.0.0.1:${port}`),
  })
})

// Runs in a machine: one end of a TCP stream or of an exchange of UDP datagrams. Both ends send a little all the time.
// Prints, every 20 ms, how many bytes it has received, and errors as they come.
//   node talker.ts tcp|udp listen PORT [BYTES]
//   node talker.ts tcp|udp connect PORT [BYTES] ADDRESS
import { createSocket, type Socket as Datagrams } from 'node:dgram'
import { connect, createServer, type Socket } from 'node:net'

const [protocol, role, portText, bytesText = '100', address = ''] = process.argv.slice(2)
const port = Number(portText)
const payload = Buffer.alloc(Number(bytesText), 'x')
const TICK_MILLISECONDS = 20
let received = 0
let send = (): void => {}

const failed = (error: Error & { code?: string }): void => console.log(`error ${error.code ?? error.message}`)

function stream(socket: Socket): void {
  socket.setNoDelay(true)
  socket.on('data', (data) => (received += data.length))
  socket.on('error', failed)
  // Not more than the peer takes: what is in a buffer is no progress.
  send = () => void (socket.writableLength === 0 && socket.write(payload))
}

function datagrams(socket: Datagrams): void {
  socket.on('error', failed)
  socket.on('message', (data, peer) => {
    received += data.length
    if (role === 'listen') send = () => socket.send(payload, peer.port, peer.address)
  })
  if (role === 'listen') socket.bind(port)
  else socket.connect(port, address, () => (send = () => socket.send(payload)))
}

if (protocol === 'udp') datagrams(createSocket('udp4'))
else if (role === 'listen') createServer(stream).listen(port)
else stream(connect(port, address))

setInterval(() => {
  send()
  console.log(received)
}, TICK_MILLISECONDS)

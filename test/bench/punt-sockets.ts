// What reading and writing alone cost in Node, for `punt`: `punt-sockets.ts PORT` sends for each packet-in of a chunk the
// same packet-out, all in one write, and looks at nothing but types and lengths.
import { createServer, type Socket } from 'node:net'
import { encodeMessage, NO_BUFFER, ports } from '../../ofproto/messages/index.ts'
import { discover } from './punt-dhcp.ts'

const HELLO = 0
const ECHO_REQUEST = 2
const PACKET_IN = 10
/** More than come in one chunk. */
const MOST = 1024

const answer = encodeMessage({
  kind: 'packet_out',
  xid: 0,
  bufferId: NO_BUFFER,
  inPort: ports.controller,
  actions: [{ kind: 'output', port: 1, maxLength: 0 }],
  data: discover(0x0200_0000_0000, 1),
})
const answers = Buffer.concat(Array.from({ length: MOST }, () => answer))

function serve(socket: Socket): void {
  let rest: Buffer = Buffer.alloc(0)
  socket.on('error', () => {})
  socket.on('data', (chunk: Buffer) => {
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk
    let at = 0
    let count = 0
    while (bytes.length - at >= 8) {
      const end = at + bytes.readUInt16BE(at + 2)
      if (end > bytes.length) break
      if (bytes[at + 1] === PACKET_IN) count += 1
      else if (bytes[at + 1] === HELLO) socket.write(Uint8Array.of(4, HELLO, 0, 8, 0, 0, 0, 1))
      else if (bytes[at + 1] === ECHO_REQUEST) socket.write(bytes.subarray(at, end).with(1, ECHO_REQUEST + 1))
      at = end
    }
    rest = bytes.subarray(at)
    if (count > 0) socket.write(answers.subarray(0, count * answer.length))
  })
}

createServer({ noDelay: true }, serve).listen(Number(process.argv[2]), '127.0.0.1')

// OpenFlow for tests: the two ways to a bridge of a private OVS, flows in ovs-ofctl's language, and the bytes themselves.
import { once } from 'node:events'
import { connect as connectSocket, createServer, type AddressInfo, type Socket } from 'node:net'
import { Channel } from '../../controller/connect/channel.ts'
import { connect, listen, type ConnectOptions } from '../../controller/connect/openflow.ts'
import { parseFlowMod } from '../../ofproto/messages/flow-text.ts'
import type { FlowMod, FlowModCommand } from '../../ofproto/messages/flow.ts'
import { encodeMessage, type Message } from '../../ofproto/messages/index.ts'
import { Framer } from '../../ofproto/session/framer.ts'
import { ourHello } from '../../ofproto/session/hello.ts'
import type { Ovs } from './ovs.ts'
import { until } from './run.ts'

/** Messages as they come, to be waited for. */
export class Inbox {
  readonly messages: Message[] = []
  readonly add = (message: Message): void => void this.messages.push(message)

  of<K extends Message['kind']>(kind: K): Extract<Message, { kind: K }>[] {
    return this.messages.filter((message): message is Extract<Message, { kind: K }> => message.kind === kind)
  }

  /** Takes the first message of a kind out, when it has come. */
  async next<K extends Message['kind']>(kind: K): Promise<Extract<Message, { kind: K }>> {
    await until(`a message of kind ${kind}`, () => this.of(kind).length > 0)
    const [first] = this.of(kind)
    this.messages.splice(this.messages.indexOf(first as Message), 1)
    return first as Extract<Message, { kind: K }>
  }
}

/** A connection of our own to the bridge's management socket: a service controller, which gets no packet-ins unasked. */
export function manage(ovs: Ovs, bridge: string, inbox = new Inbox()): Promise<Channel> {
  return connect(ovs.management(bridge), { onMessage: inbox.add })
}

export interface Controller extends AsyncDisposable {
  readonly channel: Channel
  readonly inbox: Inbox
}

/** Makes `bridge` connect to us, as hosts do: a primary controller. */
export async function control(ovs: Ovs, bridge: string, options: ConnectOptions = {}): Promise<Controller> {
  const inbox = new Inbox()
  const scheme = options.tls === undefined ? 'tcp' : 'ssl'
  const { promise, resolve } = Promise.withResolvers<Channel>()
  const listener = await listen(`p${scheme}:0:127.0.0.1`, { onMessage: inbox.add, ...options }, resolve)
  await ovs.vsctl('set-controller', bridge, `${scheme}:127.0.0.1:${listener.port}`)
  const channel = await promise
  return {
    channel,
    inbox,
    async [Symbol.asyncDispose]() {
      await ovs.vsctl('del-controller', bridge)
      channel.close()
      await listener.close()
    },
  }
}

/** A flow_mod from ovs-ofctl's language, ready to be sent on `channel`. */
export function flow(channel: Channel, text: string, command: FlowModCommand = 'add'): FlowMod {
  return { ...parseFlowMod(command, text), xid: channel.nextXid() }
}

/** Pieces of a stream as frames, each a copy. */
function* cut(framer: Framer, chunk: Uint8Array): Generator<Uint8Array> {
  framer.push(chunk)
  while (framer.next()) yield framer.bytes.slice(framer.start, framer.end)
}

const HELLO = 0
const BARRIER_REPLY = 21

/**
 * Says hello, sends `messages` and a barrier request on a socket of its own; gives every frame up to the barrier reply,
 * without the hello.
 */
export async function exchange(path: string, messages: readonly Message[]): Promise<Uint8Array[]> {
  const socket = connectSocket({ path: path.replace(/^unix:/, '') })
  const barrier: Message = { kind: 'barrier_request', xid: 0xfffffff0 }
  for (const message of [ourHello(1), ...messages, barrier]) socket.write(encodeMessage(message))
  const framer = new Framer()
  const frames: Uint8Array[] = []
  try {
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      for (const frame of cut(framer, chunk)) {
        if (frame[1] === BARRIER_REPLY) return frames
        if (frame[1] !== HELLO) frames.push(frame)
      }
    }
  } finally {
    socket.destroy()
  }
  throw new Error('the switch closed the connection')
}

/**
 * Makes `bridge` connect to us, says hello and `messages`, and gives the frames that come while and after `provoke`
 * runs, until they are `enough`.
 */
export async function capture(
  ovs: Ovs,
  bridge: string,
  messages: readonly Message[],
  provoke: () => Promise<void>,
  enough: (frames: readonly Uint8Array[]) => boolean,
): Promise<Uint8Array[]> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const accepted = once(server, 'connection')
  await ovs.vsctl('set-controller', bridge, `tcp:127.0.0.1:${(server.address() as AddressInfo).port}`)
  const [socket] = (await accepted) as [Socket]
  const framer = new Framer()
  const frames: Uint8Array[] = []
  let ready = false
  socket.on('data', (chunk) => {
    for (const frame of cut(framer, chunk)) {
      if (frame[1] === BARRIER_REPLY) ready = true
      else if (frame[1] !== HELLO) frames.push(frame)
    }
  })
  for (const message of [ourHello(1), ...messages, { kind: 'barrier_request', xid: 9 } as const])
    socket.write(encodeMessage(message))
  try {
    await until('the switch has taken the messages', () => ready)
    await provoke()
    await until('enough frames', () => enough(frames))
  } finally {
    await ovs.vsctl('del-controller', bridge)
    socket.destroy()
    server.close()
  }
  return frames
}

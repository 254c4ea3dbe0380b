// Conversations between machines that go on while something else changes, and single attempts to begin one.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Machine } from './fabric.ts'
import { startDaemon, until } from './run.ts'

const TALKER = join(import.meta.dirname, 'talker.ts')
/** Lines of a talker, each 20 ms, that tell silence from a busy machine: it counts only while the talker runs. */
const SILENCE = 25
/** A TCP sender that was cut off waits ever longer before it tries again. */
const RESUMED_SECONDS = 40

interface Peer {
  readonly vm: Machine
  readonly port: { readonly address: string }
}

export interface Talker extends AsyncDisposable {
  /** Bytes received so far, at each tick. */
  counts(): readonly number[]
}

let serial = 0

/** One end of a conversation, once it runs. */
export async function talker(machine: Machine, ...args: readonly string[]): Promise<Talker> {
  serial += 1
  const log = join(machine.folder, `talker.${serial}`)
  const daemon = await startDaemon(process.execPath, [TALKER, ...args], { namespace: machine.namespace, log })
  const counts = (): number[] =>
    readFileSync(log, 'utf8')
      .split('\n')
      .slice(0, -1)
      .filter((line) => /^\d+$/.test(line))
      .map(Number)
  await until('the talker runs', () => counts().length > 0)
  return { counts, [Symbol.asyncDispose]: () => daemon.stop('SIGKILL') }
}

/** A conversation that goes on: `client` speaks first. */
export class Conversation implements AsyncDisposable {
  readonly #ends: readonly Talker[]
  readonly #name: string

  private constructor(name: string, ends: readonly Talker[]) {
    this.#name = name
    this.#ends = ends
  }

  static async start(
    protocol: 'tcp' | 'udp',
    client: Peer,
    server: Peer,
    port: number,
    bytes = 100,
  ): Promise<Conversation> {
    const common = [String(port), String(bytes)]
    const far = await talker(server.vm, protocol, 'listen', ...common)
    const near = await talker(client.vm, protocol, 'connect', ...common, server.port.address)
    return new Conversation(`${protocol} from ${client.port.address} to ${server.port.address}`, [near, far])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#ends.map((end) => end[Symbol.asyncDispose]()))
  }

  /** Both ends receive. */
  async goesOn(): Promise<void> {
    const before = this.#ends.map((end) => end.counts().at(-1) ?? 0)
    const grown = (): boolean => this.#ends.every((end, i) => (end.counts().at(-1) ?? 0) > (before[i] ?? 0))
    await until(`${this.#name} goes on`, grown, RESUMED_SECONDS)
  }

  /** Neither end receives any more. */
  async isSilent(): Promise<void> {
    const silent = (end: Talker, since: number): boolean => {
      const counts = end.counts()
      const last = counts.slice(-SILENCE)
      return counts.length >= since + SILENCE && last.every((count) => count === last[0])
    }
    const since = this.#ends.map((end) => end.counts().length)
    await until(`${this.#name} is cut`, () => this.#ends.every((end, i) => silent(end, since[i] ?? 0)))
  }
}

/** What became of an attempt: 'connected', the code of an error, or 'silence' after a second. */
export async function attempt(from: Machine, protocol: 'tcp' | 'udp', address: string, port: number): Promise<string> {
  const end = (word: string): string => `(e) => { console.log(${word}); process.exit() }`
  const script =
    protocol === 'tcp'
      ? `require('net').connect(${port}, '${address}').on('connect', ${end("'connected'")}).on('error', ${end('e.code')})`
      : `const s = require('dgram').createSocket('${address.includes(':') ? 'udp6' : 'udp4'}'); s.on('error', ${end('e.code')});
         s.connect(${port}, '${address}', () => setInterval(() => s.send('x'), 50))`
  const text = await from.exec(process.execPath, '-e', `${script}; setTimeout(${end("'silence'")}, 1000)`)
  return text.trim()
}

// What the tests of the API share: a server over a memory store with hosts that the test moves, and short requests.
import type { FastifyInstance, InjectOptions } from 'fastify'
import type { LiveAgent, LiveChange, LiveState, Status } from '../live.ts'
import { createNorthbound, type NorthboundOptions } from '../server.ts'
import { MemoryStore } from './memory-store.ts'

class Hosts implements LiveState {
  readonly list: LiveAgent[] = []
  readonly ports = new Map<string, { status: Status; host: string }>()
  /** Agents without a way to physical networks. */
  readonly stranded = new Set<string>()
  /** The physical networks of each host. */
  readonly wires = new Map<string, ReadonlySet<string>>()
  readonly #listeners = new Set<(change: LiveChange) => void>()

  agents(): readonly LiveAgent[] {
    return this.list
  }

  forgetAgent(id: string): boolean {
    const at = this.list.findIndex((agent) => agent.id === id && !agent.alive)
    if (at >= 0) this.list.splice(at, 1)
    return at >= 0
  }

  carries(agent: string): boolean {
    return !this.stranded.has(agent)
  }

  portStatus(id: string): Status | undefined {
    return this.ports.get(id)?.status
  }

  networkStatus(): undefined {
    return undefined
  }

  portHost(id: string): string | undefined {
    return this.ports.get(id)?.host
  }

  physicalNetworks(id: string): ReadonlySet<string> | undefined {
    return this.wires.get(id)
  }

  onPlaces(listener: () => void): () => void {
    return this.subscribe(listener)
  }

  subscribe(listener: (change: LiveChange) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  tell(change: LiveChange): void {
    for (const listener of this.#listeners) listener(change)
  }
}

export const host = (name: string, id: string, alive = true): LiveAgent => ({
  id,
  host: name,
  systemId: name,
  alive,
  created_at: '2026-11-21 03:00:00',
  started_at: '2026-11-21 03:00:00',
  heartbeat_timestamp: '2026-11-21 03:46:51',
  configurations: { tunnel_types: ['vxlan'] },
})

// oxlint-disable-next-line typescript/no-explicit-any
export type Json = Record<string, any>

interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: Json
}

export interface Api {
  readonly app: FastifyInstance
  readonly store: MemoryStore
  readonly hosts: Hosts
  call(
    method: 'GET' | 'POST' | 'PUT' | 'DELETE',
    url: string,
    payload?: object,
    headers?: Record<string, string>,
  ): Promise<Reply>
  /** The wrapped object of a request that must succeed. */
  make(kind: string, body: Json): Promise<Json>
}

export async function startApi(options: Partial<NorthboundOptions> = {}): Promise<Api> {
  const store = (options.store as MemoryStore | undefined) ?? new MemoryStore()
  const hosts = new Hosts()
  const app = await createNorthbound({ store, live: hosts, ...options })
  const call: Api['call'] = async (method, url, payload, headers) => {
    const request: InjectOptions = {
      method,
      url: url.startsWith('/') ? url : `/v2.0/${url}`,
      headers: { host: 'localhost', ...headers },
    }
    const answer = await app.inject(payload === undefined ? request : { ...request, payload })
    const isJson = String(answer.headers['content-type']).includes('json')
    const body = answer.body !== '' && isJson ? answer.json<Json>() : {}
    return { status: answer.statusCode, headers: answer.headers, body }
  }
  return {
    app,
    store,
    hosts,
    call,
    async make(kind, body) {
      const singular = kind.slice(0, -1)
      const reply = await call('POST', kind, { [singular]: body })
      if (reply.status !== 201) throw new Error(`${reply.status} ${JSON.stringify(reply.body)}`)
      return reply.body[singular] as Json
    },
  }
}

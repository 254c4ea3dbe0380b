// What segments need without anybody asking: ports that wait for addresses get them once they are plugged in somewhere, and
// networks that an earlier Weft stored get rows for their segments.
import type { FastifyBaseLogger } from 'fastify'
import type { Cache } from './cache.ts'
import { context } from './context.ts'
import type { LiveState } from './live.ts'
import type { Network, Port } from './model.ts'
import type { Operation } from './resource.ts'
import { addressesOn } from './resources/port-addresses.ts'
import { placeOf } from './resources/segment-allocation.ts'
import { hostOf } from './resources/segment-hosts.ts'
import type { Service } from './service.ts'
import type { Store } from '../store/index.ts'

export interface UpkeepOptions {
  readonly store: Store
  readonly cache: Cache
  readonly live: LiveState
  readonly service: Service
  readonly log: FastifyBaseLogger
}

/** Plugging in comes in bursts. */
const SETTLING_MILLISECONDS = 20

const weft = context({ userId: 'weft', userName: 'weft', projectId: '', projectName: '', role: 'admin' })

export async function adoptNetworks({ cache, service }: UpkeepOptions): Promise<void> {
  const old = Array.from(cache.all('networks')).filter(({ id }) => cache.count('segments', 'network_id', id) === 0)
  for (const { id } of old) await service.act(weft, 'networks', id, adopt)
}

function adopt(network: Network, { tx, make, settings }: Operation): void {
  if (tx.count('segments', 'network_id', network.id) > 0) return
  tx.guard(`networks/${network.id}`)
  tx.put('segments', make('segments', { network_id: network.id, ...placeOf(network, settings) }, network.project_id))
}

/** Until the returned function is called. */
export function serveDeferredPorts({ store, cache, live, service, log }: UpkeepOptions): () => void {
  /** Why ports have no addresses yet, so that it is said once. */
  const reasons = new Map<string, string>()
  let timer: NodeJS.Timeout | undefined
  let last: Promise<void> = Promise.resolve()

  async function settle(): Promise<void> {
    const waiting = cache.select('ports', 'deferred', '').filter((port) => hostOf(port, live) !== undefined)
    for (const id of reasons.keys()) if (!waiting.some((port) => port.id === id)) reasons.delete(id)
    for (const { id } of waiting) await service.act(weft, 'ports', id, address).catch((error) => refused(id, error))
  }
  function refused(port: string, { message }: Error): void {
    if (reasons.get(port) !== message) log.warn({ port, reason: message }, 'no address for a port that is plugged in')
    reasons.set(port, message)
  }
  const schedule = (): void => {
    timer ??= setTimeout(() => {
      timer = undefined
      last = last.then(settle)
    }, SETTLING_MILLISECONDS)
  }

  const stop = live.onPlaces(schedule)
  const watch = store.watch('intent/subnets/')
  void (async () => {
    for await (const { revision } of watch) await cache.reached(revision).then(schedule, () => undefined)
  })()
  schedule()
  return () => {
    stop()
    watch.close()
    clearTimeout(timer)
  }
}

function address(port: Port, operation: Operation): void {
  const host = hostOf(port, operation.live)
  if (port.ip_allocation !== 'deferred' || host === undefined) return
  operation.tx.put('ports', operation.touch(port, { ...port, ...addressesOn(operation, port, host) }))
}

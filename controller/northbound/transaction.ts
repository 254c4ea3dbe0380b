// Optimistic transactions over the cache. A handler reads through a Transaction, writes into it, and throws to refuse:
// then nothing was written. Commit demands that everything written is still as it was read.
//
// What a decision rests on is often a set (ports of a network, interfaces of a router), and a set has no revision.
// So each set has a *guard*: a key that every transaction which adds to the set, or relies on it, writes, demanding
// that nobody wrote it since. `guard/networks/ID` covers the segments, subnets, addresses and MACs of a network, `guard/routers/ID` the
// interfaces and routes of a router, `guard/segments` the places of segments, `guard/quota/PROJECT` the number of objects.
// Deleting an object takes its guard too: nothing can come to refer to it meanwhile. This holds for
// any number of controllers on one store.
import { type Cache, guardPrefix, indexValues, type Reader } from './cache.ts'
import { unavailable } from './errors.ts'
import type { Store, Transaction as StoreTransaction } from '../store/index.ts'
import { intentKey, type Kind, type Model } from './model.ts'

interface Write {
  readonly kind: Kind
  readonly id: string
  readonly object: Model[Kind] | null
}

export class Transaction implements Reader {
  readonly #cache: Cache
  readonly #writes = new Map<string, Write>()
  readonly #guards = new Set<string>()
  /** Guards of objects that are deleted here: they go with their object. */
  readonly #dropped = new Set<string>()

  constructor(cache: Cache) {
    this.#cache = cache
  }

  get<K extends Kind>(kind: K, id: string): Model[K] | undefined {
    const write = this.#writes.get(intentKey(kind, id))
    if (write) return (write.object ?? undefined) as Model[K] | undefined
    return this.#cache.get(kind, id)
  }

  select<K extends Kind>(kind: K, index: string, value: string): Model[K][] {
    const stored = this.#cache.select(kind, index, value)
    if (this.#writes.size === 0) return stored
    const found = stored.filter((object) => !this.#writes.has(intentKey(kind, object.id)))
    for (const write of this.#writes.values()) {
      if (write.kind !== kind || !write.object) continue
      const object = write.object as Model[K]
      if (indexValues(kind, index, object).includes(value)) found.push(object)
    }
    return found
  }

  count(kind: Kind, index: string, value: string): number {
    let count = this.#cache.count(kind, index, value)
    for (const write of this.#writes.values()) {
      if (write.kind !== kind) continue
      const before = this.#cache.get(kind, write.id)
      if (before && indexValues(kind, index, before).includes(value)) count--
      if (write.object && indexValues(kind, index, write.object).includes(value)) count++
    }
    return count
  }

  put<K extends Kind>(kind: K, object: Model[K]): void {
    this.#writes.set(intentKey(kind, object.id), { kind, id: object.id, object })
  }

  delete(kind: Kind, id: string): void {
    this.#writes.set(intentKey(kind, id), { kind, id, object: null })
    this.#dropped.add(`${guardPrefix}${kind}/${id}`)
  }

  /** Where the search for a free address of a subnet goes on; advisory, so it needs no transaction. */
  get allocationHints(): Map<string, bigint> {
    return this.#cache.allocationHints
  }

  guard(name: string): void {
    this.#guards.add(`${guardPrefix}${name}`)
  }

  /** The objects that hosts may hear of because of this: those written, groups whose rules are, and ports whose limits are. */
  changed(): ObjectName[] {
    const groups = new Set<string>()
    for (const { kind, id, object } of this.#writes.values()) {
      if (kind !== 'security_group_rules') continue
      const rule = (object as Model['security_group_rules'] | null) ?? this.#cache.get(kind, id)
      if (rule) groups.add(rule.security_group_id)
    }
    return [
      ...Array.from(this.#writes.values(), ({ kind, id }) => ({ kind, id })),
      ...Array.from(groups, (id) => ({ kind: 'security_groups', id }) as const),
      ...Array.from(this.#limitedAnew(), (id) => ({ kind: 'ports', id }) as const),
    ]
  }

  /** Ports that use a QoS policy which is written, or whose network has another one. */
  #limitedAnew(): ReadonlySet<string> {
    const networks = new Set<string>()
    const ports = new Set<string>()
    for (const { kind, id, object } of this.#writes.values()) {
      if (kind === 'networks') {
        const before = this.#cache.get(kind, id)
        const after = object as Model['networks'] | null
        if (before && after && before.qos_policy_id !== after.qos_policy_id) networks.add(id)
      } else if (kind === 'qos_policies') {
        for (const network of this.select('networks', 'qosPolicy', id)) networks.add(network.id)
        for (const port of this.select('ports', 'qosPolicy', id)) ports.add(port.id)
      }
    }
    for (const id of networks) for (const port of this.select('ports', 'network_id', id)) ports.add(port.id)
    return ports
  }

  /** Undefined when nothing changes. */
  toStore(): StoreTransaction | undefined {
    const stored = [...this.#writes].filter(([key, write]) => write.object || this.#cache.modRevision(key) > 0)
    if (stored.length === 0) return undefined
    const guards = [...this.#guards].filter((key) => !this.#dropped.has(key))
    const demanded = [...stored.map(([key]) => key), ...guards, ...this.#dropped]
    return {
      when: demanded.map((key) => ({ key, modRevision: this.#cache.modRevision(key) })),
      apply: [
        ...stored.map(([key, { object }]) =>
          object ? ({ kind: 'put', key, value: JSON.stringify(object) } as const) : ({ kind: 'delete', key } as const),
        ),
        ...guards.map((key) => ({ kind: 'put', key, value: '' }) as const),
        ...[...this.#dropped].map((key) => ({ kind: 'delete', key }) as const),
      ],
    }
  }
}

/** Other controllers write rarely at the same instant to the same network; this many losses in a row mean trouble. */
const maximumAttempts = 20

export interface ObjectName {
  readonly kind: Kind
  readonly id: string
}

export interface Written<T> {
  readonly result: T
  readonly revision: number
  readonly changed: readonly ObjectName[]
}

/** Runs `body` as one atomic change; `body` is run again when another controller was faster. */
export type Transact = <T>(body: (tx: Transaction) => T) => Promise<Written<T>>

export function transactor(store: Store, cache: Cache): Transact {
  let last: Promise<unknown> = Promise.resolve()

  async function attempt<T>(body: (tx: Transaction) => T): Promise<Written<T>> {
    for (let i = 0; i < maximumAttempts; i++) {
      if (cache.failure) throw unavailable(`The store is lost: ${cache.failure.message}.`)
      const tx = new Transaction(cache)
      const result = body(tx)
      const change = tx.toStore()
      if (!change) return { result, revision: cache.revision, changed: [] }
      const changed = tx.changed()
      const outcome = await store.transact(change)
      await cache.reached(outcome.revision)
      if (outcome.succeeded) return { result, revision: outcome.revision, changed }
    }
    throw unavailable('Other controllers keep changing the same objects; try again.')
  }

  // One at a time: two requests of this process then never make each other fail.
  return (body) => {
    const run = last.then(() => attempt(body))
    last = run.catch(() => undefined)
    return run
  }
}

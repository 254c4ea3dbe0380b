// All intent in memory, fed by the store's watch: reads of the API never wait for the store. A batch is applied whole,
// so a reader sees a state that the store had. The indexes below are the only ones; a query that needs another
// one gets a line here.
import type { Batch, Store, Watch } from '../store/index.ts'
import { type Kind, type Model, parseIntentKey, type Segment } from './model.ts'
import { parseStored } from './stored.ts'

interface Entry<T> {
  readonly object: T
  readonly modRevision: number
}

type Indexes<T> = Readonly<Record<string, (object: T) => readonly string[]>>

type Place = Pick<Segment, 'network_type' | 'physical_network' | 'segmentation_id'>

/** No two segments have the same. */
export const segmentPlace = ({ network_type: type, physical_network: physical, segmentation_id: id }: Place): string =>
  // VXLAN, Geneve and GRE networks share one id space: hosts carry all of them in tun_id.
  type === 'vlan' || type === 'flat' ? `${type}/${physical}/${id}` : `tunnel/${id}`

const indexes: { readonly [K in Kind]: Indexes<Model[K]> } = {
  networks: {
    name: (o) => [o.name],
    project_id: (o) => [o.project_id],
    default: (o) => (o.is_default ? ['external'] : []),
    qosPolicy: (o) => (o.qos_policy_id === null ? [] : [o.qos_policy_id]),
  },
  segments: {
    name: (o) => [o.name],
    project_id: (o) => [o.project_id],
    network_id: (o) => [o.network_id],
    place: (o) => [segmentPlace(o)],
  },
  subnets: {
    name: (o) => [o.name],
    project_id: (o) => [o.project_id],
    network_id: (o) => [o.network_id],
    segment_id: (o) => (o.segment_id === null ? [] : [o.segment_id]),
    subnetpool_id: (o) => (o.subnetpool_id === null ? [] : [o.subnetpool_id]),
  },
  subnetpools: {
    name: (o) => [o.name],
    project_id: (o) => [o.project_id],
    address_scope_id: (o) => (o.address_scope_id === null ? [] : [o.address_scope_id]),
    defaultVersion: (o) => (o.is_default ? [String(o.ip_version)] : []),
  },
  address_scopes: { name: (o) => [o.name], project_id: (o) => [o.project_id] },
  ports: {
    name: (o) => [o.name],
    project_id: (o) => [o.project_id],
    network_id: (o) => [o.network_id],
    device_id: (o) => [o.device_id],
    mac_address: (o) => [o.mac_address],
    networkMac: (o) => [`${o.network_id}/${o.mac_address}`],
    subnet: (o) => [...new Set(o.fixed_ips.map((ip) => ip.subnet_id))],
    deferred: (o) => (o.ip_allocation === 'deferred' ? [''] : []),
    address: (o) => o.fixed_ips.map((ip) => `${ip.subnet_id}/${ip.ip_address}`),
    'binding:host_id': (o) => [o['binding:host_id']],
    security_groups: (o) => o.security_groups,
    qosPolicy: (o) => (o.qos_policy_id === null ? [] : [o.qos_policy_id]),
  },
  routers: {
    name: (o) => [o.name],
    project_id: (o) => [o.project_id],
    qosPolicy: (o) => (o.external_gateway_info?.qos_policy_id ? [o.external_gateway_info.qos_policy_id] : []),
  },
  security_groups: {
    name: (o) => [o.name],
    project_id: (o) => [o.project_id],
    projectName: (o) => [`${o.project_id}/${o.name}`],
  },
  security_group_rules: {
    project_id: (o) => [o.project_id],
    security_group_id: (o) => [o.security_group_id],
    remote_group_id: (o) => (o.remote_group_id === null ? [] : [o.remote_group_id]),
    remote_address_group_id: (o) => (o.remote_address_group_id === null ? [] : [o.remote_address_group_id]),
  },
  address_groups: { name: (o) => [o.name], project_id: (o) => [o.project_id] },
  qos_policies: {
    name: (o) => [o.name],
    project_id: (o) => [o.project_id],
    default: (o) => (o.is_default ? [o.project_id] : []),
    rule: (o) => o.rules.map(({ id }) => id),
  },
  agents: {},
  router_hosts: {},
  quotas: {},
}

export const indexValues = <K extends Kind>(kind: K, index: string, object: Model[K]): readonly string[] =>
  indexes[kind][index]?.(object) ?? []

class Collection<T extends { readonly id: string }> {
  readonly entries = new Map<string, Entry<T>>()
  readonly #indexes: Indexes<T>
  readonly #ids = new Map<string, Map<string, Set<string>>>()

  constructor(indexes: Indexes<T>) {
    this.#indexes = indexes
    for (const name of Object.keys(indexes)) this.#ids.set(name, new Map())
  }

  set(id: string, entry: Entry<T> | null): void {
    const before = this.entries.get(id)
    if (before) this.#unindex(before.object)
    if (entry) {
      this.entries.set(id, entry)
      this.#index(entry.object)
    } else this.entries.delete(id)
  }

  ids(index: string, value: string): ReadonlySet<string> | undefined {
    const values = this.#ids.get(index)
    if (!values) throw new Error(`no index '${index}'`)
    return values.get(value)
  }

  has(index: string): boolean {
    return this.#ids.has(index)
  }

  #index(object: T): void {
    for (const [name, values] of this.#ids) {
      for (const value of this.#indexes[name]?.(object) ?? []) {
        const ids = values.get(value)
        if (ids) ids.add(object.id)
        else values.set(value, new Set([object.id]))
      }
    }
  }

  #unindex(object: T): void {
    for (const [name, values] of this.#ids) {
      for (const value of this.#indexes[name]?.(object) ?? []) {
        const ids = values.get(value)
        ids?.delete(object.id)
        if (ids?.size === 0) values.delete(value)
      }
    }
  }
}

type Collections = { readonly [K in Kind]: Collection<Model[K]> }

/** What checks and projections read: the cache itself, or a transaction over it. */
export interface Reader {
  get<K extends Kind>(kind: K, id: string): Model[K] | undefined
  select<K extends Kind>(kind: K, index: string, value: string): Model[K][]
}

export class Cache implements Reader {
  revision = 0
  readonly allocationHints = new Map<string, bigint>()
  readonly #collections: Collections = {
    networks: new Collection(indexes.networks),
    segments: new Collection(indexes.segments),
    subnets: new Collection(indexes.subnets),
    ports: new Collection(indexes.ports),
    routers: new Collection(indexes.routers),
    security_groups: new Collection(indexes.security_groups),
    security_group_rules: new Collection(indexes.security_group_rules),
    address_groups: new Collection(indexes.address_groups),
    subnetpools: new Collection(indexes.subnetpools),
    address_scopes: new Collection(indexes.address_scopes),
    qos_policies: new Collection(indexes.qos_policies),
    agents: new Collection(indexes.agents),
    router_hosts: new Collection(indexes.router_hosts),
    quotas: new Collection(indexes.quotas),
  }
  /** Revisions of all other keys, which have no content of interest: the guards of transactions. */
  readonly #guards = new Map<string, number>()
  readonly #waiting: { revision: number; resolve: () => void; reject: (error: Error) => void }[] = []
  readonly #watch: Watch
  #closed = false
  /** Why this cache no longer follows the store: then nothing more may be decided by it. */
  failure: Error | undefined

  private constructor(watch: Watch) {
    this.#watch = watch
  }

  static async open(store: Store): Promise<Cache> {
    const { entries, revision } = await store.range('')
    const cache = new Cache(store.watch('', revision + 1))
    for (const { key, value, modRevision } of entries) cache.#set(key, value, modRevision)
    cache.revision = revision
    void cache.#follow()
    return cache
  }

  close(): void {
    this.#closed = true
    this.#watch.close()
    this.#fail(new Error('the server is closing'))
  }

  async #follow(): Promise<void> {
    try {
      for await (const batch of this.#watch) this.#apply(batch)
      if (!this.#closed) throw new Error('the watch of the store ended')
    } catch (error) {
      this.#fail(error as Error)
    }
  }

  #fail(error: Error): void {
    this.failure = error
    for (const each of this.#waiting.splice(0)) each.reject(error)
  }

  get<K extends Kind>(kind: K, id: string): Model[K] | undefined {
    return this.#collection(kind).entries.get(id)?.object
  }

  select<K extends Kind>(kind: K, index: string, value: string): Model[K][] {
    const collection = this.#collection(kind)
    const found: Model[K][] = []
    for (const id of collection.ids(index, value) ?? []) {
      const entry = collection.entries.get(id)
      if (entry) found.push(entry.object)
    }
    return found
  }

  *all<K extends Kind>(kind: K): IterableIterator<Model[K]> {
    for (const entry of this.#collection(kind).entries.values()) yield entry.object
  }

  count(kind: Kind, index: string, value: string): number {
    return this.#collection(kind).ids(index, value)?.size ?? 0
  }

  size(kind: Kind): number {
    return this.#collection(kind).entries.size
  }

  indexed(kind: Kind, index: string): boolean {
    return this.#collection(kind).has(index)
  }

  /** 0 for a key that does not exist. */
  modRevision(key: string): number {
    const parsed = parseIntentKey(key)
    if (!parsed) return this.#guards.get(key) ?? 0
    return this.#collection(parsed.kind).entries.get(parsed.id)?.modRevision ?? 0
  }

  /** Resolves when every change up to `revision` is visible here. */
  reached(revision: number): Promise<void> {
    if (this.revision >= revision) return Promise.resolve()
    if (this.failure) return Promise.reject(this.failure)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ revision, resolve, reject })
    })
  }

  #collection<K extends Kind>(kind: K): Collection<Model[K]> {
    return this.#collections[kind]
  }

  #set(key: string, value: string | null, modRevision: number): void {
    const parsed = parseIntentKey(key)
    if (parsed) {
      const object = value === null ? null : parseStored(parsed.kind, value)
      this.#collection(parsed.kind).set(parsed.id, object && { object, modRevision })
    } else if (key.startsWith(guardPrefix)) {
      if (value === null) this.#guards.delete(key)
      else this.#guards.set(key, modRevision)
    }
  }

  #apply(batch: Batch): void {
    for (const event of batch.events) {
      if (event.kind === 'put') this.#set(event.entry.key, event.entry.value, event.entry.modRevision)
      else this.#set(event.key, null, event.modRevision)
    }
    this.revision = batch.revision
    const ready = this.#waiting.filter((each) => each.revision <= batch.revision)
    const rest = this.#waiting.filter((each) => each.revision > batch.revision)
    this.#waiting.splice(0, this.#waiting.length, ...rest)
    for (const each of ready) each.resolve()
  }
}

export const guardPrefix = 'guard/'

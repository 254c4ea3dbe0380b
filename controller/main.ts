// The composition root of `weft serve`: the only place that names concrete sockets, clocks, stores and apps.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pino, type Logger } from 'pino'
import { Registry } from 'prom-client'
import { apps } from '../apps/index.ts'
import { listen as listenDatabases, type Connection, type TlsIdentity } from '../ovsdb/index.ts'
import { DNS_DOMAIN, neighbourKey, type Neighbour, type RouterHost, type Zone } from './app.ts'
import { splitEndpoint, splitVlanRanges, type Config } from './config.ts'
import { listen as listenSwitches } from './connect/openflow.ts'
import { Derivation } from './derivation.ts'
import { Fleet } from './fleet.ts'
import { GatewayHosts } from './gateway-hosts.ts'
import { changedRows, loadFacts } from './host/facts.ts'
import { followIntent } from './intent.ts'
import { liveState, realization } from './live.ts'
import { commitTimes, measureHosts, measureProcess } from './metrics.ts'
import { Neighbours } from './neighbours.ts'
import { createNorthbound, parseCredentials, refuseOpenListener, serveSocket } from './northbound/index.ts'
import { FleetOperator } from './operator.ts'
import { openLmdbStore, type Store } from './store/index.ts'

/** What OVS does with an inactive controller. */
const MAX_PROBE_MILLISECONDS = 5000

export interface Controller {
  /** Where the API answers. */
  readonly url: string
  close(): Promise<void>
}

export function createLogger(config: Config): Logger {
  const level = config['log-level']
  return process.stdout.isTTY
    ? pino({
        level,
        base: null,
        transport: { target: 'pino-pretty', options: { ignore: 'pid,hostname', translateTime: 'HH:MM:ss.l' } },
      })
    : pino({ level, base: null })
}

function tlsOf(config: Config): { tls?: TlsIdentity } {
  const { 'tls-key': key, 'tls-certificate': certificate, 'tls-authority': authority } = config
  if (key === null || certificate === null || authority === null) return {}
  const read = (path: string): string => readFileSync(path, 'utf8')
  return { tls: { key: read(key), certificate: read(certificate), authority: read(authority) } }
}

/** What a host's bridge connects to: the address at which its database reached us, unless one is advertised. */
function controllerOf(config: Config, port: number): (connection: Connection) => string {
  const scheme = config.openflow.startsWith('pssl') ? 'ssl' : 'tcp'
  return ({ localAddress }) => {
    const address = config.advertise ?? localAddress ?? '127.0.0.1'
    return `${scheme}:${address.includes(':') ? `[${address}]` : address}:${port}`
  }
}

/** Starts everything; rejects when an address cannot be had or the data cannot be read, with nothing left running. */
export async function serve(config: Config, log: Logger): Promise<Controller> {
  const closers: (() => Promise<unknown> | void)[] = []
  const close = async (): Promise<void> => {
    for (const closer of closers.toReversed()) await closer()
  }
  try {
    return { url: await start(config, log, closers), close }
  } catch (error) {
    await close()
    throw error
  }
}

async function start(config: Config, log: Logger, closers: (() => Promise<unknown> | void)[]): Promise<string> {
  const tls = tlsOf(config)
  const credentials =
    config.credentials === null ? undefined : parseCredentials(readFileSync(config.credentials, 'utf8'))
  const { host: apiHost, port: apiPort } = splitEndpoint(config.api)
  refuseOpenListener(apiHost, credentials)

  const registry = new Registry()
  measureProcess(registry)
  const store = openLmdbStore({ folder: join(config.data, 'store') })
  closers.push(() => store.close())
  const remember = rememberer(store, log)
  const derivation = new Derivation(apps)
  let openflowPort = 0
  const measured = commitTimes(registry)
  const fleet = new Fleet({
    apps,
    derivation,
    log,
    auditMilliseconds: config['audit-interval'] * 1000,
    committed: (seconds) => {
      measured(seconds)
      gatewayHosts.touch()
    },
    controllerOf: (connection) => controllerOf(config, openflowPort)(connection),
    remember: (before, after) => remember(changedRows(before, after)),
    rememberZone: (key, zone) => remember([[`zone/${key}`, zone === null ? null : JSON.stringify(zone)]]),
  })
  closers.push(() => fleet.close())
  const { reads, inputs } = derivation
  const gatewayHosts = new GatewayHosts({
    reads,
    routers: () => inputs.router.keys(),
    placed: () => inputs.router_host.keys(),
    hosts: () =>
      Array.from(fleet.hosts, ([id, { agent, channel, switchHeard }]) => ({
        id,
        connected: channel !== null,
        heard: switchHeard,
        enabled: inputs.agent.get(agent)?.admin_state_up !== false,
      })),
    takeoverMilliseconds: config['gateway-takeover'] * 1000,
    place: (...change) =>
      placeRouter(store, ...change).catch((error: unknown) => log.error({ err: error }, 'not stored')),
  })
  closers.push(() => gatewayHosts.close())
  fleet.on('host', () => gatewayHosts.touch())
  const neighbours = new Neighbours({
    reads,
    send: (host, packet) => fleet.send(host, packet),
    publish: (key, neighbour) => {
      if (neighbour === null) inputs.neighbour.delete(key)
      else inputs.neighbour.set(key, neighbour)
      remember([[`neighbour/${key}`, neighbour === null ? null : JSON.stringify(neighbour)]])
      fleet.schedule()
    },
  })
  closers.push(() => neighbours.close())
  fleet.on('neighbour', (host, news) => neighbours.news(host, news))
  measureHosts(registry, fleet)

  // A host that is refused waits for a second or more before it calls again: hosts are let in while rows are read and
  // flows made, and heard after that.
  const prepared = Promise.withResolvers<boolean>()
  const admit = (peer: { close(): void }, add: () => void): void =>
    void prepared.promise.then((yes) => (yes ? add() : peer.close()))
  closers.push(() => prepared.resolve(false))
  const switches = await listenSwitches(
    config.openflow,
    {
      ...tls,
      // A host that vanishes without a word is known to be lost by the time it may be replaced.
      probeMilliseconds: Math.min(MAX_PROBE_MILLISECONDS, (config['gateway-takeover'] * 1000) / 2),
      claim: (frame, channel) => fleet.onFrame(frame, channel),
      onMessage: (message, channel) => fleet.onMessage(message, channel),
    },
    (channel) => {
      const refused = (error: unknown): void => log.warn({ peer: channel.peer, err: error }, 'switch refused')
      admit(channel, () => void fleet.addSwitch(channel).catch(refused))
    },
  )
  closers.push(() => switches.close())
  openflowPort = switches.port ?? 0
  const databases = await listenDatabases(config.ovsdb, tls, (connection) =>
    admit(connection, () => fleet.addDatabase(connection)),
  )
  closers.push(() => databases.close())

  const remembered = async (prefix: string): Promise<readonly string[]> =>
    (await store.range(prefix)).entries.map(({ value }) => value)
  for (const facts of loadFacts(await remembered('host/'), await remembered('vif/'))) fleet.recall(facts)
  for (const value of await remembered('zone/')) fleet.recallZone(JSON.parse(value) as Zone)
  for (const value of await remembered('neighbour/')) {
    const neighbour = JSON.parse(value) as Neighbour
    neighbours.recall(neighbour)
    inputs.neighbour.set(neighbourKey(neighbour.network, neighbour.address), neighbour)
  }
  const progress = revisions()
  closers.push(
    await followIntent(store, derivation, (revision) => {
      progress.reach(revision)
      fleet.schedule()
    }),
  )
  await fleet.committed()
  prepared.resolve(true)

  const api = await createNorthbound({
    store,
    registry,
    logger: log,
    live: liveState(fleet, derivation),
    settings: {
      mtu: { underlay: config['underlay-mtu'] },
      vlanRanges: splitVlanRanges(config['vlan-ranges']),
      dnsDomain: DNS_DOMAIN,
    },
    waitRealized: realization(fleet, (revision) => progress.reached(revision)),
    operator: new FleetOperator(fleet, derivation, apps, (revision) => progress.reached(revision)),
    ...(credentials === undefined ? {} : { credentials }),
  })
  closers.push(() => api.close())
  const url = await api.listen({ host: apiHost, port: apiPort })
  const socket = config['api-socket']
  if (socket !== null) closers.push(await serveSocket(api.server, socket))
  log.info({ api: url, ovsdb: databases.port, openflow: switches.port, data: config.data }, 'weft is ready')
  return url
}

/** Stores rows about hosts; null: one that goes. What is lost with a crash is learned again. */
function rememberer(store: Store, log: Logger): (rows: Iterable<readonly [string, string | null]>) => void {
  return (rows) => {
    const apply = Array.from(rows, ([key, value]) =>
      value === null ? ({ kind: 'delete', key } as const) : ({ kind: 'put', key, value } as const),
    )
    if (apply.length === 0) return
    store.transact({ apply }).catch((error: unknown) => log.error({ err: error, keys: apply.length }, 'not stored'))
  }
}

/** Stores which host stands for a router, unless that is not what it was any more. */
async function placeRouter(
  store: Store,
  router: string,
  before: RouterHost | undefined,
  after: RouterHost | null,
): Promise<void> {
  const key = `intent/router_hosts/${router}`
  const entry = await store.get(key)
  const found = entry && (JSON.parse(entry.value) as RouterHost)
  if (found?.host !== before?.host || found?.pinned !== before?.pinned) return
  const apply =
    after === null ? ({ kind: 'delete', key } as const) : ({ kind: 'put', key, value: JSON.stringify(after) } as const)
  await store.transact({ when: [{ key, modRevision: entry?.modRevision ?? 0 }], apply: [apply] })
}

/** A number that only grows, and those who wait for it. */
function revisions(): { reach(revision: number): void; reached(revision: number): Promise<void> } {
  let current = 0
  let waiting: { readonly revision: number; readonly resolve: () => void }[] = []
  return {
    reach(revision) {
      current = Math.max(current, revision)
      for (const { revision: wanted, resolve } of waiting) if (wanted <= current) resolve()
      waiting = waiting.filter(({ revision: wanted }) => wanted > current)
    },
    reached: (revision) =>
      revision <= current ? Promise.resolve() : new Promise((resolve) => waiting.push({ revision, resolve })),
  }
}

// The hosts: their databases and switches as they come and go, and what each has confirmed. Facts about a host outlive
// its connection and the controller (they are stored), so neither a restart nor a lost management link takes a flow away.
import { EventEmitter } from 'node:events'
import type { Logger } from 'pino'
import type { Message } from '../ofproto/messages/index.ts'
import type { Connection } from '../ovsdb/index.ts'
import { singleAddress } from './address.ts'
import { alarmOfSwitch, alarmsOf } from './alarms.ts'
import { announced } from './announcements.ts'
import type { App, NeighbourNews, PacketOut, Report, Zone } from './app.ts'
import type { Channel } from './connect/channel.ts'
import type { Derivation, Derived } from './derivation.ts'
import { HostRecord } from './host-record.ts'
import type { HostFacts } from './host/facts.ts'
import { HostSession } from './host/session.ts'
import { writeHost } from './host-rows.ts'
import { hostsWaiting } from './hosts-waiting.ts'
import { Limit } from './limit.ts'
import { Metadata, packetHandler } from './packet-in.ts'
import { isOurMeter } from './pipeline/meters.ts'
import { isOurs } from './pipeline/cookie.ts'
import { Rollout } from './rollout.ts'
import { Slices } from './slices.ts'
import { logSwitchEvent } from './switch-log.ts'
import type { Delta } from './switch/desired.ts'
import type { SwitchEvent } from './switch/events.ts'
import { Strangers } from './strangers.ts'
import { SwitchSession } from './switch/session.ts'
import { tickHosts } from './ticker.ts'
import { Zones } from './zones.ts'

/** Tables see the ports of first fragments (OFPC_FRAG_NX_MATCH); the length is OpenFlow's default. */
const switchConfig = { flags: 3, missSendLength: 128 } as const
/** Databases that are read for the first time, and switches: each takes 5 to 20 ms here. */
const AT_ONCE = 32
/** Whose rows go into one commit: the switches of some take their flows while those of the next are worked out. */
const HOSTS_PER_COMMIT = 128

export interface FleetOptions {
  readonly apps: readonly App[]
  readonly derivation: Derivation
  readonly log: Logger
  readonly auditMilliseconds: number
  /** What a host's bridge shall connect to, as seen from its database connection. */
  readonly controllerOf: (connection: Connection) => string
  /** Called when what is known of a host may have changed, to be stored; null: nothing. */
  readonly remember: (before: HostFacts | null, after: HostFacts | null) => void
  /** The same for a host's conntrack zone, keyed `host/object`. */
  readonly rememberZone: (key: string, zone: Zone | null) => void
  /** Told how long each commit took. */
  readonly committed?: (seconds: number) => void
}

interface FleetEvents {
  /** A host's connections, facts or alarms changed. */
  host: [id: string]
  /** What an app says of a packet. */
  report: [host: string, report: Report]
  /** What an app has learned of the neighbours of routers. */
  neighbour: [host: string, news: NeighbourNews]
  /** What these objects cause has changed, or all hosts have confirmed it. */
  progress: [objects: readonly string[]]
}

export class Fleet extends EventEmitter<FleetEvents> {
  readonly hosts = new Map<string, HostRecord>()
  readonly #options: FleetOptions
  readonly #handle: ReturnType<typeof packetHandler>
  readonly #strangers = new Strangers()
  readonly #rollout = new Rollout()
  readonly #byChannel = new Map<Channel, HostRecord>()
  readonly #stopTicks: () => void
  readonly #zones: Zones
  readonly #commits = new Slices(() => this.#commit())
  readonly #databases = new Limit(AT_ONCE)
  readonly #readings = new Limit(AT_ONCE)
  /** Hosts whose facts have changed, and no commit has begun to work with them. */
  readonly #learnt = new Set<string>()

  constructor(options: FleetOptions) {
    super()
    this.#options = options
    this.#handle = packetHandler(options.apps, options.derivation.reads)
    this.#zones = new Zones((key, zone) => this.#onZone(key, zone))
    this.#stopTicks = tickHosts(this.hosts)
  }

  close(): void {
    this.#stopTicks()
    for (const { session, channel } of this.hosts.values()) {
      session?.connection.close()
      channel?.close()
    }
    this.#strangers.close()
  }

  /** A host as it was known before a restart. */
  recall(facts: HostFacts): void {
    // At once: what is desired must be complete before the first of them is back.
    this.#write(this.#learn(facts))
  }

  /** A conntrack zone that a host had before a restart. */
  recallZone(zone: Zone): void {
    this.#zones.recall(zone)
    this.#options.derivation.inputs.zone.set(`${zone.host}/${zone.object}`, zone)
  }

  #onZone(key: string, zone: Zone | null): void {
    const table = this.#options.derivation.inputs.zone
    if (zone === null) table.delete(key)
    else table.set(key, zone)
    this.#options.rememberZone(key, zone)
    this.schedule()
  }

  /** Drops what is known of a host that is not connected. */
  forget(id: string): boolean {
    const record = this.hosts.get(id)
    if (record === undefined || record.connected) return false
    record.channel?.close()
    this.hosts.delete(id)
    writeHost(this.#options.derivation.inputs, record.written, null)
    this.#options.remember(record.facts, null)
    this.#learnt.add(id)
    this.schedule()
    this.#progress(this.#rollout.forget(id))
    return true
  }

  #progress(objects: readonly string[]): void {
    if (objects.length > 0) this.emit('progress', objects)
  }

  /** A host's database has connected. */
  addDatabase(connection: Connection): void {
    const { log, controllerOf } = this.#options
    const session: HostSession = new HostSession(connection, controllerOf, {
      facts: (facts) => this.#onFacts(session, facts),
      mended: ({ id }, done) => log.info({ host: id, done }, 'host database set up'),
      refused: ({ id }, reason) => this.#alarm(id, 'database', reason),
      closed: (reason) => this.#onDatabaseClosed(session, reason),
    })
    this.#databases
      .run(() => session.start())
      .catch((error: unknown) => {
        log.warn({ peer: connection.peer, err: error }, 'database refused')
        connection.close()
      })
  }

  /** A switch has connected and agreed on OpenFlow 1.3. */
  async addSwitch(channel: Channel): Promise<void> {
    const features = await channel.request({ kind: 'features_request', xid: channel.nextXid() })
    if (features.kind !== 'features_reply') return channel.close()
    const datapathId = features.datapath
    const record = Array.from(this.hosts.values()).find(({ facts }) => facts.datapathId === datapathId)
    if (record !== undefined) return this.#attach(record, channel)
    this.#strangers.add(datapathId, channel)
  }

  /** A frame that a switch sent; true if it was for its session. */
  onFrame(frame: Uint8Array, channel: Channel): boolean {
    return this.#byChannel.get(channel)?.control.receive(frame) ?? false
  }

  /** Works out what has changed, soon; calls in between are one. */
  schedule(): void {
    this.#commits.schedule()
  }

  /** Rows have changed, and hosts have not been told yet what follows. */
  get busy(): boolean {
    return this.#commits.busy
  }

  /** Settles when hosts have been told what follows from all that has changed by now. */
  committed(): Promise<void> {
    return this.#commits.done()
  }

  *#commit(): Generator<void, void> {
    const begin = performance.now()
    const learnt = this.#takeLearnt()
    const derived = yield* this.#options.derivation.steps()
    const { units, scopes, zones, gone, announcements } = derived
    for (const alarm of alarmsOf(derived)) this.#alarm(...alarm)
    for (const [host, objects] of zones) this.#zones.want(host, objects ?? new Set())
    for (const problem of this.#options.derivation.problems()) this.#options.log.error({ problem }, 'a rule failed')
    if (units.length > 0 || scopes.length > 0) {
      yield* this.#rollout.steps(units, scopes, (...told) => this.#tell(...told))
      yield* this.#begun(units)
    }
    for (const announcement of announcements) {
      for (const [host, packet] of announced(announcement, this.#options.derivation.reads)) {
        // Once its switch has what was derived together with it.
        this.hosts.get(host)?.announcements.add(announcement.address, packet)
      }
    }
    // After the flows: packets that are still on their way must not bring back what is forgotten.
    for (const { host, zone, prefixes } of gone) this.#zones.forget(host, zone, prefixes.flatMap(singleAddress))
    for (const host of learnt) this.emit('host', host)
    this.#options.committed?.((performance.now() - begin) / 1000)
  }

  /** Writes the rows of hosts whose facts have changed, of very many the first ones; another commit takes the rest. */
  #takeLearnt(): readonly string[] {
    const learnt = Array.from(this.#learnt).slice(0, HOSTS_PER_COMMIT)
    for (const id of learnt) {
      this.#learnt.delete(id)
      const record = this.hosts.get(id)
      if (record !== undefined) this.#write(record)
    }
    if (this.#learnt.size > 0) this.schedule()
    return learnt
  }

  #write(record: HostRecord): void {
    writeHost(this.#options.derivation.inputs, record.written, record.facts)
    record.written = record.facts
  }

  /** In small steps, as for each object somebody may have to be told what has become of it. */
  *#begun(units: Derived['units']): Generator<void, void> {
    const objects = new Set<string>()
    for (const { object } of units) {
      if (objects.has(object)) continue
      objects.add(object)
      this.emit('progress', [object])
      yield
    }
  }

  #tell(host: string, revision: number, delta: Delta): void {
    const record = this.hosts.get(host)
    if (record === undefined) return
    record.desired = revision
    record.control.desire(revision, delta)
  }

  /** What hosts are to have because of the objects. */
  causedBy(objects: ReadonlySet<string>): ReturnType<Rollout['causedBy']> {
    return this.#rollout.causedBy(objects)
  }

  /** Hosts that have not confirmed what the object causes there, each with the reason. */
  unconfirmed(object: string): readonly { readonly host: string; readonly reason: string }[] {
    return Array.from(hostsWaiting(object, this.#rollout, this.#zones, this.#options.derivation.reads), (host) => {
      const connected = this.hosts.get(host)?.channel ?? null
      return {
        host,
        reason: connected === null ? 'its switch is not connected' : 'its switch has not confirmed yet',
      }
    })
  }

  // Databases.

  #onFacts(session: HostSession, facts: HostFacts): void {
    const known = this.hosts.get(facts.id)
    if (known?.session && known.session !== session) {
      this.#options.log.warn(
        { host: facts.id, peer: session.connection.peer },
        'a second connection of this host replaces the first',
      )
      known.session.connection.close()
    }
    this.#options.remember(known?.facts ?? null, facts)
    const record = this.#learn(facts)
    if (record.session !== session) {
      record.session = session
      record.connectedAt = new Date()
      this.#options.log.info({ host: facts.id, peer: session.connection.peer, ovs: facts.ovsVersion }, 'host connected')
    }
    record.heardAt = new Date()
    const stranger = this.#strangers.take(facts.datapathId)
    if (stranger !== undefined) this.#attach(record, stranger)
  }

  #learn(facts: HostFacts): HostRecord {
    let record = this.hosts.get(facts.id)
    if (record === undefined) {
      this.hosts.set(
        facts.id,
        (record = new HostRecord(facts, this.#newControl(facts.id), (stage) =>
          this.#options.derivation.tables.table(stage),
        )),
      )
      // Of a host that was forgotten and is back before the next commit, nothing will change.
      this.#rollout.repeat(facts.id, (...told) => this.#tell(...told))
    }
    record.facts = facts
    this.#learnt.add(facts.id)
    this.schedule()
    return record
  }

  #onDatabaseClosed(session: HostSession, reason: string): void {
    const { facts } = session
    const record = facts === null ? undefined : this.hosts.get(facts.id)
    if (record?.session !== session) return
    record.session = null
    record.connectedAt = null
    this.#options.log.warn({ host: record.facts.id, reason }, 'host disconnected')
    this.emit('host', record.facts.id)
  }

  #alarm(id: string, about: string, text: string | null): void {
    const record = this.hosts.get(id)
    if (record === undefined) return
    if (text === null) record.alarms.delete(about)
    else record.alarms.set(about, text)
    this.#options.log[text === null ? 'info' : 'warn'](
      { host: id, about, text },
      text === null ? 'alarm is over' : 'alarm',
    )
    this.emit('host', id)
  }

  // Switches.

  #newControl(id: string): SwitchSession {
    return new SwitchSession({
      desired: this.#rollout.desired(id),
      owns: {
        flow: (cookie) => (isOurs(cookie) ? 'weft' : 'foreign'),
        group: () => 'foreign',
        meter: (meter) => (isOurMeter(meter) ? 'weft' : 'foreign'),
      },
      send: (bytes) => this.hosts.get(id)?.channel?.sendFrames(bytes),
      report: (event) => this.#onSwitchEvent(id, event),
      auditMs: this.#options.auditMilliseconds,
    })
  }

  #attach(record: HostRecord, channel: Channel): void {
    const { id } = record.facts
    record.channel?.close()
    record.channel = channel
    this.#byChannel.set(channel, record)
    record.confirmed = 0
    this.#options.log.info({ host: id, peer: channel.peer }, 'switch connected')
    channel.send({ kind: 'set_config', xid: channel.nextXid(), ...switchConfig })
    this.#zones.connected(id, channel)
    void channel.closed.then(({ message }) => {
      this.#byChannel.delete(channel)
      if (record.channel !== channel) return
      record.channel = null
      record.switchHeard = channel.heard
      record.control.disconnected()
      this.#options.log.warn({ host: id, reason: message }, 'switch disconnected')
      this.emit('host', id)
    })
    void this.#readings.run(() => this.#read(record, channel))
    this.emit('host', id)
  }

  /** Settles when it is known what the switch has. */
  async #read(record: HostRecord, channel: Channel): Promise<void> {
    if (record.channel !== channel) return
    const { promise, resolve } = Promise.withResolvers<void>()
    record.onCompared = resolve
    record.control.connected(performance.now(), null)
    await Promise.race([promise, channel.closed])
  }

  #onSwitchEvent(id: string, event: SwitchEvent): void {
    const record = this.hosts.get(id)
    if (record === undefined) return
    switch (event.kind) {
      case 'confirmed':
        record.confirmed = event.revision
        this.#progress(this.#rollout.confirm(id, event.revision))
        return
      case 'refused':
      case 'recovered':
      case 'foreign':
        this.#alarm(...alarmOfSwitch(id, event, (ofport) => this.#options.derivation.reads.vifAt(id, ofport)?.port))
        return
      default:
        logSwitchEvent(this.#options.log, id, event)
        if (event.kind === 'synchronized') record.onCompared?.()
        if (event.kind === 'stalled') record.channel?.close()
    }
  }

  /** False if the host is not connected. */
  send(host: string, packet: PacketOut): boolean {
    const record = this.hosts.get(host)
    record?.send(packet)
    return record?.channel !== undefined && record.channel !== null
  }

  /** What a switch sends on its own account. */
  onMessage(message: Message, channel: Channel): void {
    if (message.kind !== 'packet_in') return
    const record = this.#byChannel.get(channel)
    if (record === undefined) return
    const host = record.facts.id
    const { cookie, data, match } = message
    try {
      const handled = this.#handle({ host, cookie, metadata: new Metadata(match), data })
      if (handled === null) return
      for (const packet of handled.packets) {
        const to = packet.host === undefined ? record : this.hosts.get(packet.host)
        to?.send(packet)
      }
      if (handled.news !== null) this.emit('neighbour', host, handled.news)
      if (handled.report === null) return
      this.#options.log.info({ host, ...handled.report }, 'matched')
      this.emit('report', host, handled.report)
    } catch (error) {
      this.#options.log.error({ host, err: error }, 'packet not handled')
    }
  }
}

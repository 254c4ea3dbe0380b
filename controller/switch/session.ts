// Keeps one OpenFlow switch equal to what is desired. A state machine without sockets and clock: frames and the time come
// in, bytes and events go out. Whoever connects (and has done hello and features) calls connected(), then receive() for
// every frame, tick() a few times a second, disconnected() in the end. There is one path for everything that can
// happen: read the switch, compare, send the difference; a restart of either side is only a connect.
import { decodeMessage, encodeMessage } from '../../ofproto/messages/index.ts'
import type { Item } from '../pipeline/value.ts'
import { Audits } from './audits.ts'
import { compare, start } from './compare.ts'
import { Index, changesOf, type Delta, type Desired, type Extent } from './desired.ts'
import { Drafting, type Odd } from './draft.ts'
import type { Dump, Ownership } from './dump.ts'
import type { SwitchCounters, SwitchEvent } from './events.ts'
import { Flight, type Outcome } from './flight.ts'
import { changed, monitorRequest } from './monitor.ts'
import type { Part, Step } from './plan.ts'
import { Refusals, type Refusal } from './refusals.ts'
import { isOurs, Xids } from './xids.ts'

export interface SwitchOptions {
  readonly desired: Desired
  readonly owns: Ownership
  /** The bytes are valid during the call. */
  send(bytes: Uint8Array): void
  report(event: SwitchEvent): void
  /** How long after one audit the next starts. */
  readonly auditMs?: number
  /** How long the switch may leave a request without an answer. */
  readonly stallMs?: number
  /** The most messages that one bundle holds. */
  readonly bundleSize?: number
}

const defaults = { auditMs: 15_000, stallMs: 10_000, bundleSize: 2_000 }
/** Of the time between two ticks, no more than this counts as waiting. */
const LONGEST_TICK_MS = 1_000

const type = { error: 1, experimenter: 4, multipartReply: 19, barrierReply: 21, roleReply: 25 } as const
const ONF = 0x4f4e4600
const BUNDLE_CONTROL = 2300
const ROLE_STATUS = 1911
const BAD_REQUEST = 1
const IS_SLAVE = 10

/** down: not connected. claiming: the role is asked for. standby: another controller is primary. */
type Phase = 'down' | 'claiming' | 'standby' | 'reading' | 'ready'

export class SwitchSession {
  readonly counters: SwitchCounters = { flowMods: 0, groupMods: 0, meterMods: 0, bundles: 0, errors: 0, audits: 0 }
  private readonly options: SwitchOptions & typeof defaults
  private readonly audits: Audits
  private readonly xids = new Xids()
  private readonly index: Index
  /** What was told, and is not in flight yet. */
  private waiting: Delta[] = []
  /** Apart from what waits and what is in flight, the switch has what is desired, but for these. */
  private readonly odd: Odd = new Map()
  /** Of these, those to be mended: the others were refused and are tried again. */
  private readonly dirty = new Set<string>()
  private readonly refused = new Refusals()
  /** Keys that may have been changing while the switch was being read. */
  private readonly unsettled = new Set<string>()
  private revision = 0
  /** The last revision reported as confirmed on this connection. */
  private confirmed: number | null = null
  private phase: Phase = 'down'
  private flight: Flight | null = null
  private roleXid = 0
  private monitorXid = 0
  private nowMs = 0
  /** When the switch last answered, or was asked something after a silence. */
  private progressMs = 0

  constructor(options: SwitchOptions) {
    this.options = { ...defaults, ...options }
    this.index = new Index(options.desired)
    this.audits = new Audits(this.options, this.index)
  }

  /** What the switch refused and is tried again, by key. */
  get refusals(): ReadonlyMap<string, Refusal> {
    return this.refused.all
  }

  get state(): Phase {
    return this.phase
  }

  /** Everything that the switch shall have, by key. */
  get wanted(): ReadonlyMap<string, Item> {
    return this.index.all
  }

  /** When the next audit is due; Infinity while there is none to wait for. */
  get auditDueMs(): number {
    return this.phase === 'ready' ? this.audits.dueMs : Infinity
  }

  /** The same for one that reads flows too. */
  get flowAuditDueMs(): number {
    return this.phase === 'ready' ? this.audits.flowsDueMs : Infinity
  }

  /** Nothing is on its way and nothing waits to be sent. */
  get settled(): boolean {
    return this.phase === 'ready' && this.flight === null && this.waiting.length + this.dirty.size === 0
  }

  /** What is desired has changed, by `revision`. Changes that come while others are unconfirmed go out together. */
  desire(revision: number, delta: Delta): void {
    this.revision = revision
    this.index.drop()
    if (this.refused.all.size > 0) for (const key of changesOf(delta).keys()) this.refused.delete(key)
    // A switch that has not been read yet is compared as a whole.
    if (this.phase !== 'ready') return
    this.waiting.push(delta)
    this.launch()
  }

  /**
   * The connection stands and hello is over. `generation` asks to be primary (OpenFlow 1.3.5 §6.3.6): of several
   * controllers the one with the highest wins; null leaves the role as it is.
   */
  connected(nowMs: number, generation: bigint | null): void {
    this.disconnected()
    this.nowMs = this.progressMs = nowMs
    if (generation === null) return this.read()
    this.phase = 'claiming'
    this.roleXid = this.xids.take()
    this.request(encodeMessage({ kind: 'role_request', xid: this.roleXid, role: 'primary', generation }))
  }

  disconnected(): void {
    this.phase = 'down'
    this.flight = null
    this.confirmed = null
    this.roleXid = 0
    this.waiting = []
    this.odd.clear()
    this.dirty.clear()
    this.unsettled.clear()
    this.audits.stop()
    this.refused.hasten()
  }

  /**
   * Whether the frame was for this session; if not, it is for others on the connection. The frame may be used again
   * afterwards. Throws DecodeError.
   */
  receive(frame: Uint8Array): boolean {
    if (this.phase === 'down') return false
    const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
    const xid = view.getUint32(4)
    const mine = this.dispatch(view.getUint8(1), xid, frame, view)
    if (mine) this.progressMs = this.nowMs
    return mine
  }

  /** `mayAudit`: what an audit that is due may read, if it may start; one for which there is a sign does not wait to be told. */
  tick(nowMs: number, mayAudit: Extent | null = 'all'): void {
    // What this process has slept is not the switch's delay: its answers may be waiting to be read.
    this.progressMs += Math.max(0, nowMs - this.nowMs - LONGEST_TICK_MS)
    this.nowMs = nowMs
    const waitedMs = nowMs - this.progressMs
    if (this.isWaiting && waitedMs >= this.options.stallMs) return this.stall(waitedMs)
    if (this.audits.isRead) this.onRead()
    else if (!this.audits.isOpen) this.index.drop()
    if (this.phase !== 'ready') return
    // While much is on its way there is little to compare.
    const may = this.audits.isUrgent ? 'all' : this.flight === null ? mayAudit : null
    if (may === 'all' && this.audits.flowsDueMs <= nowMs) this.audit('all')
    else if (may !== null && this.audits.dueMs <= nowMs) this.audit('few')
    this.launch()
  }

  private audit(extent: Extent): void {
    this.counters.audits += 1
    if (this.flight !== null) this.unsettle(this.flight)
    this.request(this.audits.start(this.nowMs, this.xids, extent))
  }

  private get isWaiting(): boolean {
    return this.flight !== null || this.audits.isReading || this.phase === 'claiming'
  }

  /** Sends what the switch must answer. */
  private request(bytes: Uint8Array): void {
    this.progressMs = this.nowMs
    this.options.send(bytes)
  }

  private stall(waitedMs: number): void {
    this.disconnected()
    this.options.report({ kind: 'stalled', waitedMs })
  }

  private dispatch(messageType: number, xid: number, frame: Uint8Array, view: DataView): boolean {
    switch (messageType) {
      case type.error:
        return this.onError(xid, frame, view)
      case type.barrierReply:
        return this.onBarrier(xid)
      case type.multipartReply:
        return this.onMultipart(xid, frame, view)
      case type.experimenter:
        return this.onExperimenter(xid, frame, view)
      case type.roleReply:
        return this.onRole(xid)
      default:
        return false
    }
  }

  private onRole(xid: number): boolean {
    if (this.phase !== 'claiming' || xid !== this.roleXid) return false
    this.options.report({ kind: 'role', role: 'primary' })
    this.read()
    return true
  }

  private onExperimenter(xid: number, frame: Uint8Array, view: DataView): boolean {
    if (frame.length < 16 || view.getUint32(8) !== ONF) return false
    const subtype = view.getUint32(12)
    if (subtype === BUNDLE_CONTROL && this.flight !== null) {
      this.flight.controlled(xid)
      return true
    }
    if (subtype !== ROLE_STATUS) return false
    const message = decodeMessage(frame)
    if (message.kind === 'role_status' && message.role === 'secondary') this.stand()
    return true
  }

  /** Another controller is primary: the switch takes nothing from here until connected() claims it again. */
  private stand(): void {
    if (this.phase === 'standby') return
    this.disconnected()
    this.phase = 'standby'
    this.options.report({ kind: 'role', role: 'standby' })
  }

  private onError(xid: number, frame: Uint8Array, view: DataView): boolean {
    if (!isOurs(xid)) return false
    const error = frame.slice()
    this.counters.errors += 1
    const isSlave = frame.length >= 12 && view.getUint16(8) === BAD_REQUEST && view.getUint16(10) === IS_SLAVE
    if (isSlave || (this.phase === 'claiming' && xid === this.roleXid)) this.stand()
    else if (this.audits.refused(xid)) this.onRead()
    else if (xid === this.monitorXid) this.audits.unwatched()
    else if (this.flight?.error(xid, error) !== true) this.options.report({ kind: 'stray_error', error })
    return true
  }

  // Reading the switch.

  private read(): void {
    this.phase = 'reading'
    this.monitorXid = this.xids.take()
    this.options.send(monitorRequest(this.monitorXid))
    this.request(this.audits.start(this.nowMs, this.xids, 'all'))
  }

  private onMultipart(xid: number, frame: Uint8Array, view: DataView): boolean {
    if (frame.length < 16) return false
    if (this.audits.reply(xid, frame, (view.getUint16(10) & 1) !== 0)) {
      this.onRead()
      return true
    }
    const known = (key: string): boolean => this.odd.has(key) || this.index.all.has(key)
    const whose = changed(frame, view, this.options.owns, known)
    if (whose === 'weft') this.audits.soon()
    else if (whose === 'foreign') this.audits.soonForeign()
    return whose !== null
  }

  private onRead(): void {
    // What is half changed is not to be compared with; the next tick comes back to it.
    if (!this.audits.isRead || !this.options.desired.settled) return
    const dump = this.audits.finish(this.nowMs)
    if (this.phase === 'reading') this.synchronize(dump)
    else this.repair(dump)
    this.unsettled.clear()
    this.launch()
  }

  private synchronize(dump: Dump): void {
    this.phase = 'ready'
    const { kept, missing, changed, unexpected } = start(dump, this.options.desired)
    // Those refused before are tried one by one.
    const refused = this.refused.all
    for (const held of [...changed, ...unexpected]) {
      this.odd.set(held.key, held)
      if (!refused.has(held.key)) this.dirty.add(held.key)
    }
    const added = refused.size === 0 ? missing : missing.filter(({ key }) => !refused.has(key))
    if (refused.size > 0) for (const { key } of missing) if (refused.has(key)) this.odd.set(key, null)
    this.waiting = [{ removed: [], added: [added] }]
    const counts = { kept, missing: missing.length, changed: changed.length, unexpected: unexpected.length }
    this.options.report({ kind: 'synchronized', ...counts })
  }

  private repair(dump: Dump): void {
    for (const delta of this.waiting) for (const key of changesOf(delta).keys()) this.unsettled.add(key)
    for (const key of this.dirty) this.unsettled.add(key)
    const { missing, changed, unexpected } = compare(dump, this.options.desired, this.odd, this.unsettled)
    for (const { key } of [...missing, ...unexpected]) this.dirty.add(key)
    for (const { held } of changed) this.dirty.add(held.key)
    if (missing.length + changed.length + unexpected.length === 0) return
    this.options.report({ kind: 'drift', missing, changed, unexpected })
    // A group takes its flows with it.
    if (dump.extent === 'few') this.audits.soon()
  }

  // Sending the difference.

  /** Starts what waits, unless something is on its way. */
  private launch(): void {
    if (this.phase !== 'ready' || this.flight !== null) return
    const { waiting, dirty, revision, options } = this
    // What to mend by is not known while it is half changed.
    const mending = dirty.size > 0 && options.desired.settled
    if (waiting.length > 0 || mending || this.confirmed !== revision) {
      const drafting = new Drafting(this.odd, options.owns)
      if (mending) drafting.mend(dirty, this.index)
      const draft = drafting.follow(waiting).finish()
      this.waiting = []
      if (mending) dirty.clear()
      this.fly(new Flight(draft, revision, options.bundleSize))
    } else if (options.desired.settled) this.retry()
  }

  /** Tries what was refused, message by message: each stands for itself. */
  private retry(): void {
    const due = this.refused.due(this.nowMs, this.options.bundleSize)
    if (due.length === 0) return
    const draft = new Drafting(this.odd, this.options.owns).mend(due, this.index).finish()
    const keys = new Set(Array.from(draft.plan.held(), ({ key }) => key))
    // Without anything left to do, somebody else has done it.
    for (const key of due) if (!keys.has(key)) this.recover(key)
    this.fly(new Flight(draft, null, this.options.bundleSize, false))
  }

  private recover(key: string): void {
    if (this.refused.delete(key)) this.options.report({ kind: 'recovered', key })
  }

  private fly(flight: Flight): void {
    if (flight.step === undefined) return this.land(flight)
    if (this.audits.isOpen) this.unsettle(flight)
    this.flight = flight
    this.sendStep(flight, flight.step)
  }

  private unsettle({ draft }: Flight): void {
    for (const { key } of draft.plan.held()) this.unsettled.add(key)
  }

  private sendStep(flight: Flight, step: Step): void {
    const { counters } = this
    if (step.bundled) counters.bundles += 1
    for (const { held } of step.parts) {
      // All of a part are of one kind but for meters, which are in no bundle.
      const kind = held[0]?.kind
      if (kind === 'flow') counters.flowMods += held.length
      else if (kind === 'group') counters.groupMods += held.length
      else counters.meterMods += held.length
    }
    this.request(flight.encode(this.xids))
  }

  private onBarrier(xid: number): boolean {
    const { flight } = this
    if (flight === null || !flight.isBarrier(xid)) return false
    const { done, refused } = flight.settle()
    for (const part of done) this.settleDone(part)
    if (refused.length > 0) this.settleRefused(flight, refused)
    if (flight.step === undefined) this.land(flight)
    else this.sendStep(flight, flight.step)
    return true
  }

  private settleDone({ verb, held }: Part): void {
    if (this.odd.size + this.refused.all.size > 0) {
      for (const { key } of held) {
        this.odd.delete(key)
        this.recover(key)
      }
    }
    // Flows may have been refused for want of these.
    if (held.length > 0 && held[0]?.kind !== 'flow' && verb !== 'remove') this.refused.hasten()
  }

  private settleRefused({ draft }: Flight, refused: Outcome['refused']): void {
    const waiting = new Set(this.waiting.flatMap((delta) => [...changesOf(delta).keys()]))
    // Perhaps the switch has not what it was thought to have.
    this.audits.soon()
    for (const { operation, error } of refused) {
      const { verb, held } = operation
      const { key } = held
      if (!this.odd.has(key)) this.odd.set(key, draft.before.get(key) ?? null)
      // What was desired meanwhile is already on its way to be tried.
      if (waiting.has(key) || this.dirty.has(key)) continue
      const { times, retryAtMs } = this.refused.add(verb, held, error, this.nowMs)
      this.options.report({ kind: 'refused', verb, held, error, times, retryInMs: retryAtMs - this.nowMs })
    }
  }

  private land({ revision }: Flight): void {
    this.flight = null
    if (revision !== null && revision !== this.confirmed) {
      this.confirmed = revision
      this.options.report({ kind: 'confirmed', revision })
    }
    this.launch()
  }
}

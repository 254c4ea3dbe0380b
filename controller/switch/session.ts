// Keeps one OpenFlow switch equal to what is desired. A state machine without sockets and clock: frames and the time come
// in, bytes and events go out. Whoever connects (and has done hello and features) calls connected(), then receive() for
// every frame, tick() a few times a second, disconnected() in the end. There is one path for everything that can
// happen: read the switch, compare, send the difference; a restart of either side is only a connect.
import { decodeMessage, encodeMessage } from '../../ofproto/messages/index.ts'
import { sameItem, type Item } from '../pipeline/value.ts'
import { Audits } from './audits.ts'
import { ownerOf, type Dump, type Ownership } from './dump.ts'
import type { SwitchCounters, SwitchEvent } from './events.ts'
import { Flight } from './flight.ts'
import { Installed } from './installed.ts'
import { changed, monitorRequest } from './monitor.ts'
import { plan, type Operation, type Step } from './plan.ts'
import { Refusals, type Refusal } from './refusals.ts'
import { isOurs, Xids } from './xids.ts'

export interface SwitchOptions {
  readonly owns: Ownership
  send(bytes: Uint8Array): void
  report(event: SwitchEvent): void
  /** How long after one audit the next starts. */
  readonly auditMs?: number
  /** How long the switch may leave a request without an answer. */
  readonly stallMs?: number
  /** The most messages that one bundle holds. */
  readonly bundleSize?: number
}

/** An Item to have under its key from now on, or null for none. */
export type Change = readonly [key: string, item: Item | null]

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
  private readonly desired = new Map<string, Item>()
  private readonly installed = new Installed(this.desired)
  /** Keys for which the two may differ, apart from those refused or in flight. */
  private readonly dirty = new Set<string>()
  private readonly refused = new Refusals()
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
    this.audits = new Audits(this.options, this.desired, this.installed)
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
    return this.desired
  }

  /** When the next audit is due; Infinity while there is none to wait for. */
  get auditDueMs(): number {
    return this.phase === 'ready' ? this.audits.dueMs : Infinity
  }

  /** Nothing is on its way and nothing waits to be sent. */
  get settled(): boolean {
    return this.phase === 'ready' && this.flight === null && this.dirty.size === 0
  }

  /** What the switch shall have from `revision` on. Changes that come while others are unconfirmed go out together. */
  desire(revision: number, changes: Iterable<Change>): void {
    this.revision = revision
    const ready = this.phase === 'ready'
    for (const [key, item] of changes) {
      this.installed.keep(key)
      if (item === null) this.desired.delete(key)
      else this.desired.set(key, item)
      this.refused.delete(key)
      // A switch that has not been read yet is compared as a whole.
      if (ready) this.dirty.add(key)
    }
    if (ready) this.launch()
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
    this.installed.clear()
    this.dirty.clear()
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

  /** `mayAudit`: whether an audit that is due may start; one for which there is a sign does not wait to be told. */
  tick(nowMs: number, mayAudit = true): void {
    // What this process has slept is not the switch's delay: its answers may be waiting to be read.
    this.progressMs += Math.max(0, nowMs - this.nowMs - LONGEST_TICK_MS)
    this.nowMs = nowMs
    const waitedMs = nowMs - this.progressMs
    if (this.isWaiting && waitedMs >= this.options.stallMs) return this.stall(waitedMs)
    if (this.phase !== 'ready') return
    if (this.audits.dueMs <= nowMs && (mayAudit || this.audits.isUrgent)) {
      this.counters.audits += 1
      this.request(this.audits.start(nowMs, this.xids))
    }
    this.launch()
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
    else if (this.flight?.error(xid, error) !== true && xid !== this.monitorXid)
      this.options.report({ kind: 'stray_error', error })
    return true
  }

  // Reading the switch.

  private read(): void {
    this.phase = 'reading'
    this.monitorXid = this.xids.take()
    this.options.send(monitorRequest(this.monitorXid))
    this.request(this.audits.start(this.nowMs, this.xids))
  }

  private onMultipart(xid: number, frame: Uint8Array, view: DataView): boolean {
    if (frame.length < 16) return false
    if (this.audits.reply(xid, frame, (view.getUint16(10) & 1) !== 0)) {
      this.onRead()
      return true
    }
    const known = (key: string): boolean => this.installed.get(key) !== undefined
    const whose = changed(frame, view, this.options.owns, known)
    if (whose === 'weft') this.audits.soon()
    else if (whose === 'foreign') this.audits.soonForeign()
    return whose !== null
  }

  private onRead(): void {
    const dump = this.audits.finish(this.nowMs)
    if (dump === null) return
    if (this.phase === 'reading') this.synchronize(dump)
    else this.repair(dump)
    this.launch()
  }

  private synchronize(dump: Dump): void {
    this.phase = 'ready'
    const result = this.audits.synchronize(dump)
    for (const [key, item] of this.desired) {
      if (dump.found.get(key) !== item && !this.refused.all.has(key)) this.dirty.add(key)
    }
    for (const key of dump.found.keys()) if (!this.desired.has(key)) this.dirty.add(key)
    this.options.report(result)
  }

  private repair(dump: Dump): void {
    const { missing, changed, unexpected } = this.audits.compare(dump)
    for (const { key } of [...missing, ...unexpected]) this.dirty.add(key)
    for (const { held } of changed) this.dirty.add(held.key)
    if (missing.length + changed.length + unexpected.length === 0) return
    this.options.report({ kind: 'drift', missing, changed, unexpected })
  }

  // Sending the difference.

  /** Starts what waits, unless something is on its way. */
  private launch(): void {
    if (this.phase !== 'ready' || this.flight !== null) return
    if (this.dirty.size > 0 || this.confirmed !== this.revision) {
      const steps = this.planFor(this.dirty, true)
      this.dirty.clear()
      this.fly(new Flight(steps, this.revision))
    } else this.retry()
  }

  /** Tries what was refused, message by message: each stands for itself. */
  private retry(): void {
    const due = this.refused.due(this.nowMs, this.options.bundleSize)
    if (due.length === 0) return
    const flight = new Flight(this.planFor(due, false), null)
    const keys = new Set(flight.keys())
    // Without anything left to do, somebody else has done it.
    for (const key of due) if (!keys.has(key)) this.recover(key)
    this.fly(flight)
  }

  private recover(key: string): void {
    if (this.refused.delete(key)) this.options.report({ kind: 'recovered', key })
  }

  private planFor(keys: Iterable<string>, bundled: boolean): Step[] {
    const { desired, installed, options } = this
    for (const key of keys) {
      const have = installed.get(key)
      const want = desired.get(key)
      if (have === undefined) continue
      // Something foreign in a place that Weft no longer wants is not Weft's to remove.
      if (want === undefined && ownerOf(options.owns, have) !== 'weft') installed.set(key, null)
      else installed.set(key, want !== undefined && sameItem(want, have) ? want : have)
    }
    return plan(keys, desired, installed, options.bundleSize, bundled)
  }

  private fly(flight: Flight): void {
    if (flight.step === undefined) return this.land(flight)
    this.flight = flight
    this.sendStep(flight, flight.step)
  }

  private sendStep(flight: Flight, step: Step): void {
    const counters = this.counters
    if (step.bundled) counters.bundles += 1
    for (const { held } of step.operations) {
      if (held.kind === 'flow') counters.flowMods += 1
      else if (held.kind === 'group') counters.groupMods += 1
      else counters.meterMods += 1
    }
    this.request(flight.encode(this.xids))
  }

  private onBarrier(xid: number): boolean {
    const { flight } = this
    if (flight === null || !flight.isBarrier(xid)) return false
    const { done, refused } = flight.settle()
    for (const operation of done) this.settleDone(operation)
    // Flows may have been refused for want of these.
    if (done.some(({ verb, held }) => held.kind !== 'flow' && verb !== 'remove')) this.refused.hasten()
    for (const { operation, error } of refused) this.settleRefused(operation, error)
    if (flight.step === undefined) this.land(flight)
    else this.sendStep(flight, flight.step)
    return true
  }

  private settleDone({ verb, held }: Operation): void {
    this.installed.set(held.key, verb === 'remove' ? null : held)
    this.recover(held.key)
  }

  private settleRefused({ verb, held }: Operation, error: Uint8Array): void {
    // What was desired meanwhile is already on its way to be tried.
    if (this.dirty.has(held.key)) return
    // Perhaps the switch has not what it was thought to have.
    this.audits.soon()
    const { times, retryAtMs } = this.refused.add(verb, held, error, this.nowMs)
    this.options.report({ kind: 'refused', verb, held, error, times, retryInMs: retryAtMs - this.nowMs })
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

// When a switch is read, and what is made of it: after connecting to know where to start, and from then on again and
// again to see what others have changed, soon when there is a sign of it. At most one reading is under way. OVS tells of
// changed flows (monitor.ts), so these, which cost most, are read each fourth time only.
import type { Extent, Index } from './desired.ts'
import { Dump, type Ownership } from './dump.ts'
import type { SwitchEvent } from './events.ts'
import type { Xids } from './xids.ts'

/** An audit for which there is a sign comes this long after the last one at the earliest. */
const SOON_MS = 1_000
/** The same for flows of others, which may change them all the time; each audit reads the whole switch. */
const SOON_FOREIGN_MS = 5_000

/** Of flows, in audits; each of them if the switch does not tell of changed ones. */
const FLOWS_EVERY = 4

export interface AuditOptions {
  readonly owns: Ownership
  readonly auditMs: number
  report(event: SwitchEvent): void
}

export class Audits {
  private readonly options: AuditOptions
  private readonly desired: Index
  private dump: Dump | null = null
  private atMs = 0
  private flowsAtMs = 0
  private flowsEvery = FLOWS_EVERY
  private lastMs = 0
  /** There is a sign that something is wrong. */
  private suspicious = false
  private foreignKeys = ''
  /** Groups and meters among them. */
  private foreignFew = ''

  constructor(options: AuditOptions, desired: Index) {
    this.options = options
    this.desired = desired
  }

  /** From the request until somebody has looked at what it told. */
  get isOpen(): boolean {
    return this.dump !== null
  }

  /** Answers of the switch are still to come. */
  get isReading(): boolean {
    return this.dump !== null && !this.dump.complete
  }

  /** All answers have come, and nobody has looked at them. */
  get isRead(): boolean {
    return this.dump !== null && this.dump.complete
  }

  /** When the next is due, from now on; Infinity while one is under way. */
  get dueMs(): number {
    return this.dump === null ? this.atMs : Infinity
  }

  /** The same for flows. */
  get flowsDueMs(): number {
    return this.dump === null ? this.flowsAtMs : Infinity
  }

  /** The switch does not tell of flows that others change. */
  unwatched(): void {
    this.flowsEvery = 1
  }

  get isUrgent(): boolean {
    return this.suspicious
  }

  /** The requests that read the switch. */
  start(nowMs: number, xids: Xids, extent: Extent): Uint8Array {
    const { owns } = this.options
    this.lastMs = nowMs
    this.suspicious = false
    this.dump = new Dump(owns, this.desired, extent)
    return this.dump.encode(xids)
  }

  /** The connection is gone. */
  stop(): void {
    this.dump = null
  }

  /** Something may be wrong. */
  soon(): void {
    this.suspicious = true
    this.due(this.lastMs + SOON_MS)
  }

  /** Others have changed flows of theirs. */
  soonForeign(): void {
    this.due(this.lastMs + SOON_FOREIGN_MS)
  }

  private due(atMs: number): void {
    this.atMs = Math.min(this.atMs, atMs)
    this.flowsAtMs = Math.min(this.flowsAtMs, atMs)
  }

  reply(xid: number, frame: Uint8Array, more: boolean): boolean {
    return this.dump?.reply(xid, frame, more) ?? false
  }

  refused(xid: number): boolean {
    return this.dump?.refused(xid) ?? false
  }

  /** What was found, when all of it has come. */
  finish(nowMs: number): Dump {
    const dump = this.dump as Dump
    this.dump = null
    const { auditMs } = this.options
    // A sign that came meanwhile may be of what had been read already.
    const soonMs = this.suspicious ? this.lastMs + SOON_MS : Infinity
    this.atMs = Math.min(nowMs + auditMs, soonMs)
    if (dump.extent === 'all') {
      this.flowsAtMs = Math.min(nowMs + auditMs * this.flowsEvery, soonMs)
      this.reportForeign(dump)
    } else if (keysOf(dump) !== this.foreignFew) this.soonForeign()
    return dump
  }

  private reportForeign(dump: Dump): void {
    const { foreign, foreignCount } = dump
    const keys = [...foreign.keys()].join(' ')
    this.foreignFew = keysOf(dump)
    if (keys === this.foreignKeys) return
    this.foreignKeys = keys
    this.options.report({ kind: 'foreign', count: foreignCount, items: [...foreign.values()] })
  }
}

const keysOf = ({ foreign }: Dump): string =>
  Array.from(foreign)
    .filter(([, { kind }]) => kind !== 'flow')
    .map(([key]) => key)
    .join(' ')

// When a switch is read, and what is made of it: after connecting to know where to start, and from then on again and
// again to see what others have changed, soon when there is a sign of it. At most one reading is under way.
import type { Item } from '../pipeline/value.ts'
import { accept, type Difference } from './compare.ts'
import { Dump, type Ownership } from './dump.ts'
import type { SwitchEvent } from './events.ts'
import type { Installed } from './installed.ts'
import type { Xids } from './xids.ts'

/** An audit for which there is a sign comes this long after the last one at the earliest. */
const SOON_MS = 1_000
/** The same for flows of others, which may change them all the time; each audit reads the whole switch. */
const SOON_FOREIGN_MS = 5_000

export interface AuditOptions {
  readonly owns: Ownership
  readonly auditMs: number
  report(event: SwitchEvent): void
}

type Synchronized = Extract<SwitchEvent, { kind: 'synchronized' }>

export class Audits {
  private readonly options: AuditOptions
  private readonly desired: ReadonlyMap<string, Item>
  private readonly installed: Installed
  private dump: Dump | null = null
  private atMs = 0
  private lastMs = 0
  /** There is a sign that something is wrong. */
  private suspicious = false
  private foreignKeys = ''

  constructor(options: AuditOptions, desired: ReadonlyMap<string, Item>, installed: Installed) {
    this.options = options
    this.desired = desired
    this.installed = installed
  }

  get isReading(): boolean {
    return this.dump !== null
  }

  /** When the next is due, from now on; Infinity while one is under way. */
  get dueMs(): number {
    return this.dump === null ? this.atMs : Infinity
  }

  get isUrgent(): boolean {
    return this.suspicious
  }

  /** The requests that read the switch. */
  start(nowMs: number, xids: Xids): Uint8Array {
    const { owns } = this.options
    this.lastMs = nowMs
    this.suspicious = false
    this.dump = new Dump(owns, this.installed, this.desired)
    return this.dump.encode(xids)
  }

  /** The connection is gone. */
  stop(): void {
    this.dump = null
  }

  /** Something may be wrong. */
  soon(): void {
    this.suspicious = true
    this.atMs = Math.min(this.atMs, this.lastMs + SOON_MS)
  }

  /** Others have changed flows of theirs. */
  soonForeign(): void {
    this.atMs = Math.min(this.atMs, this.lastMs + SOON_FOREIGN_MS)
  }

  reply(xid: number, frame: Uint8Array, more: boolean): boolean {
    return this.dump?.reply(xid, frame, more) ?? false
  }

  refused(xid: number): boolean {
    return this.dump?.refused(xid) ?? false
  }

  /** What was found, when all of it has come; else null. */
  finish(nowMs: number): Dump | null {
    const { dump } = this
    if (dump === null || !dump.complete) return null
    this.dump = null
    this.atMs = nowMs + this.options.auditMs
    this.reportForeign(dump)
    return dump
  }

  /** After the first reading of a connection, which tells what is installed. */
  synchronize(dump: Dump): Synchronized {
    const { unexpected } = accept(dump, this.installed, this.desired)
    this.installed.read(dump.found)
    const changed = unexpected.filter(({ key }) => this.desired.has(key))
    let kept = 0
    for (const [key, item] of this.desired) if (dump.found.get(key) === item) kept += 1
    return {
      kind: 'synchronized',
      kept,
      missing: this.desired.size - kept - changed.length,
      changed: changed.length,
      unexpected: unexpected.length - changed.length,
    }
  }

  /** After any other: what is to be repaired. */
  compare(dump: Dump): Difference {
    return accept(dump, this.installed, this.desired)
  }

  private reportForeign({ foreign, foreignCount }: Dump): void {
    const keys = [...foreign.keys()].join(' ')
    if (keys === this.foreignKeys) return
    this.foreignKeys = keys
    this.options.report({ kind: 'foreign', count: foreignCount, items: [...foreign.values()] })
  }
}

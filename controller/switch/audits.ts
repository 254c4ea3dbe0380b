// When a switch is read, and what is made of it: after connecting to know where to start, and from then on again and
// again to see what others have changed, soon when there is a sign of it. At most one reading is under way.
import type { Item } from '../pipeline/value.ts'
import { accept, type Difference } from './compare.ts'
import { Dump, type Ownership } from './dump.ts'
import type { SwitchEvent } from './events.ts'
import type { Installed } from './installed.ts'
import type { Rewritten } from './rewritten.ts'
import type { Held } from './wire.ts'
import type { Xids } from './xids.ts'

/** An audit for which there is a sign comes this long after the last one at the earliest. */
const SOON_MS = 1_000

export interface AuditOptions {
  readonly owns: Ownership
  readonly rewritten: Rewritten
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
  /** Repaired from this form: the next reading tells whether that was the switch's own way of writing the item. */
  private readonly repaired = new Map<string, { held: Held; listed: Held }>()
  private foreignKeys = ''

  constructor(options: AuditOptions, desired: ReadonlyMap<string, Item>, installed: Installed) {
    this.options = options
    this.desired = desired
    this.installed = installed
  }

  get isReading(): boolean {
    return this.dump !== null
  }

  isDue(nowMs: number): boolean {
    return this.dump === null && nowMs >= this.atMs
  }

  /** The requests that read the switch. */
  start(nowMs: number, xids: Xids): Uint8Array {
    const { owns, rewritten } = this.options
    this.lastMs = nowMs
    this.dump = new Dump(owns, this.installed, this.desired, rewritten)
    return this.dump.encode(xids)
  }

  /** The connection is gone. */
  stop(): void {
    this.dump = null
    this.repaired.clear()
  }

  /** Something may be wrong. */
  soon(): void {
    this.atMs = Math.min(this.atMs, this.lastMs + SOON_MS)
  }

  /** All that was found wrong has been sent: did the switch take it? */
  verify(): void {
    if (this.repaired.size > 0) this.atMs = 0
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
    for (const listed of changed) this.repaired.set(listed.key, { held: this.desired.get(listed.key) as Item, listed })
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
    const { missing, changed, unexpected } = accept(dump, this.installed, this.desired)
    const damaged = changed.filter((change) => !this.learn(change.held, change.found))
    for (const [key, { held }] of this.repaired) {
      const waits = this.desired.get(key) === held && this.installed.get(key) !== held
      if (!waits) this.repaired.delete(key)
    }
    for (const { held, found } of damaged) this.repaired.set(held.key, { held, listed: found })
    return { missing, changed: damaged, unexpected }
  }

  /** The switch refused the repair: nothing is to be verified. */
  forget(key: string): void {
    this.repaired.delete(key)
  }

  /** Whether `found` is only the switch's way of writing `held`. */
  private learn(held: Held, found: Held): boolean {
    const before = this.repaired.get(held.key)
    const again = before?.held === held && Buffer.compare(before.listed.frame, found.frame) === 0
    if (!again) return false
    this.options.rewritten.learn(held, found)
    this.installed.set(held.key, held)
    this.options.report({ kind: 'rewritten', held, listed: found })
    return true
  }

  private reportForeign({ foreign, foreignCount }: Dump): void {
    const keys = [...foreign.keys()].join(' ')
    if (keys === this.foreignKeys) return
    this.foreignKeys = keys
    this.options.report({ kind: 'foreign', count: foreignCount, items: [...foreign.values()] })
  }
}

// Reading back what a switch has: groups, meters and flows, compared entry by entry, as they arrive, with what it shall
// have. Nothing is kept of an entry that is as it should be but a reference.
// OVS does what it is asked in the order in which it is asked, and answers in that order: when a dump has come, every
// step sent before it has been confirmed, and none sent after it. So changes in flight need no care.
import { writeMessage } from '../../ofproto/messages/index.ts'
import { Writer } from '../../ofproto/wire/writer.ts'
import type { Item } from '../pipeline/value.ts'
import { means } from './describe.ts'
import type { Extent, Index } from './desired.ts'
import { eachEntry, listedCookie, observed, same, type Entry, type Held } from './wire.ts'
import type { Xids } from './xids.ts'

/**
 * Whose is a flow with this cookie, a group or a meter with this number? What is foreign is reported and left alone;
 * what is to be ignored (flows that Weft's own flows learn, for example) is left alone.
 */
export type Owner = 'weft' | 'foreign' | 'ignored'
export interface Ownership {
  flow(cookie: bigint): Owner
  group(id: number): Owner
  meter(id: number): Owner
}

const ownerOfEntry = (owns: Ownership, entry: Entry): Owner =>
  entry.kind === 'flow' ? owns.flow(listedCookie(entry)) : owns[entry.kind](entry.id)

export const ownerOf = (owns: Ownership, held: Held): Owner =>
  held.kind === 'flow' ? owns.flow(held.cookie) : owns[held.kind](held.id)

const KINDS = { few: ['group_desc', 'meter_config'], all: ['group_desc', 'meter_config', 'flow'] } as const
const ITEM_KIND = { group_desc: 'group', meter_config: 'meter', flow: 'flow' } as const
const ANY = 0xffff_ffff
const ALL_METERS = 0xffff_ffff
const ALL_TABLES = 0xff
/** Foreign entries beyond this are counted and not described. */
const FOREIGN_MAX = 1_000

const bodies = {
  group_desc: { kind: 'group_desc' },
  meter_config: { kind: 'meter_config', meter: ALL_METERS },
  flow: { kind: 'flow', table: ALL_TABLES, outPort: ANY, outGroup: ANY, cookie: 0n, cookieMask: 0n, match: [] },
} as const

export class Dump {
  /** What was there as desired. */
  readonly matched: Item[] = []
  /** What was there otherwise, and would be Weft's or stands in its place. */
  readonly other: Held[] = []
  readonly foreign = new Map<string, Held>()
  foreignCount = 0
  private readonly pending = new Map<number, Item['kind']>()
  readonly extent: Extent
  private readonly owns: Ownership
  private readonly desired: Index

  constructor(owns: Ownership, desired: Index, extent: Extent) {
    this.owns = owns
    this.desired = desired
    this.extent = extent
  }

  /** The requests. */
  encode(xids: Xids): Uint8Array {
    const w = new Writer(256)
    for (const kind of KINDS[this.extent]) {
      const xid = xids.take()
      this.pending.set(xid, ITEM_KIND[kind])
      writeMessage(w, { kind: 'multipart_request', xid, more: false, body: bodies[kind] })
    }
    return w.slice()
  }

  get complete(): boolean {
    return this.pending.size === 0
  }

  /** Whether it tells of things of this kind. */
  covers(kind: Item['kind']): boolean {
    return this.extent === 'all' || kind !== 'flow'
  }

  /** Takes a multipart reply, if it is one of this dump. */
  reply(xid: number, frame: Uint8Array, more: boolean): boolean {
    const kind = this.pending.get(xid)
    if (kind === undefined) return false
    eachEntry(kind, frame, (entry) => this.take(entry))
    if (!more) this.pending.delete(xid)
    return true
  }

  /** The switch does not have this kind of thing: then it has none. */
  refused(xid: number): boolean {
    return this.pending.delete(xid)
  }

  private take(entry: Entry): void {
    const want = this.desired[this.extent].get(entry.key)
    if (want !== undefined) {
      if (same(want, entry)) this.matched.push(want)
      else this.takeOther(want, observed(entry))
      return
    }
    const owner = ownerOfEntry(this.owns, entry)
    if (owner === 'weft') this.other.push(observed(entry))
    else if (owner === 'foreign') this.takeForeign(entry)
  }

  private takeOther(want: Item, found: Held): void {
    if (means(want, found)) this.matched.push(want)
    else this.other.push(found)
  }

  private takeForeign(entry: Entry): void {
    this.foreignCount += 1
    if (this.foreign.size < FOREIGN_MAX) this.foreign.set(entry.key, observed(entry))
  }
}

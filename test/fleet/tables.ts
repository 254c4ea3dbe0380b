// The flows, groups and meters of one simulated switch, and what OpenFlow says of changing them: an added flow replaces its
// like, what uses a group or meter goes with it, and a bundle happens whole or not at all.
import { FlowMatch } from '../../ofproto/fields/flow-match.ts'
import {
  ALL_TABLES,
  ANY_GROUP,
  encodeMessage,
  ports,
  type FlowMod,
  type GroupMod,
  type Message,
  type MeterMod,
} from '../../ofproto/messages/index.ts'
import { errorCodes, type ErrorCode } from '../../ofproto/wire/errors.ts'
import { keyOfFlow, type FlowPool, type PooledFlow } from './flow-pool.ts'

/** What OVS 3.1 answers (OpenFlow 1.3.5 §7.4.4). */
export const refusals = {
  badOutGroup: { name: 'OFPBAC_BAD_OUT_GROUP', type: 2, code: 9, experimenter: null },
  tableFull: { name: 'OFPFMFC_TABLE_FULL', type: 5, code: 1, experimenter: null },
  groupExists: { name: 'OFPGMFC_GROUP_EXISTS', type: 6, code: 0, experimenter: null },
  unknownGroup: { name: 'OFPGMFC_UNKNOWN_GROUP', type: 6, code: 8, experimenter: null },
  meterExists: { name: 'OFPMMFC_METER_EXISTS', type: 12, code: 1, experimenter: null },
  /** Of a flow that wants one that is not there. */
  invalidMeter: { name: 'OFPMMFC_INVALID_METER', type: 12, code: 2, experimenter: null },
  unknownMeter: { name: 'OFPMMFC_UNKNOWN_METER', type: 12, code: 3, experimenter: null },
  bundleFailed: { name: 'OFPBFC_MSG_FAILED', type: 0xffff, code: 2315, experimenter: 0x4f4e4600 },
} as const satisfies Record<string, ErrorCode>

const STRICT: ReadonlySet<string> = new Set(['modify_strict', 'delete_strict'])

/** Whether a flow is one that a request for `wanted` means: it looks at all that the request does, and finds the same. */
function isWithin(flow: FlowMatch, wanted: FlowMatch): boolean {
  return Array.from(wanted.entries()).every(([slot, { value, mask }]) => {
    const mine = flow.get(slot)
    return (mine.mask & mask) === mask && (mine.value & mask) === value
  })
}

const cookieFits = (cookie: bigint, mod: FlowMod): boolean => ((cookie ^ mod.cookie) & mod.cookieMask) === 0n

export class SwitchTables {
  readonly flows = new Map<string, PooledFlow>()
  groups = new Map<number, GroupMod>()
  meters = new Map<number, MeterMod>()
  readonly #pool: FlowPool
  readonly #changed: (flow: PooledFlow, present: boolean) => void
  /** What stood where flows changed since begin(). */
  #journal: { readonly keys: string[]; readonly before: (PooledFlow | undefined)[] } | null = null
  #groupsBefore = this.groups

  /** `changed` hears of each flow that comes and goes. */
  constructor(pool: FlowPool, changed: (flow: PooledFlow, present: boolean) => void) {
    this.#pool = pool
    this.#changed = changed
  }

  /** What changes from here on can be undone, until end(). */
  begin(): void {
    this.#journal = { keys: [], before: [] }
    this.#groupsBefore = new Map(this.groups)
  }

  end(keep: boolean): void {
    const { keys, before: all } = this.#journal ?? { keys: [], before: [] }
    this.#journal = null
    if (keep) {
      for (const before of all) if (before !== undefined) this.#pool.drop(before)
      return
    }
    this.groups = this.#groupsBefore
    for (let i = keys.length - 1; i >= 0; i -= 1) {
      const [key, before] = [keys[i] as string, all[i]]
      const now = this.flows.get(key)
      if (before === undefined) this.flows.delete(key)
      else this.flows.set(key, before)
      if (now !== undefined) this.#pool.drop(now)
    }
  }

  /** As after a restart of ovs-vswitchd. */
  clear(): void {
    for (const flow of this.flows.values()) this.#pool.drop(flow)
    this.flows.clear()
    this.groups.clear()
    this.meters.clear()
  }

  /** Takes over the caller's use of the flow. */
  add(flow: PooledFlow): ErrorCode | null {
    const { groups, meters } = flow.uses
    const refusal = groups.some((group) => !this.groups.has(group))
      ? refusals.badOutGroup
      : meters.some((meter) => !this.meters.has(meter))
        ? refusals.invalidMeter
        : null
    if (refusal === null) this.#set(flow.key, flow)
    else this.#pool.drop(flow)
    return refusal
  }

  apply(message: Message): ErrorCode | null {
    switch (message.kind) {
      case 'flow_mod':
        return this.#flowMod(message)
      case 'group_mod':
        return this.#groupMod(message)
      case 'meter_mod':
        return this.#meterMod(message)
      default:
        return errorCodes.badType
    }
  }

  #set(key: string, flow: PooledFlow | undefined): void {
    const before = this.flows.get(key)
    if (flow === undefined) this.flows.delete(key)
    else this.flows.set(key, flow)
    if (this.#journal !== null) {
      this.#journal.keys.push(key)
      this.#journal.before.push(before)
    } else if (before !== undefined) this.#pool.drop(before)
    const told = flow ?? before
    if (told !== undefined) this.#changed(told, flow !== undefined)
  }

  #flowMod(mod: FlowMod): ErrorCode | null {
    if (mod.command === 'add') return this.add(this.#pool.take(Buffer.from(encodeMessage(mod))))
    // No client of these hosts has asked for it, and taking it for "any port" would delete too much.
    if (mod.outPort !== ports.any || mod.outGroup !== ANY_GROUP) return errorCodes.permission
    for (const flow of this.#meant(mod)) {
      if (mod.command === 'delete' || mod.command === 'delete_strict') this.#set(flow.key, undefined)
      else {
        const refusal = this.add(this.#pool.take(Buffer.from(encodeMessage(modified(flow, mod)))))
        if (refusal !== null) return refusal
      }
    }
    return null
  }

  /** The flows that a modify or delete is about. */
  #meant(mod: FlowMod): PooledFlow[] {
    if (STRICT.has(mod.command)) {
      const flow = this.flows.get(keyOfFlow(Buffer.from(encodeMessage(mod))))
      return flow !== undefined && cookieFits(flow.cookie, mod) ? [flow] : []
    }
    const wanted = FlowMatch.from(mod.match)
    return Array.from(this.flows.values()).filter((flow) => {
      if (!cookieFits(flow.cookie, mod)) return false
      const { table, match } = flow.message
      return (mod.table === ALL_TABLES || mod.table === table) && isWithin(FlowMatch.from(match), wanted)
    })
  }

  #groupMod(mod: GroupMod): ErrorCode | null {
    const exists = this.groups.has(mod.group)
    if (mod.command === 'delete') {
      this.groups.delete(mod.group)
      this.#deleteUsers(({ uses }) => uses.groups.includes(mod.group))
      return null
    }
    if (mod.command === 'add' && exists) return refusals.groupExists
    if (mod.command === 'modify' && !exists) return refusals.unknownGroup
    this.groups.set(mod.group, mod)
    return null
  }

  #meterMod(mod: MeterMod): ErrorCode | null {
    const exists = this.meters.has(mod.meter)
    if (mod.command === 'delete') {
      this.meters.delete(mod.meter)
      this.#deleteUsers(({ uses }) => uses.meters.includes(mod.meter))
      return null
    }
    if (mod.command === 'add' && exists) return refusals.meterExists
    if (mod.command === 'modify' && !exists) return refusals.unknownMeter
    this.meters.set(mod.meter, mod)
    return null
  }

  #deleteUsers(isUser: (flow: PooledFlow) => boolean): void {
    for (const flow of this.flows.values()) if (isUser(flow)) this.#set(flow.key, undefined)
  }
}

/** The flow with the instructions of the request; its cookie and timeouts stay (OpenFlow 1.3.5 §6.4). */
const modified = (flow: PooledFlow, { instructions }: FlowMod): FlowMod => ({ ...flow.message, instructions })

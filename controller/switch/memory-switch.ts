// A switch in memory for tests: it applies what it is sent, as OVS does: an added flow replaces its like, strict deletes
// look at the cookie, bundles are atomic, deleting a group or meter deletes the flows that use it, and every refusal is
// an error with the xid of what was refused. It works on decoded messages, so that it agrees with nothing by accident.
import { decodeMessage, encodeMessage, type Message } from '../../ofproto/messages/index.ts'

type Of<K extends Message['kind']> = Extract<Message, { kind: K }>
type FlowMod = Of<'flow_mod'>
type Mod = FlowMod | Of<'group_mod'> | Of<'meter_mod'>
type Body = Of<'multipart_reply'>['body']
type BodyOf<K extends Body['kind']> = Extract<Body, { kind: K }>
export interface SwitchError {
  readonly type: number
  readonly code: number
  readonly experimenter: number | null
}

const standard = (type: number, code: number): SwitchError => ({ type, code, experimenter: null })
export const errors = {
  tableFull: standard(5, 1),
  badOutGroup: standard(2, 9),
  groupExists: standard(6, 0),
  unknownMeter: standard(12, 2),
  meterExists: standard(12, 1),
  unsupported: standard(1, 3),
  staleRole: standard(11, 0),
  isSlave: standard(1, 10),
  messageFailed: { type: 0xffff, code: 2315, experimenter: 0x4f4e4600 },
} as const

/** Entries in one multipart reply. */
const REPLY_MAX = 3

export class MemorySwitch {
  flows = new Map<string, FlowMod>()
  groups = new Map<number, Of<'group_mod'>>()
  meters = new Map<number, Of<'meter_mod'>>()
  /** Every message received, those in bundles as themselves. */
  readonly log: Message[] = []
  /** Refuses a message with an error: when it arrives ('add') or when it is applied ('commit'). */
  refuse: (message: Mod, when: 'add' | 'commit') => SwitchError | null = () => null
  hasBundles = true
  hasMonitor = true
  isPrimary = true
  /** How it writes down a flow that it is sent. */
  rewrite: (mod: FlowMod) => FlowMod = (mod) => mod
  /** Whether commits fail without saying why. */
  isMute = false
  private readonly bundles = new Map<number, Mod[]>()
  private out: Uint8Array[] = []
  private lastGeneration: bigint | null = null

  /** Whole frames, as one write of the controller. */
  receive(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    for (let at = 0; at < bytes.length;) {
      const end = at + view.getUint16(at + 2)
      this.handle(decodeMessage(bytes, at, end), bytes.slice(at, end))
      at = end
    }
  }

  /** What it has answered since the last call. */
  answers(): Uint8Array[] {
    const { out } = this
    this.out = []
    return out
  }

  /** As after a restart of ovs-vswitchd. */
  restart(): void {
    this.flows = new Map()
    this.groups = new Map()
    this.meters = new Map()
    this.disconnect()
  }

  disconnect(): void {
    this.out = []
    this.bundles.clear()
  }

  demote(): void {
    this.isPrimary = false
    this.reply({ kind: 'role_status', xid: 0, role: 'secondary', reason: 0, generation: 9n, properties: [] })
  }

  key(mod: FlowMod): string {
    const bare = { ...mod, xid: 0, cookie: 0n, cookieMask: 0n, instructions: [], command: 'add' as const, flags: 0 }
    const same = { ...bare, idleTimeoutSeconds: 0, hardTimeoutSeconds: 0, bufferId: 0, outPort: 0, outGroup: 0 }
    return Buffer.from(encodeMessage(same)).toString('hex')
  }

  private reply(message: Message): void {
    this.out.push(encodeMessage(message))
  }

  private fail(error: SwitchError, xid: number, data: Uint8Array): void {
    this.reply({ kind: 'error', version: 4, xid, ...error, data: data.slice(0, 64) })
  }

  private handle(message: Message, bytes: Uint8Array): void {
    this.log.push(message.kind === 'bundle_add' ? message.message : message)
    const { xid } = message
    switch (message.kind) {
      case 'role_request':
        return this.role(message, bytes)
      case 'multipart_request':
        return this.list(message, bytes)
      case 'flow_mod':
      case 'group_mod':
      case 'meter_mod': {
        const error = this.refuse(message, 'add') ?? this.apply(message)
        return error === null ? undefined : this.fail(error, xid, bytes)
      }
      case 'bundle_control':
        return this.control(message, bytes)
      case 'bundle_add': {
        const mod = message.message as Mod
        const error = this.hasBundles ? this.refuse(mod, 'add') : errors.unsupported
        if (error !== null) return this.fail(error, xid, bytes)
        const bundle = this.bundles.get(message.bundle) ?? []
        this.bundles.set(message.bundle, [...bundle, mod])
        return undefined
      }
      case 'barrier_request':
        return this.reply({ kind: 'barrier_reply', xid })
      default:
        throw new Error(`the memory switch does not know ${message.kind}`)
    }
  }

  private role(message: Of<'role_request'>, bytes: Uint8Array): void {
    const { xid, generation, role } = message
    if (this.lastGeneration !== null && generation < this.lastGeneration) {
      return this.fail(errors.staleRole, xid, bytes)
    }
    this.lastGeneration = generation
    this.isPrimary = true
    this.reply({ kind: 'role_reply', xid, role, generation })
  }

  private control(message: Of<'bundle_control'>, bytes: Uint8Array): void {
    const { xid, bundle, type } = message
    if (!this.hasBundles) return this.fail(errors.unsupported, xid, bytes)
    if (!this.isPrimary) return this.fail(errors.isSlave, xid, bytes)
    if (type === 'open_request') this.bundles.set(bundle, [])
    if (type === 'commit_request' && !this.commit(bundle)) return this.fail(errors.messageFailed, xid, bytes)
    const answer = { open_request: 'open_reply', close_request: 'close_reply', commit_request: 'commit_reply' } as const
    this.reply({ ...message, type: answer[type as keyof typeof answer] })
  }

  private commit(id: number): boolean {
    const before = { flows: new Map(this.flows), groups: new Map(this.groups) }
    const mods = this.bundles.get(id) ?? []
    this.bundles.delete(id)
    for (const mod of mods) {
      const error = this.apply(mod)
      if (error === null && !this.isMute) continue
      if (error !== null && !this.isMute) this.fail(error, mod.xid, encodeMessage(mod))
      Object.assign(this, before)
      return false
    }
    return true
  }

  private apply(mod: Mod): SwitchError | null {
    if (!this.isPrimary) return errors.isSlave
    const error = this.refuse(mod, 'commit')
    if (error !== null) return error
    if (mod.kind === 'flow_mod') return this.applyFlow(mod)
    return mod.kind === 'group_mod' ? this.applyGroup(mod) : this.applyMeter(mod)
  }

  private applyFlow(mod: FlowMod): SwitchError | null {
    const key = this.key(mod)
    if (mod.command === 'add') {
      const problem = this.missing(mod)
      if (problem === null) this.flows.set(key, this.rewrite(mod))
      return problem
    }
    if (mod.command !== 'delete_strict') throw new Error(`the memory switch does not know ${mod.command}`)
    const old = this.flows.get(key)
    if (old !== undefined && (old.cookie & mod.cookieMask) === (mod.cookie & mod.cookieMask)) this.flows.delete(key)
    return null
  }

  private missing(mod: FlowMod): SwitchError | null {
    if (uses(mod).groups.some((group) => !this.groups.has(group))) return errors.badOutGroup
    return uses(mod).meters.some((meter) => !this.meters.has(meter)) ? errors.unknownMeter : null
  }

  private applyGroup(mod: Of<'group_mod'>): SwitchError | null {
    if (mod.command === 'add' && this.groups.has(mod.group)) return errors.groupExists
    if (mod.command !== 'delete') this.groups.set(mod.group, mod)
    else this.deleteGroup(mod.group)
    return null
  }

  deleteGroup(group: number): void {
    this.groups.delete(group)
    for (const [key, flow] of this.flows) if (uses(flow).groups.includes(group)) this.flows.delete(key)
  }

  private applyMeter(mod: Of<'meter_mod'>): SwitchError | null {
    const exists = this.meters.has(mod.meter)
    if (mod.command === 'delete') this.deleteMeter(mod.meter)
    else if (exists && mod.command === 'add') return errors.meterExists
    else if (!exists && mod.command === 'modify') return errors.unknownMeter
    else this.meters.set(mod.meter, mod)
    return null
  }

  deleteMeter(meter: number): void {
    this.meters.delete(meter)
    for (const [key, flow] of this.flows) if (uses(flow).meters.includes(meter)) this.flows.delete(key)
  }

  private list(message: Of<'multipart_request'>, bytes: Uint8Array): void {
    const { xid, body } = message
    if (body.kind === 'flow_monitor' && !this.hasMonitor) return this.fail(errors.unsupported, xid, bytes)
    const parts: Body[] = []
    if (body.kind === 'flow') {
      const flows = [...this.flows.values()].map(flowStats)
      for (const part of pieces(flows)) parts.push({ kind: 'flow', flows: part })
    } else if (body.kind === 'group_desc') {
      const groups = [...this.groups.values()].map(({ type, group, buckets }) => ({ type, group, buckets }))
      for (const part of pieces(groups)) parts.push({ kind: 'group_desc', groups: part })
    } else if (body.kind === 'meter_config') {
      const meters = [...this.meters.values()].map(({ flags, meter, bands }) => ({ flags, meter, bands }))
      for (const part of pieces(meters)) parts.push({ kind: 'meter_config', meters: part })
    } else parts.push({ kind: 'flow_monitor', updates: [] })
    parts.forEach((part, i) => this.reply({ kind: 'multipart_reply', xid, more: i < parts.length - 1, body: part }))
  }

  /** Tells a flow monitor that somebody changed this flow. */
  tell(mod: FlowMod): void {
    const { priority, idleTimeoutSeconds, hardTimeoutSeconds, table, cookie, match, instructions } = mod
    const about = { priority, idleTimeoutSeconds, hardTimeoutSeconds, table, cookie, match, instructions }
    const update = { kind: 'full' as const, event: 'deleted' as const, reason: 2, ...about }
    this.reply({ kind: 'multipart_reply', xid: 0, more: false, body: { kind: 'flow_monitor', updates: [update] } })
  }
}

function pieces<T>(all: readonly T[]): T[][] {
  const out: T[][] = [[]]
  for (const each of all) {
    if ((out.at(-1) as T[]).length === REPLY_MAX) out.push([])
    ;(out.at(-1) as T[]).push(each)
  }
  return out
}

function flowStats(mod: FlowMod): BodyOf<'flow'>['flows'][number] {
  const { table, priority, idleTimeoutSeconds, hardTimeoutSeconds, cookie, match, instructions } = mod
  const counts = { durationSeconds: 7, durationNanoseconds: 8, packets: 9n, bytes: 10n, flags: mod.flags & 0x19 }
  return { table, priority, idleTimeoutSeconds, hardTimeoutSeconds, cookie, match, instructions, ...counts }
}

function uses(mod: FlowMod): { groups: number[]; meters: number[] } {
  const groups: number[] = []
  const meters: number[] = []
  for (const instruction of mod.instructions) {
    if (instruction.kind === 'meter') meters.push(instruction.meter)
    if (instruction.kind !== 'apply_actions') continue
    for (const action of instruction.actions) if (action.kind === 'group') groups.push(action.group)
  }
  return { groups, meters }
}

// A simulated OpenFlow 1.3 switch without a socket: frames in, answers out. It has what OVS has for a controller such as
// Weft: flows, groups, meters, bundles, barriers, roles, flow monitors, packet-in and packet-out. What packets do in its
// tables, the software model says (controller/model).
import { ModelSwitch } from '../../controller/model/switch.ts'
import { plainPort, tunnelPort } from '../../controller/model/tables.ts'
import type { Punt } from '../../controller/model/trace.ts'
import type { MatchEntry } from '../../ofproto/fields/match.ts'
import {
  capabilities,
  decodeMessage,
  encodeMessage,
  NO_BUFFER,
  type Message,
  type MultipartReplyBody,
} from '../../ofproto/messages/index.ts'
import { DecodeError, errorCodes, type ErrorCode } from '../../ofproto/wire/errors.ts'
import type { FlowPool, PooledFlow } from './flow-pool.ts'
import { listing } from './listing.ts'
import { refusals, SwitchTables } from './tables.ts'

const FLOW_MOD = 14
const EXPERIMENTER = 4
const ONF = 0x4f4e4600
const BUNDLE_ADD = 2301
/** Where in a bundle_add the message is that it carries. */
const BUNDLED_AT = 24
const COMMAND_AT = 25
const SMALLEST_FLOW_MOD = 56

const u32 = (bytes: Uint8Array, at: number): number =>
  (((bytes[at] as number) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number)) >>>
  0

type Of<K extends Message['kind']> = Extract<Message, { kind: K }>

/** A message of a bundle: nearly always a flow to add. */
type Bundled = { readonly xid: number } & ({ readonly flow: PooledFlow } | { readonly message: Message })

/** Since the start; what the controller sent, what the switch answered. */
export interface SwitchCounters {
  frames: number
  bytes: number
  flowMods: number
  groupMods: number
  meterMods: number
  bundles: number
  refused: number
  packetIns: number
  packetOuts: number
  answers: number
  answerBytes: number
}

export interface SwitchOptions {
  readonly datapath: bigint
  readonly pool: FlowPool
  /** Where tunnels to this host end, as a number. */
  readonly tunnelSource: number
  send(bytes: Uint8Array): void
  /** A flow has come or gone. */
  changed?(flow: PooledFlow, present: boolean): void
  /** A packet has left by a port. */
  delivered?(port: number, bytes: Uint8Array): void
  packetOut?(message: Of<'packet_out'>): void
}

export class SimulatedSwitch {
  readonly counters: SwitchCounters = {
    frames: 0,
    bytes: 0,
    flowMods: 0,
    groupMods: 0,
    meterMods: 0,
    bundles: 0,
    refused: 0,
    packetIns: 0,
    packetOuts: 0,
    answers: 0,
    answerBytes: 0,
  }
  readonly tables: SwitchTables
  /** Refuses what is about to be applied; a fault to simulate. */
  refuse: ((message: Message) => ErrorCode | null) | null = null
  readonly #options: SwitchOptions
  readonly #bundles = new Map<number, Bundled[]>()
  readonly #plain = new Set<number>()
  readonly #tunnels = new Set<number>()
  #monitored = false
  #model: ModelSwitch | null = null
  /** Nobody is told in full of what he did himself. */
  #ownXid: number | null = null

  constructor(options: SwitchOptions) {
    this.#options = options
    this.tables = new SwitchTables(options.pool, (flow, present) => {
      this.#model = null
      options.changed?.(flow, present)
    })
  }

  setPorts(plain: Iterable<number>, tunnels: Iterable<number>): void {
    this.#plain.clear()
    this.#tunnels.clear()
    for (const port of plain) this.#plain.add(port)
    for (const port of tunnels) this.#tunnels.add(port)
    this.#model = null
  }

  /** The connection is gone; what the switch holds stays. */
  disconnected(): void {
    for (const id of this.#bundles.keys()) this.#discard(id)
    this.#monitored = false
  }

  /** One whole frame of the controller; may be used again afterwards. */
  receive(frame: Uint8Array): void {
    this.counters.frames += 1
    this.counters.bytes += frame.length
    try {
      if (!this.#addFlow(frame)) this.#handle(decodeMessage(frame), frame)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      this.#fail(error.error, u32(frame, 4), frame)
    }
    if (this.#monitored && this.#ownXid !== null) this.#tell([{ kind: 'abbreviated', xid: this.#ownXid }])
    this.#ownXid = null
  }

  /** What somebody else does to the switch: this controller's flow monitor tells of it. */
  interfere(message: Message): ErrorCode | null {
    const before = new Map(this.tables.flows)
    const error = this.tables.apply(message)
    if (!this.#monitored) return error
    for (const [key, flow] of before) if (!this.tables.flows.has(key)) this.#tellOf(flow, 'deleted')
    for (const [key, flow] of this.tables.flows) {
      if (before.get(key) !== flow) this.#tellOf(flow, before.has(key) ? 'modified' : 'added')
    }
    return error
  }

  /** A packet comes in by a port. */
  inject(inPort: number, bytes: Uint8Array): void {
    const { outputs, packetIns } = this.#modelled().trace({ bytes, inPort })
    this.counters.packetIns += packetIns.length
    for (const punt of packetIns) this.#send(encodeMessage(packetInOf(punt)))
    for (const { port, bytes: sent } of outputs) this.#options.delivered?.(port, sent)
  }

  /** The OFPT_PACKET_INs that the packet would cause. */
  packetIns(inPort: number, bytes: Uint8Array): Uint8Array[] {
    return this.#modelled()
      .trace({ bytes, inPort })
      .packetIns.map((punt) => encodeMessage(packetInOf(punt)))
  }

  /** The flows that come most are added without decoding them. */
  #addFlow(bytes: Uint8Array): boolean {
    if (bytes[1] === FLOW_MOD) {
      if (bytes.length < SMALLEST_FLOW_MOD || bytes[COMMAND_AT] !== 0 || this.refuse !== null) return false
      this.counters.flowMods += 1
      const xid = u32(bytes, 4)
      this.#ownXid = xid
      const error = this.tables.add(this.#options.pool.take(bytes))
      if (error !== null) this.#fail(error, xid, bytes)
      return true
    }
    if (bytes[1] !== EXPERIMENTER || bytes.length < BUNDLED_AT + SMALLEST_FLOW_MOD) return false
    if (u32(bytes, 8) !== ONF || u32(bytes, 12) !== BUNDLE_ADD) return false
    const end = BUNDLED_AT + (u32(bytes, BUNDLED_AT) & 0xffff)
    if (bytes[BUNDLED_AT + 1] !== FLOW_MOD || bytes[BUNDLED_AT + COMMAND_AT] !== 0) return false
    if (end - BUNDLED_AT < SMALLEST_FLOW_MOD || end > bytes.length) return false
    this.counters.flowMods += 1
    const flow = this.#options.pool.take(bytes, BUNDLED_AT, end)
    this.#bundle(u32(bytes, 16)).push({ xid: u32(bytes, 4), flow })
    return true
  }

  #bundle(id: number): Bundled[] {
    let bundle = this.#bundles.get(id)
    if (bundle === undefined) this.#bundles.set(id, (bundle = []))
    return bundle
  }

  #handle(message: Message, bytes: Uint8Array): void {
    const { xid } = message
    switch (message.kind) {
      case 'features_request':
        return this.#reply({
          kind: 'features_reply',
          xid,
          datapath: this.#options.datapath,
          buffers: 0,
          tables: 254,
          auxiliary: 0,
          capabilities: capabilities.flowStats | capabilities.tableStats | capabilities.portStats,
          reserved: 0,
        })
      case 'get_config_request':
        return this.#reply({ kind: 'get_config_reply', xid, flags: 0, missSendLength: 0 })
      case 'role_request':
        return this.#reply({ kind: 'role_reply', xid, role: message.role, generation: message.generation })
      case 'barrier_request':
        return this.#reply({ kind: 'barrier_reply', xid })
      case 'multipart_request':
        return this.#list(message, bytes)
      case 'bundle_control':
        return this.#control(message, bytes)
      case 'bundle_add':
        this.#count(message.message)
        this.#bundle(message.bundle).push({ xid, message: message.message })
        return
      case 'flow_mod':
      case 'group_mod':
      case 'meter_mod': {
        this.#count(message)
        const error = this.#apply(message)
        return error === null ? undefined : this.#fail(error, xid, bytes)
      }
      case 'packet_out':
        return this.#packetOut(message)
      // Settings without effect here, and zones of a connection tracker that has nothing in it.
      case 'set_config':
      case 'set_async':
      case 'nx_set_async_config':
      case 'nx_set_async_config2':
      case 'set_controller_id':
      case 'set_packet_in_format':
      case 'ct_flush_zone':
        return
      default:
        return this.#fail(errorCodes.badType, xid, bytes)
    }
  }

  #count(message: Message): void {
    if (message.kind === 'flow_mod') this.counters.flowMods += 1
    if (message.kind === 'group_mod') this.counters.groupMods += 1
    if (message.kind === 'meter_mod') this.counters.meterMods += 1
  }

  #apply(message: Message): ErrorCode | null {
    this.#ownXid = message.xid
    return this.refuse?.(message) ?? this.tables.apply(message)
  }

  #control({ xid, bundle, type, flags, properties }: Of<'bundle_control'>, bytes: Uint8Array): void {
    if (type === 'discard_request') this.#discard(bundle)
    if (type === 'commit_request' && !this.#commit(bundle)) return this.#fail(refusals.bundleFailed, xid, bytes)
    const answers = {
      open_request: 'open_reply',
      close_request: 'close_reply',
      commit_request: 'commit_reply',
      discard_request: 'discard_reply',
    } as const
    if (!(type in answers)) return this.#fail(errorCodes.badBundleType, xid, bytes)
    const answer = answers[type as keyof typeof answers]
    this.#reply({ kind: 'bundle_control', xid, bundle, type: answer, flags, properties })
  }

  #discard(id: number): void {
    for (const each of this.#bundles.get(id) ?? []) if ('flow' in each) this.#options.pool.drop(each.flow)
    this.#bundles.delete(id)
  }

  /** All of it or, when one message is refused, nothing; the refusal names that message. */
  #commit(id: number): boolean {
    const bundle = this.#bundles.get(id) ?? []
    this.#bundles.delete(id)
    this.counters.bundles += 1
    this.tables.begin()
    for (const [at, each] of bundle.entries()) {
      const error = 'flow' in each ? this.#applyFlow(each.xid, each.flow) : this.#apply(each.message)
      if (error === null) continue
      this.tables.end(false)
      for (const left of bundle.slice(at + 1)) if ('flow' in left) this.#options.pool.drop(left.flow)
      this.#fail(error, each.xid, 'flow' in each ? each.flow.frame : Buffer.from(encodeMessage(each.message)))
      this.#ownXid = null
      return false
    }
    this.tables.end(true)
    return true
  }

  #applyFlow(xid: number, flow: PooledFlow): ErrorCode | null {
    this.#ownXid = xid
    const refused = this.refuse?.(flow.message) ?? null
    if (refused === null) return this.tables.add(flow)
    this.#options.pool.drop(flow)
    return refused
  }

  #list({ xid, body }: Of<'multipart_request'>, bytes: Uint8Array): void {
    if (body.kind === 'flow_monitor') this.#monitored = true
    const replies = listing(xid, body, this.tables, [...this.#plain, ...this.#tunnels])
    if (replies === null) return this.#fail(errorCodes.badMultipart, xid, bytes)
    for (const reply of replies) this.#send(reply)
  }

  #modelled(): ModelSwitch {
    if (this.#model !== null) return this.#model
    const model = new ModelSwitch(this.#options.tunnelSource)
    for (const port of this.#plain) model.ports.set(port, plainPort)
    for (const port of this.#tunnels) model.ports.set(port, tunnelPort)
    for (const [id, group] of this.tables.groups) model.groups.set(id, group)
    for (const flow of this.tables.flows.values()) model.addFlow(flow.message)
    this.#model = model
    return model
  }

  #packetOut(message: Of<'packet_out'>): void {
    this.counters.packetOuts += 1
    this.#options.packetOut?.(message)
    if (this.#options.delivered === undefined) return
    const { outputs } = this.#modelled().packetOut(message.data, message.inPort, message.actions)
    for (const { port, bytes } of outputs) this.#options.delivered(port, bytes)
  }

  #tellOf({ message }: PooledFlow, event: 'added' | 'deleted' | 'modified'): void {
    const { priority, idleTimeoutSeconds, hardTimeoutSeconds, table, cookie, match, instructions } = message
    const about = { priority, idleTimeoutSeconds, hardTimeoutSeconds, table, cookie, match, instructions }
    this.#tell([{ kind: 'full', event, reason: 2, ...about }])
  }

  #tell(updates: Extract<MultipartReplyBody, { kind: 'flow_monitor' }>['updates']): void {
    this.#reply({ kind: 'multipart_reply', xid: 0, more: false, body: { kind: 'flow_monitor', updates } })
  }

  #fail({ type, code, experimenter }: ErrorCode, xid: number, data: Uint8Array): void {
    this.counters.refused += 1
    this.#reply({
      kind: 'error',
      version: 4,
      xid,
      type,
      code,
      experimenter,
      data: data.slice(0, 64),
    })
  }

  #reply(message: Message): void {
    this.#send(encodeMessage(message))
  }

  #send(bytes: Uint8Array): void {
    this.counters.answers += 1
    this.counters.answerBytes += bytes.length
    this.#options.send(bytes)
  }
}

function packetInOf({ reason, table, cookie, metadata, bytes }: Punt): Message {
  const match = Array.from(metadata, ([kind, value]) => ({ kind, value, mask: null }) as MatchEntry)
  const about = { reason, table, cookie, match, data: bytes, totalLength: bytes.length }
  return { kind: 'packet_in', xid: 0, bufferId: NO_BUFFER, ...about }
}

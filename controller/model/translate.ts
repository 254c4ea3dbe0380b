// One packet through the tables of one switch, as xlate_actions() of OVS 3.1: lookups, instructions, the action set,
// groups, outputs. Of the switch only its connections change. Bounded like OVS: 64 tables deep, 4,096 lookups.
import type { Action, Instruction } from '../../ofproto/actions/index.ts'
import { formatInstructions } from '../../ofproto/actions/index.ts'
import type { FieldName } from '../../ofproto/fields/table.ts'
import { ctStates, formatFlags } from '../../ofproto/fields/flags.ts'
import { port10 } from '../../ofproto/fields/ports.ts'
import { packetInReason } from '../../ofproto/messages/packet.ts'
import { ports, type Bucket } from '../../ofproto/messages/index.ts'
import { actionList } from './action-set.ts'
import { chosenBuckets } from './buckets.ts'
import { trackRequest } from './conntrack/request.ts'
import { swappedSlots } from './conntrack/swap.ts'
import type { ModelFlow } from './classifier.ts'
import { handlers, type PuntOptions, type Walk } from './handlers.ts'
import type { ModelPacket } from './packet.ts'
import { formatMeter, type ModelPort, type Tables } from './tables.ts'
import type { Output, Punt, Step, Trace } from './trace.ts'

const MAX_DEPTH = 64
const MAX_LOOKUPS = 4096
/** How often ct may send a packet back into the tables (MAX_RECIRC_DEPTH). */
const MAX_RECIRCULATIONS = 6

const nothing = new Uint8Array()

/** The order in which instructions of a flow are executed (OpenFlow 1.3.5 §5.9). */
const order: readonly Instruction['kind'][] = [
  'meter',
  'apply_actions',
  'clear_actions',
  'write_actions',
  'write_metadata',
  'goto_table',
]

/** The field that an action writes, for the report. */
export function writtenField(action: Action): FieldName | null {
  if (action.kind === 'set_field' || action.kind === 'reg_load2')
    return action.field.kind === 'unknown' ? null : action.field.kind
  return 'target' in action ? action.target.field : null
}

const isTableMiss = (flow: ModelFlow): boolean => flow.priority === 0 && flow.match.length === 0

export class Translation implements Walk {
  packet: ModelPacket
  queue: number | null
  exit = false
  stack: bigint[]
  table = 0
  readonly #tables: Tables
  readonly #steps: Step[] = []
  readonly #outputs: Output[] = []
  readonly #packetIns: Punt[] = []
  readonly #meters: number[] = []
  /** Packets for the tunnel end that this one was sent to are not sent out again. */
  readonly #arrivedAt: number
  #actionSet: Action[]
  #flow: ModelFlow | null = null
  #depth = 0
  /** Of the steps: nesting without regard to what OVS counts. */
  #level: number
  readonly #recirculations: number
  #lookups = 0
  /** Whose action runs now: that decides what a packet-in is said to be for. */
  #reason: number = packetInReason.action
  #outerReason: number = packetInReason.action
  #error: string | null = null

  /** `before`: what goes on after ct. */
  constructor(tables: Tables, packet: ModelPacket, before: Translation | null = null) {
    this.#tables = tables
    this.packet = packet
    this.#arrivedAt = before === null ? packet.tunnel.destination : before.#arrivedAt
    this.#level = before === null ? 0 : before.#level + 1
    this.#recirculations = before === null ? 0 : before.#recirculations + 1
    this.stack = before === null ? [] : [...before.stack]
    this.#actionSet = before === null ? [] : [...before.#actionSet]
    this.queue = before?.queue ?? null
  }

  get size(): number {
    return this.packet.bytes.length
  }

  arrive(table = 0): Trace {
    this.lookup(table, this.packet.inPort)
    this.#runActionSet()
    return this.#result()
  }

  /** The actions of a packet-out. */
  sendOut(actions: readonly Action[]): Trace {
    this.#reason = this.#outerReason = packetInReason.packetOut
    this.#run(actions)
    this.#runActionSet()
    return this.#result()
  }

  #result(): Trace {
    const given = this.#error === null
    return {
      steps: this.#steps,
      outputs: given ? this.#outputs : [],
      packetIns: given ? this.#packetIns : [],
      meters: this.#meters,
      error: this.#error,
    }
  }

  #step(step: Step): void {
    this.#steps.push(step)
  }

  note(text: string): void {
    this.#step({ kind: 'note', depth: this.#level, text })
  }

  fail(error: string): void {
    this.#error ??= error
  }

  get #packets(): readonly ModelPacket[] {
    return [...this.packet.companions, this.packet]
  }

  get #over(): boolean {
    return this.exit || this.#error !== null
  }

  /** xlate_resubmit_resource_check() */
  #withinBounds(): boolean {
    if (this.#depth >= MAX_DEPTH) this.fail(`more than ${MAX_DEPTH} tables deep`)
    else if (this.#lookups >= MAX_LOOKUPS) this.fail(`more than ${MAX_LOOKUPS} lookups`)
    return this.#error === null
  }

  lookup(table: number, inPort: number): void {
    this.#lookup(table, inPort, (slot) => slot)
  }

  lookupTuple(table: number, inPort: number): void {
    const swapped = swappedSlots.get(this.packet.key.ethType)
    if (swapped === undefined || this.packet.slot('ct_nw_proto') === 0n) this.note('the packet has no tuple')
    else this.#lookup(table, inPort, (slot) => swapped.get(slot) ?? slot)
  }

  /** `renamed`: the slot that is read for another. */
  #lookup(table: number, inPort: number, renamed: (slot: string) => string): void {
    if (!this.#withinBounds()) return
    const { packet } = this
    const port = BigInt(port10(inPort === ports.inPort ? packet.inPort : inPort) ?? 0xffff)
    const flow = this.#tables.lookup(table, (slot) => (slot === 'in_port' ? port : packet.slot(renamed(slot))))
    this.#step({ kind: 'table', depth: this.#level, table, flow })
    if (flow === null) return
    const outer = { table: this.table, flow: this.#flow, depth: this.#depth, reason: this.#reason }
    if (outer.reason === packetInReason.group) this.#reason = this.#outerReason
    this.#lookups += 1
    // As in OVS, only going back counts as going deeper.
    if (table <= outer.table) this.#depth += 1
    this.#level += 1
    this.table = table
    this.#flow = flow
    this.#instructions(flow)
    this.table = outer.table
    this.#flow = outer.flow
    this.#reason = outer.reason
    this.#depth = outer.depth
    this.#level -= 1
  }

  #instructions(flow: ModelFlow): void {
    for (const kind of order) {
      const instruction = flow.instructions.find((each) => each.kind === kind)
      if (this.#over) return
      if (instruction !== undefined && this.#instruction(instruction) === 'stop') return
    }
    const unknown = flow.instructions.find((each) => each.kind === 'unknown')
    if (unknown !== undefined) this.fail(`the model does not know ${formatInstructions([unknown])}`)
  }

  #instruction(instruction: Instruction): 'stop' | undefined {
    switch (instruction.kind) {
      case 'meter':
        this.#meters.push(instruction.meter)
        this.note(formatMeter(instruction.meter, this.#tables.meters.get(instruction.meter)))
        return undefined
      case 'apply_actions':
        return this.#run(instruction.actions)
      case 'clear_actions':
        this.#actionSet = []
        return undefined
      case 'write_actions':
        this.#actionSet.push(...instruction.actions)
        return undefined
      case 'write_metadata':
        this.packet.write('metadata', instruction.metadata, instruction.mask)
        return undefined
      case 'goto_table':
        this.lookup(instruction.table, this.packet.inPort)
        return undefined
      default:
        return undefined
    }
  }

  #run(actions: readonly Action[]): 'stop' | undefined {
    for (const action of actions) {
      if (this.#over) return undefined
      const step = { kind: 'action' as const, depth: this.#level, action, written: null as bigint | null }
      this.#step(step)
      // The table of handlers has for each kind one that takes it.
      const handle = handlers[action.kind] as (walk: Walk, action: Action) => 'stop' | undefined
      const verdict = handle(this, action)
      const target = writtenField(action)
      if (target !== null) step.written = this.packet.read(target)
      if (verdict === 'stop') return 'stop'
    }
    return undefined
  }

  #runActionSet(): void {
    const actions = actionList(this.#actionSet)
    this.#actionSet = []
    if (actions.length === 0 || this.#over) return
    this.note('action set')
    const outer = { reason: this.#reason, outerReason: this.#outerReason }
    if (this.#outerReason !== packetInReason.packetOut) this.#reason = this.#outerReason = packetInReason.actionSet
    this.#run(actions)
    this.#reason = outer.reason
    this.#outerReason = outer.outerReason
  }

  clone(actions: readonly Action[]): void {
    const { packet, stack, exit } = this
    const actionSet = this.#actionSet
    this.packet = packet.clone()
    this.stack = [...stack]
    this.#actionSet = [...actionSet]
    this.#level += 1
    this.#run(actions)
    this.#runActionSet()
    this.#level -= 1
    this.packet = packet
    this.stack = stack
    this.#actionSet = actionSet
    this.exit = exit
  }

  /** A copy goes on in another table with what is known of its connection; what follows here does not know it. */
  track(action: Extract<Action, { readonly kind: 'ct' }>): void {
    const { packet } = this
    this.#run(action.actions)
    if (this.#over) return
    const request = trackRequest(action, packet, `${this.#recirculations}`)
    const released = this.#packets.flatMap((each) => this.#tables.conntrack.track(each, request))
    const packets = released.map(({ bytes, tracked }) => packet.with(bytes, tracked))
    if (action.table !== null) for (const each of packets) this.#recirculate(each, action.table)
    const [last, ...others] = packets.toReversed()
    if (last === undefined) {
      this.note('held until all fragments are there')
      this.exit = true
      return
    }
    for (const each of packets) each.hideTracking()
    this.packet = last
    this.packet.companions = others.toReversed()
  }

  #recirculate(packet: ModelPacket, table: number): void {
    if (this.#recirculations >= MAX_RECIRCULATIONS) {
      this.note(`dropped: recirculated more than ${MAX_RECIRCULATIONS} times`)
      return
    }
    const copy = packet.clone()
    copy.showTracking()
    this.note(
      `connection tracking in zone ${copy.slot('ct_zone')}: ${formatFlags(ctStates, Number(copy.slot('ct_state')))}`,
    )
    const { steps, outputs, packetIns, meters, error } = new Translation(this.#tables, copy, this).arrive(table)
    this.#steps.push(...steps)
    this.#meters.push(...meters)
    if (error !== null) this.note(`dropped behind ct: ${error}`)
    this.#outputs.push(...outputs)
    this.#packetIns.push(...packetIns)
  }

  punt(reason: number, { controllerId = 0, userdata = nothing }: PuntOptions = {}): void {
    const flow = this.#flow
    // What a table-miss flow sends is a miss (OFPR_NO_MATCH), as OpenFlow 1.3 says it.
    const isMiss = reason === packetInReason.action && flow !== null && isTableMiss(flow)
    for (const packet of this.#packets) {
      this.#packetIns.push({
        reason: isMiss ? packetInReason.noMatch : reason,
        table: this.table,
        cookie: flow?.cookie ?? 0n,
        controllerId,
        userdata,
        metadata: packet.metadata(),
        bytes: packet.bytes.slice(),
      })
    }
  }

  output(port: number, maxLength?: number): void {
    const { inPort } = this.packet
    switch (port) {
      case ports.inPort:
        this.#emit(inPort, maxLength)
        break
      case ports.table:
        this.lookup(0, inPort)
        break
      case ports.normal:
        this.fail('the model does not do NORMAL')
        break
      case ports.flood:
      case ports.all:
        for (const number of this.#tables.ports.keys()) if (number !== inPort) this.#emit(number, maxLength)
        break
      case ports.controller:
        this.punt(this.#reason)
        break
      case ports.any:
        break
      default:
        if (port === inPort) this.note('not sent out of the port that it came from')
        else this.#emit(port, maxLength)
    }
  }

  #emit(number: number, maxLength = Number.POSITIVE_INFINITY): void {
    const port = this.#tables.ports.get(number)
    if (port === undefined) {
      this.note(`there is no port ${number}`)
      return
    }
    const tunnel = port.tunnel === null ? null : this.#encapsulate(port.tunnel)
    if (tunnel === undefined) return
    for (const { bytes } of this.#packets) {
      this.#outputs.push({ port: number, bytes: bytes.slice(0, maxLength), tunnel, queue: this.queue })
    }
  }

  /** The outer header (tnl_port_send): what the port fixes, the rest from the packet's tunnel fields. */
  #encapsulate({ remote, key }: NonNullable<ModelPort['tunnel']>): Output['tunnel'] | undefined {
    const { id, destination: wanted } = this.packet.tunnel
    const destination = remote ?? wanted
    if (destination === 0) {
      this.note('no tunnel destination is set')
      return undefined
    }
    if (destination === this.#arrivedAt) {
      this.note('not tunnelled to our own address')
      return undefined
    }
    return { id: key ?? id, source: this.#tables.tunnelSource, destination }
  }

  group(id: number): boolean {
    if (!this.#withinBounds()) return true
    const group = this.#tables.groups.get(id)
    if (group === undefined) {
      this.note(`there is no group ${id}`)
      return false
    }
    for (const bucket of chosenBuckets(this.#tables, group, this.packet))
      this.#bucket(id, group.buckets.indexOf(bucket), bucket)
    return true
  }

  /** On a copy of the packet; only the flow of a resubmit can reach the stack and the action set. */
  #bucket(group: number, index: number, bucket: Bucket): void {
    const { packet } = this
    const reason = this.#reason
    this.packet = packet.clone()
    if (reason !== packetInReason.packetOut) this.#reason = packetInReason.group
    this.#depth += 1
    this.#level += 1
    this.#step({ kind: 'bucket', depth: this.#level, group, bucket: index })
    this.#run(actionList(bucket.actions))
    this.#level -= 1
    this.#depth -= 1
    this.#reason = reason
    this.packet = packet
    this.exit = false
  }
}

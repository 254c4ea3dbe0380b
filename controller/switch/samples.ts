// Items for tests, and a session that is wired to a switch in memory.
import type { Action, Instruction } from '../../ofproto/actions/index.ts'
import type { Match } from '../../ofproto/fields/match.ts'
import { encodeMessage } from '../../ofproto/messages/index.ts'
import { flowOf, type Flow } from '../pipeline/packed-flow.ts'
import type { Group, Item, Meter } from '../pipeline/value.ts'
import type { Delta, Desired } from './desired.ts'
import type { SwitchEvent } from './events.ts'
import { MemorySwitch } from './memory-switch.ts'
import { SwitchSession, type SwitchOptions } from './session.ts'

const ANY = 0xffff_ffff
const OURS = 0x5700_0000_0000_0001n
export const FOREIGN = 0xf0n

export interface FlowParts {
  readonly table?: number
  readonly priority?: number
  readonly match?: Match
  readonly cookie?: bigint
  readonly meter?: number
  readonly actions?: readonly Action[]
}

export function flow({ table = 0, priority = 1, match = [], cookie = OURS, meter, actions = [] }: FlowParts): Flow {
  const instructions: Instruction[] = []
  if (meter !== undefined) instructions.push({ kind: 'meter', meter })
  if (actions.length > 0) instructions.push({ kind: 'apply_actions', actions })
  const none = { xid: 0, cookieMask: 0n, idleTimeoutSeconds: 0, hardTimeoutSeconds: 0, flags: 0 }
  const anywhere = { bufferId: ANY, outPort: ANY, outGroup: ANY }
  const rule = { table, priority, match, cookie, instructions }
  return flowOf(encodeMessage({ kind: 'flow_mod', command: 'add', ...none, ...anywhere, ...rule }))
}

export const output = (port: number): Action => ({ kind: 'output', port, maxLength: 0 })

/** A flow for packets from one port. */
export const fromPort = (port: number, parts: FlowParts = {}): Flow =>
  flow({ ...parts, match: [{ kind: 'in_port_oxm', value: port, mask: null }] })

export function group(id: number, port: number): Group {
  const bucket = { weight: 0, watchPort: ANY, watchGroup: ANY, actions: [output(port)] }
  const frame = encodeMessage({ kind: 'group_mod', xid: 0, command: 'add', type: 'all', group: id, buckets: [bucket] })
  return { kind: 'group', key: `group:${id}`, id, frame }
}

export function meter(id: number, rate: number): Meter {
  const bands = [{ kind: 'drop' as const, rate, burst: 10 }]
  const frame = encodeMessage({ kind: 'meter_mod', xid: 0, command: 'add', flags: 2 | 4, meter: id, bands })
  return { kind: 'meter', key: `meter:${id}`, id, frame }
}

/** An Item to have under its key from now on, or null for none. */
export type Change = readonly [key: string, item: Item | null]

/** What one switch shall have, changed item by item. */
export class Wishes implements Desired {
  readonly items = new Map<string, Item>()
  settled = true

  lists(): Iterable<readonly Item[]> {
    return [[...this.items.values()]]
  }

  change(changes: Iterable<Change>): Delta {
    const before = new Map(this.items)
    const last = new Map(changes)
    for (const [key, item] of last) {
      if (item === null) this.items.delete(key)
      else this.items.set(key, item)
    }
    return {
      removed: [Array.from(last.keys()).flatMap((key) => before.get(key) ?? [])],
      added: [Array.from(last.values()).flatMap((item) => item ?? [])],
    }
  }
}

/** A session with a switch in memory, a wire that delivers when told to, and a clock that moves when told to. */
export class Lab {
  readonly device = new MemorySwitch()
  readonly events: SwitchEvent[] = []
  readonly session: SwitchSession
  nowMs = 1_000
  private queue: Uint8Array[] = []
  readonly desired = new Wishes()

  constructor(options: Partial<Omit<SwitchOptions, 'desired'>> = {}) {
    this.session = new SwitchSession({
      desired: this.desired,
      owns: {
        flow: (cookie) => (cookie >> 56n === 0x57n ? 'weft' : cookie === 1n ? 'ignored' : 'foreign'),
        group: (id) => (id < 1_000 ? 'weft' : 'foreign'),
        meter: (id) => (id < 1_000 ? 'weft' : 'foreign'),
      },
      send: (bytes) => this.queue.push(bytes.slice()),
      report: (event) => this.events.push(event),
      ...options,
    })
  }

  desire(revision: number, changes: Iterable<Change>): void {
    this.session.desire(revision, this.desired.change(changes))
  }

  connect(generation: bigint | null = null): this {
    this.session.connected(this.nowMs, generation)
    return this
  }

  disconnect(): void {
    this.session.disconnected()
    this.device.disconnect()
    this.queue = []
  }

  /** One write to the switch and its answers back; whether there was any. */
  step(): boolean {
    const bytes = this.queue.shift()
    if (bytes !== undefined) this.device.receive(bytes)
    const answers = this.device.answers()
    for (const answer of answers) this.session.receive(answer)
    return bytes !== undefined || answers.length > 0
  }

  run(): this {
    while (this.step());
    return this
  }

  /** Lets time pass, a tick every 500 ms. */
  pass(ms: number): this {
    const end = this.nowMs + ms
    while (this.nowMs < end) {
      this.nowMs += 500
      this.session.tick(this.nowMs)
      this.run()
    }
    return this
  }

  count(kind: string): number {
    return this.device.log.filter((message) => message.kind === kind).length
  }

  get mods(): number {
    return this.count('flow_mod') + this.count('group_mod') + this.count('meter_mod')
  }

  of<K extends SwitchEvent['kind']>(kind: K): Extract<SwitchEvent, { kind: K }>[] {
    return this.events.filter((event) => event.kind === kind) as Extract<SwitchEvent, { kind: K }>[]
  }
}

export const have = (...items: Item[]): Change[] => items.map((item) => [item.key, item])
export const gone = (...items: Item[]): Change[] => items.map(({ key }) => [key, null])
/** A flow that leads to a group. */
export const toGroup = (port: number, id: number) => fromPort(port, { actions: [{ kind: 'group', group: id }] })
/** One that has these, as its switch has. */
export function started(...items: Item[]): Lab {
  const lab = new Lab()
  lab.desire(1, have(...items))
  return lab.connect().run()
}

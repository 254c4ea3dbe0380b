// Flows of all simulated switches: the bytes of each once, however many switches have it. A switch holds references, so that
// 1,000 of them with thousands of flows each fit one process. Nothing is decoded until somebody asks.
import { flowKey } from '../../controller/pipeline/key.ts'
import { decodeMessage, type FlowMod } from '../../ofproto/messages/index.ts'

const COOKIE_AT = 8
const TABLE_AT = 24
const IDLE_TIMEOUT_AT = 26
const PRIORITY_AT = 30
const FLAGS_AT = 44
const MATCH_AT = 48

/** What a flow needs to exist on its switch. */
export interface Uses {
  readonly groups: readonly number[]
  readonly meters: readonly number[]
}

export class PooledFlow {
  readonly key: string
  /** The OFPT_FLOW_MOD that added it, xid 0. */
  readonly frame: Buffer
  readonly uses: Uses
  users = 0

  constructor(key: string, frame: Buffer) {
    this.key = key
    this.frame = frame
    this.uses = usesOf(this.message)
  }

  get message(): FlowMod {
    return decodeMessage(this.frame) as FlowMod
  }

  get cookie(): bigint {
    return this.frame.readBigUInt64BE(COOKIE_AT)
  }
}

const NOTHING: Uses = { groups: [], meters: [] }

function usesOf({ instructions }: Pick<FlowMod, 'instructions'>): Uses {
  const groups: number[] = []
  const meters: number[] = []
  for (const instruction of instructions) {
    if (instruction.kind === 'meter') meters.push(instruction.meter)
    if (instruction.kind !== 'apply_actions' && instruction.kind !== 'write_actions') continue
    for (const action of instruction.actions) if (action.kind === 'group') groups.push(action.group)
  }
  return groups.length + meters.length === 0 ? NOTHING : { groups, meters }
}

/** The identity of the flow in an OFPT_FLOW_MOD: table, priority and match (OpenFlow 1.3.5 §6.4). */
export function keyOfFlow(frame: Buffer): string {
  const end = MATCH_AT + ((frame.readUInt16BE(MATCH_AT + 2) + 7) & ~7)
  return flowKey(frame.readUInt8(TABLE_AT), frame.readUInt16BE(PRIORITY_AT), frame, MATCH_AT, end)
}

/** Whether both say the same but for the xid. */
function same(own: Uint8Array, bytes: Uint8Array, from: number, to: number): boolean {
  if (own.length !== to - from) return false
  for (let i = COOKIE_AT; i < own.length; i += 1) if (own[i] !== bytes[from + i]) return false
  return true
}

/** FNV-1a of the same. */
function hashOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x811c_9dc5
  for (let i = from + COOKIE_AT; i < to; i += 1) hash = Math.imul(hash ^ (bytes[i] as number), 0x0100_0193)
  return hash
}

export class FlowPool {
  /** By hash: nearly always one. */
  readonly #flows = new Map<number, PooledFlow | PooledFlow[]>()
  #size = 0

  /** The flow that the OFPT_FLOW_MOD from `from` to `to` adds, with one user more. Throws DecodeError. */
  take(bytes: Uint8Array, from = 0, to = bytes.length): PooledFlow {
    const hash = hashOf(bytes, from, to)
    const found = this.#flows.get(hash)
    const alike = found === undefined ? [] : Array.isArray(found) ? found : [found]
    let flow = alike.find(({ frame }) => same(frame, bytes, from, to))
    if (flow === undefined) {
      const own = Buffer.from(bytes.subarray(from, to))
      own.writeUInt32BE(0, 4)
      flow = new PooledFlow(keyOfFlow(own), own)
      this.#size += 1
      this.#flows.set(hash, alike.length === 0 ? flow : [...alike, flow])
    }
    flow.users += 1
    return flow
  }

  get size(): number {
    return this.#size
  }

  drop(flow: PooledFlow): void {
    flow.users -= 1
    if (flow.users > 0) return
    this.#size -= 1
    const hash = hashOf(flow.frame, 0, flow.frame.length)
    const found = this.#flows.get(hash)
    const left = Array.isArray(found) ? found.filter((each) => each !== flow) : []
    if (left.length > 0) this.#flows.set(hash, left)
    else this.#flows.delete(hash)
  }
}

/** As an entry of a flow stats reply (OpenFlow 1.3.5 §7.3.5.2); packets are not counted. */
export function flowStats({ frame }: PooledFlow): Buffer {
  const entry = Buffer.alloc(frame.length)
  entry.writeUInt16BE(entry.length, 0)
  entry[2] = frame[TABLE_AT] as number
  frame.copy(entry, 12, PRIORITY_AT, PRIORITY_AT + 2)
  frame.copy(entry, 14, IDLE_TIMEOUT_AT, IDLE_TIMEOUT_AT + 4)
  frame.copy(entry, 18, FLAGS_AT, FLAGS_AT + 2)
  frame.copy(entry, 24, COOKIE_AT, COOKIE_AT + 8)
  frame.copy(entry, MATCH_AT, MATCH_AT)
  return entry
}

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

/** Whether both say the same but for xid, command and what only deletes heed. */
function sameFlow(a: Buffer, b: Buffer): boolean {
  return (
    a.length === b.length &&
    a.readBigUInt64BE(COOKIE_AT) === b.readBigUInt64BE(COOKIE_AT) &&
    a.readUInt32BE(IDLE_TIMEOUT_AT) === b.readUInt32BE(IDLE_TIMEOUT_AT) &&
    a.readUInt16BE(FLAGS_AT) === b.readUInt16BE(FLAGS_AT) &&
    a.compare(b, MATCH_AT, b.length, MATCH_AT, a.length) === 0
  )
}

export class FlowPool {
  /** Mostly one: other switches may have the flow with other actions, which is told by `more`. */
  readonly #flows = new Map<string, PooledFlow[]>()
  #size = 0

  /** The flow that the OFPT_FLOW_MOD adds, with one user more. Throws DecodeError. */
  take(frame: Buffer): PooledFlow {
    const key = keyOfFlow(frame)
    const same = this.#flows.get(key)
    let flow = same?.find((each) => sameFlow(each.frame, frame))
    if (flow === undefined) {
      const own = Buffer.from(frame)
      own.writeUInt32BE(0, 4)
      flow = new PooledFlow(key, own)
      this.#size += 1
      if (same === undefined) this.#flows.set(key, [flow])
      else same.push(flow)
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
    const left = this.#flows.get(flow.key)?.filter((each) => each !== flow) ?? []
    if (left.length > 0) this.#flows.set(flow.key, left)
    else this.#flows.delete(flow.key)
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

// What is on its way to a switch: steps, one after another, each answered by a barrier. Every operation has its own xid,
// and OVS answers a refused one with that xid, inside a bundle too (when it is added, or when the commit comes to it).
// So the guilty are known: a bundle that failed is sent again without them. A commit tells one guilty message a time;
// after a few rounds, or when an error names no message, the step is sent message by message, which tells all at once.
import { bundleFlags } from '../../ofproto/messages/bundle.ts'
import { writeMessage } from '../../ofproto/messages/index.ts'
import { Writer } from '../../ofproto/wire/writer.ts'
import type { Operation, Step } from './plan.ts'
import { writeOperation } from './wire.ts'
import type { Xids } from './xids.ts'

const FLAGS = bundleFlags.atomic | bundleFlags.ordered
const ONF = 0x4f4e4600
const BUNDLE_ADD = 2301
const NONE = new Uint8Array(0)
/** How often a bundle is tried again without the messages that were refused. */
const ROUNDS = 3

/** An OFPT_ERROR, as it came. */
export type ErrorFrame = Uint8Array

export interface Outcome {
  readonly done: readonly Operation[]
  readonly refused: readonly { readonly operation: Operation; readonly error: ErrorFrame }[]
}

const scratch = new Writer(64 * 1024)

function control(xid: number, bundle: number, type: 'open_request' | 'close_request' | 'commit_request'): void {
  writeMessage(scratch, { kind: 'bundle_control', xid, bundle, type, flags: FLAGS, properties: NONE })
}

function writeBundled(operation: Operation, xid: number, bundle: number): void {
  const at = scratch.offset
  scratch.u32(0x0404_0000)
  scratch.u32(xid)
  scratch.u32(ONF)
  scratch.u32(BUNDLE_ADD)
  scratch.u32(bundle)
  scratch.u16(0)
  scratch.u16(FLAGS)
  writeOperation(scratch, operation.verb, operation.held, xid)
  scratch.patchLength(at + 2, at)
}

export class Flight {
  /** The newest revision of the desired state that this brings; null for one that only tries refused items again. */
  readonly revision: number | null
  private steps: readonly Step[]
  private base = 0
  private rounds = 0
  private committed = false
  private errors = new Map<number, ErrorFrame>()

  constructor(steps: readonly Step[], revision: number | null) {
    this.steps = steps
    this.revision = revision
  }

  get step(): Step | undefined {
    return this.steps[0]
  }

  /** The keys that it may change. */
  *keys(): Generator<string> {
    for (const step of this.steps) for (const { held } of step.operations) yield held.key
  }

  // xids of a step: base opens the bundle; base + 1 + i is operation i; then close, commit, barrier.
  private get barrierXid(): number {
    return this.base + (this.step?.operations.length ?? 0) + 3
  }

  /** The bytes of the step that is next. */
  encode(xids: Xids): Uint8Array {
    const step = this.step as Step
    const { bundled, operations } = step
    const count = operations.length
    this.base = xids.take(count + 4)
    this.errors = new Map()
    this.committed = false
    scratch.offset = 0
    if (bundled) control(this.base, this.base, 'open_request')
    for (let i = 0; i < count; i += 1) {
      const operation = operations[i] as Operation
      if (bundled) writeBundled(operation, this.base + 1 + i, this.base)
      else writeOperation(scratch, operation.verb, operation.held, this.base + 1 + i)
    }
    if (bundled) control(this.base + count + 1, this.base, 'close_request')
    if (bundled) control(this.base + count + 2, this.base, 'commit_request')
    writeMessage(scratch, { kind: 'barrier_request', xid: this.barrierXid })
    return scratch.slice()
  }

  /** Whether the error answers a message of this step. */
  error(xid: number, error: ErrorFrame): boolean {
    if (xid < this.base || xid > this.barrierXid) return false
    this.errors.set(xid - this.base, error)
    return true
  }

  /** A bundle's control reply. */
  controlled(xid: number): void {
    if (xid === this.barrierXid - 1) this.committed = true
  }

  isBarrier(xid: number): boolean {
    return this.step !== undefined && xid === this.barrierXid
  }

  /** After the barrier of a step: what came of it. Then the next step, or the same without the guilty, is next. */
  settle(): Outcome {
    const { bundled, operations } = this.step as Step
    const opened = !bundled || !this.errors.has(0)
    const guilty = (i: number): boolean => opened && this.errors.has(i + 1)
    const refused = operations.flatMap((operation, i) =>
      guilty(i) ? [{ operation, error: this.errors.get(i + 1) as ErrorFrame }] : [],
    )
    const others = refused.length === 0 ? operations : operations.filter((_, i) => !guilty(i))
    if (bundled && !this.committed) {
      this.retry(others, opened && refused.length > 0)
      return { done: [], refused }
    }
    this.steps = this.steps.slice(1)
    this.rounds = 0
    return { done: others, refused }
  }

  private retry(operations: readonly Operation[], attributed: boolean): void {
    this.rounds += 1
    const next = { bundled: attributed && this.rounds < ROUNDS, operations }
    this.steps = operations.length === 0 ? this.steps.slice(1) : [next, ...this.steps.slice(1)]
    if (operations.length === 0) this.rounds = 0
  }
}

// What is on its way to a switch: steps, one after another, each answered by a barrier. Every operation has its own xid,
// and OVS answers a refused one with that xid, inside a bundle too (when it is added, or when the commit comes to it).
// So the guilty are known: a bundle that failed is sent again without them. A commit tells one guilty message a time;
// after a few rounds, or when an error names no message, the step is sent message by message, which tells all at once.
import { bundleFlags } from '../../ofproto/messages/bundle.ts'
import { writeMessage } from '../../ofproto/messages/index.ts'
import { Writer } from '../../ofproto/wire/writer.ts'
import type { Draft } from './draft.ts'
import { countOf, type Operation, type Part, type Step } from './plan.ts'
import { writeOperation, type Held, type Verb } from './wire.ts'
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
  readonly done: readonly Part[]
  readonly refused: readonly { readonly operation: Operation; readonly error: ErrorFrame }[]
}

const scratch = new Writer(64 * 1024)

function control(xid: number, bundle: number, type: 'open_request' | 'close_request' | 'commit_request'): void {
  writeMessage(scratch, { kind: 'bundle_control', xid, bundle, type, flags: FLAGS, properties: NONE })
}

function writeBundled(verb: Verb, held: Held, xid: number, bundle: number): void {
  const at = scratch.offset
  scratch.u32(0x0404_0000)
  scratch.u32(xid)
  scratch.u32(ONF)
  scratch.u32(BUNDLE_ADD)
  scratch.u32(bundle)
  scratch.u16(0)
  scratch.u16(FLAGS)
  writeOperation(scratch, verb, held, xid)
  scratch.patchLength(at + 2, at)
}

export class Flight {
  /** The newest revision of the desired state that this brings; null for one that only tries refused items again. */
  readonly revision: number | null
  readonly draft: Draft
  private readonly steps: Iterator<Step>
  private current: Step | undefined
  private count = 0
  private base = 0
  private rounds = 0
  private committed = false
  private errors = new Map<number, ErrorFrame>()

  constructor(draft: Draft, revision: number | null, bundleSize: number, bundled = true) {
    this.draft = draft
    this.revision = revision
    this.steps = draft.plan.steps(bundleSize, bundled)
    this.advance()
  }

  get step(): Step | undefined {
    return this.current
  }

  // xids of a step: base opens the bundle; base + 1 + i is operation i; then close, commit, barrier.
  private get barrierXid(): number {
    return this.base + this.count + 3
  }

  /** The bytes of the step that is next, valid until the next call. */
  encode(xids: Xids): Uint8Array {
    const step = this.current as Step
    const { bundled } = step
    this.count = countOf(step)
    this.base = xids.take(this.count + 4)
    this.errors = new Map()
    this.committed = false
    scratch.offset = 0
    if (bundled) control(this.base, this.base, 'open_request')
    let xid = this.base
    for (const { verb, held } of step.parts) {
      for (const each of held) {
        xid += 1
        if (bundled) writeBundled(verb, each, xid, this.base)
        else writeOperation(scratch, verb, each, xid)
      }
    }
    if (bundled) control(xid + 1, this.base, 'close_request')
    if (bundled) control(xid + 2, this.base, 'commit_request')
    writeMessage(scratch, { kind: 'barrier_request', xid: this.barrierXid })
    return scratch.bytes.subarray(0, scratch.offset)
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
    return this.current !== undefined && xid === this.barrierXid
  }

  /** After the barrier of a step: what came of it. Then the next step, or the same without the guilty, is next. */
  settle(): Outcome {
    const { bundled, parts } = this.current as Step
    const opened = !bundled || !this.errors.has(0)
    const { refused, others } = opened ? this.tell(parts) : { refused: [], others: parts }
    if (bundled && !this.committed) {
      this.retry(others, opened && refused.length > 0)
      return { done: [], refused }
    }
    this.advance()
    return { done: others, refused }
  }

  /** The guilty apart from the others. */
  private tell(parts: readonly Part[]): { refused: Outcome['refused']; others: readonly Part[] } {
    if (this.errors.size === 0) return { refused: [], others: parts }
    const refused: Outcome['refused'][number][] = []
    let at = 0
    const others = parts.map(({ verb, held }) => ({
      verb,
      held: held.filter((each) => {
        const error = this.errors.get((at += 1))
        if (error !== undefined) refused.push({ operation: { verb, held: each }, error })
        return error === undefined
      }),
    }))
    return { refused, others }
  }

  private advance(): void {
    this.rounds = 0
    const { done, value } = this.steps.next()
    this.current = done === true ? undefined : value
  }

  private retry(parts: readonly Part[], attributed: boolean): void {
    this.rounds += 1
    this.current = { bundled: attributed && this.rounds < ROUNDS, parts }
    if (countOf(this.current) === 0) this.advance()
  }
}

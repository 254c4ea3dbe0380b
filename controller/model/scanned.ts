// A modelled switch that is made for one question and thrown away: its flows stay what the controller
// holds anyway. A lookup walks through the keys of a table and compares bytes; only the few that pass are decoded,
// and looked up as in any model. So an operator's trace costs milliseconds on a host of 20,000 flows, and nothing while
// nobody asks.
import { bitsToBytes, fullMask, ones } from '../../ofproto/fields/bits.ts'
import { FlowMatch } from '../../ofproto/fields/flow-match.ts'
import { port11 } from '../../ofproto/fields/ports.ts'
import { registersOf, slotOf } from '../../ofproto/fields/slots.ts'
import { fieldByHeader, type Field } from '../../ofproto/fields/table.ts'
import { decodeMessage } from '../../ofproto/messages/index.ts'
import { KEY_HEAD, tableOf } from '../pipeline/key.ts'
import type { Item } from '../pipeline/value.ts'
import { Classifier, type ModelFlow, type ReadSlot } from './classifier.ts'
import { ModelSwitch } from './switch.ts'

// In a flow's key, behind which stands its ofp_match (OpenFlow 1.3.5 §7.2.2).
const MATCH_LENGTH_AT = KEY_HEAD + 2
const FIELDS_AT = KEY_HEAD + 4
const EXPERIMENTER = 0xffff

const nothing = new Uint8Array()
const u16 = (key: string, at: number): number => (key.charCodeAt(at) << 8) | key.charCodeAt(at + 1)

/** What a packet has for a field, as the wire shows it. */
type WireValue = (read: ReadSlot) => bigint

/** Null for a field that is held in another form than it has on the wire. */
function wireValueOf(field: Field): WireValue | null {
  if (field.name === 'in_port_oxm') return (read) => BigInt(port11(Number(read('in_port'))))
  // Conjunctions are found by flows that no packet matches as it is.
  if (field.variable || field.name === 'conj_id') return null
  const registers = registersOf(field.name)
  if (registers !== null) return (read) => registers.reduce((sum, slot) => (sum << 32n) | read(slot), 0n)
  const slot = slotOf(field.name)
  const probe = new FlowMatch()
  const pattern = 0x5a69_7887_96a5_b4c3_d2e1_f00f_1e2d_3c4bn & fullMask(field)
  probe.set(field, pattern, fullMask(field))
  return probe.get(slot).value === pattern ? (read) => read(slot) : null
}

/** By OXM header without its mask bit and length. */
const known = new Map<number, { readonly value: WireValue; readonly bytes: number } | null>()
function knownField(header: number): { readonly value: WireValue; readonly bytes: number } | null {
  const key = header >>> 9
  let found = known.get(key)
  if (found === undefined) {
    const field = header >>> 16 === EXPERIMENTER ? undefined : fieldByHeader(header, 0)
    const value = field === undefined ? null : wireValueOf(field)
    found = field === undefined || value === null ? null : { value, bytes: field.bytes }
    known.set(key, found)
  }
  return found
}

function differs(value: Uint8Array, key: string, at: number, maskAt: number | null): boolean {
  for (let i = 0; i < value.length; i += 1) {
    const mask = maskAt === null ? 0xff : key.charCodeAt(maskAt + i)
    if ((((value[i] as number) ^ key.charCodeAt(at + i)) & mask) !== 0) return true
  }
  return false
}

/** Rules most flows out by the bytes in their keys. What it lets pass may still not match. */
function prefilter(read: ReadSlot): (key: string) => boolean {
  const packet = new Map<number, Uint8Array | null>()
  const valueFor = (header: number): Uint8Array | null => {
    const key = header >>> 9
    let value = packet.get(key)
    if (value === undefined) {
      const field = knownField(header)
      const bits = field?.value(read) ?? 0n
      value = field === null || bits > ones(field.bytes * 8) ? null : bitsToBytes(bits, field.bytes)
      packet.set(key, value)
    }
    return value
  }
  return (flow) => {
    const end = KEY_HEAD + u16(flow, MATCH_LENGTH_AT)
    for (let at = FIELDS_AT; at < end;) {
      const header = ((u16(flow, at) << 16) | u16(flow, at + 2)) >>> 0
      const size = header & 0xff
      const maskAt = (header & 0x100) === 0 ? null : at + 4 + size / 2
      if (differs(valueFor(header) ?? nothing, flow, at + 4, maskAt)) return false
      at += 4 + size
    }
    return true
  }
}

/** Others may have flows that the model cannot read. */
const isKnown = ({ match }: ModelFlow): boolean => match.every(({ kind }) => kind !== 'unknown')

export class ScannedSwitch extends ModelSwitch {
  readonly #items: () => Iterable<Item>
  #flows: ReadonlyMap<number, readonly Item[]> | null = null

  /** `items` is asked once, at the first packet. */
  constructor(tunnelSource: number, items: () => Iterable<Item>) {
    super(tunnelSource)
    this.#items = items
  }

  #read(): ReadonlyMap<number, readonly Item[]> {
    const tables = new Map<number, Item[]>()
    for (const item of this.#items()) {
      if (item.kind !== 'flow') {
        this.put(item)
        continue
      }
      const number = tableOf(item.key)
      const table = tables.get(number)
      if (table === undefined) tables.set(number, [item])
      else table.push(item)
    }
    return tables
  }

  protected override find(table: number, read: ReadSlot): ModelFlow | null {
    this.#flows ??= this.#read()
    const couldMatch = prefilter(read)
    const candidates = new Classifier()
    for (const item of this.#flows.get(table) ?? []) {
      if (!couldMatch(item.key)) continue
      const flow = decodeMessage(item.frame)
      if (flow.kind === 'flow_mod' && isKnown(flow)) candidates.add({ ...flow, key: item.key })
    }
    return candidates.lookup(read)
  }
}

// A switch in memory: flows, groups and ports, and what happens to a packet that arrives. Tests ask it, and so do
// operators (trace). Real switches are asked the same in test/system/model.test.ts, and the answers compared.
import type { Action } from '../../ofproto/actions/index.ts'
import { decodeMessage, type Message, ports as reserved, type Bucket } from '../../ofproto/messages/index.ts'
import type { Item } from '../pipeline/value.ts'
import { Classifier, type ModelFlow, type ReadSlot } from './classifier.ts'
import { Conntrack } from './conntrack/conntrack.ts'
import { ModelPacket, type Tunnel } from './packet.ts'
import { plainPort, type ModelGroup, type ModelMeter, type ModelPort, type Tables } from './tables.ts'
import type { Trace } from './trace.ts'
import { Translation } from './translate.ts'

export interface Arrival {
  readonly bytes: Uint8Array
  readonly inPort: number
  readonly tunnel?: Tunnel | null
}

/** What tells connections apart, the same in both directions, like flow_hash_symmetric_l4(). */
function connectionHash(packet: ModelPacket): number {
  const ends = ['eth_', 'ip_', 'ipv6_', 'tp_'].map((of) => packet.slot(`${of}src`) ^ packet.slot(`${of}dst`))
  const text = [...ends, packet.slot('eth_type'), packet.slot('nw_proto')].join()
  // FNV-1a
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0
  return hash
}

/** In the slot `ip_frag`. */
const FRAGMENT = 1n
const PORTS: ReadonlySet<string> = new Set(['tp_src', 'tp_dst'])

export class ModelSwitch implements Tables {
  readonly ports = new Map<number, ModelPort>([[reserved.local, plainPort]])
  readonly groups = new Map<number, ModelGroup>()
  readonly meters = new Map<number, ModelMeter>()
  readonly tunnelSource: number
  readonly conntrack = new Conntrack()
  /** Tables see the ports of a first fragment (OFPC_FRAG_NX_MATCH); if not, those of fragments are zero. */
  showsFragmentPorts = false
  readonly #tables = new Map<number, Classifier>()
  readonly #items = new Map<string, Message>()

  constructor(tunnelSource = 0) {
    this.tunnelSource = tunnelSource
  }

  addFlow(flow: ModelFlow): void {
    let table = this.#tables.get(flow.table)
    if (table === undefined) this.#tables.set(flow.table, (table = new Classifier()))
    table.add(flow)
  }

  removeFlow(flow: ModelFlow): void {
    this.#tables.get(flow.table)?.remove(flow)
  }

  /** What the controller puts on a switch, read from its wire bytes. Meters let everything pass here. */
  put({ key, frame }: Item): void {
    const message = decodeMessage(frame)
    this.#items.set(key, message)
    if (message.kind === 'flow_mod') this.addFlow(message)
    if (message.kind === 'group_mod') this.groups.set(message.group, message)
    if (message.kind === 'meter_mod') this.meters.set(message.meter, message)
  }

  remove(key: string): void {
    const message = this.#items.get(key)
    this.#items.delete(key)
    if (message?.kind === 'flow_mod') this.removeFlow(message)
    if (message?.kind === 'group_mod') this.groups.delete(message.group)
    if (message?.kind === 'meter_mod') this.meters.delete(message.meter)
  }

  lookup(table: number, read: ReadSlot): ModelFlow | null {
    const hidesPorts = !this.showsFragmentPorts && (read('ip_frag') & FRAGMENT) !== 0n
    const seen = hidesPorts ? (slot: string) => (PORTS.has(slot) ? 0n : read(slot)) : read
    return this.find(table, seen)
  }

  /** `read`: the packet as the tables see it. */
  protected find(table: number, read: ReadSlot): ModelFlow | null {
    return this.#tables.get(table)?.lookup(read) ?? null
  }

  /** By weight and connection. OVS's own hash is another one: which bucket it takes is not foretold. */
  select(buckets: readonly Bucket[], packet: ModelPacket): Bucket | undefined {
    const total = buckets.reduce((sum, { weight }) => sum + weight, 0)
    let rest = total === 0 ? 0 : connectionHash(packet) % total
    return buckets.find(({ weight }) => (rest -= weight) < 0)
  }

  /** What happens to a packet. Connections that it opens are remembered; nothing else changes. */
  trace({ bytes, inPort, tunnel = null }: Arrival): Trace {
    return new Translation(this, ModelPacket.arrived(bytes, inPort, tunnel)).arrive()
  }

  /** A packet-out; `inPort` may be the controller's port. */
  packetOut(bytes: Uint8Array, inPort: number, actions: readonly Action[]): Trace {
    return new Translation(this, ModelPacket.arrived(bytes, inPort, null)).sendOut(actions)
  }
}

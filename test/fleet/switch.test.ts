import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MemorySwitch } from '../../controller/switch/memory-switch.ts'
import { FOREIGN, flow, fromPort, group, meter, output } from '../../controller/switch/samples.ts'
import {
  decodeMessage,
  encodeMessage,
  formatMessage,
  parseFlowMod,
  type FlowMod,
  type FlowModCommand,
  type GroupMod,
  type Message,
} from '../../ofproto/messages/index.ts'
import { FlowPool } from './flow-pool.ts'
import { SimulatedSwitch } from './switch.ts'

class Bench {
  readonly pool: FlowPool
  readonly sent: Message[] = []
  readonly delivered: string[] = []
  readonly device: SimulatedSwitch

  constructor(pool = new FlowPool()) {
    this.pool = pool
    this.device = new SimulatedSwitch({
      datapath: 1n,
      pool,
      tunnelSource: 0,
      send: (bytes) => this.sent.push(decodeMessage(bytes)),
      delivered: (port, bytes) => this.delivered.push(`${port}: ${Buffer.from(bytes).toString('hex')}`),
    })
  }

  give(...frames: readonly Uint8Array[]): this {
    for (const frame of frames) this.device.receive(frame)
    return this
  }

  /** A flow_mod as ovs-ofctl writes it. */
  ofctl(command: FlowModCommand, text: string): this {
    return this.give(encodeMessage({ ...parseFlowMod(command, text), xid: 9 }))
  }

  get flows(): string[] {
    return Array.from(this.device.tables.flows.values(), ({ message }) => formatMessage(encodeMessage(message)).trim())
  }

  get errors(): string[] {
    return this.sent.flatMap((each) => (each.kind === 'error' ? [`${each.xid}: ${each.type}/${each.code}`] : []))
  }
}

const control = (type: 'open_request' | 'close_request' | 'commit_request' | 'discard_request'): Uint8Array =>
  encodeMessage({ kind: 'bundle_control', xid: 1, bundle: 5, type, flags: 3, properties: new Uint8Array(0) })
const inBundle = (frame: Uint8Array, xid: number): Uint8Array => {
  const message = { ...decodeMessage(frame), xid } as Message
  return encodeMessage({ kind: 'bundle_add', xid, bundle: 5, flags: 3, message, rest: new Uint8Array(0) })
}

describe('flows', () => {
  test('an added flow replaces its like, and equal flows of several switches are kept once', () => {
    const pool = new FlowPool()
    const [a, b] = [new Bench(pool), new Bench(pool)]
    a.give(fromPort(1).frame, fromPort(2).frame)
    b.give(fromPort(1).frame)
    expect(pool.size).toBe(2)
    a.give(fromPort(1, { actions: [output(3)] }).frame)
    expect([a.flows.length, pool.size]).toEqual([2, 3])
    b.give(fromPort(1, { actions: [output(3)] }).frame)
    expect(pool.size).toBe(2)
    for (const each of [a, b]) each.device.tables.clear()
    expect(pool.size).toBe(0)
  })

  test('strict commands mean one flow, loose ones all within the match; both heed the cookie', () => {
    const bench = new Bench()
      .ofctl('add', 'table=1,priority=5,cookie=0x11,ip,nw_dst=10.1.0.0/16,actions=drop')
      .ofctl('add', 'table=1,priority=6,cookie=0x12,ip,nw_dst=10.1.2.0/24,actions=drop')
      .ofctl('add', 'table=2,priority=7,cookie=0x12,ip,nw_dst=10.2.0.0/16,actions=drop')
      .ofctl('modify', 'table=1,ip,nw_dst=10.1.0.0/16,actions=output:4')
    expect(bench.flows.filter((each) => each.includes('output:4'))).toHaveLength(2)
    bench.ofctl('delete_strict', 'table=1,priority=5,ip')
    expect(bench.flows).toHaveLength(3)
    bench.ofctl('delete', 'cookie=0x12/-1,ip,nw_dst=10.1.0.0/16')
    expect(bench.flows.map((each) => /nw_dst=[\d./]+/.exec(each)?.[0])).toEqual([
      'nw_dst=10.1.0.0/16',
      'nw_dst=10.2.0.0/16',
    ])
    bench.ofctl('delete', '')
    expect([bench.flows, bench.errors, bench.pool.size]).toEqual([[], [], 0])
  })

  test('are refused without the group or meter that they use, and go with it', () => {
    const user = fromPort(1, { meter: 7, actions: [{ kind: 'group', group: 5 }] })
    const bench = new Bench().give(user.frame, meter(7, 1).frame, user.frame, group(5, 2).frame, user.frame)
    expect(bench.errors).toEqual(['0: 2/9', '0: 2/9'])
    expect(bench.flows).toHaveLength(1)
    bench.give(encodeMessage({ kind: 'meter_mod', xid: 3, command: 'delete', flags: 1, meter: 7, bands: [] }))
    expect(bench.flows).toHaveLength(0)
  })
})

describe('bundles', () => {
  test('happen at commit', () => {
    const bench = new Bench().give(control('open_request'), inBundle(fromPort(1).frame, 2), control('close_request'))
    expect(bench.flows).toHaveLength(0)
    bench.give(control('commit_request'))
    expect([bench.flows.length, bench.errors.length, bench.device.counters.bundles]).toEqual([1, 0, 1])
  })

  test('leave no trace when one message is refused, which is named, or when they are given up', () => {
    const bench = new Bench().give(fromPort(1).frame, fromPort(4).frame, control('open_request'))
    bench.give(inBundle(fromPort(1, { actions: [output(3)] }).frame, 20), inBundle(fromPort(2).frame, 21))
    bench.give(inBundle(fromPort(3, { meter: 7 }).frame, 22), inBundle(fromPort(5).frame, 23))
    bench.give(control('close_request'), control('commit_request'))
    expect(bench.errors).toEqual(['22: 12/2', '1: 65535/2315'])
    expect(bench.flows.join()).not.toContain('output:3')
    bench.give(control('open_request'), inBundle(fromPort(6).frame, 24), control('discard_request'))
    expect([bench.flows.length, bench.pool.size]).toEqual([2, 2])
  })
})

test('who watches is told in full of what others do, and in short of his own', () => {
  const bench = new Bench()
  bench.give(encodeMessage(monitor))
  bench.give(fromPort(1).frame)
  bench.device.interfere({ ...parseFlowMod('delete', ''), xid: 1 })
  const updates = bench.sent.flatMap((each) =>
    each.kind === 'multipart_reply' && each.body.kind === 'flow_monitor' ? each.body.updates : [],
  )
  expect(updates).toMatchObject([{ kind: 'abbreviated' }, { kind: 'full', event: 'deleted' }])
})

const monitor: Message = {
  kind: 'multipart_request',
  xid: 4,
  more: false,
  body: {
    kind: 'flow_monitor',
    monitors: [{ monitor: 1, flags: 0xe, outPort: 0xffff_ffff, table: 0xff, match: [] }],
  },
}

test('packets go through the flows: out of ports, to the controller, and back from it', () => {
  const bench = new Bench()
    .ofctl('add', 'in_port=1,actions=output:2')
    .ofctl('add', 'in_port=2,cookie=0x77,actions=controller')
  bench.device.setPorts([1, 2], [])
  const packet = new Uint8Array(60).fill(1)
  bench.device.inject(1, packet)
  bench.device.inject(2, packet)
  const [punt] = bench.sent
  expect(punt).toMatchObject({ kind: 'packet_in', cookie: 0x77n, data: packet })
  const out = { bufferId: 0xffff_ffff, inPort: 0xffff_fffd, actions: [output(1)], data: packet }
  bench.give(encodeMessage({ kind: 'packet_out', xid: 5, ...out }))
  const hex = Buffer.from(packet).toString('hex')
  expect(bench.delivered).toEqual([`2: ${hex}`, `1: ${hex}`])
})

/** The other switch of ours in memory, which works on decoded messages, must agree with this one. */
test('whatever a controller sends, both switches in memory answer the same and hold the same', () => {
  const key = fc.nat(5)
  const item = fc.oneof(
    fc.tuple(key, fc.nat(2)).map(([port, form]) => fromPort(port, { actions: [output(form + 1)] }).frame),
    fc.tuple(key, fc.nat(1)).map(([port, form]) => fromPort(port, { meter: 7, cookie: form ? FOREIGN : 1n }).frame),
    key.map((port) => fromPort(port, { actions: [{ kind: 'group', group: 5 }] }).frame),
    key.map((port) =>
      encodeMessage({ ...(decodeMessage(flow({ priority: port }).frame) as FlowMod), command: 'delete_strict' }),
    ),
    fc.constantFrom(group(5, 1).frame, remove(group(5, 1).frame)),
  )
  const single = fc.oneof(item, fc.constantFrom(meter(7, 1).frame, remove(meter(7, 1).frame), encodeMessage(barrier)))
  const bundle = fc
    .array(item, { maxLength: 5 })
    .map((items) => [
      control('open_request'),
      ...items.map((frame, i) => inBundle(frame, 100 + i)),
      control('close_request'),
      control('commit_request'),
    ])
  const list = fc.constantFrom('flow', 'group_desc', 'meter_config').map((kind) => [encodeMessage(listing(kind))])
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          single.map((frame) => [frame]),
          bundle,
          list,
        ),
        { maxLength: 30 },
      ),
      (all) => {
        const [ours, other] = [new Bench(), new MemorySwitch()]
        for (const frame of all.flat()) {
          ours.give(frame)
          other.receive(frame)
        }
        expect(plain(ours.sent)).toEqual(plain(other.answers().map((each) => decodeMessage(each))))
      },
    ),
  )
})

/** A group or meter to delete has neither buckets nor bands. */
const NOTHING = { buckets: [], bands: [] }
const barrier: Message = { kind: 'barrier_request', xid: 8 }
const remove = (frame: Uint8Array): Uint8Array =>
  encodeMessage({ ...(decodeMessage(frame) as GroupMod), command: 'delete', ...NOTHING })
const listing = (kind: string): Message => {
  const flows = { table: 0xff, outPort: 0xffff_ffff, outGroup: 0xffff_ffff, cookie: 0n, cookieMask: 0n, match: [] }
  const body = { flow: flows, group_desc: {}, meter_config: { meter: 0xffff_ffff } }[kind]
  return { kind: 'multipart_request', xid: 6, more: false, body: { kind, ...body } as never }
}

/** Parts of a reply as one, without what the two count differently or copy more of. */
function plain(messages: readonly Message[]): unknown[] {
  const out: unknown[] = []
  for (const message of messages) {
    if (message.kind === 'error') out.push({ ...message, data: null })
    else if (message.kind !== 'multipart_reply') out.push(message)
    else {
      const { flows, groups, meters } = message.body as unknown as Record<string, readonly object[] | undefined>
      const entries = (flows ?? groups ?? meters ?? []).map((each) => JSON.stringify(sizeless(each)))
      const last = out.at(-1)
      if (Array.isArray(last)) last.push(...entries)
      else out.push([...entries])
    }
  }
  return out.map((each) => (Array.isArray(each) ? each.toSorted() : each))
}

const sizeless = (entry: object): object => {
  const none = { durationSeconds: 0, durationNanoseconds: 0, packets: 0, bytes: 0 }
  const known = 'cookie' in entry ? { ...entry, ...none, cookie: String(entry.cookie) } : entry
  return known
}

// Random messages for tests, of every kind.
import { ports } from '../fields/ports.ts'
import fc from 'fast-check'
import { parseInstructions } from '../actions/index.ts'
import type { Match } from '../fields/match.ts'
import type { Message } from './codec.ts'
import { NO_BUFFER } from './frame.ts'
import type { CtTupleProperty } from './nicira.ts'
import type { PacketProperty } from './packet.ts'
import type { QueueProperty } from './queue.ts'
import { groupDesc, band, meterFlags, meterId, portDescription, requestBody, replyBody } from './testing-multipart.ts'
import {
  u8,
  u16,
  u32,
  u64,
  mac,
  nanoseconds,
  bytes,
  octets,
  bits,
  anyPort,
  table,
  groupId,
  match,
  metadata,
  actions,
  frame,
  kind,
  some,
} from './testing-parts.ts'

/** Properties in the order in which OVS sends them; each but the packet may be missing. */
const packetProperties: fc.Arbitrary<readonly PacketProperty[]> = fc
  .tuple(
    frame,
    fc.option(fc.integer({ min: 200, max: 0xffffffff })),
    fc.option(u32),
    fc.option(table),
    fc.option(u64),
    fc.option(fc.integer({ min: 0, max: 9 })),
    fc.option(metadata),
    fc.option(bytes(20)),
  )
  .map(([packet, length, bufferId, tableId, cookie, reason, m, userdata]) => [
    { kind: 'packet' as const, bytes: packet },
    ...(length === null ? [] : [{ kind: 'full_length' as const, length }]),
    ...(bufferId === null ? [] : [{ kind: 'buffer_id' as const, bufferId }]),
    ...(tableId === null ? [] : [{ kind: 'table' as const, table: tableId }]),
    ...(cookie === null ? [] : [{ kind: 'cookie' as const, cookie }]),
    ...(reason === null ? [] : [{ kind: 'reason' as const, reason }]),
    ...(m === null ? [] : [{ kind: 'metadata' as const, match: m }]),
    ...(userdata === null ? [] : [{ kind: 'userdata' as const, bytes: userdata }]),
  ])

const ipv4 = octets(4).map((tail) => Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, ...tail]))
const tuple = (address: fc.Arbitrary<Uint8Array>, icmp: boolean): fc.Arbitrary<readonly CtTupleProperty[]> =>
  fc.tuple(address, address, u16, u16, u8, u8).map(([source, destination, a, b, type, code]) => [
    { kind: 'source' as const, address: source },
    { kind: 'destination' as const, address: destination },
    ...(icmp
      ? [
          { kind: 'icmp_id' as const, value: a },
          { kind: 'icmp_type' as const, value: type },
          { kind: 'icmp_code' as const, value: code },
        ]
      : [
          { kind: 'source_port' as const, value: a },
          { kind: 'destination_port' as const, value: b },
        ]),
  ])
const ctFlush = fc
  .tuple(fc.constantFrom(1, 6, 17, 58), fc.constantFrom(ipv4, octets(16)))
  .chain(([ipProtocol, address]) =>
    fc.record({
      kind: kind('ct_flush'),
      ipProtocol: fc.constant(ipProtocol),
      properties: fc
        .tuple(tuple(address, ipProtocol % 57 === 1), tuple(address, ipProtocol % 57 === 1), fc.option(u16))
        .map(([original, reply, zone]) => [
          { kind: 'original' as const, tuple: original },
          { kind: 'reply' as const, tuple: reply },
          ...(zone === null ? [] : [{ kind: 'zone' as const, value: zone }]),
        ]),
    }),
  )

const tlvMap = fc.record({
  optionClass: u16,
  optionType: u8,
  optionLength: fc.integer({ min: 0, max: 31 }).map((words) => words * 4),
  index: fc.integer({ min: 0, max: 63 }),
})

const queueProperty: fc.Arbitrary<QueueProperty> = fc.oneof(
  fc.record({ kind: fc.constantFrom('min_rate', 'max_rate'), rate: fc.oneof(fc.constantFrom(0, 1000, 1001), u16) }),
  fc.record({ kind: kind('unknown'), type: fc.constantFrom(7, 0xffff), bytes: octets(8) }),
)

const asyncMasks = {
  packetInPrimary: u32,
  packetInSecondary: u32,
  portStatusPrimary: u32,
  portStatusSecondary: u32,
  flowRemovedPrimary: u32,
  flowRemovedSecondary: u32,
}
const asyncProperties = fc.subarray([
  { kind: 'packet_in_secondary' as const, mask: 7 },
  { kind: 'packet_in_primary' as const, mask: 2 },
  { kind: 'port_status_primary' as const, mask: 5 },
  { kind: 'flow_removed_primary' as const, mask: 0x3f },
  { kind: 'role_status_primary' as const, mask: 3 },
  { kind: 'table_status_secondary' as const, mask: 0x18 },
  { kind: 'requestforward_primary' as const, mask: 1 },
])

const role = fc.constantFrom('nochange' as const, 'equal' as const, 'primary' as const, 'secondary' as const)
const nxRole = fc.constantFrom('equal' as const, 'primary' as const, 'secondary' as const)

type Body<M> = M extends unknown ? Omit<M, 'xid'> : never
const xid = u32

const flowMod = fc
  .record({
    kind: kind('flow_mod'),
    cookie: u64,
    cookieMask: u64,
    table,
    command: fc.constantFrom('add', 'modify', 'modify_strict', 'delete', 'delete_strict'),
    idleTimeoutSeconds: u16,
    hardTimeoutSeconds: u16,
    priority: fc.oneof(fc.constant(0x8000), u16),
    bufferId: fc.oneof(fc.constant(NO_BUFFER), u32),
    outPort: anyPort,
    outGroup: groupId,
    flags: bits(1, 2, 4, 8, 16),
    match: fc.constant<Match>([]),
    // Most actions need a match of their own; those of flow statistics are not checked against it.
    instructions: fc.constantFrom(
      ...['drop', 'output:1', 'resubmit(,4)', 'group:7,goto_table:255'].map((t) =>
        parseInstructions(t.replace('255', '254')),
      ),
    ),
  })
  .chain((mod) => match.map((m) => ({ ...mod, match: m, instructions: mod.table >= 254 ? [] : mod.instructions })))

const groupMod = fc
  .tuple(groupDesc, fc.constantFrom('add', 'modify', 'add_or_modify', 'delete'))
  .map(([desc, command]) => ({
    kind: 'group_mod' as const,
    command,
    ...desc,
    buckets: command === 'delete' ? [] : desc.buckets,
  }))
const meterMod = fc
  .record({
    kind: kind('meter_mod'),
    command: fc.constantFrom('add', 'modify', 'delete'),
    flags: meterFlags,
    meter: meterId,
    bands: some(band),
  })
  .map((mod) => (mod.command === 'delete' ? { ...mod, bands: [] } : mod))
const portMod = fc.record({ kind: kind('port_mod'), port: anyPort, mac, config: u32, mask: u32, advertise: u32 })
const packetOut = fc.record({
  kind: kind('packet_out'),
  bufferId: fc.oneof(fc.constant(NO_BUFFER), u32),
  inPort: fc.constantFrom(1, 0xfeff, ports.local, ports.controller, ports.any),
  actions,
  data: fc.oneof(fc.constant(new Uint8Array(0)), frame),
})

const knownErrors = fc.constantFrom(
  [0, 0],
  [1, 6],
  [2, 4],
  [3, 7],
  [4, 8],
  [5, 1],
  [6, 13],
  [11, 0],
  [12, 11],
  [13, 3],
  [9, 9],
)
/** The start of a message, as errors carry it. */
const failed = fc
  .integer({ min: 0, max: 40 })
  .map((length) => Uint8Array.from({ length }, (_, i) => [4, 14, 0, 100, 0, 0, 0, 9][i] ?? 0))

const error = fc.oneof(
  fc.record({ codes: knownErrors, data: failed }).map(({ codes, data }) => ({
    kind: 'error' as const,
    version: 4,
    type: codes[0] as number,
    code: codes[1] as number,
    experimenter: null,
    data,
  })),
  fc
    .record({
      code: fc.constantFrom(2300, 2310, 4444, 4, 44, 9999),
      who: fc.constantFrom(0x4f4e4600, 0x2320),
      data: failed,
    })
    .map(({ code, who, data }) => ({
      kind: 'error' as const,
      version: 4,
      type: 0xffff,
      code,
      experimenter: who,
      data,
    })),
)

const messageBody = fc.oneof(
  fc.record({
    kind: kind('hello'),
    version: fc.oneof(fc.constantFrom(1, 4, 5, 6), fc.integer({ min: 1, max: 255 })),
    elements: fc.oneof(
      fc.constant([]),
      fc.array(fc.record({ kind: kind('version_bitmap'), bitmaps: fc.array(u32, { minLength: 1, maxLength: 2 }) }), {
        maxLength: 2,
      }),
    ),
    rest: fc.oneof(fc.constant(new Uint8Array(0)), octets(3)),
  }),
  error,
  fc.record({
    kind: fc.constantFrom('echo_request', 'echo_reply'),
    version: fc.constantFrom(4, 1, 6),
    data: bytes(40),
  }),
  fc.record({
    kind: fc.constantFrom(
      'features_request',
      'get_config_request',
      'barrier_request',
      'barrier_reply',
      'get_async_request',
    ),
  }),
  fc.record({ kind: fc.constantFrom('flow_monitor_paused', 'flow_monitor_resumed', 'flow_age', 'tlv_table_request') }),
  fc.record({
    kind: kind('features_reply'),
    datapath: u64,
    buffers: u32,
    tables: u8,
    auxiliary: u8,
    capabilities: u32,
    reserved: u32,
  }),
  fc.record({ kind: kind('get_config_reply'), flags: u16, missSendLength: u16 }),
  fc.record({ kind: kind('set_config'), flags: fc.integer({ min: 0, max: 3 }), missSendLength: u16 }),
  fc.record({
    kind: kind('packet_in'),
    bufferId: fc.oneof(fc.constant(NO_BUFFER), u32),
    totalLength: u16,
    reason: fc.integer({ min: 0, max: 9 }),
    table,
    cookie: u64,
    match: metadata,
    data: frame,
  }),
  fc.record({
    kind: kind('flow_removed'),
    cookie: u64,
    priority: u16,
    reason: fc.integer({ min: 0, max: 8 }),
    table: u8,
    durationSeconds: u32,
    durationNanoseconds: nanoseconds,
    idleTimeoutSeconds: u16,
    hardTimeoutSeconds: u16,
    packets: u64,
    bytes: u64,
    match,
  }),
  fc.record({
    kind: kind('nx_packet_in'),
    bufferId: fc.oneof(fc.constant(NO_BUFFER), u32),
    totalLength: u16,
    reason: fc.integer({ min: 0, max: 9 }),
    table,
    cookie: u64,
    match: metadata,
    data: frame,
  }),
  fc.record({
    kind: kind('nx_flow_removed'),
    cookie: u64,
    priority: u16,
    reason: fc.integer({ min: 0, max: 8 }),
    tablePlusOne: fc.integer({ min: 0, max: 255 }),
    durationSeconds: u32,
    durationNanoseconds: nanoseconds,
    idleTimeoutSeconds: u16,
    packets: u64,
    bytes: u64,
    match,
  }),
  fc.record({ kind: kind('port_status'), reason: fc.constantFrom('add', 'delete', 'modify'), port: portDescription }),
  packetOut,
  flowMod,
  groupMod,
  portMod,
  meterMod,
  fc.record({ kind: kind('table_mod'), table: u8, config: fc.constant(0) }),
  fc.record({ kind: kind('queue_get_config_request'), port: fc.constantFrom(0, 1, 0xfeff, ports.any) }),
  fc.record({
    kind: kind('queue_get_config_reply'),
    port: anyPort,
    queues: some(fc.record({ queue: u32, port: anyPort, properties: fc.array(queueProperty, { maxLength: 3 }) })),
  }),
  fc.record({ kind: fc.constantFrom('role_request', 'role_reply'), role, generation: u64 }),
  fc.record({ kind: fc.constantFrom('nx_role_request', 'nx_role_reply'), role: nxRole }),
  fc.record({
    kind: kind('role_status'),
    role,
    reason: fc.integer({ min: 0, max: 3 }),
    generation: u64,
    properties: fc.constant([]),
  }),
  fc.record({ kind: fc.constantFrom('get_async_reply', 'set_async', 'nx_set_async_config'), ...asyncMasks }),
  fc.record({ kind: kind('nx_set_async_config2'), properties: asyncProperties }),
  fc.record({ kind: kind('multipart_request'), more: fc.boolean(), body: requestBody }),
  fc.record({ kind: kind('multipart_reply'), more: fc.boolean(), body: replyBody }),
  fc.record({
    kind: kind('bundle_control'),
    bundle: u32,
    type: fc.constantFrom(
      'open_request',
      'open_reply',
      'close_request',
      'commit_request',
      'commit_reply',
      'discard_request',
    ),
    flags: u16,
    properties: fc.constant(new Uint8Array(0)),
  }),
  fc.record({ kind: kind('flow_monitor_cancel'), monitor: u32 }),
  fc.record({ kind: fc.constantFrom('packet_in2', 'resume'), properties: packetProperties }),
  fc.record({ kind: kind('set_controller_id'), controller: u16 }),
  fc.record({
    kind: kind('set_packet_in_format'),
    format: fc.constantFrom('standard', 'nxt_packet_in', 'nxt_packet_in2'),
  }),
  fc.record({ kind: kind('flow_mod_table_id'), enabled: fc.constantFrom(0, 1) }),
  fc.record({ kind: kind('tlv_table_mod'), command: fc.constantFrom('add', 'delete', 'clear'), maps: some(tlvMap) }),
  fc.record({ kind: kind('tlv_table_reply'), maximumSpace: u32, maximumFields: fc.constant(64), maps: some(tlvMap) }),
  fc.record({ kind: kind('ct_flush_zone'), zone: u16 }),
  ctFlush,
) as unknown as fc.Arbitrary<Body<Message>>

const bundled = fc.oneof(flowMod, groupMod, portMod, packetOut)

/** A message of any kind. */
export const message: fc.Arbitrary<Message> = fc.oneof(
  { weight: 40, arbitrary: fc.tuple(messageBody, xid).map(([body, id]) => ({ ...body, xid: id })) },
  {
    weight: 2,
    arbitrary: fc.tuple(bundled, xid, u32, bits(1, 2, 4)).map(([body, id, bundle, flags]): Message => ({
      kind: 'bundle_add',
      xid: id,
      bundle,
      flags,
      message: { ...body, xid: id } as Message,
      rest: new Uint8Array(0),
    })),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.oneof(groupMod, meterMod), xid, xid).map(([body, id, inner]): Message => ({
      kind: 'request_forward',
      xid: id,
      request: { ...body, xid: inner } as Message,
    })),
  },
)

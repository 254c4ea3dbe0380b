// Random bodies of multipart messages for tests.
import { ports } from '../fields/ports.ts'
import fc from 'fast-check'
import { ANY_GROUP } from './frame.ts'
import type { Bucket, GroupType } from './group.ts'
import type { MeterBand } from './meter.ts'
import type { MultipartReply, MultipartRequest } from './multipart.ts'
import {
  u8,
  u16,
  u32,
  u64,
  count,
  mac,
  nanoseconds,
  name,
  bits,
  anyPort,
  table,
  groupId,
  match,
  instructions,
  actions,
  kind,
  some,
} from './testing-parts.ts'

const flowStats = fc.record({
  table,
  durationSeconds: u32,
  durationNanoseconds: nanoseconds,
  priority: fc.oneof(fc.constant(0x8000), u16),
  idleTimeoutSeconds: u16,
  hardTimeoutSeconds: u16,
  flags: bits(1, 2, 4, 8, 16),
  cookie: u64,
  packets: count,
  bytes: count,
  match,
  instructions,
})

const flowRequest = {
  table: fc.oneof(fc.constant(255), table),
  outPort: anyPort,
  outGroup: u32,
  cookie: u64,
  cookieMask: u64,
  match,
}

const bucketFor = (type: GroupType): fc.Arbitrary<Bucket> =>
  fc.record({
    weight: type === 'select' ? u16 : fc.constant(0),
    watchPort: type === 'ff' ? fc.constantFrom(1, 77) : fc.constant<number>(ports.any),
    watchGroup: type === 'ff' || type === 'select' ? fc.oneof(fc.constant(ANY_GROUP), u32) : fc.constant(ANY_GROUP),
    actions,
  })
const groupType = fc.constantFrom<GroupType>('all', 'select', 'indirect', 'ff')
const bucketsFor = (type: GroupType) =>
  fc.array(bucketFor(type), type === 'indirect' ? { minLength: 1, maxLength: 1 } : { maxLength: 4 })
export const groupDesc = groupType.chain((type) =>
  fc.record({ type: fc.constant(type), group: u32, buckets: bucketsFor(type) }),
)

export const band: fc.Arbitrary<MeterBand> = fc.oneof(
  fc.record({ kind: fc.constant('drop' as const), rate: u32, burst: u32 }),
  fc.record({ kind: fc.constant('dscp_remark' as const), rate: u32, burst: u32, precedence: u8 }),
)
export const meterFlags = fc.oneof(bits(1, 4, 8), bits(2, 4, 8), bits(1, 0x10, 0x8000))
export const meterId = fc.oneof(fc.constantFrom(1, 0xfffffffd, 0xfffffffe, 0xffffffff, 0xffff0001), u32)

export const portDescription = fc.record({
  port: anyPort,
  mac,
  name: name(15),
  config: u32,
  state: u32,
  current: u32,
  advertised: u32,
  supported: fc.oneof(fc.constant(0), u32),
  peer: fc.oneof(fc.constant(0), u32),
  currentSpeedKbps: u32,
  maximumSpeedKbps: u32,
})

const portStats = fc.record({
  port: anyPort,
  receivedPackets: count,
  sentPackets: count,
  receivedBytes: count,
  sentBytes: count,
  receiveDropped: count,
  sendDropped: count,
  receiveErrors: count,
  sendErrors: count,
  frameErrors: count,
  overrunErrors: count,
  crcErrors: count,
  collisions: count,
  durationSeconds: u32,
  durationNanoseconds: nanoseconds,
})

const queueStats = fc.record({
  port: anyPort,
  queue: u32,
  sentBytes: count,
  sentPackets: count,
  sendErrors: count,
  durationSeconds: u32,
  durationNanoseconds: nanoseconds,
})

// Headers of fields that OVS knows, with and without mask, and of one that it does not.
const fieldIds = fc
  .subarray([
    0x80000004, 0x80000a02, 0x80000606, 0x80000706, 0x80001604, 0x80001708, 0x8000070c, 0x80001704, 0x00010004,
    0x00010204,
  ])
  .map((headers) => headers.map((header) => ({ header, experimenter: null })))
const typeIds = fc
  .subarray([0, 1, 2, 3, 4, 5, 6, 15, 16, 17, 18, 22, 23, 24, 25])
  .map((types) => types.map((type) => ({ type, bytes: new Uint8Array(0) })))
const nextTables = fc.uniqueArray(fc.integer({ min: 0, max: 20 }), { maxLength: 8 }).map((t) => Uint8Array.from(t))
const typeProperty = <const K extends string>(kind: K) => fc.record({ kind: fc.constant(kind), types: typeIds })
const fieldProperty = <const K extends string>(kind: K) => fc.record({ kind: fc.constant(kind), fields: fieldIds })
const tableProperty = <const K extends string>(kind: K) => fc.record({ kind: fc.constant(kind), tables: nextTables })
const plainFields = <const K extends string>(kind: K) =>
  fieldProperty(kind).map((p) => ({ ...p, fields: p.fields.filter(({ header }) => (header & 0x100) === 0) }))

const requiredProperties = fc.tuple(
  typeProperty('instructions'),
  tableProperty('next_tables'),
  typeProperty('write_actions'),
  typeProperty('apply_actions'),
  fieldProperty('match'),
  plainFields('wildcards'),
  plainFields('write_setfield'),
  plainFields('apply_setfield'),
)
const missProperties = fc.option(
  fc.tuple(typeProperty('instructions_miss'), tableProperty('next_tables_miss'), typeProperty('apply_actions_miss')),
  { nil: [] },
)
const tableFeatures = fc.record({
  table,
  name: fc.oneof(fc.constant(''), name(31)),
  metadataMatch: fc.constantFrom(0n, 0xffff_ffff_ffff_ffffn),
  metadataWrite: fc.constantFrom(0n, 5n),
  config: fc.constant(0),
  maximumEntries: fc.constantFrom(0, 1_000_000),
  properties: fc.tuple(requiredProperties, missProperties).map(([required, miss]) => [...required, ...miss]),
})
/** Neighbours are often alike, which is what the printing is about. */
const tableFeaturesList = fc
  .array(fc.tuple(tableFeatures, fc.integer({ min: 1, max: 4 })), { minLength: 1, maxLength: 3 })
  .map((groups) =>
    groups.flatMap(([f, times]) => Array.from({ length: times }, () => f)).map((f, i) => ({ ...f, table: i })),
  )

const ipfixStats = fc.record({
  totalFlows: count,
  currentFlows: count,
  packets: count,
  ipv4Packets: count,
  ipv6Packets: count,
  errorPackets: count,
  ipv4ErrorPackets: count,
  ipv6ErrorPackets: count,
  sentPackets: count,
  sendErrors: count,
  collectorSet: u32,
})

const perType = fc.record({ all: u32, select: u32, indirect: u32, ff: u32 })
const monitorFlags = fc.tuple(bits(1, 16, 32), fc.constantFrom(2, 4, 8, 14)).map(([a, b]) => a | b)

export const requestBody: fc.Arbitrary<MultipartRequest['body']> = fc.oneof(
  fc.record({ kind: fc.constantFrom('desc', 'table', 'group_desc', 'group_features', 'meter_features', 'port_desc') }),
  fc.record({ kind: fc.constantFrom('ipfix_bridge', 'ipfix_flow') }),
  fc.record({ kind: fc.constantFrom('flow', 'aggregate'), ...flowRequest }),
  fc.record({ kind: kind('port_stats'), port: anyPort }),
  fc.record({ kind: kind('queue'), port: anyPort, queue: u32 }),
  fc.record({ kind: kind('group'), group: groupId }),
  fc.record({ kind: fc.constantFrom('meter', 'meter_config'), meter: meterId }),
  fc.record({ kind: kind('table_features'), tables: fc.oneof(fc.constant([]), tableFeaturesList) }),
  fc.record({
    kind: kind('flow_monitor'),
    monitors: fc.array(fc.record({ monitor: u32, flags: monitorFlags, outPort: anyPort, table: u8, match }), {
      minLength: 1,
      maxLength: 3,
    }),
  }),
) as fc.Arbitrary<MultipartRequest['body']>

const counts = fc.record({ packets: count, bytes: count })

export const replyBody: fc.Arbitrary<MultipartReply['body']> = fc.oneof(
  fc.record({
    kind: kind('desc'),
    manufacturer: name(255),
    hardware: name(255),
    software: name(255),
    serial: name(31),
    datapath: name(255),
  }),
  fc.record({ kind: kind('flow'), flows: some(flowStats) }),
  fc.record({ kind: kind('aggregate'), packets: u64, bytes: u64, flows: u32 }),
  fc.record({
    kind: kind('table'),
    tables: fc.array(
      fc.record({
        table: u8,
        active: fc.constantFrom(0, 5),
        lookups: fc.constantFrom(0n, 9n),
        matched: fc.constant(0n),
      }),
      { maxLength: 9 },
    ),
  }),
  fc.record({ kind: kind('port_stats'), ports: some(portStats) }),
  fc.record({ kind: kind('queue'), queues: some(queueStats) }),
  fc.record({
    kind: kind('group'),
    groups: some(
      fc.record({
        group: u32,
        references: u32,
        packets: count,
        bytes: count,
        durationSeconds: u32,
        durationNanoseconds: nanoseconds,
        buckets: some(counts),
      }),
    ),
  }),
  fc.record({ kind: kind('group_desc'), groups: some(groupDesc) }),
  fc.record({ kind: kind('group_features'), types: u32, capabilities: u32, maximumGroups: perType, actions: perType }),
  fc.record({
    kind: kind('meter'),
    meters: some(
      fc.record({
        meter: meterId,
        flows: u32,
        packets: u64,
        bytes: u64,
        durationSeconds: u32,
        durationNanoseconds: nanoseconds,
        bands: some(counts),
      }),
    ),
  }),
  fc.record({
    kind: kind('meter_config'),
    meters: some(fc.record({ flags: meterFlags, meter: meterId, bands: some(band) })),
  }),
  fc.record({
    kind: kind('meter_features'),
    maximumMeters: u32,
    bandTypes: u32,
    capabilities: u32,
    maximumBands: u8,
    maximumColors: u8,
  }),
  fc.record({ kind: kind('table_features'), tables: tableFeaturesList }),
  fc.record({ kind: kind('port_desc'), ports: some(portDescription) }),
  fc.record({
    kind: kind('flow_monitor'),
    updates: some(
      fc.oneof(
        fc.record({ kind: kind('abbreviated'), xid: u32 }),
        fc.record({
          kind: kind('full'),
          event: fc.constantFrom('added', 'deleted', 'modified'),
          reason: fc.integer({ min: 0, max: 7 }),
          priority: u16,
          idleTimeoutSeconds: u16,
          hardTimeoutSeconds: u16,
          table,
          cookie: u64,
          match,
          instructions,
        }),
      ),
    ),
  }),
  fc.record({ kind: kind('ipfix_bridge'), stats: ipfixStats }),
  fc.record({ kind: kind('ipfix_flow'), stats: some(ipfixStats) }),
) as fc.Arbitrary<MultipartReply['body']>

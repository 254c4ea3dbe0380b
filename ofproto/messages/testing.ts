// Random messages for tests: every kind, every multipart body, counters and flags at their edges. Matches and actions come
// from texts, since their own tests vary them.
import fc from 'fast-check'
import { parseActions, parseInstructions } from '../actions/index.ts'
import { parseMatch } from '../fields/match-text.ts'
import type { Match } from '../fields/match.ts'
import type { Message } from './codec.ts'
import { ALL_GROUPS, ANY_GROUP, NO_BUFFER, ports } from './frame.ts'
import type { Bucket, GroupType } from './group.ts'
import type { MeterBand } from './meter.ts'
import type { MultipartReply, MultipartRequest } from './multipart.ts'
import type { PacketProperty } from './packet.ts'
import type { CtTupleProperty } from './nicira.ts'
import type { QueueProperty } from './queue.ts'

const u8 = fc.integer({ min: 0, max: 0xff })
const u16 = fc.oneof(fc.constantFrom(0, 1, 0xffff), fc.integer({ min: 0, max: 0xffff }))
const u32 = fc.oneof(fc.constantFrom(0, 1, 0xffffffff), fc.integer({ min: 0, max: 0xffffffff }))
const u64 = fc.oneof(fc.constantFrom(0n, 1n, 0xffff_ffff_ffff_ffffn), fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }))
const count = fc.oneof(fc.constantFrom(0n, 0xffff_ffff_ffff_ffffn), fc.bigInt({ min: 0n, max: 1n << 50n }))
const mac = fc.integer({ min: 0, max: 0xffff_ffff_ffff })
const nanoseconds = fc.oneof(
  fc.constantFrom(0, 5_000_000, 999_999_999, 120_000),
  fc.integer({ min: 0, max: 999_999_999 }),
)
const bytes = (maxLength: number) => fc.uint8Array({ minLength: 0, maxLength })
const octets = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const name = (maxLength: number) =>
  fc.string({ unit: fc.constantFrom(...'abcxyz0189_.-/ ()'), minLength: 1, maxLength, size: 'max' })
const bits = (...values: number[]) => fc.subarray(values).map((some) => some.reduce((sum, bit) => sum | bit, 0))

const anyPort = fc.oneof(fc.constantFrom(1, 10, 0xfeff, ...Object.values(ports)), fc.integer({ min: 0, max: 0xfeff }))
const table = fc.oneof(fc.constantFrom(0, 1, 254), fc.integer({ min: 0, max: 254 }))
const groupId = fc.oneof(fc.constantFrom(0, ALL_GROUPS, ANY_GROUP), u32)

const matchTexts = [
  '',
  'in_port=3',
  'in_port=LOCAL,dl_vlan=10',
  'arp,arp_spa=10.0.0.1,arp_op=1',
  'tcp,nw_src=10.0.0.0/8,nw_dst=192.168.1.1,tp_dst=80',
  'udp6,ipv6_src=fd00::/64,tp_src=0x400/0xfc00',
  'icmp,icmp_type=8,icmp_code=0',
  'ct_state=+trk+est,ct_zone=7,ip',
  'reg0=0x1/0xff,reg5=7,metadata=0x1234/0xffff',
  'tun_id=0x5,tun_src=1.2.3.4',
  'dl_src=00:11:22:33:44:55,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00',
  'ip,nw_tos=32,nw_ttl=64,nw_frag=later',
  'mpls,mpls_label=100,mpls_bos=1',
]
const match: fc.Arbitrary<Match> = fc.constantFrom(...matchTexts.map(parseMatch))
/** What a packet-in tells of a packet beyond its bytes. */
const metadata: fc.Arbitrary<Match> = fc.constantFrom(
  ...['in_port=1', 'in_port=LOCAL,reg3=0x5', 'in_port=7,tun_id=0x10,tun_src=1.1.1.1,metadata=0x9', ''].map(parseMatch),
)
const instructions = fc.constantFrom(
  ...[
    'drop',
    'output:1',
    'CONTROLLER:65535',
    'set_field:10.0.0.1->ip_dst,dec_ttl,output:LOCAL',
    'group:7',
    'meter:3,goto_table:5',
    'write_actions(output:2,set_queue:1),goto_table:9',
    'clear_actions,write_metadata:0x5/0xff',
    'resubmit(,4),resubmit(2,)',
    'load:0x7->NXM_NX_REG0[0..7],move:NXM_NX_REG1[]->NXM_NX_REG2[]',
    'learn(table=1,hard_timeout=10,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])',
    'push_vlan:0x8100,set_field:4097->vlan_vid,NORMAL',
    'conjunction(5,1/2)',
    'note:01.02.03',
  ].map((text) => parseInstructions(text)),
)
const actions = fc.constantFrom(
  ...[
    'drop',
    'output:3',
    'set_field:1.2.3.4->ip_src,output:2',
    'set_queue:1,output:1,pop_queue',
    'ct(commit,zone=1),resubmit(,1)',
  ].map((text) => parseActions(text)),
)
const frame = fc.oneof(
  fc.constantFrom(
    Uint8Array.from(
      '0102030405060708090a0b0c08004500001c00004000400626ce0a0000010a00000204d2005000000001000000025002ffff0000'
        .match(/../g)
        ?.map((h) => Number.parseInt(h, 16)) ?? [],
    ),
  ),
  fc.uint8Array({ minLength: 1, maxLength: 80 }),
)

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
const groupDesc = groupType.chain((type) =>
  fc.record({ type: fc.constant(type), group: u32, buckets: bucketsFor(type) }),
)

const band: fc.Arbitrary<MeterBand> = fc.oneof(
  fc.record({ kind: fc.constant('drop' as const), rate: u32, burst: u32 }),
  fc.record({ kind: fc.constant('dscp_remark' as const), rate: u32, burst: u32, precedence: u8 }),
)
const meterFlags = fc.oneof(bits(1, 4, 8), bits(2, 4, 8), bits(1, 0x10, 0x8000))
const meterId = fc.oneof(fc.constantFrom(1, 0xfffffffd, 0xfffffffe, 0xffffffff, 0xffff0001), u32)

const portDescription = fc.record({
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

const kind = <const K extends string>(value: K) => fc.constant(value)
const perType = fc.record({ all: u32, select: u32, indirect: u32, ff: u32 })
const monitorFlags = fc.tuple(bits(1, 16, 32), fc.constantFrom(2, 4, 8, 14)).map(([a, b]) => a | b)

const requestBody: fc.Arbitrary<MultipartRequest['body']> = fc.oneof(
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
const some = <T>(item: fc.Arbitrary<T>) => fc.array(item, { maxLength: 4 })

const replyBody: fc.Arbitrary<MultipartReply['body']> = fc.oneof(
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
    version: fc.oneof(fc.constantFrom(1, 4, 5, 6), u8),
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
  { weight: 40, arbitrary: fc.tuple(messageBody, xid).map(([body, id]) => ({ ...body, xid: id }) as Message) },
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

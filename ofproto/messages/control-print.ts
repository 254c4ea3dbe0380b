// How ovs-ofctl prints what has no file of its own: roles, asynchronous configuration, queues, bundles, monitors, tunnel
// options, conntrack flushes and IPFIX counters.
import { formatInstructions } from '../actions/index.ts'
import { formatMatch } from '../fields/match-text.ts'
import { formatValue } from '../fields/format.ts'
import { formatPort, ports } from '../fields/ports.ts'
import type { Message } from './codec.ts'
import { ALL_QUEUES, ALL_TABLES } from './frame.ts'
import type { FlowMonitor, FlowUpdate } from './monitor.ts'
import type { MultipartReplyBody, MultipartRequestBody } from './multipart.ts'
import type { CtFlushProperty, CtTupleProperty, IpfixStats, TlvMap } from './nicira.ts'
import { bitNames, flowRemovedReasonName, formatCount, formatDuration, hex, hexOrZero } from './print-parts.ts'
import { packetInReasonName } from './print-parts.ts'
import type { PacketQueue } from './queue.ts'
import type { AsyncProperty } from './role.ts'

type Of<K extends Message['kind']> = Extract<Message, { kind: K }>

const NO_GENERATION = 0xffff_ffff_ffff_ffffn
const formatRole = (role: string, generation: bigint): string =>
  ` role=${role}${generation === NO_GENERATION ? '' : ` generation_id=${generation}`}`

/** A request that changes nothing has no generation. */
export const formatRoleMessage = ({ kind, role, generation }: Of<'role_request' | 'role_reply'>): string =>
  formatRole(role, kind === 'role_request' && role === 'nochange' ? NO_GENERATION : generation)

export const formatNxRole = ({ role }: Of<'nx_role_request' | 'nx_role_reply'>): string =>
  formatRole(role, NO_GENERATION)

const roleReasons = ['primary_request', 'configuration_changed', 'experimenter_data_changed']

export const formatRoleStatus = ({ role, generation, reason }: Of<'role_status'>): string =>
  `${formatRole(role, generation)} reason=${roleReasons[reason] ?? '(unknown)'}`

/** Kinds of asynchronous messages, in the order in which they print, with the reasons that OpenFlow 1.3 has for each. */
const asyncKinds = [
  { name: 'PACKET_IN', key: 'packet_in', allowed: 0x7, reason: packetInReasonName },
  {
    name: 'PORT_STATUS',
    key: 'port_status',
    allowed: 0x7,
    reason: (bit: number) => ['add', 'delete', 'modify'][bit] ?? `${bit}`,
  },
  { name: 'FLOW_REMOVED', key: 'flow_removed', allowed: 0x3f, reason: flowRemovedReasonName },
  { name: 'ROLE_STATUS', key: 'role_status', allowed: 0x7, reason: (bit: number) => roleReasons[bit] ?? `${bit}` },
  {
    name: 'TABLE_STATUS',
    key: 'table_status',
    allowed: 0x18,
    reason: (bit: number) => (bit === 3 ? 'vacancy_down' : 'vacancy_up'),
  },
  {
    name: 'REQUESTFORWARD',
    key: 'requestforward',
    allowed: 0x3,
    reason: (bit: number) => (bit === 0 ? 'group_mod_request' : 'meter_mod_request'),
  },
] as const
type Masks = Readonly<Record<string, number>>

function formatReasons(mask: number, name: (bit: number) => string): string {
  if (mask === 0) return ' (off)'
  let out = ''
  for (let bit = 0; bit < 32; bit += 1) if (((mask >>> bit) & 1) !== 0) out += ` ${name(bit)}`
  return out
}

function formatAsync(masks: Masks): string {
  const role = (title: string) =>
    `\n ${title}:\n${asyncKinds
      .map(({ name, key, allowed, reason }) => {
        const mask = (masks[`${key}_${title}`] ?? 0) & allowed
        return `${name.padStart(16)}:${formatReasons(mask, reason)}\n`
      })
      .join('')}`
  return role('primary') + role('secondary')
}

export const formatAsyncMasks = (m: Of<'set_async' | 'get_async_reply' | 'nx_set_async_config'>): string =>
  formatAsync({
    packet_in_primary: m.packetInPrimary,
    packet_in_secondary: m.packetInSecondary,
    port_status_primary: m.portStatusPrimary,
    port_status_secondary: m.portStatusSecondary,
    flow_removed_primary: m.flowRemovedPrimary,
    flow_removed_secondary: m.flowRemovedSecondary,
  })

export const formatAsyncProperties = (properties: readonly AsyncProperty[]): string =>
  formatAsync(Object.fromEntries(properties.map((p) => [p.kind, p.kind === 'unknown' ? 0 : p.mask])))

const formatQueue = (queue: number): string => (queue === ALL_QUEUES ? 'ALL' : `${queue}`)

function formatRate(queue: PacketQueue, kind: 'min_rate' | 'max_rate'): string {
  const rate = queue.properties.findLast((p) => p.kind === kind)
  if (rate === undefined || rate.kind === 'unknown' || rate.rate === 0xffff) return ''
  if (rate.rate > 1000) return ` ${kind}:(disabled)`
  return ` ${kind}:${Math.floor(rate.rate / 10)}.${rate.rate % 10}%`
}

export function formatQueueConfig({ port, queues }: Of<'queue_get_config_reply'>): string {
  if (queues.length === 0) return ''
  const lines = [...queues]
    .sort((a, b) => a.queue - b.queue)
    .map((q) => `queue ${q.queue}:${formatRate(q, 'min_rate')}${formatRate(q, 'max_rate')}\n`)
  return ` ${port === 0 ? '' : `port=${formatPort(port)}\n`}${lines.join('')}`
}

export const formatQueueRequest = ({ port, queue }: Extract<MultipartRequestBody, { kind: 'queue' }>): string =>
  ` port=${formatPort(port)} queue=${formatQueue(queue)}`

const NO_DURATION = 0xffffffff

export function formatQueueStats(
  { queues }: Extract<MultipartReplyBody, { kind: 'queue' }>,
  verbosity: number,
): string {
  const lines = queues.map((q) => {
    const duration = q.durationSeconds === NO_DURATION ? '?' : formatDuration(q.durationSeconds, q.durationNanoseconds)
    const counts = `bytes=${formatCount(q.sentBytes)}, pkts=${formatCount(q.sentPackets)}, errors=${formatCount(q.sendErrors)}`
    return `  port ${formatPort(q.port)} queue ${formatQueue(q.queue)}: ${counts}, duration=${duration}\n`
  })
  return ` ${queues.length} queues\n${verbosity < 1 ? '' : lines.join('')}`
}

const bundleFlagNames = ['atomic', 'ordered']
export const formatBundleFlags = (flags: number): string => bitNames(flags, bundleFlagNames)

export const formatBundleControl = ({ bundle, type, flags }: Of<'bundle_control'>): string =>
  `\n bundle_id=${hexOrZero(bundle)} type=${type.toUpperCase()} flags=${formatBundleFlags(flags)}`

/** OVS prints the bits of the ONF's extension as those of OpenFlow 1.4 that it turns them into. */
const monitorFlagNames = ['initial', 'add', 'delete', 'modify', 'actions', 'own']

function formatMonitor({ monitor, flags, outPort, table, match }: FlowMonitor): string {
  const text = formatMatch(match)
  return (
    `\n id=${monitor} flags=${bitNames(flags, monitorFlagNames, ',')}` +
    (outPort === ports.any ? '' : ` out_port=${formatPort(outPort)}`) +
    (table === ALL_TABLES ? '' : ` table=${table}`) +
    (text === '' ? '' : ` ${text}`)
  )
}
export const formatMonitors = (monitors: readonly FlowMonitor[]): string => monitors.map(formatMonitor).join('')

function formatUpdate(update: FlowUpdate): string {
  if (update.kind === 'abbreviated') return `\n event=ABBREV xid=${hex(update.xid)}`
  const { event, reason, table, cookie, match, instructions } = update
  const text = formatMatch(match)
  const what = event === 'deleted' ? `DELETED reason=${flowRemovedReasonName(reason)}` : event.toUpperCase()
  return (
    `\n event=${what} table=${table}` +
    (update.idleTimeoutSeconds === 0 ? '' : ` idle_timeout=${update.idleTimeoutSeconds}`) +
    (update.hardTimeoutSeconds === 0 ? '' : ` hard_timeout=${update.hardTimeoutSeconds}`) +
    ` cookie=${hexOrZero(cookie)} ${text}` +
    (instructions.length === 0 ? '' : `${text === '' ? '' : ' '}actions=${formatInstructions(instructions)}`)
  )
}
export const formatUpdates = (updates: readonly FlowUpdate[]): string => updates.map(formatUpdate).join('')

function formatTlvMaps(maps: readonly TlvMap[]): string {
  const lines = maps.map(
    ({ optionClass, optionType, optionLength, index }) =>
      `\n ${hexOrZero(optionClass).padStart(6)}  ${hexOrZero(optionType).padStart(4)}  ` +
      `${`${optionLength}`.padStart(6)}  tun_metadata${index}`,
  )
  return ' mapping table:\n  class  type  length  match field\n ------  ----  ------  --------------' + lines.join('')
}

const tlvCommands = { add: 'ADD', delete: 'DEL', clear: 'CLEAR' } as const

export const formatTlvTableMod = ({ command, maps }: Of<'tlv_table_mod'>): string =>
  `\n ${tlvCommands[command]}${command === 'clear' ? '' : formatTlvMaps(maps)}`

export const formatTlvTable = ({ maximumSpace, maximumFields, maps }: Of<'tlv_table_reply'>): string =>
  `\n max option space=${maximumSpace} max fields=${maximumFields}\n` +
  ` allocated option space=${maps.reduce((sum, map) => sum + map.optionLength, 0)}\n\n${formatTlvMaps(maps)}`

const ICMP = 1
const ICMPV6 = 58
const V4_PREFIX = '0,0,0,0,0,0,0,0,0,0,255,255'
const isV4 = (address: Uint8Array) => address.subarray(0, 12).join(',') === V4_PREFIX
const isZero = (address: Uint8Array) => address.every((byte) => byte === 0)

const formatAddress = (address: Uint8Array): string =>
  isV4(address) ? address.subarray(12).join('.') : formatValue('ipv6_src', address, null)

interface Tuple {
  readonly source: Uint8Array
  readonly destination: Uint8Array
  readonly number: (kind: Exclude<CtTupleProperty['kind'], 'unknown' | 'source' | 'destination'>) => number
}

function tupleOf(properties: readonly CtFlushProperty[], kind: 'original' | 'reply'): Tuple {
  const all = properties.flatMap((p) => (p.kind === kind ? p.tuple : []))
  const address = (end: 'source' | 'destination') => {
    const found = all.findLast((p) => p.kind === end)
    return found?.kind === end ? found.address : new Uint8Array(16)
  }
  const number = (key: string) => {
    const found = all.findLast((p) => p.kind === key)
    return found !== undefined && 'value' in found ? found.value : 0
  }
  return { source: address('source'), destination: address('destination'), number }
}

function formatTuple({ source, destination, number }: Tuple, protocol: number, v4: boolean): string {
  const family = v4 ? 'ct_nw' : 'ct_ipv6'
  const ends = `${family}_src=${formatAddress(source)},${family}_dst=${formatAddress(destination)}`
  if (protocol === ICMP || protocol === ICMPV6)
    return `${ends},icmp_id=${number('icmp_id')},icmp_type=${number('icmp_type')},icmp_code=${number('icmp_code')}`
  return `${ends},ct_tp_src=${number('source_port')},ct_tp_dst=${number('destination_port')}`
}

export function formatCtFlush({ ipProtocol, properties }: Of<'ct_flush'>): string {
  const zone = properties.findLast((p) => p.kind === 'zone')
  const original = tupleOf(properties, 'original')
  const reply = tupleOf(properties, 'reply')
  // OVS takes the family of the last address that it reads.
  const last = [original.source, original.destination, reply.source, reply.destination].findLast((a) => !isZero(a))
  const v4 = last !== undefined && isV4(last)
  return (
    ` zone=${zone?.kind === 'zone' ? zone.value : 0} ` +
    `'${formatTuple(original, ipProtocol, v4)},ct_nw_proto=${ipProtocol}' '${formatTuple(reply, ipProtocol, v4)}'`
  )
}

function formatIpfixCounts(s: IpfixStats, indent: number): string {
  const n = formatCount
  return (
    `flows=${n(s.totalFlows)}, current flows=${n(s.currentFlows)}, sampled pkts=${n(s.packets)}, ` +
    `ipv4 ok=${n(s.ipv4Packets)}, ipv6 ok=${n(s.ipv6Packets)}, tx pkts=${n(s.sentPackets)}\n${' '.repeat(indent)}` +
    `pkts errs=${n(s.errorPackets)}, ipv4 errs=${n(s.ipv4ErrorPackets)}, ipv6 errs=${n(s.ipv6ErrorPackets)}, ` +
    `tx errs=${n(s.sendErrors)}\n`
  )
}

export const formatIpfixBridge = (stats: IpfixStats): string => `\n  bridge ipfix: ${formatIpfixCounts(stats, 16)}`

export const formatIpfixFlows = (stats: readonly IpfixStats[]): string =>
  ` ${stats.length} ids\n` +
  stats.map((s) => `  id ${`${s.collectorSet}`.padStart(3)}: ${formatIpfixCounts(s, 10)}`).join('')

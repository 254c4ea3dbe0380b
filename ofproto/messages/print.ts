// Messages as `ovs-ofctl ofp-print` prints them: a line with name, version and xid, what the message says, and for bytes
// that are no message the error that OVS answers with and a dump of them.
import { DecodeError, errorCodes, type ErrorCode } from '../wire/errors.ts'
import { Reader } from '../wire/reader.ts'
import type { Codec } from '../wire/struct.ts'
import { decodeMessage, encodeMessage, formatOf, type Message } from './codec.ts'
import { formatAsyncMasks, formatAsyncProperties, formatBundleControl, formatBundleFlags } from './control-print.ts'
import { formatCtFlush, formatIpfixBridge, formatIpfixFlows, formatMonitors, formatNxRole } from './control-print.ts'
import { formatQueueConfig, formatQueueRequest, formatQueueStats, formatRoleMessage } from './control-print.ts'
import { formatRoleStatus, formatTlvTable, formatTlvTableMod, formatUpdates } from './control-print.ts'
import { errorName } from './error-names.ts'
import {
  formatFlowMod,
  formatFlowRemoved,
  formatFlowRequest,
  formatFlowStats,
  formatNxFlowRemoved,
} from './flow-text.ts'
import { HEADER_LENGTH, VERSION } from './frame.ts'
import { formatGroup, formatGroupDesc, formatGroupFeatures, formatGroupMod, formatGroupStats } from './group-text.ts'
import type { Hello } from './immutable.ts'
import {
  formatMeterConfig,
  formatMeterFeatures,
  formatMeterId,
  formatMeterMod,
  formatMeterStats,
} from './meter-text.ts'
import { formatPort } from '../fields/ports.ts'
import { multipartEntries, type MultipartReplyBody, type MultipartRequestBody } from './multipart.ts'
import { formatPacketIn, formatPacketOut } from './packet-print.ts'
import { formatPortDescription, formatPortMod, formatPorts, formatPortStats } from './port-print.ts'
import { bitNames, hexDump, hexOrZero, printable } from './print-parts.ts'
import { packetQueue, type PacketQueue } from './queue.ts'
import { formatTableFeatures, formatTableStats } from './table-print.ts'

const versions: Readonly<Record<number, string>> = {
  1: '',
  2: ' (OF1.1)',
  3: ' (OF1.2)',
  4: ' (OF1.3)',
  5: ' (OF1.4)',
  6: ' (OF1.5)',
}

const versionName = (version: number): string => versions[version] ?? ` (OF 0x${version.toString(16).padStart(2, '0')})`

const formatHeader = (name: string, version: number, xid: number): string =>
  `${name}${versionName(version)} (xid=0x${xid.toString(16)}):`

const withNewline = (text: string): string => (text === '' || text.endsWith('\n') ? text : `${text}\n`)
const chomp = (text: string): string => (text.endsWith(' ') ? text.slice(0, -1) : text)
const formatError = ({ name }: ErrorCode): string => `***decode error: ${name}***\n`

/** Prints a message, or bytes that may or may not be one. More verbosity prints more of packets; 2 is ovs-ofctl's. */
export function formatMessage(message: Message | Uint8Array, verbosity = 2): string {
  return formatBytes(message instanceof Uint8Array ? message : encodeMessage(message), verbosity)
}

function formatBytes(bytes: Uint8Array, verbosity: number): string {
  if (bytes.length === 0) return 'OpenFlow message is empty\n'
  if (bytes.length < HEADER_LENGTH) return `OpenFlow packet too short (only ${bytes.length} bytes):\n${hexDump(bytes)}`
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const length = view.getUint16(2)
  if (length > bytes.length) return formatTruncated(bytes, length)
  if (length < bytes.length) return `(***only uses ${length} bytes out of ${bytes.length}***)\n${hexDump(bytes)}`
  return formatWhole(bytes, view.getUint32(4), verbosity)
}

/** The start of a message, as errors carry it. */
function formatTruncated(bytes: Uint8Array, length: number): string {
  const notice = `(***truncated to ${bytes.length} bytes from ${length}***)\n${hexDump(bytes)}`
  try {
    const { name } = formatOf(bytes, 0, bytes.length)
    const xid = new DataView(bytes.buffer, bytes.byteOffset).getUint32(4)
    return `${formatHeader(name, bytes[0] as number, xid)}\n${notice}`
  } catch (error) {
    if (error instanceof DecodeError) return notice
    throw error
  }
}

function formatWhole(bytes: Uint8Array, xid: number, verbosity: number): string {
  let header = ''
  let body = ''
  try {
    const format = formatOf(bytes, 0, bytes.length, true)
    header = formatHeader(format.name, bytes[0] as number, xid)
    body = formatFlags(bytes)
    body += formatBody(bytes, verbosity)
    const text = chomp(header + body)
    return verbosity >= 5 ? withNewline(withNewline(text) + hexDump(bytes)) : withNewline(text)
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    if (header !== '') body += formatReadable(bytes, verbosity)
    const start = header === '' ? '' : body === '' ? `${header} ` : withNewline(chomp(header + body))
    return start + formatError(error.error) + hexDump(bytes)
  }
}

const MULTIPART_REQUEST = 18
const MULTIPART_REPLY = 19

/** The flags of a multipart message, of which OpenFlow 1.3 defines one. */
function formatFlags(bytes: Uint8Array): string {
  const isMultipart = bytes[0] === VERSION && (bytes[1] === MULTIPART_REQUEST || bytes[1] === MULTIPART_REPLY)
  if (!isMultipart) return ''
  const flags = ((bytes[10] as number) << 8) | (bytes[11] as number)
  if (flags === 0) return ''
  const unknown = flags & ~1
  const rest = unknown === 0 ? '' : `[***unknown flags 0x${unknown.toString(16).padStart(4, '0')}***]`
  return ` flags=${(flags & 1) === 0 ? '' : '[more]'}${rest}`
}

/** What a broken multipart message says before the entry that breaks it. */
function formatReadable(bytes: Uint8Array, verbosity: number): string {
  if (bytes[1] === QUEUE_CONFIG_REPLY) return formatReadableQueues(bytes)
  const partial = readEntries(bytes)
  if (partial === null) return ''
  const text = partial.isRequest ? formatRequest(partial.body as never) : formatReply(partial.body as never, verbosity)
  return partial.body.kind === 'group' ? `${text} ***parse error***` : text
}

const QUEUE_CONFIG_REPLY = 23
const QUEUES = 16

function formatReadableQueues(bytes: Uint8Array): string {
  const r = new Reader(bytes)
  if (bytes.length < QUEUES) return ''
  r.offset = QUEUES
  const queues = readSome(r, packetQueue) as PacketQueue[]
  const port = r.view.getUint32(HEADER_LENGTH)
  return formatQueueConfig({ kind: 'queue_get_config_reply', xid: 0, port, queues })
}

interface Partial {
  readonly isRequest: boolean
  readonly body: { readonly kind: string }
}

function readEntries(bytes: Uint8Array): Partial | null {
  const isRequest = bytes[1] === MULTIPART_REQUEST
  if (!isRequest && bytes[1] !== MULTIPART_REPLY) return null
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const found = multipartEntries(view, isRequest)
  if (found === null) return null
  const r = new Reader(bytes, 0, bytes.length)
  r.offset = found.offset
  const entries = readSome(r, found.entry)
  return { isRequest, body: { kind: found.kind, [found.key]: entries } }
}

/** Entries until one is broken. */
function readSome(r: Reader, entry: Codec<unknown>): unknown[] {
  const entries: unknown[] = []
  try {
    while (r.offset < r.end) entries.push(entry.read(r))
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
  }
  return entries
}

const BUNDLE_ADD_HEADER = 24

function formatBody(bytes: Uint8Array, verbosity: number): string {
  // What a bundle carries prints even if it is broken.
  const message = decodeCarefully(bytes)
  if (message.kind !== 'bundle_add') return formatMessageBody(message, bytes, verbosity)
  const inner = bytes.subarray(BUNDLE_ADD_HEADER)
  const length = ((inner[2] as number) << 8) | (inner[3] as number)
  const head = `\n bundle_id=${hexOrZero(message.bundle)} flags=${formatBundleFlags(message.flags)}\n`
  return head + formatBytes(inner.subarray(0, length), verbosity)
}

function decodeCarefully(bytes: Uint8Array): Message | { kind: 'bundle_add'; bundle: number; flags: number } {
  try {
    return decodeMessage(bytes)
  } catch (error) {
    const isInner = error instanceof DecodeError && error.path.startsWith('bundle_add.')
    if (!isInner) throw error
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    return { kind: 'bundle_add', bundle: view.getUint32(16), flags: view.getUint16(22) }
  }
}

function formatHello({ version, elements, rest }: Hello, bytes: Uint8Array): string {
  // A hello without a bitmap speaks for its version and those below.
  let bitmap = ((version < 32 ? 1 << version : 0) - 1) << 1
  let isClear = rest.length === 0
  for (const element of elements) {
    const announced = element.kind === 'version_bitmap' ? ((element.bitmaps[0] ?? 0) & ~1) >>> 0 : 0
    if (announced === 0) isClear = false
    else bitmap = announced
  }
  const names: string[] = []
  for (let bit = 0; bit < 32; bit += 1)
    if (((bitmap >>> bit) & 1) !== 0) names.push(`0x${bit.toString(16).padStart(2, '0')}`)
  const unknown = isClear ? '' : `\n unknown data in hello:\n${hexDump(bytes)}`
  return `\n version bitmap: ${names.join(', ')}${unknown}`
}

const HELLO_FAILED = 0
const ERROR_VERBOSITY = 1

function formatErrorMessage({ type, code, experimenter, data }: Extract<Message, { kind: 'error' }>): string {
  const name = errorName(type, code, experimenter)
  if (name === undefined) throw new DecodeError(errorCodes.badLength, `unknown error ${type}, ${code}`, HEADER_LENGTH)
  return ` ${name}\n${type === HELLO_FAILED ? printable(data) : formatBytes(data, ERROR_VERBOSITY)}`
}

const capabilityNames = [
  'FLOW_STATS',
  'TABLE_STATS',
  'PORT_STATS',
  'GROUP_STATS',
  undefined,
  'IP_REASM',
  'QUEUE_STATS',
  undefined,
  'PORT_BLOCKED',
]
const CAPABILITIES = 0x16f

function formatFeatures(f: Extract<Message, { kind: 'features_reply' }>): string {
  const auxiliary = f.auxiliary === 0 ? '' : `, auxiliary_id:${f.auxiliary}`
  return (
    ` dpid:${f.datapath.toString(16).padStart(16, '0')}\nn_tables:${f.tables}, n_buffers:${f.buffers}${auxiliary}\n` +
    `capabilities: ${bitNames(f.capabilities & CAPABILITIES, capabilityNames)}\n`
  )
}

const fragmentNames = ['normal', 'drop', 'reassemble', 'nx-match']
const formatConfig = ({ flags, missSendLength }: { readonly flags: number; readonly missSendLength: number }): string =>
  ` frags=${fragmentNames[flags & 3]} miss_send_len=${missSendLength}\n`

function formatEcho(data: Uint8Array, verbosity: number): string {
  return ` ${data.length} bytes of payload\n${verbosity > 1 ? hexDump(data) : ''}`
}

const portReasons = { add: 'ADD', delete: 'DEL', modify: 'MOD' } as const
const packetInFormats = {
  standard: 'standard',
  nxt_packet_in: 'nxt_packet_in',
  nxt_packet_in2: 'nxt_packet_in2',
} as const

function formatMessageBody(m: Message, bytes: Uint8Array, verbosity: number): string {
  switch (m.kind) {
    case 'hello':
      return formatHello(m, bytes)
    case 'error':
      return formatErrorMessage(m)
    case 'echo_request':
    case 'echo_reply':
      return formatEcho(m.data, verbosity)
    case 'features_reply':
      return formatFeatures(m)
    case 'get_config_reply':
    case 'set_config':
      return formatConfig(m)
    case 'packet_in':
    case 'packet_in2':
    case 'nx_packet_in':
    case 'resume':
      return formatPacketIn(m, verbosity)
    case 'packet_out':
      return formatPacketOut(m, verbosity)
    case 'flow_removed':
      return formatFlowRemoved(m)
    case 'nx_flow_removed':
      return formatNxFlowRemoved(m)
    case 'port_status':
      return ` ${portReasons[m.reason]}:${formatPortDescription(m.port)}`
    case 'flow_mod':
      return formatFlowMod(m)
    case 'group_mod':
      return formatGroupMod(m)
    case 'port_mod':
      return formatPortMod(m)
    case 'table_mod':
      return m.table === 255 ? ' table_id: ALL_TABLES' : ` table_id=${m.table}`
    case 'multipart_request':
      return formatRequest(m.body)
    case 'multipart_reply':
      return formatReply(m.body, verbosity)
    case 'queue_get_config_request':
      return ` port=${formatPort(m.port)}`
    case 'queue_get_config_reply':
      return formatQueueConfig(m)
    case 'role_request':
    case 'role_reply':
      return formatRoleMessage(m)
    case 'get_async_reply':
    case 'set_async':
    case 'nx_set_async_config':
      return formatAsyncMasks(m)
    case 'meter_mod':
      return formatMeterMod(m)
    case 'request_forward':
      return m.request.kind === 'group_mod'
        ? ` reason=group_mod${formatGroupMod(m.request)}`
        : ` reason=meter_mod${m.request.kind === 'meter_mod' ? formatMeterMod(m.request) : ''}`
    default:
      return formatExtension(m)
  }
}

function formatExtension(m: Message): string {
  switch (m.kind) {
    case 'bundle_control':
      return formatBundleControl(m)
    case 'role_status':
      return formatRoleStatus(m)
    case 'flow_monitor_cancel':
      return ` id=${m.monitor}`
    case 'nx_role_request':
    case 'nx_role_reply':
      return formatNxRole(m)
    case 'nx_set_async_config2':
      return formatAsyncProperties(m.properties)
    case 'set_controller_id':
      return ` id=${m.controller}`
    case 'set_packet_in_format':
      return ` format=${packetInFormats[m.format]}`
    case 'flow_mod_table_id':
      return m.enabled === 0 ? ' disable' : ' enable'
    case 'tlv_table_mod':
      return formatTlvTableMod(m)
    case 'tlv_table_reply':
      return formatTlvTable(m)
    case 'ct_flush_zone':
      return ` zone_id=${m.zone}`
    case 'ct_flush':
      return formatCtFlush(m)
    default:
      return ''
  }
}

function formatRequest(body: MultipartRequestBody): string {
  switch (body.kind) {
    case 'flow':
    case 'aggregate':
      return formatFlowRequest(body)
    case 'port_stats':
      return ` port_no=${formatPort(body.port)}`
    case 'queue':
      return formatQueueRequest(body)
    case 'group':
      return ` group_id=${formatGroup(body.group)}`
    // OpenFlow 1.3 always asks for all.
    case 'group_desc':
      return ' group_id=ALL'
    case 'port_desc':
      return ' port=ANY'
    case 'meter':
    case 'meter_config':
      return ` ${formatMeterId(body.meter)}`
    case 'table_features':
      return formatTableFeatures(body.tables)
    case 'flow_monitor':
      return formatMonitors(body.monitors)
    default:
      return ''
  }
}

function formatReply(body: MultipartReplyBody, verbosity: number): string {
  switch (body.kind) {
    case 'desc':
      return (
        `\nManufacturer: ${body.manufacturer}\nHardware: ${body.hardware}\nSoftware: ${body.software}\n` +
        `Serial Num: ${body.serial}\nDP Description: ${body.datapath}\n`
      )
    case 'flow':
      return body.flows.map((flow) => `\n ${formatFlowStats(flow)}`).join('')
    case 'aggregate':
      return ` packet_count=${body.packets} byte_count=${body.bytes} flow_count=${body.flows}`
    case 'table':
      return formatTableStats(body.tables)
    case 'port_stats':
      return formatPortStats(body, verbosity)
    case 'queue':
      return formatQueueStats(body, verbosity)
    case 'group':
      return body.groups.map((group) => `\n ${formatGroupStats(group)}`).join('')
    case 'group_desc':
      return body.groups.map((group) => `\n ${formatGroupDesc(group)}`).join('')
    case 'group_features':
      return formatGroupFeatures(body)
    case 'meter':
      return body.meters.map((meter) => `\n${formatMeterStats(meter)}`).join('')
    case 'meter_config':
      return body.meters.map((meter) => `\n${formatMeterConfig(meter)}`).join('')
    case 'meter_features':
      return formatMeterFeatures(body)
    case 'table_features':
      return formatTableFeatures(body.tables)
    case 'port_desc':
      return `\n${formatPorts(body.ports)}`
    case 'flow_monitor':
      return formatUpdates(body.updates)
    case 'ipfix_bridge':
      return formatIpfixBridge(body.stats)
    case 'ipfix_flow':
      return formatIpfixFlows(body.stats)
    default:
      return ''
  }
}

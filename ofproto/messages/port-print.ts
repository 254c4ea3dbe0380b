// How ovs-ofctl prints ports, their changes and their counters.
import { formatPort } from '../fields/ports.ts'
import type { MultipartReplyBody } from './multipart.ts'
import type { Port, PortMod, PortStats } from './port.ts'
import { bitNames, formatCount, formatDuration, formatMac } from './print-parts.ts'

const configNames = ['PORT_DOWN', undefined, 'NO_RECV', undefined, undefined, 'NO_FWD', 'NO_PACKET_IN']
const CONFIG_BITS = 0x65
const stateNames = ['LINK_DOWN', 'BLOCKED', 'LIVE']
const STATE_BITS = 0x7
const FEATURE_BITS = 0xffff
const featureNames = (
  '10MB-HD 10MB-FD 100MB-HD 100MB-FD 1GB-HD 1GB-FD 10GB-FD 40GB-FD 100GB-FD 1TB-FD OTHER COPPER FIBER AUTO_NEG ' +
  'AUTO_PAUSE AUTO_PAUSE_ASYM'
).split(' ')

/** OVS forgets the bits that OpenFlow 1.3 does not define. */
const formatConfig = (config: number) => bitNames(config & CONFIG_BITS, configNames)
const formatFeatures = (features: number) => bitNames(features & FEATURE_BITS, featureNames)

/** Up to the first character that is not fit for print, and never all 16. */
function formatName(name: string): string {
  const end = name.search(/[^ -~]/)
  return name.slice(0, Math.min(15, end < 0 ? name.length : end))
}

function formatFeatureLine(title: string, features: number): string {
  return (features & FEATURE_BITS) === 0 ? '' : `     ${title.padEnd(12)}${formatFeatures(features)}\n`
}

export function formatPortDescription(port: Port): string {
  return (
    ` ${formatPort(port.port)}(${formatName(port.name)}): addr:${formatMac(port.mac)}\n` +
    `     config:     ${formatConfig(port.config)}\n` +
    `     state:      ${bitNames(port.state & STATE_BITS, stateNames)}\n` +
    formatFeatureLine('current:', port.current) +
    formatFeatureLine('advertised:', port.advertised) +
    formatFeatureLine('supported:', port.supported) +
    formatFeatureLine('peer:', port.peer) +
    `     speed: ${Math.floor(port.currentSpeedKbps / 1000)} Mbps now, ` +
    `${Math.floor(port.maximumSpeedKbps / 1000)} Mbps max\n`
  )
}

/** OVS compares ports as 16 bits: reserved ones come last. */
export const formatPorts = (ports: readonly Port[]): string =>
  [...ports]
    .sort((a, b) => a.port - b.port)
    .map(formatPortDescription)
    .join('')

export const formatPortMod = (mod: PortMod): string =>
  ` port: ${formatPort(mod.port)}: addr:${formatMac(mod.mac)}\n` +
  `     config: ${formatConfig(mod.config & mod.mask)}\n` +
  `     mask:   ${formatConfig(mod.mask)}\n` +
  `     advertise: ${(mod.advertise & FEATURE_BITS) === 0 ? 'UNCHANGED' : formatFeatures(mod.advertise)}\n`

const NO_DURATION = 0xffffffff

function formatStats(s: PortStats): string {
  const received = [
    ['pkts', s.receivedPackets],
    ['bytes', s.receivedBytes],
    ['drop', s.receiveDropped],
    ['errs', s.receiveErrors],
    ['frame', s.frameErrors],
    ['over', s.overrunErrors],
    ['crc', s.crcErrors],
  ] as const
  const sent = [
    ['pkts', s.sentPackets],
    ['bytes', s.sentBytes],
    ['drop', s.sendDropped],
    ['errs', s.sendErrors],
    ['coll', s.collisions],
  ] as const
  const line = (counts: readonly (readonly [string, bigint])[]) =>
    counts.map(([name, count]) => `${name}=${formatCount(count)}`).join(', ')
  const port = formatPort(s.port)
  const isOneDigit = s.port < 10
  const duration =
    s.durationSeconds === NO_DURATION
      ? ''
      : `           duration=${formatDuration(s.durationSeconds, s.durationNanoseconds)}\n`
  return `  port ${isOneDigit ? ' ' : ''}${port}: rx ${line(received)}\n           tx ${line(sent)}\n${duration}`
}

export function formatPortStats(
  { ports }: Extract<MultipartReplyBody, { kind: 'port_stats' }>,
  verbosity: number,
): string {
  return ` ${ports.length} ports\n${verbosity < 1 ? '' : ports.map(formatStats).join('')}`
}

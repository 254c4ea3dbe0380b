// Settings of `weft serve`: one table gives flags, environment variables, YAML keys, help and checks. Flags win over the
// environment, the environment over the file, the file over defaults. A bad setting is refused with its key and the reason.
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { parseArgs } from 'node:util'
import { parse, stringify } from 'yaml'

export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly key: string

  constructor(key: string, reason: string) {
    super(`${key}: ${reason}`)
    this.key = key
  }
}

interface Setting<T> {
  readonly value: T
  readonly metavar: string
  readonly help: string
  readonly read: (text: string) => T
}

const text = (raw: string): string => raw
const optional = (raw: string): string | null => (raw === '' ? null : raw)
const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent']

function refuse(reason: string): never {
  throw new RangeError(reason)
}

/** `address:port`, with brackets around IPv6. */
function endpoint(raw: string): string {
  const { host, port } = splitEndpoint(raw)
  if (isIP(host) === 0) refuse(`'${host}' is no IP address`)
  if (!Number.isInteger(port) || port < 0 || port > 65_535) refuse(`'${raw}' has no port from 0 to 65535`)
  return raw
}

export function splitEndpoint(raw: string): { host: string; port: number } {
  const at = raw.lastIndexOf(':')
  return {
    host: raw.slice(0, at).replace(/^\[(.*)\]$/, '$1'),
    port: at < 0 || at === raw.length - 1 ? Number.NaN : Number(raw.slice(at + 1)),
  }
}

/** ptcp:PORT[:ADDRESS] or pssl:PORT[:ADDRESS], as in ovs-vsctl(8). */
function passive(raw: string): string {
  return /^p(tcp|ssl):\d+(:\S+)?$/.test(raw)
    ? raw
    : refuse(`'${raw}' is neither ptcp:PORT[:ADDRESS] nor pssl:PORT[:ADDRESS]`)
}

const level = (raw: string): string => (LEVELS.includes(raw) ? raw : refuse(`'${raw}' is none of ${LEVELS.join(', ')}`))
const seconds = (raw: string): number =>
  /^\d+(\.\d+)?$/.test(raw) && Number(raw) > 0 ? Number(raw) : refuse(`'${raw}' is no number of seconds above 0`)
/** Switches are probed after half of it. */
const takeover = (raw: string): number => (seconds(raw) >= 1 ? Number(raw) : refuse(`'${raw}' is less than 1 second`))

const mtu = (raw: string): number =>
  /^\d+$/.test(raw) && Number(raw) >= 1280 && Number(raw) <= 65_535
    ? Number(raw)
    : refuse(`'${raw}' is no MTU from 1280 to 65535`)

export interface VlanRange {
  readonly physical: string
  readonly first: number
  readonly last: number
}

/** As Neutron's network_vlan_ranges: PHYSICAL:FIRST:LAST, separated by commas. */
export const splitVlanRanges = (raw: string | null): readonly VlanRange[] =>
  (raw ?? '').split(',').flatMap((each) => {
    const [, physical, first, last] = /^\s*(.+):(\d+):(\d+)\s*$/.exec(each) ?? []
    return physical === undefined ? [] : [{ physical, first: Number(first), last: Number(last) }]
  })

function vlanRanges(raw: string): string | null {
  const ranges = splitVlanRanges(raw)
  const isVlan = ({ first, last }: VlanRange): boolean => first >= 1 && first <= last && last <= 4094
  if (raw === '' || (ranges.length === raw.split(',').length && ranges.every(isVlan))) return optional(raw)
  return refuse(`'${raw}' is no list of PHYSICAL:FIRST:LAST with VLANs from 1 to 4094`)
}

const setting = <T>(value: T, metavar: string, read: (raw: string) => T, help: string): Setting<T> => ({
  value,
  metavar,
  read,
  help,
})

const settings = {
  data: setting('/var/lib/weft', 'FOLDER', text, 'where intent is stored'),
  api: setting('127.0.0.1:9696', 'ADDRESS:PORT', endpoint, 'northbound API; without credentials only on loopback'),
  'api-socket': setting<string | null>(
    null,
    'PATH',
    optional,
    'Unix socket for the same API, which only the owner of this process may open',
  ),
  ovsdb: setting('ptcp:6640', 'REMOTE', passive, 'where hosts connect to (ovs-vsctl set-manager)'),
  openflow: setting('ptcp:6653', 'REMOTE', passive, 'where bridges connect to'),
  advertise: setting<string | null>(
    null,
    'ADDRESS',
    optional,
    'address that hosts are told to connect to; default: the one that they reached',
  ),
  credentials: setting<string | null>(null, 'FILE', optional, 'users and tokens; weft hash-secret makes their hashes'),
  'tls-key': setting<string | null>(null, 'FILE', optional, 'private key for pssl remotes'),
  'tls-certificate': setting<string | null>(null, 'FILE', optional, 'certificate for pssl remotes'),
  'tls-authority': setting<string | null>(
    null,
    'FILE',
    optional,
    'certificate authority that must have signed those of hosts',
  ),
  'audit-interval': setting(
    15,
    'SECONDS',
    seconds,
    'how often the tables of switches are compared with what they should be',
  ),
  'gateway-takeover': setting(
    10,
    'SECONDS',
    takeover,
    'silence of a host after which another one takes over external gateways of routers',
  ),
  'underlay-mtu': setting(
    1500,
    'BYTES',
    mtu,
    'what the network between hosts carries; overlays offer less by their headers',
  ),
  'vlan-ranges': setting<string | null>(
    null,
    'RANGES',
    vlanRanges,
    'VLANs for networks that ask for no certain one: PHYSICAL:FIRST:LAST,…',
  ),
  'log-level': setting('info', 'LEVEL', level, LEVELS.join(', ')),
} satisfies Record<string, Setting<unknown>>

type Settings = typeof settings
export type Config = { readonly [K in keyof Settings]: Settings[K]['value'] }
type Key = keyof Settings
const keys = Object.keys(settings) as Key[]

const environmentName = (key: string): string => `WEFT_${key.replaceAll('-', '_').toUpperCase()}`

export interface Request {
  readonly config: Config
  readonly action: 'serve' | 'help' | 'print-config'
}

/** What the command line asks for; throws ConfigError. */
export function readConfig(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Request {
  const flags = parseFlags(args)
  const path = flags.get('config') ?? environment['WEFT_CONFIG']
  const file = path === undefined ? new Map<string, string>() : readFile(path)
  const config: Record<string, unknown> = {}
  for (const key of keys) {
    const raw = flags.get(key) ?? environment[environmentName(key)] ?? file.get(key)
    config[key] = raw === undefined ? settings[key].value : readSetting(key, raw)
  }
  const action = flags.has('help') ? 'help' : flags.has('print-config') ? 'print-config' : 'serve'
  checkTls(config as Config)
  return { config: config as Config, action }
}

function parseFlags(args: readonly string[]): Map<string, string> {
  const strings = Object.fromEntries([...keys, 'config'].map((key) => [key, { type: 'string' as const }]))
  const options = { ...strings, help: { type: 'boolean' as const }, 'print-config': { type: 'boolean' as const } }
  try {
    const { values } = parseArgs({ args: [...args], options, allowPositionals: false })
    return new Map(Object.entries(values).map(([key, value]) => [key, String(value)]))
  } catch (error) {
    throw new ConfigError('command line', (error as Error).message)
  }
}

function readFile(path: string): Map<string, string> {
  let document: unknown
  try {
    document = parse(readFileSync(path, 'utf8')) ?? {}
  } catch (error) {
    throw new ConfigError('config', `${path}: ${(error as Error).message}`)
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document))
    throw new ConfigError('config', `${path} holds no mapping`)
  const entries = Object.entries(document as Record<string, unknown>)
  for (const [key, value] of entries) {
    if (!keys.includes(key as Key)) throw new ConfigError(key, `unknown key in ${path}; known: ${keys.join(', ')}`)
    if (typeof value === 'object' && value !== null) throw new ConfigError(key, `${path}: expected a single value`)
  }
  return new Map(entries.map(([key, value]) => [key, value === null ? '' : String(value as string | number | boolean)]))
}

function readSetting(key: Key, raw: string): unknown {
  try {
    return settings[key].read(raw)
  } catch (error) {
    throw new ConfigError(key, (error as Error).message)
  }
}

function checkTls(config: Config): void {
  const wanted = config.ovsdb.startsWith('pssl') || config.openflow.startsWith('pssl')
  for (const key of ['tls-key', 'tls-certificate', 'tls-authority'] as const) {
    if (wanted && config[key] === null) throw new ConfigError(key, 'needed for a pssl remote')
  }
}

export const printConfig = (config: Config): string => stringify(config)

export function help(): string {
  const rows = keys.map((key) => [
    `--${key} ${settings[key].metavar}`,
    `${settings[key].help}${settings[key].value === null ? '' : ` (${settings[key].value})`}`,
  ])
  const all = [
    ...rows,
    ['--config FILE', 'YAML file with the same keys'],
    ['--print-config', 'print the settings in force and stop'],
    ['--help', 'print this and stop'],
  ]
  const width = Math.max(...all.map(([flag = '']) => flag.length))
  return [
    'Usage: weft serve [OPTION]...',
    '',
    ...all.map(([flag = '', what = '']) => `  ${flag.padEnd(width)}  ${what}`),
    '',
    'Each option is also an environment variable: --log-level is WEFT_LOG_LEVEL. Flags win over the environment, the',
    'environment over the file.',
    '',
  ].join('\n')
}

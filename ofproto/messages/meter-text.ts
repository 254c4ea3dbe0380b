// Meters in the ovs-ofctl language: what meter_mods, configurations, counters and features print, and how the arguments
// of add-meter, mod-meter and del-meters become the meter_mod that ovs-ofctl sends.
import { parseUint, TextError } from '../text/tokens.ts'
import { meterFlags, meters, type MeterBand, type MeterConfig, type MeterMod, type MeterModCommand } from './meter.ts'
import type { MeterStats } from './meter.ts'
import type { MultipartReplyBody } from './multipart.ts'
import { bitNames, formatDuration } from './print-parts.ts'

const METER_MAX = 0xffff0000

const specialMeters: Readonly<Record<number, string>> = {
  [meters.slowpath]: 'slowpath',
  [meters.controller]: 'controller',
  [meters.all]: 'all',
}
export const formatMeterId = (meter: number, separator = '='): string =>
  `meter${separator}${meter <= METER_MAX ? meter : (specialMeters[meter] ?? 'unknown')}`

const flagNames = ['kbps', 'pktps', 'burst', 'stats']
const KNOWN_FLAGS = 0xf

function formatFlags(flags: number): string {
  const known = flagNames.map((name, bit) => (((flags >>> bit) & 1) === 0 ? '' : `${name} `)).join('')
  const others = flags & ~KNOWN_FLAGS
  return others === 0 ? known : `${known}flags:0x${others.toString(16)} `
}

function formatBand(band: MeterBand, flags: number): string {
  const burst = (flags & meterFlags.burst) === 0 ? '' : ` burst_size=${band.burst}`
  const precedence = band.kind === 'dscp_remark' ? ` prec_level=${band.precedence}` : ''
  return `\ntype=${band.kind} rate=${band.rate}${burst}${precedence}`
}

/** As `ovs-ofctl dump-meters` prints each. */
export function formatMeterConfig({ meter, flags, bands }: MeterConfig): string {
  return `${formatMeterId(meter)} ${formatFlags(flags)}bands=${bands.map((band) => formatBand(band, flags)).join('')}\n`
}

const commandNames: Readonly<Record<MeterModCommand, string>> = { add: 'ADD', modify: 'MOD', delete: 'DEL' }

/** OVS does not look at the flags and bands of a delete. */
export const formatMeterMod = ({ command, meter, flags, bands }: MeterMod): string =>
  ` ${commandNames[command]} ${formatMeterConfig(command === 'delete' ? { meter, flags: 0, bands: [] } : { meter, flags, bands })}`

export function formatMeterStats(stats: MeterStats): string {
  const { meter, flows, packets, bytes, durationSeconds, durationNanoseconds, bands } = stats
  const head = `${formatMeterId(meter, ':')} flow_count:${flows} packet_in_count:${packets} byte_in_count:${bytes}`
  const counts = bands.map((band, i) => `${i}: packet_count:${band.packets} byte_count:${band.bytes}\n`)
  return `${head} duration:${formatDuration(durationSeconds, durationNanoseconds)} bands:\n${counts.join('')}`
}

export const formatMeterFeatures = (f: Extract<MultipartReplyBody, { kind: 'meter_features' }>): string =>
  `\nmax_meter:${f.maximumMeters} max_bands:${f.maximumBands} max_color:${f.maximumColors}\n` +
  `band_types: ${bitNames(f.bandTypes, [undefined, 'drop', 'dscp_remark'])}\n` +
  `capabilities: ${bitNames(f.capabilities, flagNames)}\n`

const meterNames: Readonly<Record<string, number>> = meters

function parseMeterId(text: string): number {
  const named = meterNames[text]
  if (named !== undefined) return named
  const meter = parseUint(text, 32, 'meter')
  if (meter === 0 || meter > METER_MAX) throw new TextError('invalid value for meter')
  return meter
}

/** Words and their values, as strtok() of C finds them. */
function* pairs(text: string, isFlag: (word: string) => boolean): Generator<readonly [key: string, value: string]> {
  let rest = text
  for (;;) {
    rest = rest.replace(/^[=, \t\r\n]+/, '')
    if (rest === '') return
    const key = /^[^=, \t\r\n]+/.exec(rest)?.[0] ?? ''
    rest = rest.slice(key.length + 1)
    if (isFlag(key)) {
      yield [key, '']
      continue
    }
    rest = rest.replace(/^[, \t\r\n]+/, '')
    const value = /^[^, \t\r\n]*/.exec(rest)?.[0] ?? ''
    if (value === '') throw new TextError(`field ${key} missing value`)
    rest = rest.slice(value.length + 1)
    yield [key, value]
  }
}

function parseHead(text: string, withFlags: boolean): { readonly meter: number; readonly flags: number } {
  let meter = 0
  let flags = 0
  for (const [key, value] of pairs(text, (word) => withFlags && flagNames.includes(word))) {
    if (value === '') flags |= 1 << flagNames.indexOf(key)
    else if (key === 'meter') meter = parseMeterId(value)
    else throw new TextError(`unknown keyword ${key}`)
  }
  if (meter === 0) throw new TextError("must specify 'meter'")
  return { meter, flags }
}

interface BandWords {
  readonly kind: MeterBand['kind']
  rate: number
  burst: number
  precedence: number
}

function parseBands(text: string): BandWords[] {
  const bands: BandWords[] = []
  for (const [key, value] of pairs(text, () => false)) {
    if (key === 'type') {
      if (value !== 'drop' && value !== 'dscp_remark') throw new TextError(`field type unknown value ${value}`)
      bands.push({ kind: value, rate: 0, burst: 0, precedence: 0 })
      continue
    }
    const band = bands.at(-1)
    if (band === undefined) throw new TextError("band must start with the 'type' keyword")
    if (key === 'rate') band.rate = parseUint(value, 32, 'rate')
    else if (key === 'burst_size') band.burst = parseUint(value, 32, 'burst_size')
    else if (key === 'prec_level') band.precedence = parseUint(value, 8, 'prec_level')
    else throw new TextError(`unknown keyword ${key}`)
  }
  if (bands.length === 0) throw new TextError('meter must have bands')
  return bands
}

function checkBand({ kind, rate, burst, precedence }: BandWords, flags: number): void {
  if (kind === 'dscp_remark' && precedence === 0) throw new TextError("'dscp_remark' band must have 'prec_level'")
  if (kind === 'drop' && precedence !== 0) throw new TextError("Only 'dscp_remark' band may have 'prec_level'")
  if (rate === 0) throw new TextError("band must have 'rate'")
  const hasBurst = (flags & meterFlags.burst) !== 0
  if (hasBurst && burst === 0) throw new TextError("band must have 'burst_size' when 'burst' flag is set")
  if (!hasBurst && burst !== 0) throw new TextError("band may have 'burst_size' only when 'burst' flag is set")
}

const toBand = ({ kind, rate, burst, precedence }: BandWords): MeterBand =>
  kind === 'drop' ? { kind, rate, burst } : { kind, rate, burst, precedence }

/** The meter_mod (xid 0) that ovs-ofctl sends for `text`; del-meters without arguments is ''. Throws TextError. */
export function parseMeterMod(command: MeterModCommand, text: string): MeterMod {
  if (command === 'delete') {
    const meter = text.trim() === '' ? meters.all : parseHead(text, false).meter
    return { kind: 'meter_mod', xid: 0, command, flags: 0, meter, bands: [] }
  }
  const at = text.indexOf('band')
  const equals = at < 0 ? -1 : text.indexOf('=', at + 1)
  if (equals < 0) throw new TextError('must specify bands')
  const { meter, flags } = parseHead(text.slice(0, at), true)
  if (flags === 0) throw new TextError("meter must specify either 'kbps' or 'pktps'")
  const bands = parseBands(text.slice(equals + 1))
  for (const band of bands) checkBand(band, flags)
  return { kind: 'meter_mod', xid: 0, command, flags, meter, bands: bands.map(toBand) }
}

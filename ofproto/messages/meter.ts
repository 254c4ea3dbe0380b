// Meters: meter_mod and the multipart bodies about meters. OVS knows drop and dscp_remark bands and refuses others.
import { errorCodes } from '../wire/errors.ts'
import { list, oneOf, pad, struct, u16, u32, u64, u8, variant, type Codec, type ValueOf } from '../wire/struct.ts'
import { checked, message, sized } from './frame.ts'

export const meterFlags = { kbps: 1 << 0, pktps: 1 << 1, burst: 1 << 2, stats: 1 << 3 } as const
/** Meter numbers that stand for no flow's meter (OpenFlow 1.3.5 §7.3.4.5). */
export const meters = { slowpath: 0xfffffffd, controller: 0xfffffffe, all: 0xffffffff } as const

/** `rate` and `burst` count kilobits or packets, by the meter's flags; `precedence` is how much drop precedence grows. */
export type MeterBand =
  | { readonly kind: 'drop'; readonly rate: number; readonly burst: number }
  | { readonly kind: 'dscp_remark'; readonly rate: number; readonly burst: number; readonly precedence: number }

const DROP = 1
const DSCP_REMARK = 2
const BAND_LENGTH = 16

const band: Codec<MeterBand> = {
  read(r) {
    r.need(BAND_LENGTH)
    const type = r.u16()
    const length = r.u16()
    if (length !== BAND_LENGTH) r.fail(errorCodes.badLength, `band of ${length} bytes`)
    if (type !== DROP && type !== DSCP_REMARK) r.fail(errorCodes.badMeterBand, `band type ${type}`)
    const rate = r.u32()
    const burst = r.u32()
    const precedence = r.u8()
    r.skip(3)
    return type === DROP ? { kind: 'drop', rate, burst } : { kind: 'dscp_remark', rate, burst, precedence }
  },
  write(w, value) {
    w.u16(value.kind === 'drop' ? DROP : DSCP_REMARK)
    w.u16(BAND_LENGTH)
    w.u32(value.rate)
    w.u32(value.burst)
    w.u8(value.kind === 'drop' ? 0 : value.precedence)
    w.zeros(3)
  },
}

const commands = { add: 0, modify: 1, delete: 2 } as const
export type MeterModCommand = keyof typeof commands

const meterModBody = message('meter_mod', 29, {
  command: oneOf(u16, commands, errorCodes.badMeterCommand, 'meter_mod command'),
  flags: u16,
  meter: u32,
  bands: list(band),
})
export type MeterMod = ValueOf<typeof meterModBody>

export const meterMod = checked(meterModBody, ({ command, flags }, r) => {
  const units = flags & (meterFlags.kbps | meterFlags.pktps)
  if (command !== 'delete' && units === (meterFlags.kbps | meterFlags.pktps))
    r.fail(errorCodes.badMeterFlags, 'both kbps and pktps')
})

export const meterRequest = variant('meter', { meter: u32, pad: pad(4) })
export const meterConfigRequest = variant('meter_config', { meter: u32, pad: pad(4) })
export const meterFeaturesRequest = variant('meter_features', {})

export const meterStats = sized(
  struct('meter_stats', {
    meter: u32,
    length: pad(2),
    pad: pad(6),
    flows: u32,
    packets: u64,
    bytes: u64,
    durationSeconds: u32,
    durationNanoseconds: u32,
    bands: list(struct('band_stats', { packets: u64, bytes: u64 })),
  }),
  40,
  errorCodes.badLength,
  4,
)
export type MeterStats = ValueOf<typeof meterStats>
export const meterReply = variant('meter', { meters: list(meterStats) })

export const meterConfig = sized(
  struct('meter_config', { length: pad(2), flags: u16, meter: u32, bands: list(band) }),
  8,
)
export type MeterConfig = ValueOf<typeof meterConfig>
export const meterConfigReply = variant('meter_config', { meters: list(meterConfig) })

export const meterFeaturesReply = variant('meter_features', {
  maximumMeters: u32,
  bandTypes: u32,
  capabilities: u32,
  maximumBands: u8,
  maximumColors: u8,
  pad: pad(2),
})

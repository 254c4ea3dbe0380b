// sample: copies of a share of the packets for IPFIX collectors, in the three forms that grew over time.
import { formatPort, parsePort, ports } from '../fields/ports.ts'
import { items, parseUint, TextError } from '../text/tokens.ts'
import { errorCodes } from '../wire/errors.ts'
import type { Reader } from '../wire/reader.ts'
import { oneOf, pad, u16, u32, u8, zeros } from '../wire/struct.ts'
import { port16 } from './ports.ts'
import { action, nx, type ParseWord, type RowValue } from './row.ts'

/** `probability` of 65535 packets. */
const members = { probability: u16, collectorSet: u32, observationDomain: u32, observationPoint: u32 }
interface Sample {
  readonly probability: number
  readonly collectorSet: number
  readonly observationDomain: number
  readonly observationPoint: number
}

const check = ({ probability }: Sample, r: Reader, at: number): void => {
  if (probability === 0) r.fail(errorCodes.badActionArgument, 'probability 0', at + 10)
}

const sample = action('sample', nx(29), 24, members, {
  format: (a) => format(a, ports.any, 'default'),
  words: { sample: parse },
  check,
})
const sample2 = action(
  'sample2',
  nx(38),
  32,
  { ...members, samplingPort: port16, padding: pad(6) },
  {
    format: (a) => format(a, a.samplingPort, 'default'),
    check,
  },
)
const directions = { default: 0, ingress: 1, egress: 2 } as const
type Direction = keyof typeof directions
const sample3 = action(
  'sample3',
  nx(41),
  32,
  {
    ...members,
    samplingPort: port16,
    direction: oneOf(u8, directions, errorCodes.badActionArgument, 'direction'),
    padding: zeros(5, errorCodes.mustBeZero),
  },
  { format: (a) => format(a, a.samplingPort, a.direction), check },
)

function format(a: Sample, port: number, direction: Direction): string {
  const parts = [
    `probability=${a.probability}`,
    `collector_set_id=${a.collectorSet}`,
    `obs_domain_id=${a.observationDomain}`,
    `obs_point_id=${a.observationPoint}`,
  ]
  if (port !== ports.any) parts.push(`sampling_port=${formatPort(port)}`)
  if (direction !== 'default') parts.push(direction)
  return `sample(${parts.join(',')})`
}

function parse(...[text]: Parameters<ParseWord>): ReturnType<ParseWord> {
  const a = { probability: 0, collectorSet: 0, observationDomain: 0, observationPoint: 0 }
  let samplingPort: number = ports.any
  let direction: Direction = 'default'
  for (const { key, value } of items(text)) {
    if (key === 'probability') a.probability = parseUint(value, 16, key)
    else if (key === 'collector_set_id') a.collectorSet = parseUint(value, 32, key)
    else if (key === 'obs_domain_id') a.observationDomain = parseUint(value, 32, key)
    else if (key === 'obs_point_id') a.observationPoint = parseUint(value, 32, key)
    else if (key === 'sampling_port') samplingPort = parsePort(value)
    else if (key === 'ingress' || key === 'egress') direction = key
    else throw new TextError(`invalid key "${key}" in "sample" argument`)
  }
  if (a.probability === 0) throw new TextError('non-zero "probability" must be specified on sample')
  if (direction !== 'default') return [{ kind: 'sample3', ...a, samplingPort, direction }]
  if (samplingPort !== ports.any) return [{ kind: 'sample2', ...a, samplingPort }]
  return [{ kind: 'sample', ...a }]
}

export const sampleRows = { sample, sample2, sample3 }
export type SampleAction = RowValue<typeof sampleRows>

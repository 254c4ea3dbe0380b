// Actions that send the packet somewhere: to a port, given or held in a field, to a group, or to a controller.
import { formatSubfield, parseSubfield } from '../fields/subfield.ts'
import { formatPort, MAX_10, parsePort, ports } from '../fields/ports.ts'
import { items, parseUint, TextError } from '../text/tokens.ts'
import { errorCodes } from '../wire/errors.ts'
import type { Reader } from '../wire/reader.ts'
import { pad, u16, u32, type ValueOf } from '../wire/struct.ts'
import { port16, portFromText } from './ports.ts'
import { action, irregular, nx, of, restZero, type ParseWord, type RowValue } from './row.ts'
import {
  checkSource,
  needsLongHeader,
  ofsNbits,
  readField32,
  readFieldHeader,
  subfield,
  writeFieldHeader,
  type Subfield,
} from './subfield-wire.ts'

const ALL_BYTES = 0xffff
const ETHERNET_HEADER = 14

/** As ofpact_check_output_port(), for the 32-bit numbers of OpenFlow 1.3. */
export function checkOutPort(port: number, r: Reader, at: number): void {
  const named = port >= ports.inPort && port <= ports.local
  if (!named && port >= MAX_10) r.fail(errorCodes.badOutPort, `cannot output to port ${formatPort(port)}`, at)
}

const output = action(
  'output',
  of(0),
  16,
  { port: u32, maxLength: u16, padding: pad(6) },
  {
    format: ({ port, maxLength }) =>
      port < MAX_10 ? `output:${port}` : port === ports.controller ? `CONTROLLER:${maxLength}` : formatPort(port),
    words: { output: parseOutput, output_reg: parseOutput, enqueue: parseEnqueue },
    check: ({ port }, r, at) => checkOutPort(port, r, at + 4),
  },
)

const group = action(
  'group',
  of(22),
  8,
  { group: u32 },
  {
    format: (a) => `group:${a.group}`,
    words: { group: (text) => [{ kind: 'group', group: parseUint(text, 32, 'group') }] },
  },
)

const outputTrunc = action(
  'output_trunc',
  nx(39),
  16,
  { port: port16, maxLength: u32 },
  {
    format: ({ port, maxLength }) => `output(port=${formatPort(port)},max_len=${maxLength})`,
    check: ({ maxLength }, r, at) => {
      if (maxLength < ETHERNET_HEADER) r.fail(errorCodes.badActionArgument, `max_len ${maxLength} is below 14`, at + 12)
    },
  },
)

/** Output to the port whose number stands in `source`. */
interface OutputReg {
  readonly kind: 'output_reg'
  readonly source: Subfield
  readonly maxLength: number
}
const outputReg = irregular<OutputReg>(
  'output_reg',
  nx(15),
  24,
  {
    read(r) {
      const at = r.offset
      const bits = r.u16()
      const field = readField32(r)
      const maxLength = r.u16()
      restZero(r, errorCodes.badActionArgument)
      return { kind: 'output_reg', source: checkSource(subfield(field, bits), r, at), maxLength }
    },
    write(w, { source, maxLength }) {
      w.u16(ofsNbits(source))
      writeFieldHeader(w, source)
      w.u16(maxLength)
      w.zeros(6)
    },
  },
  { format: formatOutputReg },
  24,
)

/** The same, with room for a field of an experimenter. */
interface OutputReg2 {
  readonly kind: 'output_reg2'
  readonly source: Subfield
  readonly maxLength: number
}
const outputReg2 = irregular<OutputReg2>(
  'output_reg2',
  nx(32),
  24,
  {
    read(r) {
      const at = r.offset
      const bits = r.u16()
      const maxLength = r.u16()
      const field = readFieldHeader(r)
      restZero(r)
      return { kind: 'output_reg2', source: checkSource(subfield(field, bits), r, at), maxLength }
    },
    write(w, { source, maxLength }) {
      const at = w.offset
      w.u16(ofsNbits(source))
      w.u16(maxLength)
      writeFieldHeader(w, source)
      w.zeros(14 - (w.offset - at))
    },
  },
  { format: formatOutputReg },
  24,
)

function formatOutputReg({ source }: OutputReg | OutputReg2): string {
  return `output:${formatSubfield(source)}`
}

function parseOutput(...[text]: Parameters<ParseWord>): ReturnType<ParseWord> {
  if (text.includes('port') && text.includes('max_len')) return [parseTruncated(text)]
  const port = portFromText(text)
  if (port !== null) return [{ kind: 'output', port, maxLength: port === ports.controller ? ALL_BYTES : 0 }]
  let source: Subfield
  try {
    source = parseSubfield(text)
  } catch {
    throw new TextError(`${text}: output to unknown port`)
  }
  // The action has six bits for the width; OVS would cut a greater one.
  if (source.bits > 64) throw new TextError(`${text}: a port number has at most 64 bits`)
  return [outputFrom(source)]
}

/** Fields whose header takes 64 bits need the newer action. */
function outputFrom(source: Subfield): OutputReg | OutputReg2 {
  const maxLength = ALL_BYTES
  return needsLongHeader(source.field)
    ? { kind: 'output_reg2', source, maxLength }
    : { kind: 'output_reg', source, maxLength }
}

function parseTruncated(text: string): ValueOf<typeof outputTrunc.codec> {
  let port = 0
  let maxLength = 0
  for (const { key, value } of items(text)) {
    if (key === 'port') {
      port = parsePort(value)
      if (port > MAX_10 && port !== ports.local && port !== ports.inPort) {
        throw new TextError(`output to unsupported truncate port: ${value}`)
      }
    } else if (key === 'max_len') {
      maxLength = parseUint(value, 32, 'max_len')
      if (maxLength < ETHERNET_HEADER) throw new TextError(`max_len ${maxLength} is less than the minimum value 14`)
    } else throw new TextError(`invalid key '${key}' in output_trunc argument`)
  }
  return { kind: 'output_trunc', port, maxLength }
}

/** On OpenFlow 1.1 and later an enqueue is three actions. */
function parseEnqueue(...[text]: Parameters<ParseWord>): ReturnType<ParseWord> {
  const [, port, queue] = /^[:q,]*([^:q,]+)[:q,](.+)$/.exec(text) ?? []
  if (port === undefined || queue === undefined) {
    throw new TextError('"enqueue" syntax is "enqueue:PORT:QUEUE" or "enqueue(PORT,QUEUE)"')
  }
  return [
    { kind: 'set_queue', queue: parseUint(queue, 32, 'queue') },
    { kind: 'output', port: parsePort(port), maxLength: ALL_BYTES },
    { kind: 'pop_queue' },
  ]
}

export const outputRows = {
  output,
  group,
  output_trunc: outputTrunc,
  output_reg: outputReg,
  output_reg2: outputReg2,
}
export type OutputAction = RowValue<typeof outputRows>

// Sending to a controller with more to say than `output` can: NXAST_CONTROLLER, and NXAST_CONTROLLER2 with its
// properties. The word `controller` becomes the oldest of the three actions that can express it, as in OVS.
import { ports } from '../fields/ports.ts'
import { bytesFromHex, dotted } from '../text/numbers.ts'
import { items, parseUint, TextError } from '../text/tokens.ts'
import { errorCodes } from '../wire/errors.ts'
import type { Reader } from '../wire/reader.ts'
import { pad, u16, u8, zeros } from '../wire/struct.ts'
import type { Writer } from '../wire/writer.ts'
import type { Action } from './types.ts'
import { action, irregular, nx, type ParseWord, type RowValue } from './row.ts'

const ALL_BYTES = 0xffff
/** Of 0 to 8, in order (OFPR_*); the last two stand for misses and have no text. */
const reasons = ['no_match', 'action', 'invalid_ttl', 'action_set', 'group', 'packet_out', '', '']
const REASON_ACTION = 1

const controller = action(
  'controller',
  nx(20),
  16,
  { maxLength: u16, controllerId: u16, reason: u8, padding: pad(1) },
  {
    format: (a) => format({ ...a, userdata: new Uint8Array(), pause: false, meter: 0 }),
    words: { controller: parse },
  },
)

interface Settings {
  readonly maxLength: number
  readonly controllerId: number
  readonly reason: number
  /** Comes back in the packet-in; empty if there is none. */
  readonly userdata: Uint8Array
  /** Keeps the packet's state so that the controller can resume its way through the tables. */
  readonly pause: boolean
  /** 0 if there is none. */
  readonly meter: number
}
interface Controller2 extends Settings {
  readonly kind: 'controller2'
}

const properties = { maxLength: 0, controllerId: 1, reason: 2, userdata: 3, pause: 4, meter: 5 } as const
const reserved = zeros(6, errorCodes.mustBeZero)

const controller2 = irregular<Controller2>(
  'controller2',
  nx(37),
  16,
  {
    read(r) {
      reserved.read(r)
      const found = {
        maxLength: ALL_BYTES,
        controllerId: 0,
        reason: REASON_ACTION,
        userdata: new Uint8Array(),
        pause: false,
        meter: 0,
      }
      while (r.offset < r.end) readProperty(r, found)
      return { kind: 'controller2', ...found }
    },
    write(w, a) {
      w.zeros(6)
      if (a.maxLength !== ALL_BYTES) writeProperty(w, properties.maxLength, (v, at) => v.setUint16(at, a.maxLength))
      if (a.controllerId !== 0) writeProperty(w, properties.controllerId, (v, at) => v.setUint16(at, a.controllerId))
      if (a.reason !== REASON_ACTION) writeProperty(w, properties.reason, (v, at) => v.setUint8(at, a.reason))
      if (a.userdata.length !== 0) writeUserdata(w, a.userdata)
      if (a.pause) writeProperty(w, properties.pause, null)
      if (a.meter !== 0) writeProperty(w, properties.meter, (v, at) => v.setUint32(at, a.meter))
    },
  },
  { format },
)

/** One property: type, length without padding, value, padding to 8 bytes. */
function readProperty(r: Reader, found: { -readonly [K in keyof Settings]: Settings[K] }): void {
  const at = r.take(4, errorCodes.badPropertyLength)
  const length = r.view.getUint16(at + 2)
  const size = length - 4
  if (size < 0) r.fail(errorCodes.badPropertyLength, `property length ${length}`, at)
  const value = r.take(((length + 7) & ~7) - 4, errorCodes.badPropertyLength)
  const expect = (fits: boolean): void => {
    if (!fits) r.fail(errorCodes.badPropertyLength, `${size} bytes of value`, at)
  }
  switch (r.view.getUint16(at)) {
    case properties.maxLength:
      expect(size >= 2)
      found.maxLength = r.view.getUint16(value)
      break
    case properties.controllerId:
      expect(size >= 2)
      found.controllerId = r.view.getUint16(value)
      break
    case properties.reason:
      expect(size >= 1)
      found.reason = r.view.getUint8(value)
      break
    case properties.userdata:
      found.userdata = r.bytes.slice(value, value + size)
      break
    case properties.pause:
      found.pause = true
      break
    case properties.meter:
      expect(size === 4)
      found.meter = r.view.getUint32(value)
      break
    default:
      r.fail(errorCodes.badPropertyType, `controller property ${r.view.getUint16(at)}`, at)
  }
}

/** Up to four bytes of value; 16-bit values count as four bytes, as all over OpenFlow. */
function writeProperty(w: Writer, type: number, set: ((view: DataView, at: number) => void) | null): void {
  const length = type === properties.pause ? 4 : type === properties.reason ? 5 : 8
  const at = w.reserve(8)
  w.bytes.fill(0, at, at + 8)
  w.view.setUint16(at, type)
  w.view.setUint16(at + 2, length)
  set?.(w.view, at + 4)
}

function writeUserdata(w: Writer, userdata: Uint8Array): void {
  const at = w.offset
  w.u16(properties.userdata)
  w.u16(4 + userdata.length)
  w.raw(userdata)
  w.align8(at)
}

const isPlain = (a: Settings): boolean =>
  a.reason === REASON_ACTION && a.controllerId === 0 && a.userdata.length === 0 && !a.pause && a.meter === 0

function format(a: Settings): string {
  if (isPlain(a)) return `CONTROLLER:${a.maxLength}`
  const parts: string[] = []
  if (a.reason !== REASON_ACTION) parts.push(`reason=${reasons[a.reason] ?? a.reason}`)
  if (a.maxLength !== ALL_BYTES) parts.push(`max_len=${a.maxLength}`)
  if (a.controllerId !== 0) parts.push(`id=${a.controllerId}`)
  if (a.userdata.length !== 0) parts.push(`userdata=${dotted(a.userdata)}`)
  if (a.pause) parts.push('pause')
  if (a.meter !== 0) parts.push(`meter_id=${a.meter}`)
  return `controller(${parts.join(',')})`
}

function parse(...[text]: Parameters<ParseWord>): readonly Action[] {
  const { userdata, ...a } = parseSettings(text)
  const plain = isPlain({ ...a, userdata: new Uint8Array() }) && userdata === null
  if (plain) return [{ kind: 'output', port: ports.controller, maxLength: a.maxLength }]
  const data = userdata ?? new Uint8Array()
  if (data.length > 0 || a.pause || a.meter !== 0) return [{ kind: 'controller2', ...a, userdata: data }]
  return [{ kind: 'controller', maxLength: a.maxLength, controllerId: a.controllerId, reason: a.reason }]
}

function parseSettings(text: string): Omit<Settings, 'userdata'> & { readonly userdata: Uint8Array | null } {
  const a = { maxLength: ALL_BYTES, controllerId: 0, reason: REASON_ACTION, pause: false, meter: 0 }
  if (/^\d+$/.test(text)) return { ...a, maxLength: parseUint(text, 16, 'max_len'), userdata: null }
  let userdata: Uint8Array | null = null
  for (const { key, value } of items(text)) {
    if (key === 'reason') a.reason = parseReason(value)
    else if (key === 'max_len') a.maxLength = parseUint(value, 16, 'max_len')
    else if (key === 'id') a.controllerId = parseUint(value, 16, 'id')
    else if (key === 'userdata') userdata = parseUserdata(value)
    else if (key === 'pause') a.pause = true
    else if (key === 'meter_id') a.meter = parseUint(value, 32, 'meter_id')
    else throw new TextError(`unknown key "${key}" parsing controller action`)
  }
  return { ...a, userdata }
}

function parseReason(text: string): number {
  const reason = reasons.indexOf(text.toLowerCase())
  if (reason < 0) throw new TextError(`unknown reason "${text}"`)
  return reason
}

function parseUserdata(text: string): Uint8Array {
  const bytes = bytesFromHex(text)
  if (bytes === null) throw new TextError("bad hex digit in `controller' action `userdata'")
  return bytes
}

export const controllerRows = { controller, controller2 }
export type ControllerAction = RowValue<typeof controllerRows>

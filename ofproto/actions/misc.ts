// Small actions that stand alone: queues, tunnel ids, notes, timeouts, metadata, and OVS's debugging aids.
import { bytesFromHex, dotted, hex } from '../text/numbers.ts'
import { items, parseUint, parseUint64, TextError } from '../text/tokens.ts'
import { errorCodes } from '../wire/errors.ts'
import { pad, rest, u16, u32, u64, zeros } from '../wire/struct.ts'
import { action, bare, irregular, nx, of, type ParseWord, type RowValue } from './row.ts'

const ALL_BITS = 0xffff_ffff_ffff_ffffn

const setQueue = action(
  'set_queue',
  of(21),
  8,
  { queue: u32 },
  {
    format: (a) => `set_queue:${a.queue}`,
    words: { set_queue: (text) => [{ kind: 'set_queue', queue: parseUint(text, 32, 'queue') }] },
  },
)

/** OVS sends set_field on OpenFlow 1.2 and later. */
const tunnelWord: ParseWord = (text) => [
  { kind: 'set_field', field: { kind: 'tun_id', value: parseUint64(text, 'tunnel id'), mask: null } },
]
const setTunnel = action(
  'set_tunnel',
  nx(2),
  16,
  { padding: pad(2), tunnel: u32 },
  {
    format: (a) => `set_tunnel:${hex(a.tunnel)}`,
    words: { set_tunnel: tunnelWord },
  },
)
const setTunnel64 = action(
  'set_tunnel64',
  nx(9),
  24,
  { padding: pad(6), tunnel: u64 },
  {
    format: (a) => `set_tunnel64:${hex(a.tunnel)}`,
    words: { set_tunnel64: tunnelWord },
  },
)

/** Means nothing to the switch. Six bytes and then a multiple of eight on the wire: shorter data is filled with zeros. */
interface Note {
  readonly kind: 'note'
  readonly data: Uint8Array
}
const note = irregular<Note>(
  'note',
  nx(8),
  16,
  {
    read: (r) => ({ kind: 'note', data: rest.read(r) }),
    write: (w, a) => {
      rest.write(w, a.data)
      if (a.data.length < 6) w.zeros(6 - a.data.length)
    },
  },
  {
    format: (a) => `note:${dotted(a.data)}`,
    words: {
      note: (text) => {
        const data = bytesFromHex(text)
        if (data === null) throw new TextError("bad hex digit in `note' argument")
        return [{ kind: 'note', data: padded(data) }]
      },
    },
  },
)

/** The value says what is on the wire, so it holds the filling. */
function padded(data: Uint8Array): Uint8Array {
  const out = new Uint8Array(6 + Math.ceil(Math.max(0, data.length - 6) / 8) * 8)
  out.set(data)
  return out
}

/** Shorter timeouts in seconds for a flow that sees a TCP FIN or RST; 0 leaves one as it is. */
const finTimeout = action(
  'fin_timeout',
  nx(19),
  16,
  { idleTimeoutSeconds: u16, hardTimeoutSeconds: u16, padding: pad(2) },
  {
    format: (a) => {
      const parts: string[] = []
      if (a.idleTimeoutSeconds !== 0) parts.push(`idle_timeout=${a.idleTimeoutSeconds}`)
      if (a.hardTimeoutSeconds !== 0) parts.push(`hard_timeout=${a.hardTimeoutSeconds}`)
      return `fin_timeout(${parts.join(',')})`
    },
    words: { fin_timeout: parseFinTimeout },
  },
)

function parseFinTimeout(...[text]: Parameters<ParseWord>): ReturnType<ParseWord> {
  let idleTimeoutSeconds = 0
  let hardTimeoutSeconds = 0
  for (const { key, value } of items(text)) {
    if (key === 'idle_timeout') idleTimeoutSeconds = parseUint(value, 16, key)
    else if (key === 'hard_timeout') hardTimeoutSeconds = parseUint(value, 16, key)
    else throw new TextError(`invalid key '${key}' in 'fin_timeout' argument`)
  }
  return [{ kind: 'fin_timeout', idleTimeoutSeconds, hardTimeoutSeconds }]
}

/** Prints a value with its mask as the instruction of the same name does. */
export function formatMetadata({ metadata, mask }: { readonly metadata: bigint; readonly mask: bigint }): string {
  return `write_metadata:${hex(metadata)}${mask === ALL_BITS ? '' : `/${hex(mask)}`}`
}

/** The instruction as an action, for OpenFlow 1.0; OVS takes it on any connection. */
const writeMetadata = action(
  'write_metadata',
  nx(22),
  32,
  { reserved: zeros(6, errorCodes.mustBeZero), metadata: u64, mask: u64 },
  { format: formatMetadata },
)

export const miscRows = {
  set_queue: setQueue,
  pop_queue: bare('pop_queue', nx(5)),
  set_tunnel: setTunnel,
  set_tunnel64: setTunnel64,
  note,
  exit: bare('exit', nx(17)),
  fin_timeout: finTimeout,
  write_metadata: writeMetadata,
  // ovs-vswitchd takes these two only if started with --enable-dummy.
  debug_slow: bare('debug_slow', nx(254)),
  debug_recirc: bare('debug_recirc', nx(255)),
}
export type MiscAction = RowValue<typeof miscRows>

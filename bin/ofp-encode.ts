// weft ofp-encode: flows, groups and meters in the ovs-ofctl language, as the messages that change them, in hex.
import { parseFlowMod, parseFlowRequest } from '../ofproto/messages/flow-text.ts'
import { parseGroupMod } from '../ofproto/messages/group-text.ts'
import { encodeMessage, type Message } from '../ofproto/messages/index.ts'
import { parseMeterMod } from '../ofproto/messages/meter-text.ts'
import { TextError } from '../ofproto/text/tokens.ts'
import { EncodeError } from '../ofproto/wire/errors.ts'
import { CommandError, convertEach, parse } from './command.ts'

type Encode = (text: string, strict: boolean) => Message

const deleteFlows: Encode = (text, strict) => parseFlowMod(strict ? 'delete_strict' : 'delete', text)
const ask = (kind: 'flow' | 'aggregate', text: string): Message => {
  const body = parseFlowRequest(kind, text)
  return { kind: 'multipart_request', xid: 0, more: false, body }
}

/** By the names that ovs-ofctl has for them. */
export const encoders: Readonly<Record<string, Encode>> = {
  'add-flow': (text) => parseFlowMod('add', text),
  'mod-flows': (text, strict) => parseFlowMod(strict ? 'modify_strict' : 'modify', text),
  'del-flows': deleteFlows,
  'delete-flows': deleteFlows,
  'dump-flows': (text) => ask('flow', text),
  'dump-aggregate': (text) => ask('aggregate', text),
  'add-group': (text) => parseGroupMod('add', text),
  'mod-group': (text) => parseGroupMod('modify', text),
  'add-or-mod-group': (text) => parseGroupMod('add_or_modify', text),
  'del-groups': (text) => parseGroupMod('delete', text),
  'add-meter': (text) => parseMeterMod('add', text),
  'mod-meter': (text) => parseMeterMod('modify', text),
  'del-meter': (text) => parseMeterMod('delete', text),
}

const HELP = `usage: weft ofp-encode [--strict] [--xid N] COMMAND TEXT…
       weft ofp-encode [--strict] [--xid N] COMMAND -

Prints the OpenFlow 1.3 message that ovs-ofctl sends for COMMAND TEXT, in hex, one line each. With -, each line of
standard input is a text; what follows a # is not read.

COMMAND: ${Object.keys(encoders).join(', ')}

  --strict    mod-flows, del-flows: the flow with exactly this match and priority
  --xid N     the transaction id; 0 unless given

weft ofp-encode add-flow 'priority=10,ip,nw_dst=10.0.0.0/8 actions=dec_ttl,output:2'
`

const isRefusal = (error: unknown): error is Error => error instanceof TextError || error instanceof EncodeError

export async function ofpEncode(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args, {
    help: { type: 'boolean', short: 'h' },
    strict: { type: 'boolean', default: false },
    xid: { type: 'string', default: '0' },
  })
  if (values.help === true) {
    process.stdout.write(HELP)
    return 0
  }
  const [command, ...texts] = positionals
  if (command === undefined) throw new CommandError('a command, as add-flow, is needed')
  const encoder = Object.hasOwn(encoders, command) ? encoders[command] : undefined
  if (encoder === undefined) throw new CommandError(`no command '${command}'`)
  const xid = Number(values.xid)
  if (!Number.isInteger(xid) || xid < 0 || xid > 0xffff_ffff)
    throw new CommandError(`xid '${values.xid}' is no 32-bit number`)
  // `delete-flows` alone is what `ovs-ofctl del-flows BRIDGE` is: all flows.
  if (texts.length === 0 && !command.startsWith('d')) throw new CommandError(`${command} needs a text, or -`)
  const encode = (text: string): string =>
    `${Buffer.from(encodeMessage({ ...encoder(text, values.strict), xid })).toString('hex')}\n`
  return convertEach(texts.length === 0 ? [''] : texts, encode, isRefusal)
}

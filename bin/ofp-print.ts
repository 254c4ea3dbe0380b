// weft ofp-print: OpenFlow messages in hex, as text.
import { formatMessage } from '../ofproto/messages/print.ts'
import { CommandError, convertEach, parse } from './command.ts'

const HELP = `usage: weft ofp-print [--verbosity N] HEX…
       weft ofp-print [--verbosity N] -

Prints each OpenFlow message as 'ovs-ofctl ofp-print' does. An argument is a message, or, if none is as long as the
header of one (8 bytes), a piece of one. With -, each line of standard input is a message. Blanks between digits do
not matter.

  -v, --verbosity N   how much to print of packets and details; 2 unless given
`

const HEADER_DIGITS = 16

class HexError extends Error {}

function bytesOf(hex: string): Uint8Array {
  const digits = hex.replace(/\s+/g, '')
  const [wrong] = /[^0-9a-fA-F]/.exec(digits) ?? []
  if (wrong !== undefined) throw new HexError(`'${wrong}' is no hexadecimal digit`)
  if (digits.length % 2 !== 0) throw new HexError(`an odd number of hexadecimal digits (${digits.length})`)
  return new Uint8Array(Buffer.from(digits, 'hex'))
}

export async function ofpPrint(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args, {
    help: { type: 'boolean', short: 'h' },
    verbosity: { type: 'string', short: 'v', default: '2' },
  })
  if (values.help === true) {
    process.stdout.write(HELP)
    return 0
  }
  if (positionals.length === 0) throw new CommandError('a message in hex, or -, is needed')
  if (!/^\d+$/.test(values.verbosity)) throw new CommandError(`verbosity '${values.verbosity}' is no number`)
  const verbosity = Number(values.verbosity)
  const isPiece = (text: string): boolean => text !== '-' && text.replace(/\s+/g, '').length < HEADER_DIGITS
  const messages = positionals.every(isPiece) ? [positionals.join('')] : positionals
  const print = (hex: string): string => formatMessage(bytesOf(hex), verbosity)
  return convertEach(messages, print, (error) => error instanceof HexError)
}

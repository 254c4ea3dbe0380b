// Reads the golden vectors: bytes in hexadecimal beside the text that OVS 3.1.0 printed for them.
import { readFileSync } from 'node:fs'

export interface MessageVector {
  readonly name: string
  readonly bytes: Uint8Array
  readonly text: string
}

/** `sent`: ovs-ofctl sends these bytes for this text; else it only prints the bytes so. */
export interface MatchVector {
  readonly text: string
  readonly hex: string
  readonly sent: boolean
}

const read = (name: string): string => readFileSync(new URL(name, import.meta.url), 'latin1')

function bytesOf(line: string): number[] {
  const zeros = /^zeros (\d+)$/.exec(line)
  if (zeros) return Array.from({ length: Number(zeros[1]) }, () => 0)
  return (line.replace(/#.*/, '').match(/[0-9a-f]{2}/g) ?? []).map((byte) => Number.parseInt(byte, 16))
}

/** Blocks of `== name`, lines of bytes, and lines of text after `| `. */
function blocks(file: string): readonly MessageVector[] {
  const isText = (line: string): boolean => line.startsWith('|')
  return read(file)
    .split(/^== /m)
    .slice(1)
    .map((block) => {
      const [name = '', ...lines] = block.trimEnd().split('\n')
      const text = lines.filter(isText).map((line) => line.slice(2))
      return {
        name,
        bytes: Uint8Array.from(lines.filter((line) => !isText(line)).flatMap(bytesOf)),
        text: `${text.join('\n')}\n`,
      }
    })
}

export const messageVectors = (): readonly MessageVector[] => blocks('ofproto-messages.txt')
/** Their names are commands with their text, as `add-flow ip,actions=drop`. */
export const commandVectors = (): readonly MessageVector[] => blocks('ofproto-commands.txt')

/** Two parts; a line without indentation is a text, those indented after it are its entries. */
export function matchVectors(): readonly MatchVector[] {
  return read('ofproto-matches.txt')
    .split(/^== .*\n/m)
    .slice(1)
    .flatMap((part, index) =>
      [...part.matchAll(/^(\S.*)\n((?: .*\n)*)/gm)].map(([, text = '', entries = '']) => ({
        text: text === '*' ? '' : text,
        hex: entries.replaceAll(/#.*|\s/g, ''),
        sent: index === 0,
      })),
    )
}

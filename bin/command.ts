// What the commands have in common: arguments, and work done line by line.
import { createInterface } from 'node:readline'
import { parseArgs, type ParseArgsOptionsConfig } from 'node:util'

/** The command line is wrong; the message says how. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
}

/** parseArgs of node:util, with its errors as CommandError. */
export function parse<const O extends ParseArgsOptionsConfig>(args: readonly string[], options: O) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true })
  } catch (error) {
    throw new CommandError(error instanceof Error ? error.message : String(error))
  }
}

/**
 * Writes what `convert` makes of each text; `-` stands for the lines of standard input, where empty lines and what
 * follows a # are skipped. A text for which `convert` throws `Refusal` is reported and the others go on; gives 1 then.
 */
export async function convertEach(
  texts: readonly string[],
  convert: (text: string) => string,
  isRefusal: (error: unknown) => error is Error,
): Promise<number> {
  let status = 0
  const each = (text: string, where: string): void => {
    try {
      process.stdout.write(convert(text))
    } catch (error) {
      if (!isRefusal(error)) throw error
      process.stderr.write(`weft: ${where}${error.message}\n`)
      status = 1
    }
  }
  for (const text of texts) {
    if (text !== '-') {
      each(text, '')
      continue
    }
    let number = 0
    for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
      number += 1
      const content = line.replace(/#.*/, '').trim()
      if (content !== '') each(content, `line ${number}: `)
    }
  }
  return status
}

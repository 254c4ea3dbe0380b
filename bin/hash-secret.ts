// `weft hash-secret`: the scrypt hash that stands for a password or token in the credentials file (docs/api.md).
import { text } from 'node:stream/consumers'
import { hashSecret } from '../controller/northbound/index.ts'
import { CommandError, parse } from './command.ts'

export async function hashSecretCommand(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args, { help: { type: 'boolean', short: 'h' } })
  if (values.help === true) {
    process.stdout.write(
      'usage: weft hash-secret <FILE      (the secret is what FILE holds, without a newline at its end)\n',
    )
    return 0
  }
  if (positionals.length > 0) throw new CommandError('a secret is read from standard input, not from the command line')
  const secret = (await text(process.stdin)).replace(/\r?\n$/, '')
  if (secret === '') throw new CommandError('standard input holds no secret')
  process.stdout.write(`${await hashSecret(secret)}\n`)
  return 0
}

// The command line: one row a command, loaded only when it is called, so that starting costs no more than is used.
import { enableCompileCache } from 'node:module'
import { CommandError } from './command.ts'

// The second start takes half the time: what was compiled is kept in the system's temporary folder.
enableCompileCache()

interface Command {
  readonly summary: string
  /** Gives the exit status. */
  load(): Promise<(args: readonly string[]) => Promise<number>>
}

const commands: Readonly<Record<string, Command>> = {
  serve: {
    summary: 'run the controller',
    load: async () => (await import('./serve.ts')).serveCommand,
  },
  trace: {
    summary: 'show what happens to a packet, and which rule decides',
    load: async () => (await import('./trace.ts')).traceCommand,
  },
  'hash-secret': {
    summary: 'read a password or token from standard input, print what goes into the credentials file for it',
    load: async () => (await import('./hash-secret.ts')).hashSecretCommand,
  },
  'ofp-print': {
    summary: 'print OpenFlow messages, given in hex, as ovs-ofctl ofp-print does',
    load: async () => (await import('./ofp-print.ts')).ofpPrint,
  },
  'ofp-encode': {
    summary: 'print the OpenFlow 1.3 message for a flow, group or meter in the ovs-ofctl language, in hex',
    load: async () => (await import('./ofp-encode.ts')).ofpEncode,
  },
}

function help(): string {
  const rows = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(13)}${summary}`)
  return [
    'weft: an SDN controller for Open vSwitch',
    '',
    'usage: weft COMMAND [ARGUMENT…]      weft COMMAND --help',
    '',
    ...rows,
    '',
  ].join('\n')
}

/** 0: done; 1: it failed, or some of its input was wrong; 2: the command line is wrong. */
async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(help())
    return 0
  }
  const command = name !== undefined && Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command === undefined) {
    process.stderr.write(name === undefined ? help() : `weft: no command '${name}'; see weft --help\n`)
    return 2
  }
  try {
    const run = await command.load()
    return await run(args)
  } catch (error) {
    if (!(error instanceof CommandError)) throw error
    process.stderr.write(`weft ${name}: ${error.message}; see weft ${name} --help\n`)
    return 2
  }
}

// `weft … | head` ends quietly.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})

process.exitCode = await main(process.argv.slice(2))

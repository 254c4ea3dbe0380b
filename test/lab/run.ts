// Runs a command to its end, or keeps a daemon that cannot outlive this process.
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { promisify } from 'node:util'

const exec = promisify(execFile)
const MAX_OUTPUT = 512 << 20

/** Debian's folders first: OVS installs its daemons into sbin. */
const environment = { ...process.env, PATH: `/usr/sbin:/usr/bin:/sbin:/bin:${process.env['PATH'] ?? ''}` }

/** What the command printed; a failing command rejects with what it wrote to standard error. */
export async function run(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const options = { maxBuffer: MAX_OUTPUT, env: { ...environment, ...env } }
  const { stdout } = await exec(command, [...args], options)
  return stdout
}

export interface Daemon {
  readonly pid: number
  /** Does nothing to one that has ended. */
  signal(signal: NodeJS.Signals): void
  /** Ends it and waits until it is gone. */
  stop(signal?: NodeJS.Signals): Promise<void>
}

export interface DaemonOptions {
  readonly namespace?: string | undefined
  /** A file to which all that it prints is appended. */
  readonly log?: string
}

/**
 * Starts a program in the foreground. The kernel kills it when the thread that started it ends for whatever reason
 * (PR_SET_PDEATHSIG), so that not even a test run that is killed leaves daemons behind.
 */
export async function startDaemon(
  command: string,
  args: readonly string[],
  { namespace, log }: DaemonOptions = {},
): Promise<Daemon> {
  const guarded = ['setpriv', '--pdeathsig', 'KILL', command, ...args]
  const [program, ...rest] = namespace === undefined ? guarded : ['ip', 'netns', 'exec', namespace, ...guarded]
  const output = log === undefined ? 'ignore' : openSync(log, 'a')
  const child = spawn(program as string, rest, { stdio: ['ignore', output, output], env: environment })
  if (typeof output === 'number') closeSync(output)
  await once(child, 'spawn')
  return {
    pid: child.pid as number,
    signal: (signal) => void child.kill(signal),
    async stop(signal = 'SIGTERM') {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill(signal)
      const hard = setTimeout(() => child.kill('SIGKILL'), 5000)
      await ended
      clearTimeout(hard)
    },
  }
}

/** Waits until `ready` gives true; rejects after some seconds. */
export async function until(what: string, ready: () => boolean | Promise<boolean>, seconds = 30): Promise<void> {
  const deadline = performance.now() + seconds * 1000
  while (!(await ready())) {
    if (performance.now() > deadline) throw new Error(`waited ${seconds} s in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

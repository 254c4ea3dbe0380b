// The scenarios of mininet/ on real OVS: one run for all of them, one test for what each line of it says.
import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { beforeAll, describe, expect, test } from 'vitest'
import { run, until } from '../lab/run.ts'

const SCRIPT = join(import.meta.dirname, '..', '..', 'mininet', 'run.py')
const MINUTES = 60_000

interface Line {
  readonly verdict: string
  readonly seen: string
}

/** The kernel ends the run with us, and its processes with it. */
function start(...args: readonly string[]): ChildProcessByStdio<null, Readable, null> {
  return spawn('setpriv', ['--pdeathsig', 'KILL', SCRIPT, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
}

/** What it printed of each scenario, and its exit status. */
async function complete(...args: readonly string[]): Promise<{ lines: Map<string, Line>; status: number | null }> {
  const child = start(...args)
  const ended = once(child, 'close')
  const output = await text(child.stdout)
  await ended
  const lines = [...output.matchAll(/^(PASS|FAIL) ([\w-]+): (.*)$/gm)]
  return {
    lines: new Map(lines.map(([, verdict = '', name = '', seen = '']) => [name, { verdict, seen }])),
    status: child.exitCode,
  }
}

describe('a leaf–spine network of three hosts with three virtual machines each', () => {
  let result: Awaited<ReturnType<typeof complete>>
  beforeAll(async () => {
    result = await complete()
  }, 4 * MINUTES)

  test.each([
    ['start', 'comes up, and every virtual machine is active'],
    ['reachability', 'all pairs reach each other exactly where the intent joins their networks'],
    ['router', 'a router interface joins a network with others, and its removal parts them'],
    ['tcp', 'TCP carries what is sent between machines of two hosts'],
    ['migration', 'a machine that moves to another host keeps all that it reaches'],
    ['spine-failure', 'the overlay goes on while any one spine is cut off'],
    ['link-failure', 'a host whose uplink fails is cut off alone, is reported, and comes back'],
    ['host-failure', 'a host that crashes is cut off alone, is reported, and comes back'],
    ['stop', 'the controller ends cleanly while hosts are connected'],
  ])('%s: %s', (name) => {
    expect(result.lines.get(name)).toMatchObject({ verdict: 'PASS' })
  })

  test('the exit status is 0 when all passed', () => {
    expect(result.lines.size).toBe(9)
    expect(result.status).toBe(0)
  })
})

test(
  'a scenario that fails says why, and the exit status is 1',
  async () => {
    const { lines, status } = await complete('--hosts=2', '--vms=1', '--networks=1', 'reachability')
    expect(lines.get('reachability')?.verdict).toBe('FAIL')
    expect(lines.get('reachability')?.seen).toContain('join some pairs and not others')
    expect(status).toBe(1)
  },
  2 * MINUTES,
)

async function descendants(pid: number): Promise<number[]> {
  const rows = (await run('ps', ['-eo', 'pid=,ppid='])).trim().split('\n')
  const children = Map.groupBy(
    rows.map((row) => row.trim().split(/\s+/).map(Number) as [number, number]),
    ([, parent]) => parent,
  )
  const below = (parent: number): number[] =>
    (children.get(parent) ?? []).flatMap(([child]) => [child, ...below(child)])
  return below(pid)
}

test(
  'a run that is killed leaves no process behind',
  async () => {
    const child = start('--hosts=2', '--vms=1', '--networks=1')
    try {
      const pid = child.pid as number
      await once(child.stdout, 'data')
      const started = await descendants(pid)
      // The daemons of two hosts and of the underlay, the controller, and the shells of the nodes.
      expect(started.length).toBeGreaterThan(10)
      child.kill('SIGKILL')
      await until('all have ended', () => started.every((each) => !isRunning(each)))
    } finally {
      child.kill('SIGKILL')
    }
  },
  2 * MINUTES,
)

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

// The unmodified `openstack` CLI and openstacksdk (Debian's) against the API on LMDB: a server with two hosts, one of
// them lost, and scripts of commands with what they must print.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { createNorthbound, parseCredentials } from '../../controller/northbound/index.ts'
import { Hosts, host } from '../../controller/northbound/testing/harness.ts'
import { openLmdbStore } from '../../controller/store/index.ts'

export const agent = '11111111-1111-4111-8111-111111111111'
export const lost = '22222222-2222-4222-8222-222222222222'
const folder = mkdtempSync(join(tmpdir(), 'weft-openstack-'))
const stops: (() => Promise<void>)[] = []

/** The address of a new server; with credentials, only they open it. */
export async function listen(credentials?: string): Promise<string> {
  const store = openLmdbStore({ folder: join(folder, String(stops.length)) })
  const hosts = new Hosts()
  hosts.list.push(host('hv1', agent), host('hv2', lost, false))
  hosts.wires.set('hv1', new Set(['hall']))
  const app = await createNorthbound({
    store,
    live: hosts,
    ...(credentials === undefined ? {} : { credentials: parseCredentials(credentials) }),
  })
  stops.push(async () => {
    await app.close()
    await store.close()
  })
  return app.listen({ port: 0, host: '127.0.0.1' })
}

export async function stopServers(): Promise<void> {
  for (const stop of stops.splice(0)) await stop()
  rmSync(folder, { recursive: true, force: true })
}

/** Not spawnSync: the server lives in this process. */
export function python(
  args: readonly string[],
  input: string,
): Promise<{ code: number | null; out: string; err: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn('/usr/bin/python3', args, { env: { PATH: '/usr/bin:/bin', HOME: folder } })
    let [out, err] = ['', '']
    child.stdout.on('data', (chunk) => (out += chunk))
    child.stderr.on('data', (chunk) => (err += chunk))
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, out, err }))
    child.stdin.end(input)
  })
}

interface Result {
  readonly code: number
  readonly out: string
  readonly err: string
}

const words = (line: string): string[] => line.trim().split(/\s+/)

export async function openstack(door: readonly string[], lines: readonly string[]): Promise<Result[]> {
  const commands = lines.map((line) => [...door, ...words(line)])
  const { code, out, err } = await python([join(import.meta.dirname, 'openstack', 'cli.py')], JSON.stringify(commands))
  if (code !== 0) throw new Error(err)
  return JSON.parse(out) as Result[]
}

/** Each line is a command and what it must print; `!` begins a text that its refusal must hold. */
export async function expectAll(door: readonly string[], script: string): Promise<void> {
  const steps = script
    .trim()
    .split('\n')
    .map((line) => line.split('=>').map((part) => part.trim()))
  const results = await openstack(
    door,
    steps.map(([command = '']) => command),
  )
  for (const [i, [command, wanted = '']] of steps.entries()) {
    const { code, out, err } = results[i] as Result
    if (wanted.startsWith('!')) {
      expect([command, code, err]).toEqual([command, 1, expect.stringContaining(wanted.slice(1).trim())])
    } else {
      // Options that the client itself calls deprecated are tried as well.
      expect([command, code, err.replace(/^.* deprecated .*\n/gm, '')]).toEqual([command, 0, ''])
      for (const part of wanted.split(' && ')) expect([command, out]).toEqual([command, expect.stringContaining(part)])
    }
  }
}

/** The options of a client of a server without credentials. */
export const withoutCredentials = (url: string): string[] => ['--os-auth-type', 'none', '--os-endpoint', url]

export function withPassword(url: string, who: { user: string; password: string; project: string }): string[] {
  const login = ['--os-auth-type', 'password', '--os-auth-url', `${url}/identity/v3`]
  const names = ['--os-username', who.user, '--os-password', who.password, '--os-project-name', who.project]
  return [...login, ...names, '--os-user-domain-id', 'default', '--os-project-domain-id', 'default']
}

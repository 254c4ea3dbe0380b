// The unmodified `openstack` client and openstacksdk, as Debian has them.
import { spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Command {
  readonly arguments: readonly string[]
  /** A name for what it prints: `$name` in the arguments of commands after it. */
  readonly save?: string
  /** It is repeated until it prints these. */
  readonly until?: readonly string[]
}

export interface Outcome {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** Not spawnSync: what a test starts in its own process must go on. */
export function python(args: readonly string[], input = ''): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn('/usr/bin/python3', args, { env: { PATH: '/usr/bin:/bin', HOME: tmpdir() } })
    let [out, err] = ['', '']
    child.stdout.on('data', (chunk) => (out += chunk))
    child.stderr.on('data', (chunk) => (err += chunk))
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, out, err }))
    child.stdin.end(input)
  })
}

/** One after another, in one process. */
export async function openstack(door: readonly string[], commands: readonly Command[]): Promise<readonly Outcome[]> {
  const input = commands.map((each) => ({ ...each, arguments: [...door, ...each.arguments] }))
  const { code, out, err } = await python([join(import.meta.dirname, 'cli.py')], JSON.stringify(input))
  if (code !== 0) throw new Error(err)
  return JSON.parse(out) as Outcome[]
}

/** The options of a client of a server without credentials. */
export const withoutCredentials = (url: string): string[] => ['--os-auth-type', 'none', '--os-endpoint', url]

export function withPassword(url: string, user: string, password: string, project: string): string[] {
  const login = ['--os-auth-type', 'password', '--os-auth-url', `${url}/identity/v3`]
  const names = ['--os-username', user, '--os-password', password, '--os-project-name', project]
  return [...login, ...names, '--os-user-domain-id', 'default', '--os-project-domain-id', 'default']
}

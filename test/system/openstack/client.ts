// The unmodified `openstack` client and openstacksdk, as Debian has them.
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
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
function python(script: string, input: string, env: Readonly<Record<string, string>>): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const path = join(import.meta.dirname, script)
    const child = spawn('/usr/bin/python3', ['-B', path], { env: { PATH: '/usr/bin:/bin', HOME: tmpdir(), ...env } })
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
  const { code, out, err } = await python('cli.py', JSON.stringify(input), {})
  if (code !== 0) throw new Error(err)
  return JSON.parse(out) as Outcome[]
}

export const sdkScripts: readonly string[] = readdirSync(join(import.meta.dirname, 'sdk')).filter(
  (file) => file.endsWith('.py') && file !== 'connect.py',
)

export const runSdk = (script: string, url: string, user: string, password: string): Promise<Outcome> =>
  python(join('sdk', script), '', { WEFT_URL: url, WEFT_USER: user, WEFT_PASSWORD: password })

/** The options of a client of a server without credentials. */
export const withoutCredentials = (url: string): string[] => ['--os-auth-type', 'none', '--os-endpoint', url]

export function withPassword(url: string, user: string, password: string, project: string): string[] {
  const login = ['--os-auth-type', 'password', '--os-auth-url', `${url}/identity/v3`]
  const names = ['--os-username', user, '--os-password', password, '--os-project-name', project]
  return [...login, ...names, '--os-user-domain-id', 'default', '--os-project-domain-id', 'default']
}

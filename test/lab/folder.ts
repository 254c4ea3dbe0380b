// Temporary folders and network namespaces that carry the pid of the process that made them, so that what a killed test
// run left behind is found and removed by the next.
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from './run.ts'

const FOLDER = /^weft-lab-(\d+)-/
const NAMESPACE = /^weft(\d+)-/

const alive = (pid: string): boolean => existsSync(`/proc/${pid}`)

const namespaces = (): string[] => (existsSync('/run/netns') ? readdirSync('/run/netns') : [])

/** Removes what processes that are gone have left. Their daemons have died with them (run.ts). */
async function sweep(): Promise<void> {
  for (const name of readdirSync(tmpdir())) {
    const [, pid] = FOLDER.exec(name) ?? []
    if (pid !== undefined && !alive(pid)) rmSync(join(tmpdir(), name), { recursive: true, force: true })
  }
  for (const name of namespaces()) {
    const [, pid] = NAMESPACE.exec(name) ?? []
    // Another run may be sweeping the same namespace.
    if (pid !== undefined && !alive(pid)) await run('ip', ['netns', 'del', name]).catch(() => {})
  }
}

let swept: Promise<void> | null = null
const made = new Set<string>()

// For a run that ends without stopping its lab; after a kill the next run's sweep does it.
process.once('exit', () => {
  for (const folder of made) rmSync(folder, { recursive: true, force: true })
})

export async function makeFolder(): Promise<string> {
  await (swept ??= sweep())
  const folder = mkdtempSync(join(tmpdir(), `weft-lab-${process.pid}-`))
  made.add(folder)
  return folder
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true })
  made.delete(folder)
}

let count = 0

/** A new network namespace with its loopback up. */
export async function makeNamespace(): Promise<string> {
  await (swept ??= sweep())
  const name = `weft${process.pid}-${++count}`
  await run('ip', ['netns', 'add', name])
  await run('ip', ['-n', name, 'link', 'set', 'lo', 'up'])
  return name
}

export async function removeNamespace(name: string): Promise<void> {
  await run('ip', ['netns', 'del', name])
}

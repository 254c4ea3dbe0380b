// The store against kill -9: a writer is killed at random moments, and whatever it had acknowledged must be there.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openLmdbStore, type Store } from '../../controller/store/index.ts'

const writer = fileURLToPath(new URL('./store-writer.ts', import.meta.url))
const rounds = 10
let folder = ''

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weft-kill-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** Lets the writer run until some time after its first acknowledgement; returns what it acknowledged. */
async function killedWriter(round: number): Promise<Map<string, number>> {
  const child = spawn(process.execPath, [writer, folder, String(round)], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  await once(child.stdout, 'data')
  await sleep(Math.random() * 150)
  child.kill('SIGKILL')
  const [, signal] = (await once(child, 'close')) as [number | null, string | null]
  expect(signal).toBe('SIGKILL')
  // A last line that was cut was not read by anybody as an acknowledgement.
  const lines = output.split('\n').slice(0, -1)
  return new Map(lines.map((line) => [line.split(' ')[1] as string, Number(line.split(' ')[0])]))
}

async function keysUnder(store: Store, prefix: string): Promise<Map<string, number>> {
  const { entries } = await store.range(prefix)
  for (const { key, value } of entries) expect(key).toBe(prefix + value)
  return new Map(entries.map(({ value, modRevision }) => [value, modRevision]))
}

test('every acknowledged write survives kill -9 at any moment, whole and at its revision', async () => {
  const acknowledged = new Map<string, number>()
  for (let round = 0; round < rounds; round++) {
    for (const [key, revision] of await killedWriter(round)) acknowledged.set(key, revision)
    const store = openLmdbStore({ folder })
    const [left, right] = [await keysUnder(store, 'left/'), await keysUnder(store, 'right/')]
    expect(right).toEqual(left)
    for (const [key, revision] of acknowledged) expect([key, left.get(key)]).toEqual([key, revision])
    const revisions = [...left.values()].sort((a, b) => a - b)
    expect(revisions).toEqual(revisions.map((_, n) => n + 1))
    await store.close()
  }
  expect(acknowledged.size).toBeGreaterThan(rounds)
})

test('a watch from before a kill -9 tells every change, once and in order', async () => {
  const acknowledged = new Map([...(await killedWriter(0)), ...(await killedWriter(1))])
  const store = openLmdbStore({ folder })
  const { revision } = await store.range('')
  const watch = store.watch('left/', 1)
  const seen = new Map<string, number>()
  for (let n = 1; n <= revision; n++) {
    const { value: batch } = await watch.next()
    expect(batch?.revision).toBe(n)
    for (const event of batch?.events ?? []) if (event.kind === 'put') seen.set(event.entry.value, n)
  }
  await store.close()
  for (const [key, at] of acknowledged) expect(seen.get(key)).toBe(at)
})

// The embedded store: what a durable write costs alone and in company (group commit), and reading everything.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { openLmdbStore, type Store } from '../../controller/store/index.ts'

const portCount = 100_000
/** About the size of a port's JSON. */
const value = 'x'.repeat(400)

/** Seconds for `count` durable writes by `writers` at once, each waiting for its acknowledgement. */
async function write(store: Store, count: number, writers: number): Promise<number> {
  const start = performance.now()
  let next = 0
  const writer = async (): Promise<void> => {
    while (next < count) await store.transact({ apply: [{ kind: 'put', key: `write/${next++}`, value }] })
  }
  await Promise.all(Array.from({ length: writers }, writer))
  return (performance.now() - start) / 1000
}

async function fill(store: Store): Promise<void> {
  for (let from = 0; from < portCount; from += 1000) {
    const apply = Array.from({ length: 1000 }, (_, n) => ({ kind: 'put' as const, key: `port/${from + n}`, value }))
    await store.transact({ apply })
  }
}

const megabytes = (): number => {
  globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return (heapUsed + external) / 1e6
}

export async function run(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'weft-bench-'))
  const store = openLmdbStore({ folder })
  try {
    await write(store, 200, 1)
    const rates: number[] = []
    console.log('store: acknowledged writes of 400 bytes, each on disk')
    for (const [count, writers] of [
      [1000, 1],
      [5000, 10],
      [20_000, 100],
      [50_000, 1000],
    ] as const) {
      rates.push(count / (await write(store, count, writers)))
      const [single = 1] = rates
      const rate = rates.at(-1) ?? 0
      const ratio = (rate / single).toFixed(1)
      console.log(`  ${String(writers).padStart(4)} at once  ${rate.toFixed(0).padStart(7)} /s  (${ratio} × single)`)
    }
    await fill(store)
    const before = megabytes()
    const times: number[] = []
    let entries: readonly unknown[] = []
    for (let n = 0; n < 5; n++) {
      const start = performance.now()
      ;({ entries } = await store.range('port/'))
      times.push(performance.now() - start)
    }
    const median = times.sort((a, b) => a - b)[2] ?? Number.NaN
    const held = globalThis.gc ? `${(megabytes() - before).toFixed(0)} MB held` : 'memory needs node --expose-gc'
    console.log(`  range of ${entries.length} keys  ${median.toFixed(0)} ms, ${held}`)
  } finally {
    await store.close()
    rmSync(folder, { recursive: true })
  }
}

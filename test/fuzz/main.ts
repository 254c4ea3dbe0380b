// `npm run fuzz -- [--minutes N] [--seed N] [NAME…]`: every fuzzer, or those named, for N minutes in all (1 unless given).
import { parseArgs } from 'node:util'

interface Fuzzer {
  fuzz(options: { seconds: number; seed: number; limitMilliseconds?: number }): { cases: number }
}

const fuzzers: Record<string, () => Promise<Fuzzer>> = {
  ofproto: () => import('./ofproto.ts'),
  ovsdb: () => import('./ovsdb.ts'),
}

/** No message of 64 KiB may hold the event loop longer than this. */
const LIMIT_MILLISECONDS = 50

const { values, positionals } = parseArgs({
  options: { minutes: { type: 'string', default: '1' }, seed: { type: 'string', default: `${Date.now() >>> 0}` } },
  allowPositionals: true,
})
const names = positionals.length > 0 ? positionals : Object.keys(fuzzers)
const unknown = names.find((name) => !Object.hasOwn(fuzzers, name))
const minutes = Number(values.minutes)
const seed = Number(values.seed)
if (unknown !== undefined || !(minutes > 0) || !Number.isInteger(seed)) {
  console.error(`usage: npm run fuzz -- [--minutes N] [--seed N] [NAME…]; known: ${Object.keys(fuzzers).join(', ')}`)
  process.exit(2)
}
for (const name of names) {
  const fuzzer = await (fuzzers[name] as () => Promise<Fuzzer>)()
  console.log(`${name}: seed ${seed}`)
  const { cases } = fuzzer.fuzz({ seconds: (60 * minutes) / names.length, seed, limitMilliseconds: LIMIT_MILLISECONDS })
  console.log(`${name}: ${cases} cases, nothing found`)
}

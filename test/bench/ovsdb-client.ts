// One measured client in a process of its own, for test/bench/ovsdb.ts.
// usage: ovsdb-client.ts REMOTE TRANSACTIONS; prints one JSON object.
import { Client, Transaction, type Uuid } from '../../ovsdb/index.ts'
import { Db } from './ovsdb-rows.ts'

const [remote = '', count = '0'] = process.argv.slice(2)
const transactions = Number(count)
const peak = (): number => process.resourceUsage().maxRSS * 1024
const peakBefore = peak()

let start = performance.now()
const client = new Client({ remotes: [remote], database: Db })
const connection = await client.connected()
const seconds = (performance.now() - start) / 1000
const peakBytes = peak() - peakBefore
const residentBytes = process.memoryUsage.rss()

const ports = [...client.replica.table('Port').keys()].slice(0, 100)
async function setTag(i: number): Promise<void> {
  const transaction = new Transaction(Db)
  transaction.update('Port', [['_uuid', '==', ports[i % ports.length] as Uuid<'Port'>]], { tag: i % 4000 })
  const outcome = await connection.transact(transaction)
  if (outcome.kind === 'failed') throw new Error(outcome.error.kind)
}

start = performance.now()
for (let i = 0; i < transactions; i++) await setTag(i)
const perSecond = transactions / ((performance.now() - start) / 1000)

start = performance.now()
let next = 0
const worker = async (): Promise<void> => {
  while (next < transactions) await setTag(next++)
}
await Promise.all(Array.from({ length: 32 }, worker))
const pipelinedPerSecond = transactions / ((performance.now() - start) / 1000)

const rows = (['Bridge', 'Port', 'Interface'] as const).reduce(
  (sum, table) => sum + client.replica.table(table).size,
  0,
)
await client.close()
console.log(JSON.stringify({ rows, seconds, peakBytes, residentBytes, perSecond, pipelinedPerSecond }))

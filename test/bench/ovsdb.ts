// `npm run bench -- ovsdb`: replicating a database of 100,000 rows and committing transactions, beside the IDL of
// python3-openvswitch against the same ovsdb-server in the same run; and how fast a stream is cut and parsed.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { connect } from 'node:net'
import { dial, OpenVSwitch, Replica, Transaction } from '../../ovsdb/index.ts'
import { Db } from './ovsdb-rows.ts'
import { JsonFramer } from '../../ovsdb/rpc/framer.ts'
import { Lab, vswitchSchema, type OvsdbServer } from '../lab/ovsdb.ts'
import { median } from './statistics.ts'

const rowCount = 100_000
const rounds = 5
const transactions = 3000

interface Measured {
  readonly rows: number
  readonly seconds: number
  readonly peakBytes: number
  readonly residentBytes: number
  readonly perSecond: number
  readonly pipelinedPerSecond?: number
}

export async function run(): Promise<void> {
  const lab = await Lab.open()
  try {
    const server = await lab.vswitch('bench')
    await fill(server)
    const ours: Measured[] = []
    const python: Measured[] = []
    const alone: number[] = []
    for (let round = 0; round < rounds; round++) {
      alone.push(await serverAlone(server))
      ours.push(measure(process.execPath, here('ovsdb-client.ts'), server.remote, String(transactions)))
      python.push(
        measure('/usr/bin/python3', here('ovsdb-client.py'), vswitchSchema, server.remote, String(transactions)),
      )
    }
    print(ours, python, median(alone))
  } finally {
    await lab.close()
  }
  parsing()
}

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** One bridge, and as many ports as interfaces. */
async function fill(server: OvsdbServer): Promise<void> {
  const connection = await dial(server.remote, { probeMilliseconds: 0 })
  const first = new Transaction(OpenVSwitch)
  first.mutate('Open_vSwitch', [], [['bridges', 'insert', [first.insert('Bridge', { name: 'br-int' })]]])
  await connection.transact(first)
  const ports = (rowCount - 1) / 2
  const batch = 5000
  for (let from = 0; from < ports; from += batch) {
    const transaction = new Transaction(OpenVSwitch)
    const inserted = Array.from({ length: Math.min(batch, ports - from) }, (_, i) => {
      const name = `vif-${from + i}`
      const external_ids = new Map([
        ['iface-id', `network-port-${from + i}`],
        ['attached-mac', '52:54:00:12:34:56'],
      ])
      const interfaces = [transaction.insert('Interface', { name, type: 'internal', external_ids })]
      return transaction.insert('Port', { name, interfaces, external_ids })
    })
    transaction.mutate('Bridge', [['name', '==', 'br-int']], [['ports', 'insert', inserted]])
    const outcome = await connection.transact(transaction)
    if (outcome.kind === 'failed') throw new Error(JSON.stringify(outcome.error))
  }
  connection.close()
}

/** Seconds until the server has sent everything to somebody who only counts braces: no client can be faster. */
function serverAlone(server: OvsdbServer): Promise<number> {
  const params = new Replica(Db).monitorParams('monitor_cond_since', 'm')
  const start = performance.now()
  return new Promise((resolve, reject) => {
    let depth = 0
    const socket = connect(server.socket)
    socket.on('error', reject)
    socket.on('data', (chunk: Buffer) => {
      // No string of this database holds a brace.
      for (let i = 0; i < chunk.length; i++) depth += chunk[i] === 0x7b ? 1 : chunk[i] === 0x7d ? -1 : 0
      if (depth > 0) return
      socket.destroy()
      resolve((performance.now() - start) / 1000)
    })
    socket.write(JSON.stringify({ id: 0, method: 'monitor_cond_since', params }))
  })
}

function measure(command: string, ...args: string[]): Measured {
  const { stdout, stderr, status } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args[0]}: ${stderr}`)
  return JSON.parse(stdout) as Measured
}

function print(ours: readonly Measured[], python: readonly Measured[], alone: number): void {
  const mib = 1 / (1024 * 1024)
  console.log(`ovsdb: ${ours[0]?.rows} rows (python3-openvswitch: ${python[0]?.rows}), medians of ${rounds} runs each`)
  line('replicate, s', ours, python, (m) => m.seconds, 1, 'less')
  console.log(`  ${'of which the server itself'.padEnd(40)}      ${show(alone)}`)
  line('memory for it at the peak, MiB', ours, python, (m) => m.peakBytes, mib, 'less')
  line('resident after it, whole process, MiB', ours, python, (m) => m.residentBytes, mib, 'less')
  line('transactions/s, one at a time', ours, python, (m) => m.perSecond, 1, 'more')
  const pipelined = median(ours.map((m) => m.pipelinedPerSecond ?? 0))
  console.log(
    `  ${'transactions/s, 32 at a time'.padEnd(40)} weft ${pipelined.toFixed(0)}   (the IDL has one at a time)`,
  )
}

function line(
  what: string,
  ours: readonly Measured[],
  python: readonly Measured[],
  of: (m: Measured) => number,
  unit: number,
  better: 'less' | 'more',
): void {
  const a = median(ours.map(of)) * unit
  const b = median(python.map(of)) * unit
  const ratio = better === 'less' ? b / a : a / b
  console.log(`  ${what.padEnd(40)} weft ${show(a)}   python ${show(b)}   ${ratio.toFixed(1)} times better`)
}

const show = (value: number): string => value.toFixed(value < 10 ? 3 : 0).padStart(8)

/** A reply as ovsdb-server writes it, in chunks as sockets deliver them. */
function parsing(): void {
  const rows: Record<string, unknown> = {}
  for (let i = 0; i < 50_000; i++) {
    const uuid = `00000000-0000-4000-8000-${String(i).padStart(12, '0')}`
    const ids = [
      ['attached-mac', '52:54:00:12:34:56'],
      ['iface-id', `network-port-${i}`],
    ]
    rows[uuid] = { initial: { external_ids: ['map', ids], interfaces: ['uuid', uuid], name: `vif-${i}` } }
  }
  const text = JSON.stringify({ error: null, id: 1, result: [false, '', { Port: rows }] })
  const bytes = Buffer.from(text)
  const chunks = Array.from({ length: Math.ceil(bytes.length / 65536) }, (_, i) =>
    bytes.subarray(i * 65536, (i + 1) * 65536),
  )
  const time = (work: () => unknown): number =>
    median(
      Array.from({ length: 9 }, () => {
        const start = performance.now()
        work()
        return performance.now() - start
      }),
    )
  const native = time(() => JSON.parse(text) as unknown)
  const framed = time(() => {
    const framer = new JsonFramer()
    for (const chunk of chunks) framer.push(chunk, () => {})
  })
  const rate = (milliseconds: number): string => `${(bytes.length / 1e3 / milliseconds).toFixed(0)} MB/s`
  console.log(
    `  stream of ${(bytes.length / 1e6).toFixed(1)} MB cut and parsed at ${rate(framed)}; JSON.parse alone ${rate(native)}`,
  )
}

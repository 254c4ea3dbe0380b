// `npm run bench -- dataplane [seconds=N] [rounds=N]`: what the flows cost the packets: between two machines of one host,
// of two hosts, and of two networks, forwarded by Weft and OVN, both with the default security group, and by plain NORMAL
// switching, on the same userspace datapath.
import { join } from 'node:path'
import { startDaemon, until } from '../lab/run.ts'
import { normalBed, ovnBed, weftBed, type Bed, type Machine } from './dataplane-beds.ts'
import type { Sizes } from './main.ts'
import { usage } from './processes.ts'
import { median } from './statistics.ts'

const defaults = { seconds: 1, rounds: 3 }
const CONNECTIONS = join(import.meta.dirname, 'connections.ts')
const IPERF_PORT = '5201'
const CONNECTION_PORT = '5300'
const WORKERS = '16'
const PINGS = '1000'
const SMALL_BYTES = '64'

/** By metric. */
type Figures = Record<string, number>

interface Iperf {
  readonly end: {
    readonly sum_received: { readonly bits_per_second: number }
    readonly sum: { readonly packets: number; readonly lost_packets: number; readonly seconds: number }
  }
}

async function iperf(from: Machine, to: Machine, ...options: readonly string[]): Promise<Iperf['end']> {
  const text = await from.vm.exec('iperf3', '-J', '-c', to.address, '-p', IPERF_PORT, ...options)
  return (JSON.parse(text) as Iperf).end
}

/** Of all hosts: how often a packet goes through the datapath's tables, as ovs-vswitchd counts it. */
async function passes(bed: Bed, traffic: () => Promise<unknown>): Promise<number> {
  await Promise.all(bed.fabric.hosts.map(({ ovs }) => ovs.appctl('dpif-netdev/pmd-stats-clear')))
  await traffic()
  let [packets, again] = [0, 0]
  for (const { ovs } of bed.fabric.hosts) {
    const text = await ovs.appctl('dpif-netdev/pmd-stats-show')
    for (const [, count] of text.matchAll(/packets received: (\d+)/g)) packets += Number(count)
    for (const [, count] of text.matchAll(/packet recirculations: (\d+)/g)) again += Number(count)
  }
  return (packets + again) / packets
}

/** Those of the machines' packets: what comes from the underlay outside of tunnels is the controllers'. */
async function megaflows(bed: Bed): Promise<number> {
  const dumps = await Promise.all(bed.fabric.hosts.map(({ ovs }) => ovs.appctl('dpctl/dump-flows', '--names')))
  const lines = dumps.join('\n').split('\n')
  return lines.filter((line) => line.includes('in_port(tap') || line.includes('tunnel(')).length
}

const switchSeconds = ({ fabric }: Bed): number =>
  usage(fabric.hosts.map(({ ovs }) => ['switches', ovs.processes.switch])).get('switches')?.seconds ?? 0

async function measure(bed: Bed, to: Machine, seconds: string): Promise<Figures> {
  const from = bed.near
  const { namespace } = to.vm
  await Promise.all(bed.fabric.hosts.map(({ ovs }) => ovs.appctl('revalidator/purge')))
  const servers = [
    await startDaemon('iperf3', ['-s', '-p', IPERF_PORT], { namespace }),
    await startDaemon(process.execPath, [CONNECTIONS, 'listen', CONNECTION_PORT], { namespace }),
  ]
  try {
    const connect = (time: string, workers: string): Promise<string> =>
      from.vm.exec(process.execPath, CONNECTIONS, 'connect', to.address, CONNECTION_PORT, time, workers)
    await until('the machines reach each other', async () => (await from.vm.ping(to.address, '-c', '1')) === 1)
    await until('the servers listen', async () => Number(await connect('0.05', '1').catch(() => '0')) > 0)
    const figures: Figures = {}
    const pass = await passes(bed, async () => {
      const text = await from.vm.exec('ping', '-q', '-n', '-c', PINGS, '-i', '0.002', to.address)
      figures['ping, µs'] = Number(/= [\d.]+\/([\d.]+)/.exec(text)?.[1]) * 1000
    })
    figures['TCP, Mbit/s'] = (await iperf(from, to, '-t', seconds)).sum_received.bits_per_second / 1e6
    const before = switchSeconds(bed)
    const small = (await iperf(from, to, '-u', '-b', '0', '-l', SMALL_BYTES, '-t', seconds)).sum
    const arrived = small.packets - small.lost_packets
    figures['packets of 64 bytes, /s'] = arrived / small.seconds
    figures['processor of the switches, µs a packet'] = ((switchSeconds(bed) - before) / arrived) * 1e6
    figures['connections, /s'] = Number(await connect(seconds, WORKERS)) / Number(seconds)
    figures['datapath passes a packet'] = pass
    figures['megaflows'] = await megaflows(bed)
    return figures
  } finally {
    for (const server of servers) await server.stop()
  }
}

const pairs = { 'same host': 'neighbour', 'across hosts': 'far', 'routed across hosts': 'routed' } as const

/** All beds stand at the same time and take turns, so that what else the machine does meets all of them. */
export async function run(sizes: Sizes): Promise<void> {
  const { seconds, rounds } = { ...defaults, ...sizes }
  await using stack = new AsyncDisposableStack()
  const beds: Bed[] = []
  for (const start of [weftBed, ovnBed, normalBed]) beds.push(stack.use(await start()))
  console.log(`dataplane: medians of ${rounds} rounds of ${seconds} s each`)
  const failed = new Set<Bed>()
  for (const [pair, place] of Object.entries(pairs)) {
    const able = beds.filter((bed) => bed[place] !== null && !failed.has(bed))
    const all = new Map(able.map((bed) => [bed.name, [] as Figures[]]))
    for (let round = 0; round < rounds; round += 1) {
      for (const bed of able.filter((each) => !failed.has(each))) {
        try {
          all.get(bed.name)?.push(await measure(bed, bed[place] as Machine, String(seconds)))
        } catch (error) {
          // An ovs-vswitchd may crash under the load; the others go on.
          failed.add(bed)
          console.log(`  ${bed.name} fails (${pair}): ${String(error).split('\n').at(0)}`)
        }
      }
    }
    print(pair, all)
  }
}

function print(pair: string, all: ReadonlyMap<string, readonly Figures[]>): void {
  const row = (name: string, cells: readonly string[]): void =>
    console.log(`  ${name.padEnd(44)}${cells.map((cell) => cell.padStart(16)).join('')}`)
  const [first = '', ...others] = all.keys()
  row(pair, [...all.keys(), ...others.map((other) => `${first} / ${other}`)])
  for (const metric of Object.keys(all.get(first)?.[0] ?? {})) {
    const values = Array.from(all.values(), (each) => median(each.map((figures) => figures[metric] ?? Number.NaN)))
    const [ours = Number.NaN, ...theirs] = values
    row(metric, [
      ...values.map((value) => value.toFixed(value < 100 ? 2 : 0)),
      ...theirs.map((their) => (ours / their).toFixed(2)),
    ])
  }
}

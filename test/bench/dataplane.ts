// `npm run bench -- dataplane [rounds=N] [mebibytes=N] [connections=N]`: what the flows cost the packets: between two
// machines of one host, of two hosts, and of two networks, forwarded by Weft and OVN, both with the default security group,
// and by plain NORMAL switching, on the same userspace datapath. Each side gets the same work in short rounds, in turn, and
// what counts is the processor time that it takes the switches: on a machine that does other things, too, rates say little.
import { join } from 'node:path'
import { run as command, startDaemon, until, type Daemon } from '../lab/run.ts'
import { normalBed, ovnBed, weftBed, type Bed, type Machine } from './dataplane-beds.ts'
import type { Sizes } from './main.ts'
import { median, spread } from './statistics.ts'
import { cpuMicroseconds } from './watch-process.ts'

const defaults = { rounds: 9, mebibytes: 32, connections: 500 }
const CONNECTIONS = join(import.meta.dirname, 'connections.ts')
const IPERF_PORT = '5201'
const CONNECTION_PORT = '5300'
const WORKERS = '16'
const PINGS = '300'
const SMALL = { bytes: '64', packets: '60000' }
/** Switches on one core and the machines' programs on the other: neither empties the other's caches. */
const CORES = { switches: '0', machines: '1' }

/** By metric. */
type Figures = Record<string, number>

interface Iperf {
  readonly end: { readonly sum_received: { readonly bits_per_second: number } }
}

const inMachine = ({ vm }: Machine, ...words: readonly string[]): Promise<string> =>
  vm.exec('taskset', '-c', CORES.machines, ...words)

const iperf = (from: Machine, to: Machine, ...options: readonly string[]): Promise<string> =>
  inMachine(from, 'iperf3', '-J', '-c', to.address, '-p', IPERF_PORT, ...options)

/** What a host's switch did: its processor time in microseconds, and packets as its datapath counts them. */
interface Work {
  readonly microseconds: number
  readonly packets: number
  readonly passes: number
}

/** On each host that the traffic passed: a few packets come to all. */
async function worked(bed: Bed, traffic: () => Promise<unknown>): Promise<Work[]> {
  const { hosts } = bed.fabric
  const spent = () => hosts.map(({ ovs }) => cpuMicroseconds(ovs.processes.switch))
  await Promise.all(hosts.map(({ ovs }) => ovs.appctl('dpif-netdev/pmd-stats-clear')))
  const before = spent()
  await traffic()
  const after = spent()
  const all = hosts.map(async ({ ovs }, i): Promise<Work> => {
    const text = await ovs.appctl('dpif-netdev/pmd-stats-show')
    const sum = (pattern: RegExp): number =>
      Array.from(text.matchAll(pattern), ([, count]) => Number(count)).reduce((a, b) => a + b, 0)
    const packets = sum(/packets received: (\d+)/g)
    const microseconds = (after[i] ?? 0) - (before[i] ?? 0)
    return { microseconds, packets, passes: packets + sum(/packet recirculations: (\d+)/g) }
  })
  const works = await Promise.all(all)
  const most = Math.max(...works.map(({ packets }) => packets))
  return works.filter(({ packets }) => packets > most / 10)
}

const sumOf = (works: readonly Work[], of: (work: Work) => number): number =>
  works.reduce((sum, work) => sum + of(work), 0)

/** Those of the machines' packets: what comes from the underlay outside of tunnels is the controllers'. */
async function megaflows(bed: Bed): Promise<number> {
  const dumps = await Promise.all(bed.fabric.hosts.map(({ ovs }) => ovs.appctl('dpctl/dump-flows', '--names')))
  const lines = dumps.join('\n').split('\n')
  return lines.filter((line) => line.includes('in_port(tap') || line.includes('tunnel(')).length
}

/** What both ends of a pair run; what a round measures of them. */
interface Trial {
  server(to: Machine): Promise<Daemon>
  measure(bed: Bed, to: Machine, sizes: typeof defaults): Promise<Figures>
}

const onCore = (to: Machine, ...words: readonly string[]): Promise<Daemon> =>
  startDaemon('taskset', ['-c', CORES.machines, ...words], { namespace: to.vm.namespace })

const streams: Trial = {
  server: (to) => onCore(to, 'iperf3', '-s', '-p', IPERF_PORT),
  async measure(bed, to, { mebibytes }) {
    const from = bed.near
    await until('iperf3 listens', () => iperf(from, to, '-n', '1').then(Boolean, () => false))
    const figures: Figures = {}
    const pings = await worked(bed, async () => {
      const text = await inMachine(from, 'ping', '-q', '-n', '-c', PINGS, '-i', '0.002', to.address)
      figures['ping, µs'] = Number(/= [\d.]+\/([\d.]+)/.exec(text)?.[1]) * 1000
    })
    const stream = await worked(bed, async () => {
      const text = await iperf(from, to, '-n', `${mebibytes}M`)
      figures['TCP, Mbit/s'] = (JSON.parse(text) as Iperf).end.sum_received.bits_per_second / 1e6
    })
    const small = await worked(bed, () => iperf(from, to, '-u', '-b', '0', '-l', SMALL.bytes, '-k', SMALL.packets))
    return {
      ...figures,
      'processor, µs a MiB of TCP': sumOf(stream, (work) => work.microseconds) / mebibytes,
      'processor, µs a packet of 64 bytes': sumOf(small, (work) => work.microseconds / work.packets),
      'datapath passes a packet': sumOf(pings, (work) => work.passes) / sumOf(pings, (work) => work.packets),
      megaflows: await megaflows(bed),
    }
  },
}

const connections: Trial = {
  server: (to) => onCore(to, process.execPath, CONNECTIONS, 'listen', CONNECTION_PORT),
  async measure(bed, to, { connections: count }) {
    const connect = async (wanted: number): Promise<number> => {
      const ends = [to.address, CONNECTION_PORT, `${wanted}`, WORKERS]
      return Number(await inMachine(bed.near, process.execPath, CONNECTIONS, 'connect', ...ends))
    }
    await until('the server listens', async () => (await connect(1)) > 0)
    let perSecond = 0
    const opened = await worked(bed, async () => (perSecond = await connect(count)))
    const spent = sumOf(opened, (work) => work.microseconds) / count
    return { 'connections, /s': perSecond, 'processor, µs a connection': spent }
  },
}

async function round(trial: Trial, bed: Bed, to: Machine, sizes: typeof defaults): Promise<Figures> {
  await Promise.all(bed.fabric.hosts.map(({ ovs }) => ovs.appctl('revalidator/purge')))
  const server = await trial.server(to)
  try {
    await until('the machines reach each other', async () => (await bed.near.vm.ping(to.address, '-c', '1')) === 1)
    return await trial.measure(bed, to, sizes)
  } finally {
    await server.stop()
  }
}

const pairs = { 'same host': 'neighbour', 'across hosts': 'far', 'routed across hosts': 'routed' } as const

/** All beds stand at the same time and take turns, so that what else the machine does meets all of them. */
export async function run(sizes: Sizes): Promise<void> {
  const wanted = { ...defaults, ...sizes }
  await using stack = new AsyncDisposableStack()
  const beds: Bed[] = []
  for (const start of [weftBed, ovnBed, normalBed]) beds.push(stack.use(await start()))
  const switches = beds.flatMap(({ fabric }) => fabric.hosts.map(({ ovs }) => ovs.processes.switch))
  for (const pid of switches) await command('taskset', ['-a', '-p', '-c', CORES.switches, `${pid}`])
  console.log(`dataplane: medians of ${wanted.rounds} rounds, ratios of neighbouring rounds with quartiles`)
  const failed = new Set<Bed>()
  // Connections last: under them an ovs-vswitchd may crash; the others go on.
  for (const trial of [streams, connections]) {
    for (const [pair, place] of Object.entries(pairs)) {
      const able = beds.filter((bed) => bed[place] !== null && !failed.has(bed))
      const all = new Map(able.map((bed) => [bed.name, [] as Figures[]]))
      for (let n = 0; n < wanted.rounds; n += 1) {
        for (const bed of able.filter((each) => !failed.has(each))) {
          try {
            all.get(bed.name)?.push(await round(trial, bed, bed[place] as Machine, wanted))
          } catch (error) {
            failed.add(bed)
            console.log(`  ${bed.name} fails (${pair}): ${String(error).split('\n').at(0)}`)
          }
        }
      }
      print(pair, all)
    }
  }
}

function print(pair: string, all: ReadonlyMap<string, readonly Figures[]>): void {
  const row = (name: string, cells: readonly string[]): void =>
    console.log(`  ${name.padEnd(38)}${cells.map((cell) => cell.padStart(19)).join('')}`)
  const [[first, ours] = ['', []], ...others] = all
  row(pair, [...all.keys(), ...others.map(([other]) => `${first} / ${other}`)])
  for (const metric of Object.keys(ours[0] ?? {})) {
    const of = (figures: Figures | undefined): number => figures?.[metric] ?? Number.NaN
    const values = Array.from(all.values(), (each) => median(each.map(of)))
    const ratios = others.map(([, theirs]) => theirs.map((their, n) => of(ours[n]) / of(their)))
    row(metric, [
      ...values.map((value) => value.toFixed(value < 100 ? 2 : 0)),
      ...ratios.map((each) => spread(each, 2)),
    ])
  }
}

// `npm run bench -- scale`: the real controller and up to 1,000 simulated hosts (test/fleet) with 100 ports each: from nothing
// to all confirmed, then single changes while others go on, and what it all costs. BENCH_HOSTS=100,300 takes other sizes.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { FleetProcess } from '../fleet/process.ts'
import { makeFolder, removeFolder } from '../lab/folder.ts'
import { ServeProcess } from '../lab/serve.ts'
import { cloudOf, fillStore, type Cloud } from './scale-topology.ts'
import { lineChart } from './plot.ts'
import { quantile } from './statistics.ts'
import { costOf, lagOf, metricsOf, type Cost } from './watch-process.ts'

const SIZES = [100, 300, 1000]
const SAMPLES = 200
/** Edits a second that others make meanwhile: half over the API, half by plugging. */
const CHURN_PER_SECOND = 20
/** Each look costs both sides something, more for many hosts. */
const POLL_MILLISECONDS_PER_HOST = 1
const QUIET_EDITS = 100
const IDLE_MILLISECONDS = 10_000
/** Nothing has changed for so long: it is over. */
const QUIET_MILLISECONDS = 3_000
/** The same for what one port causes. */
const SETTLED_MILLISECONDS = 300
const MEBI = 2 ** 20

/** Milliseconds. */
interface Latency {
  readonly p50: number
  readonly p99: number
}

interface ScaleResult {
  readonly hosts: number
  readonly ports: number
  readonly readySeconds: number
  readonly coldSeconds: number
  readonly coldLag: number
  readonly flows: number
  readonly flowMods: number
  readonly bytes: number
  readonly empty: Cost
  readonly cold: Cost
  readonly idle: Cost
  readonly edit: Latency
  /** Of this the controller's part: from the request until its hosts have been told. */
  readonly told: Latency
  readonly rule: Latency
  readonly plug: Latency
  readonly commit: Latency
  readonly editCpuMilliseconds: number
  readonly editFlowMods: number
  readonly editHosts: number
  readonly editBytes: number
  readonly lag: { readonly p99: number; readonly max: number }
}

interface Lab {
  readonly cloud: Cloud
  readonly controller: ServeProcess
  readonly fleet: FleetProcess
}

export async function run(): Promise<void> {
  const wanted = process.env['BENCH_HOSTS']?.split(',').map(Number)
  const results: ScaleResult[] = []
  for (const hosts of wanted ?? SIZES) {
    results.push(await measure(hosts))
    print(results.at(-1) as ScaleResult)
  }
  if (results.length > 1) writeFileSync(PLOT, plot(results))
}

const PLOT = join(import.meta.dirname, '../../docs/scale.svg')

/** What grows with the cloud and what does not. */
function plot(results: readonly ScaleResult[]): string {
  const of = (value: (result: ScaleResult) => number): number[] => results.map((result) => value(result))
  return lineChart({
    title: 'Milliseconds until all hosts concerned have confirmed',
    xLabel: 'hosts, 100 ports each',
    yLabel: 'milliseconds',
    x: of(({ hosts }) => hosts),
    series: [
      { name: 'everything, from nothing', colour: '#888', values: of(({ coldSeconds }) => coldSeconds * 1000) },
      { name: 'one rule more or less, p50', colour: '#c33', values: of(({ rule }) => rule.p50) },
      { name: 'one port plugged in, p50', colour: '#36c', values: of(({ plug }) => plug.p50) },
      { name: 'one port edited, p50', colour: '#292', values: of(({ edit }) => edit.p50) },
    ],
  })
}

async function measure(hosts: number): Promise<ScaleResult> {
  const [folder, mouldFolder] = [await makeFolder(), await makeFolder()]
  const cloud = cloudOf(hosts)
  await fillStore(folder, mouldFolder, cloud)
  const empty = await costOfEmpty(mouldFolder)
  const begin = performance.now()
  const controller = await ServeProcess.start(folder)
  const readySeconds = (performance.now() - begin) / 1000
  // The lag that a look tells is since the last one.
  await metricsOf(controller)
  const fleet = await FleetProcess.start({ manager: controller.manager, ports: cloud.plugged })
  try {
    const lab = { cloud, controller, fleet }
    const cold = await coldStart(lab)
    const idle = costOf(controller.pid)
    const quiet = await quietEdits(lab)
    return { hosts, ports: cloud.ports.length, readySeconds, ...cold, empty, idle, ...quiet, ...(await busyEdits(lab)) }
  } catch (error) {
    console.error(readFileSync(controller.logFile, 'utf8').split('\n').slice(-20).join('\n'))
    throw error
  } finally {
    await fleet.stop()
    await controller.stop()
    removeFolder(folder)
    removeFolder(mouldFolder)
  }
}

/** A controller that has one of everything. */
async function costOfEmpty(folder: string): Promise<Cost> {
  await using controller = await ServeProcess.start(folder)
  return costOf(controller.pid)
}

/** From the first dial of the hosts until all have confirmed everything. */
async function coldStart({ cloud, controller, fleet }: Lab) {
  let coldLag = 0
  let confirmedMs = 0
  for (;;) {
    const { lastChangeMs, startedMs, flows, flowMods, bytes } = await fleet.ask('totals')
    const metrics = await metricsOf(controller)
    const now = performance.timeOrigin + performance.now()
    coldLag = Math.max(coldLag, lagOf(metrics).max)
    const current = metrics.get('weft_hosts{state="current"}')
    if (current !== cloud.hosts || metrics.get('weft_commit_pending') !== 0) confirmedMs = 0
    else if (confirmedMs < lastChangeMs) confirmedMs = now
    if (confirmedMs > 0 && now - lastChangeMs > QUIET_MILLISECONDS) {
      const coldSeconds = (confirmedMs - startedMs) / 1000
      return { coldSeconds, coldLag, flows, flowMods, bytes, cold: costOf(controller.pid) }
    }
    await sleep(cloud.hosts * POLL_MILLISECONDS_PER_HOST)
  }
}

/** A write over the API that every host concerned has confirmed: its answer, how long it took, and how long until hosts were told. */
async function realize({ controller }: Lab, method: string, path: string, body?: object) {
  const begin = performance.now()
  const { answer, headers } = await controller.exchange(method, `/v2.0/${path}?wait=realized&timeout=300`, body)
  if (answer['unrealized'] !== undefined) throw new Error(`${path}: ${JSON.stringify(answer['unrealized'])}`)
  const [, told] = /told;dur=([\d.]+)/.exec(headers.get('server-timing') ?? '') ?? []
  return { answer, milliseconds: performance.now() - begin, toldMilliseconds: Number(told) }
}

type Edit = Awaited<ReturnType<typeof realize>>

/** Another address that a port may use: its own host filters by it, and its network may send there. */
function editPort(lab: Lab, port: string, ip_address: string): Promise<Edit> {
  return realize(lab, 'PUT', `ports/${port}`, { port: { allowed_address_pairs: [{ ip_address }] } })
}

/** One rule more in the group of all ports of a tenant, and one less. */
async function editRule(lab: Lab, security_group_id: string, port_range_min: number): Promise<number[]> {
  const range = { protocol: 'tcp', port_range_min, port_range_max: port_range_min }
  const body = { security_group_rule: { security_group_id, direction: 'ingress', ethertype: 'IPv4', ...range } }
  const added = await realize(lab, 'POST', 'security-group-rules', body)
  const { id } = added.answer['security_group_rule'] as { readonly id: string }
  const removed = await realize(lab, 'DELETE', `security-group-rules/${id}`)
  return [added.milliseconds, removed.milliseconds]
}

const pick = <T>(from: readonly T[], i: number): T => from[(i * 7919) % from.length] as T

/** What one edit costs the controller, and makes it send, when there is no other. */
async function quietEdits(lab: Lab) {
  const { cloud, controller, fleet } = lab
  const cpuSeconds = (): number => costOf(controller.pid).cpuSeconds
  const idleBefore = cpuSeconds()
  await sleep(IDLE_MILLISECONDS)
  const idleShare = (cpuSeconds() - idleBefore) / IDLE_MILLISECONDS
  const before = await fleet.ask('totals')
  const [begin, cpuBefore] = [performance.now(), cpuSeconds()]
  let hosts = 0
  for (let i = 0; i < QUIET_EDITS; i += 1) {
    const { id } = pick(cloud.ports, i)
    await fleet.ask('watch', id)
    await editPort(lab, id, '192.0.2.1')
    hosts += (await fleet.ask('watched', id)).hosts
    await fleet.ask('unwatch', id)
  }
  const cpu = cpuSeconds() - cpuBefore - idleShare * (performance.now() - begin)
  const after = await fleet.ask('totals')
  return {
    editCpuMilliseconds: Math.max(0, (cpu * 1000) / QUIET_EDITS),
    editFlowMods: (after.flowMods - before.flowMods) / QUIET_EDITS,
    editBytes: (after.bytes - before.bytes) / QUIET_EDITS,
    editHosts: hosts / QUIET_EDITS,
  }
}

/** Changes one after another while others make theirs. */
async function busyEdits(lab: Lab) {
  const { cloud, controller, fleet } = lab
  const stop = new AbortController()
  // What goes wrong in it shows when it is awaited.
  const edits: Edit[] = []
  const churning = churn(lab, edits, stop.signal)
  churning.catch(() => stop.abort())
  await metricsOf(controller)
  const plugs: number[] = []
  const rules: number[] = []
  try {
    for (let i = 0; i < SAMPLES; i += 1) {
      edits.push(await editPort(lab, pick(cloud.ports, 2 * i + 1000).id, `192.0.2.${2 + i}`))
      if (i % 4 === 0) plugs.push(await plug(fleet, cloud, 2 * i + 1001))
      if (i % 4 === 0) rules.push(...(await editRule(lab, pick(cloud.groups, i), 1000 + i)))
    }
  } finally {
    stop.abort()
    await churning
  }
  const metrics = await metricsOf(controller)
  return {
    edit: latency(edits.map(({ milliseconds }) => milliseconds)),
    told: latency(edits.map(({ toldMilliseconds }) => toldMilliseconds)),
    rule: latency(rules),
    plug: latency(plugs),
    commit: commits(metrics),
    lag: lagOf(metrics),
  }
}

/** From the moment when an interface is there until the last flow that its port causes is on its switch. */
async function plug(fleet: FleetProcess, cloud: Cloud, i: number): Promise<number> {
  const { id, host } = pick(cloud.ports, i)
  await fleet.ask('watch', id)
  await fleet.ask('unplug', host, id)
  await settled(fleet, id)
  await fleet.ask('watch', id)
  const pluggedMs = await fleet.ask('plug', host, [id])
  const lastMs = await settled(fleet, id)
  await fleet.ask('unwatch', id)
  return lastMs - pluggedMs
}

/** When the last flow changed that has to do with what is watched. */
async function settled(fleet: FleetProcess, id: string): Promise<number> {
  for (;;) {
    await sleep(SETTLED_MILLISECONDS)
    const { changes, lastMs } = await fleet.ask('watched', id)
    if (changes > 0 && performance.timeOrigin + performance.now() - lastMs > SETTLED_MILLISECONDS) return lastMs
  }
}

/** Edits of ports are measured here too: they come at the same time as others. */
async function churn(lab: Lab, edits: Edit[], signal: AbortSignal): Promise<void> {
  const { cloud, fleet } = lab
  const running = new Set<Promise<unknown>>()
  for (let i = 0; !signal.aborted; i += 1) {
    const { id, host } = pick(cloud.ports, 2 * i)
    const change =
      i % 2 === 0
        ? editPort(lab, id, `198.51.100.${i % 256}`).then((edit) => edits.push(edit))
        : fleet.ask('unplug', host, id).then(() => fleet.ask('plug', host, [id]))
    running.add(change)
    void change.finally(() => running.delete(change))
    await sleep(1000 / CHURN_PER_SECOND)
  }
  await Promise.all(running)
}

const latency = (values: readonly number[]): Latency => ({ p50: quantile(values, 0.5), p99: quantile(values, 0.99) })

/** The upper ends of the histogram's buckets that hold the quantiles. */
function commits(metrics: ReadonlyMap<string, number>): Latency {
  const buckets = Array.from(metrics).flatMap(([name, count]) => {
    const [, upTo] = /^weft_commit_duration_seconds_bucket\{le="([\d.]+)"\}$/.exec(name) ?? []
    return upTo === undefined ? [] : [[Number(upTo) * 1000, count] as const]
  })
  const all = metrics.get('weft_commit_duration_seconds_count') ?? 0
  const of = (share: number): number => buckets.find(([, count]) => count >= all * share)?.[0] ?? Infinity
  return { p50: of(0.5), p99: of(0.99) }
}

function print(result: ScaleResult): void {
  const line = (name: string, value: string): void => console.log(`  ${name.padEnd(52)}${value}`)
  const mebi = (bytes: number): string => `${(bytes / MEBI).toFixed(0)} MiB`
  const ms = ({ p50, p99 }: Latency): string => `${p50.toFixed(1)} ms p50, ${p99.toFixed(1)} ms p99`
  const { empty, cold, idle } = result
  const grown = idle.residentBytes - empty.residentBytes
  console.log(`scale: ${result.hosts} hosts, ${result.ports} ports`)
  line('ready with the intent in the store', `${result.readySeconds.toFixed(1)} s`)
  line(
    'from the first dial to all confirmed',
    `${result.coldSeconds.toFixed(1)} s, CPU ${cold.cpuSeconds.toFixed(1)} s`,
  )
  line('flows on all hosts', `${result.flows}, by ${result.flowMods} flow-mods and ${mebi(result.bytes)}`)
  line('event loop at most late by, meanwhile', `${result.coldLag.toFixed(0)} ms`)
  line('memory of the controller: then, at the peak', `${mebi(idle.residentBytes)}, ${mebi(cold.peakBytes)}`)
  const perPort = `${(grown / result.ports / 1024).toFixed(1)} KiB a port`
  line('more than without intent', `${perPort}, ${(grown / result.flows).toFixed(0)} bytes a flow on a host`)
  line(
    'one port edited: sent',
    `${result.editFlowMods.toFixed(1)} flow-mods, ${result.editBytes.toFixed(0)} bytes, to ${result.editHosts.toFixed(1)} hosts`,
  )
  line('', `${result.editCpuMilliseconds.toFixed(1)} ms of the controller’s CPU time, over the API`)
  console.log(`  while ${CHURN_PER_SECOND} other changes a second go on:`)
  line('a port edited over the API, until all confirmed', ms(result.edit))
  line('  in the controller, until its host is told', ms(result.told))
  line('a rule added or removed, until all confirmed', ms(result.rule))
  line('a port plugged in, until its last flow is there', ms(result.plug))
  line('computing what one commit changes, at most', ms(result.commit))
  line('event loop late by', `${result.lag.p99.toFixed(1)} ms p99, ${result.lag.max.toFixed(1)} ms at most`)
}

// What a process costs, as the kernel counts it, and what the controller says of itself on /metrics.
import { readdirSync, readFileSync } from 'node:fs'
import type { ServeProcess } from '../lab/serve.ts'

/** proc(5): clock ticks a second, the same on every Linux that Node runs on. */
const TICKS = 100

export interface Cost {
  readonly residentBytes: number
  readonly peakBytes: number
  readonly cpuSeconds: number
}

export function costOf(pid: number): Cost {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const bytes = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1024
  // The command's name, in parentheses, may hold anything.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
  const cpuSeconds = (Number(fields[11]) + Number(fields[12])) / TICKS
  return { residentBytes: bytes('VmRSS'), peakBytes: bytes('VmHWM'), cpuSeconds }
}

/** Processor time of the threads that a process has now, to the nanosecond (a tick is 10 ms). */
export function cpuMicroseconds(pid: number): number {
  const tasks = readdirSync(`/proc/${pid}/task`)
  const nanoseconds = tasks.map((task) =>
    Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ', 1)[0]),
  )
  return nanoseconds.reduce((sum, each) => sum + each, 0) / 1000
}

/** Samples of Prometheus' text format by name, labels included. */
export async function metricsOf({ url }: ServeProcess): Promise<ReadonlyMap<string, number>> {
  const text = await (await fetch(`${url}/metrics`)).text()
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ')
      return [line.slice(0, at), Number(line.slice(at + 1))]
    }),
  )
}

/** prom-client looks every so often; a loop that is never late shows this much. */
const PRECISION_SECONDS = 0.01

/** How late the event loop was since the metrics were last read, in milliseconds. */
export function lagOf(metrics: ReadonlyMap<string, number>): { readonly p99: number; readonly max: number } {
  const of = (name: string): number => {
    const seconds = metrics.get(`nodejs_eventloop_lag_${name}_seconds`) ?? Number.NaN
    return Math.max(0, seconds - PRECISION_SECONDS) * 1000
  }
  return { p99: of('p99'), max: of('max') }
}

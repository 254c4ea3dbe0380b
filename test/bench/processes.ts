// What processes use, as the kernel counts it (proc(5)).
import { readFileSync } from 'node:fs'

export interface Usage {
  readonly processes: number
  /** Resident memory of all. */
  readonly bytes: number
  /** Processor time of all. */
  readonly seconds: number
}

/** USER_HZ on every Linux architecture that OVS runs on. */
const TICKS_PER_SECOND = 100

function usageOf(pid: number): Usage {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  // The name in brackets may hold spaces; what follows is state and numbers: utime and stime are fields 14 and 15.
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticks = Number(fields[11]) + Number(fields[12])
  const kilobytes = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1])
  return { processes: 1, bytes: kilobytes * 1024, seconds: ticks / TICKS_PER_SECOND }
}

/** Of processes by name; those of one name are added up. */
export function usage(processes: Iterable<readonly [name: string, pid: number]>): Map<string, Usage> {
  const all = new Map<string, Usage>()
  for (const [name, pid] of processes) {
    const one = usageOf(pid)
    const sum = all.get(name) ?? { processes: 0, bytes: 0, seconds: 0 }
    all.set(name, {
      processes: sum.processes + one.processes,
      bytes: sum.bytes + one.bytes,
      seconds: sum.seconds + one.seconds,
    })
  }
  return all
}

/** The processor time between two measurements, and the memory at the second. */
export const since = (before: ReadonlyMap<string, Usage>, after: ReadonlyMap<string, Usage>): Map<string, Usage> =>
  new Map(
    Array.from(after, ([name, each]) => [name, { ...each, seconds: each.seconds - (before.get(name)?.seconds ?? 0) }]),
  )

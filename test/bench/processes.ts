// What processes of some names use together.
import { costOf } from './watch-process.ts'

export interface Usage {
  readonly processes: number
  /** Resident memory of all. */
  readonly bytes: number
  /** Processor time of all. */
  readonly seconds: number
}

function usageOf(pid: number): Usage {
  const { residentBytes, cpuSeconds } = costOf(pid)
  return { processes: 1, bytes: residentBytes, seconds: cpuSeconds }
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

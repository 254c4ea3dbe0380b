// What the benchmarks say about many measured values.

/** The value below which the share `q` of all lies; NaN of none. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN
}

export const median = (values: readonly number[]): number => quantile(values, 0.5)

/** Median and quartiles. */
export function spread(values: readonly number[], digits: number): string {
  const [q1, q2, q3] = [0.25, 0.5, 0.75].map((q) => quantile(values, q).toFixed(digits))
  return `${q2} (${q1}–${q3})`
}

/** Milliseconds that `work` takes. */
export async function timed(work: () => unknown): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}

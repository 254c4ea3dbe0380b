// Audits take turns: reading back all switches of a large fleet at once would keep everything else waiting.

/** At most `count` of those that are due by `nowMs`: the ones that have waited longest. */
export function longestDue<S>(
  sessions: readonly S[],
  dueMs: (session: S) => number,
  nowMs: number,
  count: number,
): ReadonlySet<S> {
  const due = sessions.filter((session) => dueMs(session) <= nowMs)
  return new Set(due.toSorted((a, b) => dueMs(a) - dueMs(b)).slice(0, count))
}

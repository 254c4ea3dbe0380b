// Audits take turns: reading back all switches of a large fleet at once would keep everything else waiting.

/** At most `count` of those whose audit is due: the ones that have waited longest. */
export function longestDue<S extends { readonly auditDueMs: number }>(
  sessions: readonly S[],
  nowMs: number,
  count: number,
): ReadonlySet<S> {
  const due = sessions.filter(({ auditDueMs }) => auditDueMs <= nowMs)
  return new Set(due.toSorted((a, b) => a.auditDueMs - b.auditDueMs).slice(0, count))
}

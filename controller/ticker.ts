// Time for all hosts: what is due is done a few times a second, and audits take turns.
import type { HostRecord } from './host-record.ts'
import { longestDue } from './switch/turns.ts'

const TICK_MILLISECONDS = 250
/** Reading back 8,000 flows takes 10 ms here, and what else is to do waits so long; of changed ones OVS tells anyway. */
const FLOW_AUDIT_MILLISECONDS = 500
/** Groups and meters of one take 0.1 ms. */
const AUDITS_PER_TICK = 16
/** Of the time since the last tick: with more to do than this, audits without a reason wait a while. */
const BUSY_SHARE = 0.75
const WAIT_MILLISECONDS = 60_000

/** Gives what ends it. */
export function tickHosts(hosts: ReadonlyMap<string, HostRecord>): () => void {
  let flowsReadMs = 0
  let use = performance.eventLoopUtilization()
  const timer = setInterval(() => {
    const now = performance.now()
    const before = use
    use = performance.eventLoopUtilization()
    const isBusy = performance.eventLoopUtilization(use, before).utilization > BUSY_SHARE
    const sessions = Array.from(hosts.values(), ({ control }) => control)
    const until = isBusy ? now - WAIT_MILLISECONDS : now
    const turns = now - flowsReadMs < FLOW_AUDIT_MILLISECONDS ? 0 : 1
    const all = longestDue(sessions, ({ flowAuditDueMs }) => flowAuditDueMs, until, turns)
    if (all.size > 0) flowsReadMs = now
    const few = longestDue(sessions, ({ auditDueMs }) => auditDueMs, until, AUDITS_PER_TICK)
    for (const record of hosts.values()) {
      record.tick(now, all.has(record.control) ? 'all' : few.has(record.control) ? 'few' : null)
    }
  }, TICK_MILLISECONDS)
  return () => clearInterval(timer)
}

// Time for all hosts: what is due is done a few times a second, and audits take turns.
import type { HostRecord } from './host-record.ts'
import type { SwitchSession } from './switch/session.ts'
import { longestDue } from './switch/turns.ts'

const ROUND_MILLISECONDS = 250
/** Hosts have their time in so many parts of a round: 1,000 at once would keep others waiting for 10 ms. */
const PARTS = 8
/** Reading back 8,000 flows takes 10 ms here, and what else is to do waits so long; of changed ones OVS tells anyway. */
const FLOW_AUDIT_ROUNDS = 2
/** Groups and meters of one take 0.1 ms. */
const AUDITS_PER_ROUND = 16
/** Of the time since the last round: with more to do than this, audits without a reason wait a while. */
const BUSY_SHARE = 0.75
const WAIT_MILLISECONDS = 60_000

/** Gives what ends it. */
export function tickHosts(hosts: ReadonlyMap<string, HostRecord>): () => void {
  let part = 0
  let round = 0
  let use = performance.eventLoopUtilization()
  let all: ReadonlySet<SwitchSession> = new Set()
  let few = all
  const choose = (now: number): void => {
    const before = use
    use = performance.eventLoopUtilization()
    const isBusy = performance.eventLoopUtilization(use, before).utilization > BUSY_SHARE
    const sessions = Array.from(hosts.values(), ({ control }) => control)
    const until = isBusy ? now - WAIT_MILLISECONDS : now
    const flowAudits = round % FLOW_AUDIT_ROUNDS === 0 ? 1 : 0
    all = longestDue(sessions, ({ flowAuditDueMs }) => flowAuditDueMs, until, flowAudits)
    few = longestDue(sessions, ({ auditDueMs }) => auditDueMs, until, AUDITS_PER_ROUND)
    round += 1
  }
  const timer = setInterval(() => {
    const now = performance.now()
    if (part === 0) choose(now)
    let i = 0
    for (const record of hosts.values()) {
      if (i++ % PARTS !== part) continue
      record.tick(now, all.has(record.control) ? 'all' : few.has(record.control) ? 'few' : null)
    }
    part = (part + 1) % PARTS
  }, ROUND_MILLISECONDS / PARTS)
  return () => clearInterval(timer)
}

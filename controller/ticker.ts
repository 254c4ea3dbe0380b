// Time for all hosts: what is due is done a few times a second, and audits take turns.
import type { HostRecord } from './host-record.ts'
import { longestDue } from './switch/turns.ts'

const TICK_MILLISECONDS = 250
/** Reading back a switch of 5,000 flows takes 5 to 10 ms here: that many at once, 8 a second, are up to 8 % of a core. */
const AUDITS_PER_TICK = 2
/** A tick that comes so late tells of more to do than there is time for: then audits without a reason wait a while. */
const LATE_MILLISECONDS = 50
const WAIT_MILLISECONDS = 15_000

/** Gives what ends it. */
export function tickHosts(hosts: ReadonlyMap<string, HostRecord>): () => void {
  let tickedMs = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    const isLate = now - tickedMs > TICK_MILLISECONDS + LATE_MILLISECONDS
    tickedMs = now
    const sessions = Array.from(hosts.values(), ({ control }) => control)
    const auditing = longestDue(sessions, isLate ? now - WAIT_MILLISECONDS : now, AUDITS_PER_TICK)
    for (const record of hosts.values()) record.tick(now, auditing.has(record.control))
  }, TICK_MILLISECONDS)
  return () => clearInterval(timer)
}

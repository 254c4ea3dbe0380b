// What GET /metrics tells of the process and of the hosts, beside what the API counts itself (northbound/metrics.ts).
import { collectDefaultMetrics, Gauge, Histogram, type Registry } from 'prom-client'
import type { Fleet } from './fleet.ts'

/** Memory, CPU time, garbage collection and the lag of the event loop since the last time it was asked for. */
export function measureProcess(registry: Registry): void {
  collectDefaultMetrics({ register: registry })
}

/** Gives what is to be called with the seconds that each computation of changes took. */
export function commitTimes(registry: Registry): (seconds: number) => void {
  const durations = new Histogram({
    name: 'weft_commit_duration_seconds',
    help: 'From changed rows to messages for the switches',
    buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5, 30],
    registers: [registry],
  })
  return (seconds) => durations.observe(seconds)
}

export function measureHosts(registry: Registry, fleet: Fleet): void {
  const busy = new Gauge({
    name: 'weft_commit_pending',
    help: '1 while it is being worked out what changed rows mean for hosts, which do not know of it yet',
    registers: [registry],
    collect() {
      busy.set(fleet.busy ? 1 : 0)
    },
  })
  const hosts = new Gauge({
    name: 'weft_hosts',
    help: 'Hosts that are known, whose database is connected, and whose switch has confirmed all that is meant for it',
    labelNames: ['state'],
    registers: [registry],
    collect() {
      const all = [...fleet.hosts.values()]
      hosts.set({ state: 'known' }, all.length)
      hosts.set({ state: 'connected' }, all.filter(({ connected }) => connected).length)
      hosts.set({ state: 'current' }, all.filter(({ current }) => current).length)
    },
  })
}

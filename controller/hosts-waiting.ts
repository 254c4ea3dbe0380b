// Which hosts an object waits for: those that have not confirmed its flows, or whose conntrack zone for it is not ready.
import type { Reads } from './app.ts'
import type { Rollout } from './rollout.ts'
import type { Zones } from './zones.ts'

type Confirmed = Pick<Rollout, 'unconfirmed'>
type Ready = Pick<Zones, 'waitingFor'>

export function hostsWaiting(object: string, rollout: Confirmed, zones: Ready, reads: Reads): ReadonlySet<string> {
  const hosts = new Set([...rollout.unconfirmed(object), ...zones.waitingFor(object)])
  const untracked = untrackedOn(object, rollout, zones, reads)
  if (untracked !== null) hosts.add(untracked)
  return hosts
}

/** The host of a port whose connections it cannot track yet: the conntrack zone of the network is not ready. */
function untrackedOn(port: string, rollout: Confirmed, zones: Ready, reads: Reads): string | null {
  const network = reads.port(port)?.network_id
  const host = reads.binding(port)?.host
  if (network === undefined || host === undefined || reads.policy(port)?.stateful !== true) return null
  const [zone = network] = reads.zoneMates(network)
  const ready = !zones.waitingFor(zone).has(host) && !rollout.unconfirmed(zone).has(host)
  return ready ? null : host
}

// What each port is limited to: by its own QoS policy, or by that of its network. Part of the dataflow (derivation.ts).
import type { Measure, Network, Port, Qos, QosPolicy, Rate, Reads } from './app.ts'
import type { Engine, KeySource, Table } from './engine/index.ts'

export interface QosInputs {
  readonly qos_policy: Table<string, QosPolicy>
}

interface Inputs extends QosInputs {
  readonly port: Table<string, Port>
  readonly network: Table<string, Network>
}

/** Ports of the network itself, as routers have them. */
const SERVICE = 'network:'

const MOST = 0xffff_ffff
/** In kilobits: where not even a jumbo frame fits in, nothing would pass. */
const LEAST_BURST = 80

/** Without a burst, four fifths of a second as Neutron has it: what TCP needs to come near the rate. */
function rate(most: number, burst: number, leastBurst = 0): Rate | null {
  if (most === 0) return null
  const wanted = Math.max(burst === 0 ? Math.ceil((most * 4) / 5) : burst, leastBurst)
  return { perSecond: Math.min(most, MOST), burst: Math.min(wanted, MOST) }
}

/** Undefined for a policy that asks for nothing. */
function qosOf({ rules }: QosPolicy): Qos | undefined {
  const limits: Record<'egress' | 'ingress', { [M in Measure]?: Rate }> = { egress: {}, ingress: {} }
  let dscp: number | null = null
  for (const rule of rules) {
    if (rule.type === 'dscp_marking') dscp = rule.dscp_mark
    if (rule.type === 'bandwidth_limit') {
      const kilobits = rate(rule.max_kbps, rule.max_burst_kbps, LEAST_BURST)
      if (kilobits !== null) limits[rule.direction].kilobits = kilobits
    }
    if (rule.type === 'packet_rate_limit') {
      const packets = rate(rule.max_kpps * 1000, rule.max_burst_kpps * 1000)
      if (packets !== null) limits[rule.direction].packets = packets
    }
  }
  const sizes = [limits.egress, limits.ingress].map((each) => Object.keys(each).length)
  return dscp === null && sizes.every((size) => size === 0) ? undefined : { ...limits, dscp }
}

interface QosQueries {
  readonly of: Reads['qos']
  /** The ports that have something. */
  readonly limited: KeySource<string>
}

export function connectQos(engine: Engine, { port, network, qos_policy }: Inputs): QosQueries {
  const rows = engine.derivedTable('qos of port', port, (id: string): Qos | undefined => {
    const row = port.get(id)
    if (row === undefined) return undefined
    const isService = row.device_owner.startsWith(SERVICE)
    const own = row.qos_policy_id ?? null
    const policy = own ?? (isService ? null : network.get(row.network_id)?.qos_policy_id)
    const found = policy ? qos_policy.get(policy) : undefined
    return found && qosOf(found)
  })
  return { of: (id) => rows.get(id), limited: engine.grouping('limited ports', rows, (_, id) => [id]) }
}

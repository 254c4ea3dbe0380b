// `POST /v1/trace`: what happens to a packet, on a model of the tables that the controller wants on the hosts now: the very
// items that the switch sessions hold. Everything is made for one question and thrown away after it.
import type { Match } from '../../ofproto/fields/match.ts'
import { parseMatch } from '../../ofproto/fields/match-text.ts'
import { ETH_TYPE } from '../../ofproto/fields/protocols.ts'
import { extractFlow } from '../../ofproto/packet/index.ts'
import { TextError } from '../../ofproto/text/tokens.ts'
import type { App } from '../app.ts'
import { ipv4 } from '../address.ts'
import type { Derivation } from '../derivation.ts'
import { ComposeError, composeArrival, type Content } from '../model/compose.ts'
import { appController, Fabric } from '../model/fabric.ts'
import { ScannedSwitch } from '../model/scanned.ts'
import type { Item } from '../pipeline/value.ts'
import type { Arrival } from '../model/switch.ts'
import { describeEnds, senderOf, TraceError, type Ends, type Sender } from './ends.ts'
import { reportOf, type Names } from './journey.ts'
import type { Report } from './report.ts'

export type Question = {
  /** Bytes of the frame, at least. */
  readonly size: number
} & (
  | { readonly ends: Ends }
  /** A flow in the ovs-ofctl language whose in_port is of the host. */
  | { readonly host: string; readonly flow: string }
)

/** A host as far as packets see it. */
export interface TracedHost {
  readonly id: string
  readonly encapIp: string
  readonly ofports: readonly number[]
  readonly items: () => Iterable<Item>
}

export interface TracerOptions {
  readonly apps: readonly App[]
  readonly derivation: Pick<Derivation, 'reads' | 'tables'>
  readonly hosts: () => readonly TracedHost[]
}

const ARP_REPLY = 2

export class Tracer {
  readonly #options: TracerOptions

  constructor(options: TracerOptions) {
    this.#options = options
  }

  /** Throws TraceError. */
  trace(question: Question): Report {
    const hosts = this.#options.hosts()
    const fabric = this.#fabric(hosts)
    const { host, arrival, unanswered } = this.#arrival(hosts, fabric, question)
    const report = reportOf(fabric.follow(host, arrival), this.#names(hosts))
    if (unanswered === null) return report
    const reason = `nobody answers ARP for ${unanswered}, so the packet is not sent: ${report.outcome.reason}`
    return { ...report, outcome: { ...report.outcome, kind: 'dropped', reason } }
  }

  #fabric(hosts: readonly TracedHost[]): Fabric {
    const { apps, derivation } = this.#options
    const fabric = new Fabric(appController(apps, derivation.reads))
    for (const { id, encapIp, ofports, items } of hosts) {
      const address = ipv4(encapIp) ?? 0
      fabric.addHost(id, address, ofports, new ScannedSwitch(address, items))
    }
    return fabric
  }

  #names(hosts: readonly TracedHost[]): Names {
    const { apps, derivation } = this.#options
    const { reads, tables } = derivation
    const hostAt = new Map(hosts.map(({ id, encapIp }) => [ipv4(encapIp), id]))
    return {
      apps: apps.map(({ name }) => name),
      tables,
      hostAt: (address) => hostAt.get(address) ?? null,
      portAt: (host, ofport) => reads.vifAt(host, ofport)?.port ?? null,
    }
  }

  #arrival(
    hosts: readonly TracedHost[],
    fabric: Fabric,
    question: Question,
  ): { host: string; arrival: Arrival; unanswered: string | null } {
    const { size } = question
    if ('flow' in question) {
      const { host, flow } = question
      if (!hosts.some(({ id }) => id === host)) throw new TraceError('host', `there is no host '${host}'`)
      return { host, arrival: compose('flow', () => parseMatch(flow), { size }), unanswered: null }
    }
    const { reads } = this.#options.derivation
    const sender = senderOf(reads, question.ends.from)
    const resolve = (request: Match): number | null => answeredMac(fabric, sender, request)
    const { packet, payload, unanswered } = describeEnds(reads, sender, question.ends, resolve)
    const content = payload === undefined ? { size } : { size, payload }
    return { host: sender.host, arrival: compose('protocol', () => packet, content), unanswered }
  }
}

/** The MAC that a machine learns by asking. */
function answeredMac(fabric: Fabric, { host, ofport }: Sender, request: Match): number | null {
  const { deliveries } = fabric.follow(host, composeArrival(request))
  const own = deliveries.filter((each) => each.host === host && each.ofport === ofport)
  const keys = own.map(({ bytes }) => extractFlow(bytes))
  return keys.find(({ ethType, protocol }) => ethType === ETH_TYPE.arp && protocol === ARP_REPLY)?.arpSha ?? null
}

function compose(field: string, match: () => Match, content: Content): Arrival {
  try {
    return composeArrival(match(), content)
  } catch (error) {
    if (error instanceof ComposeError || error instanceof TextError) throw new TraceError(field, error.message)
    throw error
  }
}

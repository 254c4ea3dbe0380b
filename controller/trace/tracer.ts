// `POST /v1/trace`: what happens to a packet, on a model of the tables that the controller wants on the hosts now: the
// very items that the switch sessions hold. Everything is made for one question and thrown away after it.
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
import { answerTo, asSegment } from './connection.ts'
import { describeEnds, senderOf, TraceError, type Answer, type Ends, type Sender } from './ends.ts'
import type { InstalledFlows } from './live.ts'
import { reportOf, type Names } from './journey.ts'
import type { Report } from './report.ts'

/**
 * Where the packet stands in its connection: it begins one; it is of one that both ends have agreed on; or it answers
 * the first packet of one that was opened from the other end. What came before is sent through the model first.
 */
export type ConnectionState = 'new' | 'established' | 'reply'

export type Question = {
  /** Bytes of the frame, at least. */
  readonly size: number
  readonly state: ConnectionState
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
  /** Ports to physical networks, by their names. */
  readonly uplinks: Readonly<Record<string, number>>
  readonly items: () => Iterable<Item>
}

export interface TracerOptions {
  readonly apps: readonly App[]
  readonly derivation: Pick<Derivation, 'reads' | 'tables'>
  readonly hosts: () => readonly TracedHost[]
}

const ARP_REPLY = 2
/** A packet that is flooded goes to every host of its network: so many are shown. */
const MOST_VISITS = 32

export class Tracer {
  readonly #options: TracerOptions

  constructor(options: TracerOptions) {
    this.#options = options
  }

  /** `installed`: flows to take instead of those that are wanted. Throws TraceError. */
  trace(question: Question, installed: ReadonlyMap<string, InstalledFlows> = new Map()): Report {
    const hosts = this.#options.hosts().map((host) => {
      const flows = installed.get(host.id)
      return flows ? { ...host, items: () => Array.from(flows.values(), ({ flow }) => flow) } : host
    })
    const fabric = this.#fabric(hosts)
    const start = this.#start(hosts, fabric, question)
    const report = reportOf(fabric.follow(start.host, start.arrival, MOST_VISITS), this.#names(hosts))
    if (start.failed === null) return report
    const reason = `${start.failed}: ${report.outcome.reason}`
    return { ...report, outcome: { ...report.outcome, kind: 'dropped', to: [], reason } }
  }

  #fabric(hosts: readonly TracedHost[]): Fabric {
    const { apps, derivation } = this.#options
    const fabric = new Fabric(appController(apps, derivation.reads), (stage) => derivation.tables.table(stage))
    for (const { id, encapIp, ofports, uplinks, items } of hosts) {
      const address = ipv4(encapIp) ?? 0
      fabric.addHost(id, address, ofports, new ScannedSwitch(address, items))
      fabric.addUplinks(id, uplinks)
    }
    return fabric
  }

  #names(hosts: readonly TracedHost[]): Names {
    const { apps, derivation } = this.#options
    const { reads, tables } = derivation
    const hostAt = new Map(hosts.map(({ id, encapIp }) => [ipv4(encapIp), id]))
    const uplinksOf = new Map(hosts.map(({ id, uplinks }) => [id, Object.entries(uplinks)]))
    return {
      apps: apps.map(({ name }) => name),
      tables,
      hostAt: (address) => hostAt.get(address) ?? null,
      physicalAt: (host, ofport) => uplinksOf.get(host)?.find(([, number]) => number === ofport)?.[0] ?? null,
      portAt: (host, ofport) => reads.vifAt(host, ofport)?.port ?? null,
    }
  }

  /** The packet to follow, behind those that must have gone before it. */
  #start(hosts: readonly TracedHost[], fabric: Fabric, question: Question): Start {
    const { state } = question
    if ('flow' in question) {
      const { host, flow, size } = question
      if (!hosts.some(({ id }) => id === host)) throw new TraceError('host', `there is no host '${host}'`)
      if (state === 'reply') throw new TraceError('state', 'a reply is described by two ports, not by a flow')
      const start = { host, arrival: compose('flow', () => parseMatch(flow), { size }), failed: null }
      return state === 'new' ? start : established(fabric, start)
    }
    if (state === 'reply')
      return replying(fabric, question.ends, (ends) => this.#described(hosts, fabric, ends, question.size))
    const start = this.#described(hosts, fabric, question.ends, question.size)
    return state === 'new' || start.failed !== null ? start : established(fabric, start)
  }

  #described(hosts: readonly TracedHost[], fabric: Fabric, ends: Ends, size: number): Start {
    const { reads } = this.#options.derivation
    const sender = senderOf(reads, ends.from)
    const resolve = (request: Match): Answer => askedByArp(hosts, fabric, sender, request)
    const { packet, payload, unanswered } = describeEnds(reads, sender, ends, resolve)
    const content = payload === undefined ? { size } : { size, payload }
    const failed = unanswered === null ? null : `nobody answers ARP for ${unanswered}, so the packet is not sent`
    const { bytes, ...rest } = compose('protocol', () => packet, content)
    return { host: sender.host, arrival: { ...rest, bytes: asSegment(bytes, 'syn') }, failed }
  }
}

interface Start {
  readonly host: string
  readonly arrival: Arrival
  /** Why this is not the packet that was asked about, but one that should have come before. */
  readonly failed: string | null
}

const NOT_OPENED = 'the connection cannot be opened'

/** A packet of the connection that `start` opens, once it has been answered. */
function established(fabric: Fabric, start: Start): Start {
  const { host, arrival } = start
  const { deliveries } = fabric.follow(host, { ...arrival, bytes: asSegment(arrival.bytes, 'syn') }, MOST_VISITS)
  const received = deliveries.find((each) => each.host !== host || each.ofport !== arrival.inPort)
  const answer = received && answerTo(received.bytes)
  if (!received || !answer) return { ...start, failed: NOT_OPENED }
  fabric.follow(received.host, { bytes: answer, inPort: received.ofport }, MOST_VISITS)
  return { ...start, arrival: { ...arrival, bytes: asSegment(arrival.bytes, 'ack') } }
}

/** The answer of `ends.from` to the first packet of a connection that `ends.to` opens. */
function replying(fabric: Fabric, ends: Ends, describe: (ends: Ends) => Start): Start {
  if (!('port' in ends.to)) throw new TraceError('state', 'a reply is traced between two ports: to is none')
  const opener = describeOpener(describe, {
    ...ends,
    from: ends.to.port,
    to: { port: ends.from },
    sourcePort: ends.destinationPort,
    destinationPort: ends.sourcePort,
    icmpType: null,
  })
  if (opener.failed !== null) return opener
  const { deliveries } = fabric.follow(opener.host, opener.arrival, MOST_VISITS)
  const received = deliveries.find((each) => each.host !== opener.host || each.ofport !== opener.arrival.inPort)
  const bytes = received && answerTo(received.bytes)
  if (!received || !bytes) return { ...opener, failed: NOT_OPENED }
  return { host: received.host, arrival: { bytes, inPort: received.ofport }, failed: null }
}

/** The other way round, so that `from` is what the question has as `to`. */
function describeOpener(describe: (ends: Ends) => Start, ends: Ends): Start {
  try {
    return describe(ends)
  } catch (error) {
    if (!(error instanceof TraceError)) throw error
    const swapped: Readonly<Record<string, string>> = { from: 'to', to: 'from' }
    throw new TraceError(swapped[error.field] ?? error.field, error.message)
  }
}

/** What a machine learns by asking. */
function askedByArp(hosts: readonly TracedHost[], fabric: Fabric, sender: Sender, request: Match): Answer {
  const { deliveries } = fabric.follow(sender.host, composeArrival(request), MOST_VISITS)
  const own = deliveries.filter(({ host, ofport }) => host === sender.host && ofport === sender.ofport)
  const keys = own.map(({ bytes }) => extractFlow(bytes))
  const answer = keys.find(({ ethType, protocol }) => ethType === ETH_TYPE.arp && protocol === ARP_REPLY)
  const uplinks = new Set(
    hosts.flatMap(({ id, uplinks: own }) => Object.values(own).map((ofport) => `${id} ${ofport}`)),
  )
  const leaves = deliveries.some(({ host, ofport }) => uplinks.has(`${host} ${ofport}`))
  return answer?.arpSha ?? (leaves ? 'unknown' : null)
}

function compose(field: string, match: () => Match, content: Content): Arrival {
  try {
    return composeArrival(match(), content)
  } catch (error) {
    if (error instanceof ComposeError || error instanceof TextError) throw new TraceError(field, error.message)
    throw error
  }
}

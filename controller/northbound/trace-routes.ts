// POST /v1/trace: what happens to a packet that a port sends, and why.
// oxlint-disable oxc/no-async-endpoint-handlers -- fastify, unlike Express, awaits its handlers
import type { FastifyInstance } from 'fastify'
import { protocolNumber, protocolNumbers } from '../../packet/protocols.ts'
import { TraceError, type Ends } from '../trace/ends.ts'
import type { ConnectionState, Question } from '../trace/tracer.ts'
import { parseIp } from './address.ts'
import { boolean, integer, InvalidValue, nullable, oneOf, text, type AttributeType } from './attribute-types.ts'
import { requireAdmin } from './auth.ts'
import type { Context } from './context.ts'
import { badRequest, conflict, forbidden, invalidInput, notFound } from './errors.ts'
import { plainBody, queryOf } from './http.ts'
import type { Port } from './model.ts'
import type { Operator } from './operator.ts'
import type { Found } from './origins.ts'
import { attribute, type Environment, parseBody, withDefaults } from './resource.ts'
import type { Service } from './service.ts'
import { showOwnTrace, showTrace } from './trace-view.ts'

export interface OperatorOptions {
  readonly environment: Environment
  readonly service: Service
  readonly operator: Operator
}

const ICMP = 1
const ICMPV6 = 58

const aliases: Readonly<Record<string, string>> = { icmp6: 'ipv6-icmp', icmpv6: 'ipv6-icmp' }

/** A number, or one of the two that are no IP protocols. */
const protocol: AttributeType = {
  schema: { type: 'string', description: 'arp, dhcp, the name of an IP protocol, or its number' },
  parse(value) {
    const word = String(value).toLowerCase()
    if (word === 'arp' || word === 'dhcp') return word
    const name = aliases[word] ?? word
    const isKnown = Object.hasOwn(protocolNumbers, name) || (/^\d{1,3}$/.test(name) && Number(name) <= 255)
    if (!isKnown) throw new InvalidValue(`'${word}' is no protocol`)
    return protocolNumber(name)
  },
}

const none = { default: null } as const
const portNumber = nullable(integer(0, 65_535))
const byte = nullable(integer(0, 255))
const MAX_FRAME = 65_535

/** A packet: by its ends, or as a flow on a host. */
export const traceAttributes = {
  from: attribute(nullable(text()), none),
  to: attribute(nullable(text()), none),
  protocol: attribute(protocol, { default: ICMP }),
  source_port: attribute(portNumber, none),
  destination_port: attribute(portNumber, none),
  icmp_type: attribute(byte, none),
  icmp_code: attribute(byte, none),
  ttl: attribute(byte, none),
  size: attribute(integer(0, MAX_FRAME), { default: 0 }),
  state: attribute(oneOf('new', 'established', 'reply'), { default: 'new' }),
  host: attribute(nullable(text()), none),
  flow: attribute(nullable(text(4096)), none),
  live: attribute(boolean, { default: false }),
}

interface TraceBody {
  readonly from: string | null
  readonly to: string | null
  readonly protocol: Ends['protocol']
  readonly source_port: number | null
  readonly destination_port: number | null
  readonly icmp_type: number | null
  readonly icmp_code: number | null
  readonly ttl: number | null
  readonly size: number
  readonly state: ConnectionState
  readonly host: string | null
  readonly flow: string | null
  readonly live: boolean
}

export function traceRoutes(app: FastifyInstance, { environment, service, operator }: OperatorOptions): void {
  const { cache } = environment

  const isVisible = (context: Context, { kind, id }: Found): boolean => {
    const object = cache.get(kind, id)
    return object !== undefined && service.visible(context, kind, object)
  }

  /** By id or, like the command line's users, by name. */
  const portOf = (context: Context, word: string): Port => {
    if (cache.get('ports', word) !== undefined) return service.find(context, 'ports', word)
    const named = cache.select('ports', 'name', word).filter((each) => service.visible(context, 'ports', each))
    if (named.length > 1)
      throw conflict('PortNameNotUnique', `${named.length} ports have the name '${word}': give the id.`)
    if (named[0] === undefined) throw notFound('Port', word)
    return named[0]
  }

  const destinationOf = (context: Context, body: TraceBody): Ends['to'] => {
    // A DHCP client asks everybody.
    if (body.to === null && body.protocol === 'dhcp') return { address: '255.255.255.255' }
    if (body.to === null) throw badRequest("Failed to parse request. Required attribute 'to' not specified")
    if (parseIp(body.to) !== undefined) return { address: body.to }
    return { port: portOf(context, body.to).id }
  }

  const endsOf = (context: Context, body: TraceBody, from: string): Ends => {
    const source = portOf(context, from)
    if (!context.admin && source.project_id !== context.projectId) throw forbidden('rule:create_trace:from')
    const to = destinationOf(context, body)
    const isSix = 'address' in to && to.address.includes(':')
    return {
      from: source.id,
      to,
      protocol: body.protocol === ICMP && isSix ? ICMPV6 : body.protocol,
      sourcePort: body.source_port,
      destinationPort: body.destination_port,
      icmpType: body.icmp_type,
      icmpCode: body.icmp_code,
      ttl: body.ttl,
    }
  }

  const questionOf = (context: Context, body: TraceBody): Question => {
    const { size, state, from, host, flow } = body
    if (from !== null && flow === null && host === null) return { size, state, ends: endsOf(context, body, from) }
    if (from !== null || flow === null || host === null)
      throw badRequest("Describe the packet by 'from' and 'to', or by 'host' and 'flow'")
    requireAdmin(context, 'create_trace:flow')
    const id = operator.host(host)
    if (id === undefined) throw notFound('Host', host)
    return { size, state, host: id, flow }
  }

  app.post('/v1/trace', async (request) => {
    const { context } = request
    const given = parseBody(traceAttributes, plainBody(request.body), 'create', context, 'trace')
    const body = withDefaults(traceAttributes, given) as unknown as TraceBody
    const live = body.live || queryOf(request).get('live') === 'true'
    if (live) requireAdmin(context, 'create_trace:live')
    await operator.reached(cache.revision)
    try {
      const question = questionOf(context, body)
      const report = operator.trace(question)
      const view = { cache, visible: (found: Found) => isVisible(context, found) }
      if (!context.admin) return showOwnTrace(report, view)
      return showTrace(report, view, live ? await operator.check(question, report) : null)
    } catch (error) {
      if (error instanceof TraceError) throw invalidInput(`Invalid input for ${error.field}. Reason: ${error.message}`)
      throw error
    }
  })
}

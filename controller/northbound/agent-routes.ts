// Agents, as Neutron calls the hosts, and what runs on which: DHCP of a network on every host with ports there; a router
// on every host with ports of its networks, its gateway on one of them all, which an operator may choose.
// oxlint-disable oxc/no-async-endpoint-handlers -- fastify, unlike Express, awaits its handlers
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { boolean, nullable, record, text, uuid } from './attribute-types.ts'
import { requireAdmin } from './auth.ts'
import { ApiError, badRequest, conflict, notFound } from './errors.ts'
import { idOf, queryOf, sendList, unwrap } from './http.ts'
import type { LiveAgent } from './live.ts'
import type { Network, Port, Router, RouterHost } from './model.ts'
import { parseQuery, type Row, select } from './query.ts'
import { type Attribute, attribute, computed, parseBody, parseOr } from './resource.ts'
import type { RouteOptions } from './resource-routes.ts'
import { routerInterfaces } from './resources/router-ports.ts'
import type { Transact } from './transaction.ts'
import { finisher } from './wait.ts'

const freeForm = { schema: { type: 'object' }, parse: (value: unknown) => value }

export const agentTable: Readonly<Record<string, Attribute>> = {
  id: computed(text()),
  agent_type: computed(text()),
  binary: computed(text()),
  topic: computed(text()),
  host: computed(text()),
  availability_zone: computed(text()),
  alive: computed(boolean),
  admin_state_up: attribute(boolean, { create: 'none', update: 'admin' }),
  description: attribute(text(), { create: 'none', update: 'admin' }),
  configurations: computed(freeForm),
  resources_synced: computed(boolean),
  created_at: computed(text()),
  started_at: computed(text()),
  heartbeat_timestamp: computed(text()),
}

/** In the list of a router's agents: `active` where its gateway is. */
const routerAgentTable = { ...agentTable, ha_state: computed(nullable(text())) }

export function agentRoutes(app: FastifyInstance, options: RouteOptions & { readonly transact: Transact }): void {
  const { environment, transact } = options
  const { live } = environment
  const { find, project, listing } = agentsOf(options)

  app.get('/v2.0/agents', (request) => listing(request, live.agents()))
  app.get('/v2.0/agents/:id', (request) => {
    const { fields } = parseQuery(queryOf(request), agentTable, request.context.admin)
    return { agent: select(project(find(request)), fields) }
  })
  app.put('/v2.0/agents/:id', async (request) => {
    const agent = find(request)
    const change = parseBody(agentTable, unwrap(request.body, 'agent'), 'update', request.context, 'agent')
    await transact((tx) => {
      const before = tx.get('agents', agent.id) ?? { id: agent.id, description: '', admin_state_up: true }
      tx.put('agents', { ...before, ...change })
    })
    return { agent: project(agent) }
  })
  app.delete('/v2.0/agents/:id', async (request, reply) => {
    const { id, host } = find(request)
    if (!live.forgetAgent(id))
      throw conflict('AgentInUse', `Agent ${id} (host ${host}) is connected: unset its manager first.`)
    await transact((tx) => tx.delete('agents', id))
    return reply.code(204).send()
  })
  dhcpRoutes(app, options)
  gatewayRoutes(app, options)
}

/** Reading agents, for administrators only. */
function agentsOf({ environment }: RouteOptions) {
  const { cache, live } = environment
  const project = (agent: LiveAgent): Row => {
    const settings = cache.get('agents', agent.id)
    return {
      id: agent.id,
      host: agent.host,
      alive: agent.alive,
      created_at: agent.created_at,
      started_at: agent.started_at,
      heartbeat_timestamp: agent.heartbeat_timestamp,
      configurations: agent.configurations,
      agent_type: 'Open vSwitch agent',
      binary: 'ovs-vswitchd',
      topic: 'N/A',
      availability_zone: 'default',
      admin_state_up: settings?.admin_state_up ?? true,
      description: settings?.description ?? '',
      resources_synced: agent.alive,
    }
  }
  const find = (request: FastifyRequest): LiveAgent => {
    requireAdmin(request.context, 'get_agent')
    const agent = live.agents().find(({ id }) => id === idOf(request))
    if (!agent) throw notFound('Agent', idOf(request))
    return agent
  }
  const listing = (request: FastifyRequest, agents: readonly LiveAgent[]): object => {
    requireAdmin(request.context, 'get_agent')
    return sendList(request, { name: 'agents', table: agentTable, rows: () => agents.map(project) })
  }
  return {
    project,
    find,
    listing,
    networksOn: (host: string): Set<string> =>
      new Set([...cache.all('ports')].filter((port) => live.portHost(port.id) === host).map((port) => port.network_id)),
    hostsOf: (networks: Iterable<string>): Set<string | undefined> =>
      new Set(
        [...networks]
          .flatMap((id): Port[] => cache.select('ports', 'network_id', id))
          .map((port) => live.portHost(port.id)),
      ),
  }
}

/** The id in the body of a POST to an agent's list. */
function memberOf(body: unknown, name: 'network_id' | 'router_id'): string {
  const given = parseOr(body, record({ [name]: { type: uuid } }), (reason) => badRequest(reason))
  return (given as Record<typeof name, string>)[name]
}

/** Each host answers the DHCP requests of its own ports; that cannot be given to another, nor taken away. */
function dhcpRoutes(app: FastifyInstance, options: RouteOptions): void {
  const { cache, live } = options.environment
  const { service } = options
  const { find, listing, networksOn, hostsOf } = agentsOf(options)
  const hasDhcp = (id: string): boolean =>
    cache.select('subnets', 'network_id', id).some((subnet) => subnet.enable_dhcp && subnet.ip_version === 4)

  app.get('/v2.0/networks/:id/dhcp-agents', (request) => {
    const { id } = service.find(request.context, 'networks', idOf(request))
    const hosts = hasDhcp(id) ? hostsOf([id]) : new Set()
    return listing(
      request,
      live.agents().filter(({ host }) => hosts.has(host)),
    )
  })
  app.get('/v2.0/agents/:id/dhcp-networks', (request) => {
    const served = [...networksOn(find(request).host)].filter(hasDhcp).flatMap((id) => cache.get('networks', id) ?? [])
    return { networks: served.map((network: Network) => service.project(request.context, 'networks', network)) }
  })
  const serves = (agent: LiveAgent, network: string): boolean => hasDhcp(network) && networksOn(agent.host).has(network)
  app.post('/v2.0/agents/:id/dhcp-networks', (request) => {
    const agent = find(request)
    const { id } = service.find(request.context, 'networks', memberOf(request.body, 'network_id'))
    if (serves(agent, id)) {
      throw conflict(
        'NetworkHostedByDHCPAgent',
        `The network ${id} has been already hosted by the DHCP Agent ${agent.id}.`,
      )
    }
    throw conflict(
      'SchedulingNotSupported',
      `The network ${id} cannot be given to the DHCP agent ${agent.id}: each host serves the networks of its ports that have DHCP.`,
    )
  })
  app.delete('/v2.0/agents/:id/dhcp-networks/:member', (request) => {
    const agent = find(request)
    const { id } = service.find(request.context, 'networks', (request.params as { member: string }).member)
    if (!serves(agent, id)) {
      throw conflict('NetworkNotHostedByDhcpAgent', `The network ${id} is not hosted by the DHCP agent ${agent.id}.`)
    }
    throw conflict(
      'SchedulingNotSupported',
      `The network ${id} cannot be taken from the DHCP agent ${agent.id}: each host serves the networks of its ports; enable_dhcp of its subnets turns DHCP off.`,
    )
  })
}

/** Routers on hosts. Between its subnets each host with ports routes for itself; what can be moved is the gateway. */
function gatewayRoutes(app: FastifyInstance, options: RouteOptions): void {
  const { cache, live } = options.environment
  const { service, waitRealized } = options
  const { find, project, networksOn, hostsOf } = agentsOf(options)
  const done = finisher(waitRealized)
  const networksOf = (router: Router): Set<string> =>
    new Set(routerInterfaces(cache, router.id).map((port) => port.network_id))
  const isGateway = (agent: LiveAgent, router: string): boolean =>
    cache.get('router_hosts', router)?.host === agent.systemId

  app.get('/v2.0/routers/:id/l3-agents', (request) => {
    requireAdmin(request.context, 'get_l3-agents')
    const router = service.find(request.context, 'routers', idOf(request))
    const hosts = hostsOf(networksOf(router))
    const there = live.agents().filter((agent) => hosts.has(agent.host) || isGateway(agent, router.id))
    const row = (agent: LiveAgent): Row => ({
      ...project(agent),
      ha_state: isGateway(agent, router.id) ? (agent.alive ? 'active' : 'fault') : null,
    })
    return sendList(request, { name: 'agents', table: routerAgentTable, rows: () => there.map(row) })
  })
  app.get('/v2.0/agents/:id/l3-routers', (request) => {
    const agent = find(request)
    const there = networksOn(agent.host)
    const found = [...cache.all('routers')].filter(
      (router) => isGateway(agent, router.id) || [...networksOf(router)].some((id) => there.has(id)),
    )
    return { routers: found.map((router) => service.project(request.context, 'routers', router)) }
  })

  const decide = (request: FastifyRequest, id: string, choose: (agent: LiveAgent, router: Router) => RouterHost) => {
    const agent = find(request)
    return service.act(request.context, 'routers', id, (router, { tx }) => {
      // The router keeps its gateway meanwhile.
      tx.guard(`routers/${router.id}`)
      tx.put('router_hosts', choose(agent, router))
    })
  }
  app.post('/v2.0/agents/:id/l3-routers', async (request, reply) => {
    const written = await decide(request, memberOf(request.body, 'router_id'), (agent, router) => {
      refuseHost(agent, router)
      return { id: router.id, host: agent.systemId, pinned: true, avoid: null }
    })
    return done(request, reply, { status: 201, body: {}, written })
  })
  app.delete('/v2.0/agents/:id/l3-routers/:member', async (request, reply) => {
    const { member } = request.params as { member: string }
    const written = await decide(request, member, (agent, router) => {
      // It stays until the controller has moved it.
      if (isGateway(agent, router.id)) {
        return { id: router.id, host: agent.systemId, pinned: false, avoid: agent.systemId }
      }
      throw conflict('RouterNotHostedByL3Agent', `The router ${router.id} is not hosted by L3 agent ${agent.id}.`)
    })
    return done(request, reply, { status: 204, body: undefined, written })
  })

  function refuseHost(agent: LiveAgent, router: Router): void {
    const network = router.external_gateway_info?.network_id
    if (network === undefined) {
      throw conflict(
        'RouterSchedulingFailed',
        `Failed scheduling router ${router.id} to the L3 Agent ${agent.id}: it has no external gateway, and between its subnets every host routes.`,
      )
    }
    const enabled = cache.get('agents', agent.id)?.admin_state_up ?? true
    if (!enabled) throw invalidAgent(agent, 'has been disabled')
    if (!agent.alive) throw invalidAgent(agent, 'is not connected')
    if (!live.carries(agent.id, network)) throw invalidAgent(agent, `has no way to the external network ${network}`)
  }
}

const invalidAgent = (agent: LiveAgent, reason: string): ApiError =>
  conflict('InvalidL3Agent', `Agent ${agent.id} (host ${agent.host}) ${reason}.`)

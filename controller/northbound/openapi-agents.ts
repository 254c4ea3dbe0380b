// The description of agents and of what runs on which.
import { agentTable } from './agent-routes.ts'
import { id, json, object, parameter, properties, reference, refusals, type Operation } from './openapi-parts.ts'

const tags = ['agents']
const text = { type: 'string' }
const list = (name: string, item: object): object => object({ [name]: { type: 'array', items: item } })

export const agentSchemas: Record<string, object> = {
  Agent: object(properties(agentTable, () => true)),
  AgentUpdate: object(properties(agentTable, (row) => row.update !== 'none')),
}

const read = (summary: string, answer: object, parameters: readonly object[] = [id]): Operation => ({
  tags,
  summary,
  parameters,
  responses: { 200: { description: 'The answer', ...json(answer) }, ...refusals(401, 403, 404) },
})

const write = (
  summary: string,
  [status, description]: readonly [number, string],
  body?: object,
  more: object[] = [],
): Operation => ({
  tags,
  summary,
  parameters: [id, ...more],
  ...(body && { requestBody: { required: true, ...json(body) } }),
  responses: { [status]: { description }, ...refusals(400, 401, 403, 404, 409) },
})

const agents = list('agents', reference('Agent'))
const agent = object({ agent: reference('Agent') })
const member = parameter('member', 'path', text)

export const agentPaths: Record<string, Record<string, Operation>> = {
  '/v2.0/agents': { get: read('List the hosts', agents, []) },
  '/v2.0/agents/{id}': {
    get: read('Show a host', agent),
    put: write('Change what an operator says of a host', [200, 'Changed'], object({ agent: reference('AgentUpdate') })),
    delete: write('Forget a host that is gone', [204, 'Forgotten']),
  },
  '/v2.0/networks/{id}/dhcp-agents': { get: read('The hosts that serve DHCP of a network', agents) },
  '/v2.0/agents/{id}/dhcp-networks': {
    get: read('The networks whose DHCP a host serves', list('networks', reference('Network'))),
  },
  '/v2.0/routers/{id}/l3-agents': { get: read('The hosts that a router is on', agents) },
  '/v2.0/agents/{id}/l3-routers': {
    get: read('The routers that are on a host', list('routers', reference('Router'))),
    post: write('Put the gateway of a router on a host', [201, 'Done'], object({ router_id: text }, ['router_id'])),
  },
  '/v2.0/agents/{id}/l3-routers/{member}': {
    delete: write('Take the gateway of a router from a host', [204, 'Done'], undefined, [member]),
  },
}

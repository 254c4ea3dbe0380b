// The description of the routes under /v1.
import { id, json, object, parameter, properties, refusals, type Operation } from './openapi-parts.ts'
import { traceAttributes } from './trace-routes.ts'

const tags = ['operators']
const list = { type: 'array', items: { type: 'object' } }
const anything = { type: 'object' }
const text = { type: 'string' }
const live = parameter('live', 'query', { type: 'boolean' })

const read = (summary: string, parameters: readonly object[], answer: object): { get: Operation } => ({
  get: {
    tags,
    summary,
    parameters,
    responses: { 200: { description: 'The answer', ...json(answer) }, ...refusals(401, 403, 404) },
  },
})

const counters = object({ counters: anything, complete: { type: 'boolean' } })

export function operatorPaths(): Record<string, Record<string, Operation>> {
  const trace = {
    tags,
    summary: 'Follow a packet through the tables of all hosts',
    parameters: [live],
    requestBody: { required: true, ...json(object(properties(traceAttributes, () => true))) },
    responses: {
      200: {
        description: 'Its way, what decided, and what becomes of it',
        ...json(
          object({
            packet: text,
            outcome: anything,
            decisions: list,
            hosts: list,
            unfollowed: { type: 'integer' },
            live: anything,
          }),
        ),
      },
      ...refusals(400, 401, 403, 404, 409),
    },
  }
  return {
    '/v1/trace': { post: trace },
    '/v1/explain/{id}': read(
      'The flows that an object causes on each host, and what was read for them',
      [id],
      object({ object: anything, hosts: list, read: list }),
    ),
    '/v1/hosts/{id}/flows': read(
      'The flows of a host, with the object behind each',
      [id, parameter('stage', 'query', text), live],
      object({ flows: list }),
    ),
    '/v1/security-groups/{id}/counters': read('Sessions, packets and bytes of each rule', [id], counters),
    '/v1/security-group-rules/{id}/counters': read('Sessions, packets and bytes of the rule', [id], counters),
  }
}

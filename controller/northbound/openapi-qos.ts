// The descriptions of the rules of QoS policies and of their types.
import { id, json, object, parameter, properties, reference, refusals, type Operation } from './openapi-parts.ts'
import { ruleTable, ruleTypeNames, ruleTypes } from './resources/qos-rules.ts'

const tags = ['qos_policies']
const wait = parameter('wait', 'query', { enum: ['realized'] })
const ok = (description: string, schema: object): object => ({ description, ...json(schema) })
const schemaOf = (type: string): string =>
  `Qos${type.replaceAll(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase())}Rule`

function one(name: string, schema: string, parameters: readonly object[]): Record<string, Operation> {
  const body = object({ [name]: reference(schema) })
  return {
    get: { tags, summary: 'Show a rule', parameters, responses: { 200: ok('The rule', body), ...refusals(401, 404) } },
    put: {
      tags,
      summary: 'Change a rule',
      parameters: [...parameters, wait],
      requestBody: { required: true, ...json(body) },
      responses: { 200: ok('Changed', body), ...refusals(400, 401, 403, 404, 409) },
    },
    delete: {
      tags,
      summary: 'Delete a rule',
      parameters: [...parameters, wait],
      responses: { 204: { description: 'Deleted' }, ...refusals(401, 403, 404) },
    },
  }
}

export function qosPaths(): Record<string, Record<string, Operation>> {
  const rule = parameter('rule', 'path', { type: 'string' })
  const rules = ruleTypeNames.flatMap((type) => {
    const name = `${type}_rule`
    const schema = schemaOf(type)
    const list = {
      get: {
        tags,
        summary: `List the ${type} rules of a policy`,
        parameters: [id],
        responses: {
          200: ok('The list', object({ [`${name}s`]: { type: 'array', items: reference(schema) } })),
          ...refusals(400, 401, 404),
        },
      },
      post: {
        tags,
        summary: `Give a policy a ${type} rule`,
        parameters: [id, wait],
        requestBody: { required: true, ...json(object({ [name]: reference(schema) })) },
        responses: { 201: ok('Created', object({ [name]: reference(schema) })), ...refusals(400, 401, 403, 404, 409) },
      },
    }
    return [
      [`/v2.0/qos/policies/{id}/${name}s`, list],
      [`/v2.0/qos/policies/{id}/${name}s/{rule}`, one(name, schema, [id, rule])],
      [`/v2.0/qos/alias-${name.replaceAll('_', '-')}s/{rule}`, one(`alias_${name}`, schema, [rule])],
    ] as const
  })
  const types = (summary: string, schema: object, parameters: readonly object[]): Record<string, Operation> => ({
    get: { tags, summary, parameters, responses: { 200: ok('As asked', schema), ...refusals(400, 401, 404) } },
  })
  const anything = { type: 'object' }
  return {
    ...Object.fromEntries(rules),
    '/v2.0/qos/rule-types': types(
      'List the types of rules',
      object({ rule_types: { type: 'array', items: anything } }),
      [parameter('all_rules', 'query', { type: 'boolean' }), parameter('all_supported', 'query', { type: 'boolean' })],
    ),
    '/v2.0/qos/rule-types/{id}': types('Show what a type of rules takes', object({ rule_type: anything }), [id]),
  }
}

export const qosSchemas = (): Record<string, object> =>
  Object.fromEntries(
    ruleTypeNames.map((type) => {
      const required = Object.entries(ruleTypes[type].attributes).filter(([, row]) => row.default === undefined)
      return [
        schemaOf(type),
        object(
          properties(ruleTable(type), () => true),
          required.map(([name]) => name),
        ),
      ]
    }),
  )

// The rules of QoS policies under their policy and, by their id alone, under alias addresses; and the types of rules.
// oxlint-disable oxc/no-async-endpoint-handlers -- fastify, unlike Express, awaits its handlers
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { boolean, oneOf, text } from './attribute-types.ts'
import { requireAdmin } from './auth.ts'
import { notFound } from './errors.ts'
import { idOf, ifMatch, queryOf, sendList, unwrap } from './http.ts'
import type { QosPolicy, QosRule, QosRuleType } from './model.ts'
import { parseQuery, select } from './query.ts'
import { type Attribute, computed } from './resource.ts'
import type { RouteOptions } from './resource-routes.ts'
import {
  createRule,
  removeRule,
  ruleNotFound,
  ruleOf,
  rulesOf,
  ruleTable,
  ruleTypeNames,
  ruleTypes,
  showRule,
  updateRule,
} from './resources/qos-rules.ts'
import { supportedRuleTypes } from './resources/qos-use.ts'
import type { Written } from './transaction.ts'
import { finisher } from './wait.ts'

export function qosRoutes(app: FastifyInstance, options: RouteOptions): void {
  for (const type of ruleTypeNames) ruleRoutes(app, type, options)
  typeRoutes(app)
}

const ruleIdOf = (request: FastifyRequest): string => (request.params as { rule: string }).rule

function ruleRoutes(
  app: FastifyInstance,
  type: QosRuleType,
  { environment, service, waitRealized }: RouteOptions,
): void {
  const done = finisher(waitRealized)
  const table = ruleTable(type)
  const singular = `${type}_rule`
  const collection = `/v2.0/qos/policies/:id/${singular}s`
  const policyOf = (request: FastifyRequest): QosPolicy => service.find(request.context, 'qos_policies', idOf(request))
  /** Of the policy that an alias address does not name. */
  const policyOfRule = (request: FastifyRequest): QosPolicy => {
    const rule = ruleIdOf(request)
    const [policy] = environment.cache.select('qos_policies', 'rule', rule)
    if (!policy || !service.visible(request.context, 'qos_policies', policy)) throw ruleNotFound(rule, '')
    return policy
  }
  const answer = (status: number, name: string, rule: QosRule, written: Written<unknown>) => ({
    status,
    body: { [name]: showRule(rule) },
    written,
  })

  app.get(collection, (request) =>
    sendList(request, { name: `${singular}s`, table, rows: () => rulesOf(policyOf(request), type).map(showRule) }),
  )
  app.post(collection, async (request, reply) => {
    const { id } = policyOf(request)
    const body = unwrap(request.body, singular)
    const written = await service.act(
      request.context,
      'qos_policies',
      id,
      (policy, operation) => createRule(policy, type, body, operation),
      ifMatch(request),
    )
    return done(request, reply, answer(201, singular, written.result, written))
  })

  const single = (path: string, name: string, find: (request: FastifyRequest) => QosPolicy): void => {
    app.get(path, (request) => {
      const { fields } = parseQuery(queryOf(request), table, request.context.admin)
      return { [name]: select(showRule(ruleOf(find(request), type, ruleIdOf(request))), fields) }
    })
    app.put(path, async (request, reply) => {
      const body = unwrap(request.body, name)
      const written = await service.act(
        request.context,
        'qos_policies',
        find(request).id,
        (policy, operation) => updateRule(policy, type, ruleIdOf(request), body, operation),
        ifMatch(request),
      )
      return done(request, reply, answer(200, name, written.result, written))
    })
    app.delete(path, async (request, reply) => {
      const written = await service.act(
        request.context,
        'qos_policies',
        find(request).id,
        (policy, operation) => removeRule(policy, type, ruleIdOf(request), operation),
        ifMatch(request),
      )
      return done(request, reply, { status: 204, body: undefined, written })
    })
  }
  single(`${collection}/:rule`, singular, policyOf)
  single(`/v2.0/qos/alias-${singular.replaceAll('_', '-')}s/:rule`, `alias_${singular}`, policyOfRule)
}

const typeTable: Readonly<Record<string, Attribute>> = {
  type: computed(oneOf(...ruleTypeNames)),
  drivers: computed({ ...text(), schema: { type: 'array', items: { type: 'object' } } }),
}
/** Only in queries: all types that there are, or those that all hosts keep, which are no others. */
const typeFilters = { all_rules: computed(boolean), all_supported: computed(boolean) }

function parametersOf(type: QosRuleType): object[] {
  return Object.entries(ruleTypes[type].attributes).map(([name, attribute]) => {
    const { minimum: start, maximum: end, enum: choices } = attribute.type.schema as Record<string, unknown>
    return choices === undefined
      ? { parameter_name: name, parameter_type: 'range', parameter_values: { start, end } }
      : { parameter_name: name, parameter_type: 'choices', parameter_values: choices }
  })
}

const driversOf = (type: QosRuleType): object[] =>
  supportedRuleTypes.has(type) ? [{ name: 'openvswitch', supported_parameters: parametersOf(type) }] : []

function typeRoutes(app: FastifyInstance): void {
  app.get('/v2.0/qos/rule-types', (request) =>
    sendList(request, {
      name: 'rule_types',
      table: { ...typeTable, ...typeFilters },
      rowFilters: Object.keys(typeFilters),
      rows: ({ filters }) => {
        const isAll = filters.some(({ name, values }) => name === 'all_rules' && values.includes(true))
        return ruleTypeNames.filter((type) => isAll || supportedRuleTypes.has(type)).map((type) => ({ type }))
      },
    }),
  )
  app.get('/v2.0/qos/rule-types/:id', (request) => {
    requireAdmin(request.context, 'get_rule_type')
    const type = ruleTypeNames.find((each) => each === idOf(request))
    if (type === undefined) throw notFound('QosRuleType', idOf(request))
    return { rule_type: { type, drivers: driversOf(type) } }
  })
}

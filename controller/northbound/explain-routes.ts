// Why hosts have the flows that they have: GET /v1/explain/{object}, GET /v1/hosts/{id}/flows; and what the flows of
// security group rules have counted.
// oxlint-disable oxc/no-async-endpoint-handlers -- fastify, unlike Express, awaits its handlers
import type { FastifyInstance } from 'fastify'
import { requireAdmin } from './auth.ts'
import { notFound } from './errors.ts'
import { idOf, queryOf } from './http.ts'
import { singularOf } from './model.ts'
import type { Counters, HostFlow } from './operator.ts'
import { findObjects, referenceTo, type Found, type ObjectReference } from './origins.ts'
import { rulesOf } from './resources/group-access.ts'
import { resourceKinds } from './resources/index.ts'
import type { OperatorOptions } from './trace-routes.ts'

const NOTHING: Counters = { sessions: 0, packets: 0, bytes: 0 }

export function explainRoutes(app: FastifyInstance, { environment, service, operator }: OperatorOptions): void {
  const { cache } = environment

  const show = ({ table, stage, flow, live }: HostFlow, object: ObjectReference | null): object => ({
    table,
    stage,
    priority: flow.priority,
    match: flow.match,
    actions: flow.actions,
    cookie: flow.cookie,
    app: flow.origin?.app ?? null,
    object,
    ...(live && { live }),
  })

  const find = (id: string): Found => {
    const kind = resourceKinds.find((each) => cache.get(each, id) !== undefined)
    if (kind === undefined) throw notFound('Object', id)
    return { kind, id }
  }

  /** A row that a rule has read: an object of the API, or a fact about a host. */
  const rowOf = ({ table, key }: { readonly table: string; readonly key: string }): object => {
    const kind = resourceKinds.find((each) => singularOf(each) === table.replaceAll(' ', '_'))
    if (kind === undefined || cache.get(kind, key) === undefined) return { kind: table, id: key }
    return referenceTo(cache, { kind, id: key })
  }

  app.get('/v1/explain/:id', async (request) => {
    requireAdmin(request.context, 'get_explain')
    const object = referenceTo(cache, find(idOf(request)))
    await operator.reached(cache.revision)
    const { hosts, rules } = operator.explain(object.id)
    return {
      object,
      hosts: hosts.map(({ host, unconfirmed, flows }) => ({
        host,
        confirmed: unconfirmed === null,
        reason: unconfirmed,
        flows: flows.map((flow) => show(flow, object)),
      })),
      read: rules.map(({ rule, key, rows }) => ({ rule, key, rows: rows.map(rowOf) })),
    }
  })

  app.get('/v1/hosts/:id/flows', async (request) => {
    requireAdmin(request.context, 'get_host_flows')
    const host = operator.host(idOf(request))
    if (host === undefined) throw notFound('Host', idOf(request))
    await operator.reached(cache.revision)
    const params = queryOf(request)
    const stage = params.get('stage')
    const flows = await operator.flows(host, params.get('live') === 'true')
    const asked = flows.filter((each) => stage === null || each.stage === stage)
    const found = findObjects(
      cache,
      asked.flatMap(({ flow }) => flow.origin?.object ?? []),
    )
    return {
      flows: asked.map((each) => {
        const origin = found.get(each.flow.origin?.object ?? '')
        return show(each, origin === undefined ? null : referenceTo(cache, origin))
      }),
    }
  })

  const sum = (all: readonly Counters[]): Counters =>
    all.reduce(
      (a, b) => ({ sessions: a.sessions + b.sessions, packets: a.packets + b.packets, bytes: a.bytes + b.bytes }),
      NOTHING,
    )

  app.get('/v1/security-group-rules/:id/counters', async (request) => {
    const rule = service.find(request.context, 'security_group_rules', idOf(request))
    await operator.reached(cache.revision)
    const { counters, missing } = await operator.count([rule.id])
    return { counters: { id: rule.id, ...(counters.get(rule.id) ?? NOTHING) }, complete: missing.length === 0 }
  })

  app.get('/v1/security-groups/:id/counters', async (request) => {
    const group = service.find(request.context, 'security_groups', idOf(request))
    const rules = rulesOf(cache, group.id)
    await operator.reached(cache.revision)
    const { counters, missing } = await operator.count(rules.map(({ id }) => id))
    const each = rules.map(({ id }) => ({ id, ...(counters.get(id) ?? NOTHING) }))
    return { counters: { id: group.id, ...sum(each), rules: each }, complete: missing.length === 0 }
  })
}

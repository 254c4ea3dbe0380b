// The actions of security groups and address groups beside create, update and delete.
// oxlint-disable oxc/no-async-endpoint-handlers -- fastify, unlike Express, awaits its handlers
import type { FastifyInstance } from 'fastify'
import { badRequest } from './errors.ts'
import { idOf, ifMatch, queryOf, unwrapRows } from './http.ts'
import { pathOf, type Model } from './model.ts'
import type { Operation } from './resource.ts'
import type { RouteOptions } from './resource-routes.ts'
import { addAddresses, removeAddresses } from './resources/address-groups.ts'
import { rulesOf } from './resources/group-access.ts'
import { resources } from './resources/index.ts'
import { csvToRows, exportRules, importRules, rowsToCsv } from './resources/rule-import.ts'
import { insertRule } from './resources/rule-order.ts'
import { finisher } from './wait.ts'

type ActingKind = 'security_groups' | 'address_groups'

export function securityGroupRoutes(app: FastifyInstance, options: RouteOptions): void {
  const { environment, service, waitRealized } = options
  const done = finisher(waitRealized)

  /** Runs on one object and answers with it. */
  function action<K extends ActingKind>(
    method: 'POST' | 'PUT',
    kind: K,
    name: string,
    run: (object: Model[K], operation: Operation, body: unknown) => void,
  ): void {
    app.route({
      method,
      url: `/v2.0/${pathOf(kind)}/:id/${name}`,
      handler: async (request, reply) => {
        const id = idOf(request)
        const written = await service.act(
          request.context,
          kind,
          id,
          (object, operation) => run(object, operation, request.body),
          ifMatch(request),
        )
        const shown = service.project(request.context, kind, service.find(request.context, kind, id))
        const body = { [resources[kind].singular]: shown }
        return done(request, reply, { status: 200, body, object: { kind, id }, written })
      },
    })
  }

  action('PUT', 'address_groups', 'add_addresses', addAddresses)
  action('PUT', 'address_groups', 'remove_addresses', removeAddresses)
  action('PUT', 'security_groups', 'insert_rule', insertRule)
  action('POST', 'security_groups', 'import', (group, operation, body) =>
    importRules(
      group,
      operation,
      typeof body === 'string' ? csvToRows(body) : unwrapRows(body, 'security_group_rules'),
    ),
  )

  app.get('/v2.0/security-groups/:id/export', (request, reply) => {
    const group = service.find(request.context, 'security_groups', idOf(request))
    const rows = exportRules(group, rulesOf(environment.cache, group.id))
    const format = queryOf(request).get('format') ?? 'json'
    if (format === 'json') return { security_group_rules: rows }
    if (format === 'csv') return reply.type('text/csv; charset=utf-8').send(rowsToCsv(rows))
    throw badRequest(`Invalid value for format: '${format}'; expected json or csv`)
  })
}

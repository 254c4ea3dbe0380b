// The routes that every resource has: list, create, show, update, delete, tags. And the actions of routers.
// oxlint-disable oxc/no-async-endpoint-handlers -- fastify, unlike Express, awaits its handlers
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { badRequest, invalidInput, noRoute } from './errors.ts'
import { idOf, ifMatch, queryOf, sendList, unwrap, unwrapMany } from './http.ts'
import type { WaitRealized } from './live.ts'
import { collectionOf, pathOf, type ResourceKind } from './model.ts'
import { parseQuery, type Query, select } from './query.ts'
import type { Environment } from './resource.ts'
import { resourceKinds, resources } from './resources/index.ts'
import {
  addExtraRoutes,
  addRouterInterface,
  removeExtraRoutes,
  removeRouterInterface,
  type RouterAction,
} from './resources/router-actions.ts'
import type { Service } from './service.ts'
import { finisher } from './wait.ts'

export interface RouteOptions {
  readonly environment: Environment
  readonly service: Service
  readonly waitRealized: WaitRealized | undefined
}

export function resourceRoutes(app: FastifyInstance, options: RouteOptions): void {
  for (const kind of resourceKinds) collectionRoutes(app, kind, options)
  routerRoutes(app, options)
}

function collectionRoutes(
  app: FastifyInstance,
  kind: ResourceKind,
  { environment, service, waitRealized }: RouteOptions,
): void {
  const { singular, attributes } = resources[kind]
  const collection = collectionOf(kind)
  const path = `/v2.0/${pathOf(kind)}`
  const done = finisher(waitRealized)

  app.get(path, async (request) => {
    await service.ensure(request.context, kind, request.context.projectId)
    return sendList(request, {
      name: collection,
      table: attributes,
      rows: (query) => visibleRows(request, query),
    })
  })

  function* visibleRows(request: FastifyRequest, query: Query): Iterable<Record<string, unknown>> {
    for (const object of candidates(query)) {
      if (service.visible(request.context, kind, object)) yield service.project(request.context, kind, object)
    }
  }

  /** By an index when a filter has one; filters are applied to the result anyway. */
  function candidates(query: Query) {
    const { cache } = environment
    const byId = query.filters.find(({ name }) => name === 'id')
    if (byId) return byId.values.flatMap((id) => cache.get(kind, String(id)) ?? [])
    // The host shown may be an observed one, which no index of stored objects knows.
    const indexed = query.filters.find(({ name }) => cache.indexed(kind, name) && !name.startsWith('binding:'))
    if (!indexed) return cache.all(kind)
    return [...new Set(indexed.values)].flatMap((value) => cache.select(kind, indexed.name, String(value)))
  }

  app.post(path, async (request, reply) => {
    const { bodies, bulk } = unwrapMany(request.body, singular, collection)
    const written = await service.create(request.context, kind, bodies)
    const rows = written.result.map((object) => service.project(request.context, kind, object))
    const body = bulk ? { [collection]: rows } : { [singular]: rows[0] }
    return done(request, reply, { status: 201, body, written })
  })

  app.get(`${path}/:id`, (request) => {
    const object = service.find(request.context, kind, idOf(request))
    const params = queryOf(request)
    const { fields } = parseQuery(params, attributes, request.context.admin)
    return { [singular]: select(service.project(request.context, kind, object), fields) }
  })

  app.put(`${path}/:id`, async (request, reply) => {
    const id = idOf(request)
    const given = unwrap(request.body, singular)
    const written = await service.update(request.context, kind, id, given, ifMatch(request))
    const body = { [singular]: service.project(request.context, kind, written.result) }
    return done(request, reply, { status: 200, body, object: { kind, id }, written })
  })

  app.delete(`${path}/:id`, async (request, reply) => {
    const id = idOf(request)
    const written = await service.remove(request.context, kind, id, ifMatch(request))
    return done(request, reply, { status: 204, body: undefined, written })
  })

  tagRoutes(app, kind, service)
}

const maximumTagLength = 60
const maximumTags = 50

function tagRoutes(app: FastifyInstance, kind: ResourceKind, service: Service): void {
  const path = `/v2.0/${pathOf(kind)}/:id/tags`
  const tagOf = (request: FastifyRequest): string => (request.params as { tag: string }).tag
  const set = async (request: FastifyRequest, change: (tags: readonly string[]) => readonly string[]) =>
    (await service.setTags(request.context, kind, idOf(request), (tags) => checkTags(change(tags)), ifMatch(request)))
      .result

  app.get(path, (request) => ({ tags: service.find(request.context, kind, idOf(request)).tags }))
  app.put(path, async (request) => {
    const { tags } = (request.body ?? {}) as { tags?: unknown }
    if (!Array.isArray(tags)) throw badRequest("Invalid tags body: expected {'tags': [...]}")
    return { tags: await set(request, () => tags as string[]) }
  })
  app.delete(path, async (request, reply) => {
    await set(request, () => [])
    return reply.code(204).send()
  })
  app.get(`${path}/:tag`, (request, reply) => {
    const { tags } = service.find(request.context, kind, idOf(request))
    if (!tags.includes(tagOf(request))) throw noRoute()
    return reply.code(204).send()
  })
  app.put(`${path}/:tag`, async (request, reply) => {
    await set(request, (tags) => [...tags, tagOf(request)])
    return reply.code(201).send()
  })
  app.delete(`${path}/:tag`, async (request, reply) => {
    await set(request, (tags) => {
      if (!tags.includes(tagOf(request))) throw noRoute()
      return tags.filter((tag) => tag !== tagOf(request))
    })
    return reply.code(204).send()
  })
}

function checkTags(tags: readonly unknown[]): readonly string[] {
  const bad = tags.find(
    (tag) => typeof tag !== 'string' || tag === '' || tag.length > maximumTagLength || tag.includes(','),
  )
  if (bad !== undefined) {
    throw invalidInput(`tag ${JSON.stringify(bad)} is not a text of 1 to ${maximumTagLength} characters without commas`)
  }
  if (tags.length > maximumTags) throw invalidInput(`more than ${maximumTags} tags`)
  return tags as readonly string[]
}

function routerRoutes(app: FastifyInstance, { service, waitRealized }: RouteOptions): void {
  const done = finisher(waitRealized)
  const act = (request: FastifyRequest, run: (action: RouterAction) => object) =>
    service.act(
      request.context,
      'routers',
      idOf(request),
      (router, operation) => run({ ...operation, router, body: request.body }),
      ifMatch(request),
    )
  const interfaces = { add_router_interface: addRouterInterface, remove_router_interface: removeRouterInterface }
  for (const [name, run] of Object.entries(interfaces)) {
    app.put(`/v2.0/routers/:id/${name}`, async (request, reply) => {
      const written = await act(request, run)
      const object = { kind: 'routers', id: idOf(request) } as const
      return done(request, reply, { status: 200, body: written.result, object, written })
    })
  }
  const routes = { add_extraroutes: addExtraRoutes, remove_extraroutes: removeExtraRoutes }
  for (const [name, run] of Object.entries(routes)) {
    app.put(`/v2.0/routers/:id/${name}`, async (request, reply) => {
      const id = idOf(request)
      const written = await act(request, run)
      const router = service.project(request.context, 'routers', service.find(request.context, 'routers', id))
      return done(request, reply, { status: 200, body: { router }, object: { kind: 'routers', id }, written })
    })
  }
}

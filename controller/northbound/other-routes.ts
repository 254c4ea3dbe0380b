// Resources that are not owned objects: quotas, IP availability, availability zones, extensions, versions.
// oxlint-disable oxc/no-async-endpoint-handlers -- fastify, unlike Express, awaits its handlers
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { parseIp } from './address.ts'
import { integer, oneOf, text } from './attribute-types.ts'
import { requireAdmin } from './auth.ts'
import { ApiError, forbidden, notFound } from './errors.ts'
import { extensions } from './extensions.ts'
import { baseUrl, idOf, sendList, unwrap } from './http.ts'
import { type Network, pathOf, type Port, type Quota, type ResourceKind, type Subnet } from './model.ts'
import { quotaName, quotaOf } from './quota.ts'
import type { Row } from './query.ts'
import { type Attribute, attribute, computed, type Environment, parseBody } from './resource.ts'
import { resourceKinds } from './resources/index.ts'
import type { Service } from './service.ts'
import type { Transact } from './transaction.ts'

export interface OtherOptions {
  readonly environment: Environment
  readonly service: Service
  readonly transact: Transact
}

export function otherRoutes(app: FastifyInstance, options: OtherOptions): void {
  versionRoutes(app)
  quotaRoutes(app, options)
  availabilityRoutes(app, options)
}

const listOfTexts = { ...text(), schema: { type: 'array', items: { type: 'string' } } }
const freeForm = { schema: { type: 'object' }, parse: (value: unknown) => value }

const extensionTable = {
  alias: computed(text()),
  name: computed(text()),
  description: computed(text()),
  updated: computed(text()),
  links: computed(listOfTexts),
}

function versionRoutes(app: FastifyInstance): void {
  const version = (request: FastifyRequest): object => ({
    id: 'v2.0',
    status: 'CURRENT',
    links: [{ rel: 'self', href: `${baseUrl(request)}/v2.0/` }],
  })
  app.get('/', (request) => ({ versions: [version(request)] }))
  app.get('/v2.0', (request) => ({
    version: version(request),
    resources: [
      ...resourceKinds.map(pathOf),
      'agents',
      'quotas',
      'extensions',
      'network-ip-availabilities',
      'availability_zones',
    ].map((name) => ({
      name,
      collection: name,
      links: [{ rel: 'self', href: `${baseUrl(request)}/v2.0/${name}` }],
    })),
  }))
  app.get('/v2.0/extensions', (request) =>
    sendList(request, {
      name: 'extensions',
      table: extensionTable,
      rows: () => extensions.map((each) => ({ ...each })),
    }),
  )
  app.get('/v2.0/extensions/:id', (request) => {
    const extension = extensions.find(({ alias }) => alias === idOf(request))
    if (!extension) throw new ApiError(404, 'ExtensionNotFound', `Extension with alias ${idOf(request)} does not exist`)
    return { extension }
  })
  app.get('/v2.0/availability_zones', (request) =>
    sendList(request, {
      name: 'availability_zones',
      table: { name: computed(text()), resource: computed(text()), state: computed(text()) },
      rows: () => ['network', 'router'].map((resource) => ({ name: 'default', resource, state: 'available' })),
    }),
  )
}

const quotaNames = Object.fromEntries(resourceKinds.map((kind) => [quotaName(kind), kind]))
/** -1: no limit. */
const quotaTable = Object.fromEntries(
  Object.keys(quotaNames).map((name) => [name, attribute(integer(-1, 2_147_483_647), { update: 'admin' })]),
)

function quotaRoutes(app: FastifyInstance, { environment, transact }: OtherOptions): void {
  const { cache, settings } = environment
  const each = (value: (kind: ResourceKind) => unknown): Row =>
    Object.fromEntries(resourceKinds.map((kind) => [quotaName(kind), value(kind)]))
  const limits = (project: string): Row => each((kind) => quotaOf(cache, settings, kind, project))
  const readable = (request: FastifyRequest): string => {
    if (!request.context.admin && request.context.projectId !== idOf(request)) throw forbidden('rule:get_quota')
    return idOf(request)
  }

  app.get('/v2.0/quotas', (request) => {
    requireAdmin(request.context, 'get_quota')
    const rows = [...cache.all('quotas')].map(({ id }) => ({ project_id: id, tenant_id: id, ...limits(id) }))
    return sendList(request, {
      name: 'quotas',
      table: { ...quotaTable, project_id: computed(text()), tenant_id: computed(text()) },
      rows: () => rows,
    })
  })
  app.get('/v2.0/quotas/:id', (request) => ({ quota: limits(readable(request)) }))
  app.get('/v2.0/quotas/:id/default', (request) => {
    readable(request)
    return { quota: each((kind) => settings.quota[kind]) }
  })
  app.get('/v2.0/quotas/:id/details', (request) => {
    const project = readable(request)
    const used = (kind: ResourceKind): number => cache.count(kind, 'project_id', project)
    return {
      quota: each((kind) => ({ limit: quotaOf(cache, settings, kind, project), used: used(kind), reserved: 0 })),
    }
  })
  app.put('/v2.0/quotas/:id', async (request) => {
    requireAdmin(request.context, 'update_quota')
    const body = { ...unwrap(request.body, 'quota') }
    delete body.project_id
    delete body.tenant_id
    const change = parseBody(quotaTable, body, 'update', request.context, 'quota')
    const id = idOf(request)
    await transact((tx) => {
      const before: Quota = tx.get('quotas', id) ?? { id, limits: {} }
      const given = Object.fromEntries(Object.entries(change).map(([name, limit]) => [quotaNames[name], limit]))
      tx.put('quotas', { id, limits: { ...before.limits, ...given } })
    })
    return { quota: limits(id) }
  })
  app.delete('/v2.0/quotas/:id', async (request, reply) => {
    requireAdmin(request.context, 'delete_quota')
    if (!cache.get('quotas', idOf(request))) throw notFound('TenantQuota', idOf(request))
    await transact((tx) => tx.delete('quotas', idOf(request)))
    return reply.code(204).send()
  })
}

const availabilityTable: Readonly<Record<string, Attribute>> = {
  network_id: computed(text()),
  network_name: computed(text()),
  project_id: computed(text()),
  tenant_id: computed(text()),
  total_ips: computed(integer(0, Number.MAX_SAFE_INTEGER)),
  used_ips: computed(integer(0, Number.MAX_SAFE_INTEGER)),
  subnet_ip_availability: computed(freeForm),
  ip_version: computed(oneOf(4, 6)),
}

function availabilityRoutes(app: FastifyInstance, { environment, service }: OtherOptions): void {
  const { cache } = environment
  const addresses = (port: Port, subnet: Subnet): number =>
    port.fixed_ips.filter((ip) => ip.subnet_id === subnet.id).length
  const ofSubnet = (subnet: Subnet) => ({
    subnet_id: subnet.id,
    subnet_name: subnet.name,
    cidr: subnet.cidr,
    ip_version: subnet.ip_version,
    total_ips: subnet.allocation_pools.reduce((sum, pool) => sum + poolSize(pool.start, pool.end), 0),
    used_ips: cache.select('ports', 'subnet', subnet.id).reduce((sum, port) => sum + addresses(port, subnet), 0),
  })
  const ofNetwork = (network: Network, versions: readonly unknown[]): Row => {
    const all = cache.select('subnets', 'network_id', network.id)
    const subnets = all.filter((each) => versions.length === 0 || versions.includes(each.ip_version)).map(ofSubnet)
    return {
      network_id: network.id,
      network_name: network.name,
      project_id: network.project_id,
      tenant_id: network.project_id,
      total_ips: subnets.reduce((sum, each) => sum + each.total_ips, 0),
      used_ips: subnets.reduce((sum, each) => sum + each.used_ips, 0),
      subnet_ip_availability: subnets,
    }
  }

  app.get('/v2.0/network-ip-availabilities', (request) => {
    requireAdmin(request.context, 'get_network_ip_availability')
    return sendList(request, {
      name: 'network_ip_availabilities',
      table: availabilityTable,
      // Selects subnets inside the rows, not rows.
      rowFilters: ['ip_version'],
      rows: (query) => {
        const versions = query.filters.find(({ name }) => name === 'ip_version')?.values ?? []
        return [...cache.all('networks')].map((network) => ofNetwork(network, versions))
      },
    })
  })
  app.get('/v2.0/network-ip-availabilities/:id', (request) => {
    requireAdmin(request.context, 'get_network_ip_availability')
    const network = service.find(request.context, 'networks', idOf(request))
    return { network_ip_availability: ofNetwork(network, []) }
  })
}

function poolSize(start: string, end: string): number {
  const [first, last] = [parseIp(start), parseIp(end)]
  return first && last ? Number(last.value - first.value + 1n) : 0
}

// The northbound server: one fastify instance with all doors. It opens no socket: the composition root calls listen.
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import fastify, {
  LogController,
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify'
import { Registry } from 'prom-client'
import { agentRoutes } from './agent-routes.ts'
import { credentialAuthenticator, openAuthenticator, requireLocal } from './auth.ts'
import { Cache } from './cache.ts'
import type { Credentials } from './credentials.ts'
import { ApiError, badRequest, identityBody, neutronBody, noRoute } from './errors.ts'
import { explainRoutes } from './explain-routes.ts'
import { serveEvents } from './events.ts'
import { identityDoor, identityRoutes } from './identity.ts'
import type { Store } from '../store/index.ts'
import type { LiveState, WaitRealized } from './live.ts'
import { measure } from './metrics.ts'
import type { Operator } from './operator.ts'
import { openApi } from './openapi.ts'
import { otherRoutes } from './other-routes.ts'
import { resourceRoutes } from './resource-routes.ts'
import type { Settings } from './resource.ts'
import { adoptNetworks, serveDeferredPorts } from './segment-upkeep.ts'
import { createService } from './service.ts'
import { qosRoutes } from './qos-routes.ts'
import { securityGroupRoutes } from './security-group-routes.ts'
import { traceRoutes } from './trace-routes.ts'
import { transactor } from './transaction.ts'
import { checkWait } from './wait.ts'

export interface NorthboundOptions {
  readonly store: Store
  readonly live: LiveState
  readonly waitRealized?: WaitRealized
  /** Without it there are no traces and explanations. */
  readonly operator?: Operator
  /** Without them everyone on this machine is the operator, and nobody else may ask. */
  readonly credentials?: Credentials
  readonly settings?: Partial<Settings>
  readonly registry?: Registry
  readonly logger?: FastifyBaseLogger
  /** The reason why the controller is not ready, if it is not. */
  readonly unready?: () => string | undefined
  readonly now?: () => Date
  readonly tls?: { readonly key: Buffer; readonly cert: Buffer; readonly ca?: Buffer }
}

export const defaultSettings: Settings = {
  mtu: { underlay: 1500 },
  segmentRange: { first: 1, last: 16_777_215 },
  vlanRanges: [],
  // Neutron's defaults.
  quota: {
    networks: 100,
    segments: -1,
    subnets: 100,
    ports: 500,
    routers: 10,
    security_groups: 10,
    security_group_rules: 100,
    address_groups: 10,
    subnetpools: -1,
    address_scopes: -1,
    qos_policies: -1,
  },
  dnsDomain: 'weft.internal.',
  defaultNetworkType: 'vxlan',
}

/** Bulk requests of some thousand ports. */
const maximumBodyBytes = 16 * 1024 * 1024

export async function createNorthbound(options: NorthboundOptions): Promise<FastifyInstance> {
  const { store, live, credentials, now = () => new Date() } = options
  const settings = { ...defaultSettings, ...options.settings }
  const cache = await Cache.open(store)
  const transact = transactor(store, cache)
  const environment = { cache, live, settings }
  const service = createService({ ...environment, transact, now })
  const authenticator = credentials ? credentialAuthenticator(credentials, now) : openAuthenticator()

  const app = fastify({
    bodyLimit: maximumBodyBytes,
    ...(options.logger ? { loggerInstance: options.logger } : {}),
    ...(options.tls ? { https: options.tls } : {}),
    logController: new LogController({ disableRequestLogging: true }),
    rewriteUrl: (request) => canonicalPath(request.url ?? '/'),
    routerOptions: { maxParamLength: 1024 },
    forceCloseConnections: true,
  }) as unknown as FastifyInstance
  app.decorateRequest('context', null as never)
  acceptBodies(app)
  app.setErrorHandler(sendError)
  app.setNotFoundHandler((request, reply) =>
    sendError(noRoute(`${request.method} ${request.url.split('?')[0]}`), request, reply),
  )
  app.addHook('onRequest', async (request) => {
    if (authenticator.open) requireLocal(request.socket?.localAddress, request.headers.host)
  })

  const specification = openApi()
  await app.register(swagger, { mode: 'static', specification: { document: specification as never } })
  await app.register(swaggerUi, { routePrefix: '/docs' })
  app.get('/openapi.json', () => specification)
  app.get('/healthz', () => ({ status: 'ok' }))
  app.get('/readyz', (_, reply) => {
    const reason = cache.failure?.message ?? options.unready?.()
    return reply.code(reason === undefined ? 200 : 503).send({ ready: reason === undefined, reason: reason ?? null })
  })
  identityDoor(app, authenticator, now)

  await app.register(async (guarded) => {
    guarded.addHook('onRequest', async (request) => {
      // The version document is what clients read before they log in.
      if (request.routeOptions.url !== '/') request.context = await authenticator.authenticate(request.headers)
      checkWait(request, options.waitRealized)
    })
    measure(guarded, cache, options.registry ?? new Registry())
    otherRoutes(guarded, { environment, service, transact })
    const routeOptions = { environment, service, waitRealized: options.waitRealized }
    agentRoutes(guarded, { ...routeOptions, transact })
    resourceRoutes(guarded, routeOptions)
    securityGroupRoutes(guarded, routeOptions)
    qosRoutes(guarded, routeOptions)
    if (options.operator) {
      traceRoutes(guarded, { environment, service, operator: options.operator })
      explainRoutes(guarded, { environment, service, operator: options.operator })
    }
    if (credentials) identityRoutes(guarded, credentials, authenticator, now)
  })

  const stopEvents = serveEvents(app.server, {
    store,
    cache,
    live,
    service,
    authorize: (request) => {
      if (authenticator.open) requireLocal(request.socket.localAddress, request.headers.host)
      return authenticator.authenticate(request.headers)
    },
  })
  const upkeep = { store, cache, live, service, log: app.log }
  await adoptNetworks(upkeep)
  const stopDeferred = serveDeferredPorts(upkeep)
  app.addHook('preClose', async () => {
    stopEvents()
    stopDeferred()
  })
  app.addHook('onClose', async () => cache.close())
  return app
}

/** Clients of all ages: `/v2.0/networks/`, `/v2.0/networks.json`, doubled slashes. */
function canonicalPath(url: string): string {
  const [path = '/', ...query] = url.split('?')
  if (!/^\/+(v2\.0|identity)/.test(path)) return url
  const plain = path
    .replace(/\/{2,}/g, '/')
    .replace(/\/+$/, '')
    .replace(/\.json$/, '')
  return [plain === '' ? '/' : plain, ...query].join('?')
}

/** JSON, and CSV where rules are imported: types that a web page cannot send without asking first. Clients send the type with empty bodies too. */
function acceptBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_, text, done) => {
    if (text === '') return done(null, undefined)
    try {
      done(null, JSON.parse(String(text)))
    } catch (error) {
      done(badRequest(`The request body is not JSON: ${(error as Error).message}`), undefined)
    }
  })
  app.addContentTypeParser('text/csv', { parseAs: 'string' }, (_, text, done) => done(null, text))
}

function sendError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const refusal = toApiError(error)
  if (refusal.status >= 500) request.log.error(error)
  if (refusal.status === 401) void reply.header('www-authenticate', 'Basic realm="weft"')
  const identity = refusal.status === 401 || request.url.startsWith('/identity')
  return reply.code(refusal.status).send(identity ? identityBody(refusal) : neutronBody(refusal))
}

function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error
  const { statusCode, message } = error as { statusCode?: number; message?: string }
  if (statusCode !== undefined && statusCode < 500)
    return new ApiError(statusCode, 'HTTPBadRequest', message ?? 'bad request')
  return new ApiError(
    500,
    'HTTPInternalServerError',
    'Request failed: internal server error while processing your request.',
  )
}

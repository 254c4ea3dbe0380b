// A small Keystone v3 in front of the credentials file: clients of type `password` log in here, get a token and the
// catalog. There is one domain, on which clients insist: `default`.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { createHash } from 'node:crypto'
import { type Authenticator, userContext } from './auth.ts'
import type { Context } from './context.ts'
import type { Credentials, Project, User } from './credentials.ts'
import { badRequest, forbidden, notFound, unauthorized } from './errors.ts'
import { baseUrl, idOf, queryOf } from './http.ts'
import { timestamp } from './service.ts'

const tokenLifetimeMs = 3_600_000
const domain = { id: 'default', name: 'Default' }

interface LoginBody {
  readonly auth?: {
    readonly identity?: {
      readonly methods?: readonly string[]
      readonly password?: {
        readonly user?: { readonly id?: string; readonly name?: string; readonly password?: string }
      }
      readonly token?: { readonly id?: string }
    }
    readonly scope?: { readonly project?: { readonly id?: string; readonly name?: string } }
  }
}

/** Routes that must work before anyone has a token. */
export function identityDoor(app: FastifyInstance, authenticator: Authenticator, now: () => Date): void {
  const version = (request: FastifyRequest): object => ({
    id: 'v3.14',
    status: 'stable',
    updated: '2020-04-07T00:00:00Z',
    links: [{ rel: 'self', href: `${baseUrl(request)}/identity/v3/` }],
    'media-types': [{ base: 'application/json', type: 'application/vnd.openstack.identity-v3+json' }],
  })
  app.get('/identity', (request, reply) => reply.code(300).send({ versions: { values: [version(request)] } }))
  app.get('/identity/v3', (request) => ({ version: version(request) }))

  app.post('/identity/v3/auth/tokens', async (request, reply) => {
    const { auth } = (request.body ?? {}) as LoginBody
    const user = await identify(auth)
    const project = scopeOf(user, auth?.scope)
    const issuedAt = now()
    const expiresAt = new Date(issuedAt.getTime() + tokenLifetimeMs)
    const token = authenticator.issue(user, project, expiresAt)
    return reply
      .code(201)
      .header('x-subject-token', token)
      .header('vary', 'X-Auth-Token')
      .send(tokenBody(request, userContext(user, project), auth?.identity?.methods ?? [], issuedAt, expiresAt))
  })

  async function identify(auth: LoginBody['auth']): Promise<User> {
    const given = auth?.identity?.password?.user
    const name = given?.name ?? given?.id
    if (typeof name !== 'string' || typeof given?.password !== 'string') {
      throw badRequest(
        "Expecting to find auth.identity.password.user with name or id, and password; 'password' is the only method",
      )
    }
    return authenticator.login(name, given.password)
  }
}

function scopeOf(user: User, scope: NonNullable<LoginBody['auth']>['scope']): Project {
  const wanted = scope?.project
  const grant = user.roles.find(({ project }) => !wanted || project.id === wanted.id || project.name === wanted.name)
  if (!grant) throw unauthorized()
  return grant.project
}

function tokenBody(
  request: FastifyRequest,
  who: Context,
  methods: readonly string[],
  issuedAt: Date,
  expiresAt: Date,
): object {
  return {
    token: {
      methods,
      user: { id: who.userId, name: who.userName, domain, password_expires_at: null },
      project: { id: who.projectId, name: who.projectName, domain },
      is_domain: false,
      roles: [{ id: who.role, name: who.role }],
      catalog: catalog(request),
      issued_at: timestamp(issuedAt),
      expires_at: timestamp(expiresAt),
      audit_ids: [createHash('sha256').update(`${who.userId}${expiresAt.getTime()}`).digest('base64url').slice(0, 22)],
    },
  }
}

function catalog(request: FastifyRequest): object[] {
  const services = [
    { type: 'network', name: 'weft', url: baseUrl(request) },
    { type: 'identity', name: 'weft', url: `${baseUrl(request)}/identity` },
  ]
  return services.map(({ type, name, url }) => ({
    type,
    name,
    id: type,
    endpoints: ['public', 'internal', 'admin'].map((face) => ({
      id: `${type}-${face}`,
      interface: face,
      region: 'RegionOne',
      region_id: 'RegionOne',
      url,
    })),
  }))
}

/** What clients look up with a token: names and ids of projects and of the domain. */
export function identityRoutes(
  app: FastifyInstance,
  credentials: Credentials,
  authenticator: Authenticator,
  now: () => Date,
): void {
  const view = (request: FastifyRequest, { id, name }: Project): object => ({
    id,
    name,
    domain_id: domain.id,
    parent_id: domain.id,
    is_domain: false,
    enabled: true,
    description: '',
    tags: [],
    options: {},
    links: { self: `${baseUrl(request)}/identity/v3/projects/${id}` },
  })
  const known = (who: Context): readonly Project[] =>
    who.admin ? credentials.projects : credentials.projects.filter(({ id }) => id === who.projectId)
  const listing = (request: FastifyRequest, projects: readonly Project[]): object => ({
    projects: projects.map((project) => view(request, project)),
    links: { self: `${baseUrl(request)}${request.url}`, next: null, previous: null },
  })

  app.get('/identity/v3/projects', (request) => {
    const asked = queryOf(request)
    const isAsked = (name: string, value: string): boolean => (asked.get(name) ?? value) === value
    return listing(
      request,
      known(request.context).filter((project) => isAsked('name', project.name) && isAsked('domain_id', domain.id)),
    )
  })
  app.get('/identity/v3/projects/:id', (request) => {
    const project = known(request.context).find(({ id }) => id === idOf(request))
    if (!project) throw notFound('Project', idOf(request))
    return { project: view(request, project) }
  })
  const domainView = (request: FastifyRequest): object => ({
    ...domain,
    enabled: true,
    description: '',
    links: { self: `${baseUrl(request)}/identity/v3/domains/${domain.id}` },
  })
  app.get('/identity/v3/domains', (request) => {
    const name = queryOf(request).get('name')
    return { domains: name === null || name === domain.name ? [domainView(request)] : [] }
  })
  app.get('/identity/v3/domains/:id', (request) => {
    if (idOf(request) !== domain.id) throw notFound('Domain', idOf(request))
    return { domain: domainView(request) }
  })
  app.get('/identity/v3/auth/projects', (request) => {
    const user = credentials.users.find(({ id }) => id === request.context.userId)
    return listing(request, user ? user.roles.map(({ project }) => project) : known(request.context))
  })
  app.get('/identity/v3/auth/tokens', async (request, reply) => {
    const subject = request.headers['x-subject-token']
    if (typeof subject !== 'string') throw badRequest('X-Subject-Token is missing')
    const { context, expiresAt } = await authenticator.verify(subject)
    if (!request.context.admin && context.userId !== request.context.userId) throw forbidden('identity:validate_token')
    const expires = expiresAt ?? new Date(now().getTime() + tokenLifetimeMs)
    return reply.header('x-subject-token', subject).send(tokenBody(request, context, ['password'], now(), expires))
  })
}

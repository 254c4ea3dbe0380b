// Who asks? Turns the headers of a request into a Context, or refuses with 401. Three doors with credentials: HTTP basic,
// a static token, a token that the identity facade issued. Without credentials, everyone on loopback is the operator.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { type Context, context } from './context.ts'
import { type Credentials, type Project, type User, verifySecret } from './credentials.ts'
import { forbidden, unauthorized } from './errors.ts'

export interface Authenticator {
  readonly open: boolean
  authenticate(headers: IncomingHttpHeaders): Promise<Context>
  login(name: string, password: string): Promise<User>
  issue(user: User, project: Project, expiresAt: Date): string
  verify(token: string): Promise<{ context: Context; expiresAt: Date | undefined }>
}

/** Verified secrets, by their SHA-256: scrypt takes tens of milliseconds, too long for each request. */
const rememberedSecrets = 10_000

const openContext = context({
  userId: 'operator',
  userName: 'operator',
  projectId: 'default',
  projectName: 'default',
  role: 'admin',
})

export function openAuthenticator(): Authenticator {
  return {
    open: true,
    // As Neutron without authentication: the client may say which project it works for.
    authenticate: async (headers) => {
      const project = headers['x-project-id']
      return typeof project === 'string' && project !== ''
        ? { ...openContext, projectId: project, projectName: project }
        : openContext
    },
    login: () => Promise.reject(unauthorized()),
    issue: () => {
      throw unauthorized()
    },
    verify: () => Promise.reject(unauthorized()),
  }
}

export function credentialAuthenticator(credentials: Credentials, now: () => Date): Authenticator {
  const verified = new Map<string, User | Context>()

  async function once<T extends User | Context>(kind: string, secret: string, check: () => Promise<T>): Promise<T> {
    const key = createHash('sha256').update(`${kind}\0${secret}`).digest('base64')
    const known = verified.get(key)
    if (known) return known as T
    const found = await check()
    if (verified.size >= rememberedSecrets) verified.clear()
    verified.set(key, found)
    return found
  }

  const login = (name: string, password: string): Promise<User> =>
    once('user', `${name}\0${password}`, async () => {
      const user = credentials.users.find((each) => each.name === name || each.id === name)
      // An unknown name costs as much time as a wrong password.
      const hash = user?.password ?? credentials.users[0]?.password
      const right = hash !== undefined && (await verifySecret(password, hash))
      if (!user || !right) throw unauthorized()
      return user
    })

  const staticToken = (token: string): Promise<Context> =>
    once('token', token, async () => {
      for (const each of credentials.tokens) {
        if (!(await verifySecret(token, each.token))) continue
        return context({
          userId: each.name,
          userName: each.name,
          projectId: each.project.id,
          projectName: each.project.name,
          role: each.role,
        })
      }
      throw unauthorized()
    })

  const sign = (payload: string): string =>
    createHmac('sha256', credentials.signingKey).update(payload).digest('base64url')

  function issued(token: string): { context: Context; expiresAt: Date } | undefined {
    const [prefix, payload = '', signature = ''] = token.split('.')
    if (prefix !== 'weft') return undefined
    const [wanted, got] = [Buffer.from(sign(payload)), Buffer.from(signature)]
    if (wanted.length !== got.length || !timingSafeEqual(wanted, got)) throw unauthorized()
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as {
      user: string
      project: string
      expires: number
    }
    const user = credentials.users.find((each) => each.id === claims.user)
    const grant = user?.roles.find((each) => each.project.id === claims.project)
    if (!user || !grant || claims.expires <= now().getTime()) throw unauthorized()
    return { context: userContext(user, grant.project), expiresAt: new Date(claims.expires) }
  }

  async function verify(token: string): Promise<{ context: Context; expiresAt: Date | undefined }> {
    return issued(token) ?? { context: await staticToken(token), expiresAt: undefined }
  }

  return {
    open: false,
    login,
    verify,
    issue(user, project, expiresAt) {
      const claims = { user: user.id, project: project.id, expires: expiresAt.getTime() }
      const payload = Buffer.from(JSON.stringify(claims)).toString('base64url')
      return `weft.${payload}.${sign(payload)}`
    },
    async authenticate(headers) {
      const token = headers['x-auth-token']
      if (typeof token === 'string' && token !== '') return (await verify(token)).context
      const basic = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(headers.authorization ?? '')
      if (!basic) throw unauthorized()
      const [, name = '', password = ''] =
        /^([^:]*):(.*)$/s.exec(Buffer.from(basic[1] ?? '', 'base64').toString()) ?? []
      const user = await login(name, password)
      const first = user.roles[0]
      if (!first) throw unauthorized()
      return userContext(user, first.project)
    },
  }
}

export function userContext(user: User, project: Project): Context {
  const grant = user.roles.find((each) => each.project.id === project.id)
  if (!grant) throw unauthorized()
  return context({
    userId: user.id,
    userName: user.name,
    projectId: project.id,
    projectName: project.name,
    role: grant.role,
  })
}

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^(::ffff:)?127(\.\d{1,3}){3}$/.test(host)

/** Throws when the API would be open to a network. For whoever configures the listener. */
export function refuseOpenListener(host: string, credentials: Credentials | undefined): void {
  if (credentials || isLoopback(host)) return
  throw new Error(
    `the API has no credentials and may listen on loopback only, not on ${host}: configure a credentials file`,
  )
}

/**
 * Without credentials, only this machine may ask, whatever address was bound; and only by a loopback name, so that a web
 * page whose name was rebound to 127.0.0.1 cannot.
 */
export function requireLocal(localAddress: string | undefined, hostHeader: string | undefined): void {
  const name = (hostHeader ?? 'localhost').replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
  if ((localAddress === undefined || isLoopback(localAddress)) && isLoopback(name)) return
  throw forbidden('access without credentials from elsewhere than this machine')
}

export function requireAdmin(who: Context, rule: string): void {
  if (!who.admin) throw forbidden(`rule:${rule}`)
}

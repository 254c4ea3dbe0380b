// The credentials file: projects, users and static tokens; every secret is stored as a scrypt hash (RFC 7914).
//
//   projects: [{ id: p1, name: demo }]
//   users: [{ id: u1, name: ann, password: 'scrypt:…', roles: [{ project: p1, role: member }] }]
//   tokens: [{ name: ci, token: 'scrypt:…', project: p1, role: admin }]
import { createHash, randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { parse } from 'yaml'
import type { Role } from './context.ts'

export interface Project {
  readonly id: string
  readonly name: string
}

export interface User {
  readonly id: string
  readonly name: string
  readonly password: string
  readonly roles: readonly { readonly project: Project; readonly role: Role }[]
}

interface StaticToken {
  readonly name: string
  readonly token: string
  readonly project: Project
  readonly role: Role
}

export interface Credentials {
  readonly projects: readonly Project[]
  readonly users: readonly User[]
  readonly tokens: readonly StaticToken[]
  /** Signs the tokens we issue. From the file: every replica has the same, and a changed file revokes all of them. */
  readonly signingKey: Buffer
}

const cost = { N: 16_384, r: 8, p: 1 } as const
const hashPattern = /^scrypt:(\d+):(\d+):(\d+):([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)$/
const saltBytes = 16
const hashBytes = 32

function derive(secret: string, salt: Buffer, options: { N: number; r: number; p: number }): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(secret, salt, hashBytes, options, (error, key) => (error ? reject(error) : resolve(key)))
  })
}

/** What to write into the credentials file for a secret. */
export async function hashSecret(secret: string): Promise<string> {
  const salt = randomBytes(saltBytes)
  const key = await derive(secret, salt, cost)
  return `scrypt:${cost.N}:${cost.r}:${cost.p}:${salt.toString('base64')}:${key.toString('base64')}`
}

export async function verifySecret(secret: string, hash: string): Promise<boolean> {
  const [, n, r, p, salt = '', expected = ''] = hashPattern.exec(hash) ?? []
  const key = await derive(secret, Buffer.from(salt, 'base64'), { N: Number(n), r: Number(r), p: Number(p) })
  const wanted = Buffer.from(expected, 'base64')
  return wanted.length === key.length && timingSafeEqual(wanted, key)
}

/** Reads the text of a credentials file (YAML, hence also JSON); throws an Error that names the place and the reason. */
export function parseCredentials(text: string): Credentials {
  const file = fields('credentials', parse(text))
  const projects = list('projects', file.projects).map((each, i) => {
    const project = fields(`projects[${i}]`, each)
    return { id: word(`projects[${i}].id`, project.id), name: word(`projects[${i}].name`, project.name) }
  })
  const grant = (place: string, value: Record<string, unknown>): { project: Project; role: Role } => {
    const name = word(`${place}.project`, value.project)
    const project = projects.find((each) => each.id === name || each.name === name)
    if (!project) throw new Error(`${place}.project: '${name}' is not in projects`)
    return { project, role: role(`${place}.role`, value.role) }
  }
  const users = list('users', file.users ?? []).map((each, i) => {
    const place = `users[${i}]`
    const user = fields(place, each)
    const roles = list(`${place}.roles`, user.roles).map((one, j) => grant(`${place}.roles[${j}]`, fields(place, one)))
    if (roles.length === 0) throw new Error(`${place}.roles: a user needs a role in a project`)
    return {
      id: word(`${place}.id`, user.id ?? user.name),
      name: word(`${place}.name`, user.name),
      password: hash(`${place}.password`, user.password),
      roles,
    }
  })
  const tokens = list('tokens', file.tokens ?? []).map((each, i) => {
    const token = fields(`tokens[${i}]`, each)
    return {
      name: word(`tokens[${i}].name`, token.name),
      token: hash(`tokens[${i}].token`, token.token),
      ...grant(`tokens[${i}]`, token),
    }
  })
  if (users.length + tokens.length === 0) throw new Error('credentials: neither users nor tokens: nobody could enter')
  return { projects, users, tokens, signingKey: createHash('sha256').update('weft token key').update(text).digest() }
}

function fields(place: string, value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${place}: not a mapping`)
  return value as Record<string, unknown>
}

function list(place: string, value: unknown): unknown[] {
  if (!Array.isArray(value)) throw new Error(`${place}: not a list`)
  return value
}

function word(place: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') throw new Error(`${place}: not a text`)
  return value
}

function hash(place: string, value: unknown): string {
  const text = word(place, value)
  if (!hashPattern.test(text)) throw new Error(`${place}: not a scrypt hash (a plain secret is refused)`)
  return text
}

function role(place: string, value: unknown): Role {
  if (value === 'admin' || value === 'member' || value === 'reader') return value
  throw new Error(`${place}: not one of admin, member, reader`)
}

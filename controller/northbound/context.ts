// Who asks: made by `auth.ts` for each request, read by everything that decides on visibility or policy.

export type Role = 'admin' | 'member' | 'reader'

export interface Context {
  readonly userId: string
  readonly userName: string
  readonly projectId: string
  readonly projectName: string
  readonly role: Role
  readonly admin: boolean
}

export const context = (fields: Omit<Context, 'admin'>): Context => ({ ...fields, admin: fields.role === 'admin' })

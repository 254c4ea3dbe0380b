// Every refusal of the API is an ApiError: a status, Neutron's exception name as `type`, and one sentence that says
// what was wrong and where. `server.ts` turns it into the wire shape of the door that was used.

export class ApiError extends Error {
  readonly status: number
  readonly type: string

  constructor(status: number, type: string, message: string) {
    super(message)
    this.status = status
    this.type = type
  }
}

export const badRequest = (message: string): ApiError => new ApiError(400, 'HTTPBadRequest', message)
export const invalidInput = (message: string): ApiError =>
  new ApiError(400, 'InvalidInput', `Invalid input for operation: ${message}.`)
export const notFound = (label: string, id: string): ApiError =>
  new ApiError(404, `${label}NotFound`, `${label} ${id} could not be found.`)
export const noRoute = (what = 'The resource'): ApiError =>
  new ApiError(404, 'HTTPNotFound', `${what} could not be found.`)
export const conflict = (type: string, message: string): ApiError => new ApiError(409, type, message)
export const forbidden = (action: string): ApiError =>
  new ApiError(403, 'PolicyNotAuthorized', `${action} is disallowed by policy`)
export const unauthorized = (): ApiError =>
  new ApiError(401, 'Unauthorized', 'The request you have made requires authentication.')
export const unavailable = (message: string): ApiError => new ApiError(503, 'ServiceUnavailable', message)

export const neutronBody = (error: ApiError): object => ({
  NeutronError: { type: error.type, message: error.message, detail: '' },
})

/** Keystone's shape: keystoneauth reads it to decide on authenticating again. */
export const identityBody = (error: ApiError): object => ({
  error: { code: error.status, title: error.type, message: error.message },
})

/** Lists what uses an object, so that a 409 tells the user what to remove first; long lists are cut. */
export function users(label: string, ids: readonly string[]): string {
  const shown = ids.slice(0, 5).join(', ')
  return `${label}${ids.length === 1 ? '' : 's'} ${shown}${ids.length > 5 ? ` and ${ids.length - 5} more` : ''}`
}

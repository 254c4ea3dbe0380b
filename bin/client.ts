// How commands ask a running controller: over its API, found by --url or WEFT_URL.
import { CommandError } from './command.ts'

/** Options that such commands share. */
export const clientOptions = {
  url: { type: 'string' },
  token: { type: 'string' },
} as const

export const CLIENT_HELP = `  --url URL        the controller's API; else WEFT_URL, else http://127.0.0.1:9696
  --token TOKEN    for X-Auth-Token; else WEFT_TOKEN, else none`

/** The controller did not answer, or refused. */
export class ClientError extends Error {
  override readonly name = 'ClientError'
}

interface Refusal {
  readonly NeutronError?: { readonly message: string }
  readonly error?: { readonly message: string }
}

/** The answer to a request; rejects with ClientError. */
export async function callApi(
  { url, token }: { readonly url?: string | undefined; readonly token?: string | undefined },
  method: string,
  path: string,
  body: object,
): Promise<unknown> {
  const base = url ?? process.env['WEFT_URL'] ?? 'http://127.0.0.1:9696'
  if (!URL.canParse(path, base)) throw new CommandError(`'${base}' is no URL`)
  const secret = token ?? process.env['WEFT_TOKEN']
  const headers = { 'content-type': 'application/json', ...(secret !== undefined && { 'x-auth-token': secret }) }
  const answer = await fetch(new URL(path, base), { method, headers, body: JSON.stringify(body) }).catch(
    (error: unknown) => {
      const { cause } = error as { cause?: unknown }
      throw new ClientError(`${base} does not answer: ${cause instanceof Error ? cause.message : String(error)}`)
    },
  )
  const text = await answer.text()
  const parsed = (answer.headers.get('content-type')?.includes('json') ? JSON.parse(text) : {}) as Refusal
  if (answer.ok) return parsed
  throw new ClientError(parsed.NeutronError?.message ?? parsed.error?.message ?? `${base}: ${answer.status} ${text}`)
}

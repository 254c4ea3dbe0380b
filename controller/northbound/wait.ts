// How a write is answered: at once, or with `?wait=realized` when the hosts have confirmed it.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { badRequest, unavailable } from './errors.ts'
import { queryOf } from './http.ts'
import type { WaitRealized } from './live.ts'
import type { ObjectName, Written } from './transaction.ts'

interface Finish {
  readonly status: number
  readonly body: object | undefined
  /** What was asked for; also when it was so already. */
  readonly object?: ObjectName
  readonly written: Written<unknown>
}

const defaultWaitSeconds = 30
const maximumWaitSeconds = 300

/**
 * Answers a write; with `?wait=realized` when hosts have confirmed it: 202 and the hosts that have not, after `timeout` seconds.
 * Then the header Server-Timing says after how many milliseconds the write was stored, and hosts were told.
 */
export function finisher(waitRealized: WaitRealized | undefined) {
  return async (request: FastifyRequest, reply: FastifyReply, finish: Finish): Promise<FastifyReply> => {
    const params = queryOf(request)
    const wait = params.get('wait')
    if (wait === null || !waitRealized) return reply.code(finish.status).send(finish.body)
    const seconds = Math.min(
      Number(params.get('timeout') ?? defaultWaitSeconds) || defaultWaitSeconds,
      maximumWaitSeconds,
    )
    const { changed, revision } = finish.written
    const objects = finish.object ? [finish.object, ...changed] : changed
    const times = [`stored;dur=${reply.elapsedTime.toFixed(2)}`]
    const told = (): unknown => times.push(`told;dur=${reply.elapsedTime.toFixed(2)}`)
    const pending = await waitRealized(objects, revision, seconds * 1000, told)
    reply.header('server-timing', times.join(', '))
    if (pending.length === 0) return reply.code(finish.status).send(finish.body)
    return reply.code(202).send({ ...finish.body, unrealized: pending })
  }
}

/** Refuses a bad `wait` before anything is written. */
export function checkWait(request: FastifyRequest, waitRealized: WaitRealized | undefined): void {
  const wait = queryOf(request).get('wait')
  if (wait !== null && wait !== 'realized') throw badRequest(`Invalid value for wait: '${wait}'; expected realized`)
  if (wait !== null && !waitRealized) throw unavailable('No hosts are managed here: there is nothing to wait for.')
}

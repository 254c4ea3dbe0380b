// GET /metrics: requests by route and status, latencies, numbers of objects, in Prometheus' text format.
import type { FastifyInstance } from 'fastify'
import { Gauge, Histogram, Registry } from 'prom-client'
import type { Cache } from './cache.ts'
import { resourceKinds } from './resources/index.ts'

/** `registry` is shared with the other parts of the controller. */
export function measure(app: FastifyInstance, cache: Cache, registry: Registry): void {
  const durations = new Histogram({
    name: 'weft_http_request_duration_seconds',
    help: 'Time to answer a request, by route',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30],
    registers: [registry],
  })
  const objects = new Gauge({
    name: 'weft_objects',
    help: 'Stored objects by kind',
    labelNames: ['kind'],
    registers: [registry],
    collect() {
      for (const kind of resourceKinds) objects.set({ kind }, cache.size(kind))
    },
  })
  const revision = new Gauge({
    name: 'weft_store_revision',
    help: 'The revision of the store that the API serves',
    registers: [registry],
    collect() {
      revision.set(cache.revision)
    },
  })
  app.addHook('onResponse', (request, reply, done) => {
    // The route's pattern, not its address: ids must not become labels.
    const labels = { method: request.method, route: request.routeOptions.url ?? 'none', status: reply.statusCode }
    durations.observe(labels, reply.elapsedTime / 1000)
    done()
  })
  app.get('/metrics', async (_, reply) => reply.type(registry.contentType).send(await registry.metrics()))
}

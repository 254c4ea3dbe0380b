// The WebSocket of events and the pages for operators, over a real loopback socket.
import { once } from 'node:events'
import { afterEach, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { type Api, host, type Json, startApi } from './testing/harness.ts'

const open: Api[] = []
afterEach(async () => {
  for (const api of open.splice(0)) await api.app.close()
})

async function listening(): Promise<{ api: Api; url: string }> {
  const api = await startApi()
  open.push(api)
  return { api, url: await api.app.listen({ port: 0, host: '127.0.0.1' }) }
}

/** The next `count` events after connecting; `act` runs once connected. */
async function events(
  url: string,
  query: string,
  count: number,
  act: () => Promise<void> = async () => undefined,
): Promise<Json[]> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/events${query}`)
  const received: Json[] = []
  const complete = new Promise<void>((resolve, reject) => {
    socket.on('error', reject)
    socket.on('close', (code) => reject(new Error(`closed ${code}`)))
    socket.on('message', (data) => {
      received.push(JSON.parse((data as Buffer).toString()) as Json)
      if (received.length === count) resolve()
    })
  })
  await Promise.race([once(socket, 'open'), complete])
  await act()
  await complete
  socket.terminate()
  return received
}

test('every change arrives once, in order; a client that comes back with its cursor gets exactly what it missed', async () => {
  const { api, url } = await listening()
  const first = await events(url, '', 3, async () => {
    const network = await api.make('networks', { name: 'a' })
    await api.call('PUT', `networks/${network.id}`, { network: { name: 'b' } })
  })
  expect(first.map(({ kind, type, object }) => [kind, type, object.name])).toEqual([
    ['segments', 'created', ''],
    ['networks', 'created', 'a'],
    ['networks', 'updated', 'b'],
  ])
  const id = first[1]?.id as string
  await api.call('DELETE', `networks/${id}`)
  await api.make('networks', { name: 'c' })
  const missed = await events(url, `?cursor=${first[2]?.cursor}`, 4)
  expect(missed.map(({ kind, type, object }) => [kind, type, object?.name])).toEqual([
    ['segments', 'deleted', undefined],
    ['networks', 'deleted', undefined],
    ['segments', 'created', ''],
    ['networks', 'created', 'c'],
  ])
  expect(missed[1]?.id).toBe(id)
})

test('changes of hosts arrive as they are observed', async () => {
  const { api, url } = await listening()
  const [event] = await events(url, '', 1, async () => {
    // The listener is added in the same turn as the socket is accepted; one round trip later it is there.
    await api.call('GET', '/healthz')
    api.hosts.tell({ kind: 'agent', id: 'x', agent: host('hv1', 'x') })
  })
  expect(event).toMatchObject({ type: 'observed', kind: 'agent', agent: { host: 'hv1' } })
})

test('a cursor whose history is gone closes with 4410, a bad one and a foreign page are refused', async () => {
  const { api, url } = await listening()
  await api.make('networks', {})
  api.store.compacted = 1
  await expect(events(url, '?cursor=0', 1)).rejects.toThrow('closed 4410')
  await expect(events(url, '?cursor=x', 1)).rejects.toThrow('400')
  const foreign = new WebSocket(`${url.replace('http', 'ws')}/v1/events`, {
    headers: { origin: 'http://evil.example' },
  })
  const [error] = (await once(foreign, 'error')) as [Error]
  expect(error.message).toMatch('403')
})

test('health, readiness, metrics by route and the OpenAPI document are served', async () => {
  const { api } = await listening()
  await api.make('networks', {})
  const get = (url: string) => api.app.inject({ url, headers: { host: 'localhost' } })
  expect((await get('/healthz')).json()).toEqual({ status: 'ok' })
  expect((await get('/readyz')).json()).toMatchObject({ ready: true })
  const metrics = (await get('/metrics')).body
  expect(metrics).toContain(
    'weft_http_request_duration_seconds_count{method="POST",route="/v2.0/networks",status="201"} 1',
  )
  expect(metrics).toContain('weft_objects{kind="networks"} 1')
  const document = (await get('/openapi.json')).json<Json>()
  expect(document.components.schemas.SubnetCreate.required).toEqual(['network_id', 'ip_version'])
  expect(Object.keys(document.components.schemas.NetworkUpdate.properties)).not.toContain('provider:network_type')
  expect((await get('/docs/')).headers['content-type']).toContain('text/html')
})

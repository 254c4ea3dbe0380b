// Who may do what, through which door: by requests to a whole server without a socket.
import { afterEach, describe, expect, test } from 'vitest'
import { refuseOpenListener } from './auth.ts'
import { hashSecret, parseCredentials } from './credentials.ts'
import { type Api, startApi } from './testing/harness.ts'

const open: Api[] = []
async function start(...args: Parameters<typeof startApi>): Promise<Api> {
  const api = await startApi(...args)
  open.push(api)
  return api
}
afterEach(async () => {
  for (const api of open.splice(0)) await api.app.close()
})

describe('projects and credentials', () => {
  const credentials = async () =>
    parseCredentials(`
projects: [{ id: p1, name: one }, { id: p2, name: two }]
users:
  - { name: ann, password: '${await hashSecret('a')}', roles: [{ project: one, role: member }] }
  - { name: ben, password: '${await hashSecret('b')}', roles: [{ project: two, role: member }, { project: one, role: reader }] }
tokens: [{ name: root, token: '${await hashSecret('t0ken')}', project: one, role: admin }]`)
  const basic = (name: string, password: string) => ({
    authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`,
  })
  const root = { 'x-auth-token': 't0ken' }

  test('nobody enters without a right password or token', async () => {
    const api = await start({ credentials: await credentials() })
    for (const headers of [
      {},
      basic('ann', 'b'),
      basic('eve', 'a'),
      { 'x-auth-token': 'x' },
      { 'x-auth-token': 'weft.e30.e30' },
    ]) {
      const reply = await api.call('GET', 'networks', undefined, headers)
      expect([reply.status, reply.body.error?.code]).toEqual([401, 401])
    }
    expect((await api.call('GET', 'networks', undefined, basic('ann', 'a'))).status).toBe(200)
    expect((await api.call('GET', '/')).status).toBe(200)
  })

  test("others' objects are 404, shared ones can be seen (403 on change), admin attributes are hidden and refused", async () => {
    const api = await start({ credentials: await credentials() })
    const [ann, ben] = [basic('ann', 'a'), basic('ben', 'b')]
    const { body } = await api.call('POST', 'networks', { network: { name: 'x' } }, ann)
    const url = `networks/${body.network.id}`
    expect(body.network).not.toHaveProperty('provider:segmentation_id')
    expect((await api.call('GET', url, undefined, ben)).status).toBe(404)
    expect((await api.call('PUT', url, { network: { shared: true } }, ann)).status).toBe(403)
    expect((await api.call('PUT', url, { network: { shared: true } }, root)).status).toBe(200)
    expect((await api.call('GET', url, undefined, ben)).status).toBe(200)
    expect((await api.call('PUT', url, { network: { name: 'y' } }, ben)).status).toBe(403)
    expect((await api.call('DELETE', url, undefined, ben)).status).toBe(403)
    expect((await api.call('POST', 'networks', { network: { project_id: 'p2' } }, ann)).status).toBe(403)
    expect((await api.call('GET', 'networks?provider:segmentation_id=1', undefined, ann)).status).toBe(400)
    expect(
      (
        await api.call(
          'POST',
          'ports',
          { port: { network_id: body.network.id, mac_address: 'fa:16:3e:00:00:01' } },
          ben,
        )
      ).status,
    ).toBe(403)
    expect((await api.call('POST', 'ports', { port: { network_id: body.network.id } }, ben)).status).toBe(201)
    const unshare = await api.call('PUT', url, { network: { shared: false } }, root)
    expect(unshare.body.NeutronError.type).toBe('InvalidSharedSetting')
  })

  test('the identity facade turns a password into a token of the wanted project and its role', async () => {
    const api = await start({ credentials: await credentials() })
    const login = (project: string, password = 'b') => {
      const user = { name: 'ben', domain: { id: 'default' }, password }
      const payload = {
        auth: { identity: { methods: ['password'], password: { user } }, scope: { project: { name: project } } },
      }
      return api.app.inject({
        method: 'POST',
        url: '/identity/v3/auth/tokens',
        headers: { host: 'localhost' },
        payload,
      })
    }
    expect((await login('one', 'wrong')).statusCode).toBe(401)
    expect((await login('three')).statusCode).toBe(401)
    const reader = { 'x-auth-token': String((await login('one')).headers['x-subject-token']) }
    const member = { 'x-auth-token': String((await login('two')).headers['x-subject-token']) }
    expect((await api.call('POST', 'networks', { network: {} }, reader)).status).toBe(403)
    expect((await api.call('POST', 'networks', { network: {} }, member)).body.network.project_id).toBe('p2')
  })

  test('quotas stop a project at its limit, which only an admin changes', async () => {
    const api = await start({ credentials: await credentials() })
    const ann = basic('ann', 'a')
    expect((await api.call('PUT', 'quotas/p1', { quota: { network: 1 } }, ann)).status).toBe(403)
    expect((await api.call('PUT', 'quotas/p1', { quota: { network: 1 } }, root)).body.quota.network).toBe(1)
    expect((await api.call('POST', 'networks', { network: {} }, ann)).status).toBe(201)
    expect((await api.call('POST', 'networks', { network: {} }, ann)).body.NeutronError.type).toBe('OverQuota')
    expect((await api.call('GET', 'quotas/p1/details', undefined, ann)).body.quota.network).toEqual({
      limit: 1,
      used: 1,
      reserved: 0,
    })
    expect((await api.call('DELETE', 'quotas/p1', undefined, root)).status).toBe(204)
    expect((await api.call('POST', 'networks', { network: {} }, ann)).status).toBe(201)
  })

  test('without credentials, only loopback is served, under a loopback name', async () => {
    expect(() => refuseOpenListener('0.0.0.0', undefined)).toThrow(/credentials/)
    expect(() => refuseOpenListener('127.0.0.1', undefined)).not.toThrow()
    const api = await start()
    expect((await api.call('GET', 'networks', undefined, { host: 'evil.example' })).status).toBe(403)
  })

  test('a credentials file with a plain password is refused, with the place', () => {
    const text =
      'projects: [{id: p, name: p}]\nusers: [{name: a, password: secret, roles: [{project: p, role: admin}]}]'
    expect(() => parseCredentials(text)).toThrow(/users\[0\]\.password/)
  })
})

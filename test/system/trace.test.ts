// Traces of real hosts: what the controller says of a packet is what the packet then does, and what a host has instead
// of the wanted flows shows in the live check.
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Cloud, warm, type Guest, type Network } from '../lab/cloud.ts'
import type { Json } from '../lab/controller.ts'
import { run, startDaemon, until, type Daemon } from '../lab/run.ts'

let cloud: Cloud
let red: Network
/** a1 and a2 on red: on the first host, in the default group. */
let a1: Guest
let a2: Guest
/** On blue, behind a router, on the second host, in the group `web`. */
let web: Guest
let allowed: string
let denied: string
let rejected: string
const servers: Daemon[] = []

async function create(kind: string, path: string, body: Json): Promise<string> {
  const answer = await cloud.controller.call('POST', `/v2.0/${path}?wait=realized`, { [kind]: body })
  return (answer[kind] as Json)['id'] as string
}
const rule = (group: string, body: Json): Promise<string> =>
  create('security_group_rule', 'security-group-rules', { security_group_id: group, direction: 'ingress', ...body })

beforeAll(async () => {
  cloud = await Cloud.start(2)
  red = await cloud.network({ name: 'red' })
  const blue = await cloud.network({ name: 'blue' })
  const redSubnet = await cloud.subnet(red, '10.1.0.0/24')
  const blueSubnet = await cloud.subnet(blue, '10.2.0.0/24')
  await cloud.router([redSubnet, blueSubnet], { name: 'core' })
  const group = await create('security_group', 'security-groups', { name: 'web' })
  allowed = await rule(group, { protocol: 'tcp', port_range_min: 80, port_range_max: 443 })
  denied = await rule(group, { protocol: 'tcp', port_range_min: 443, port_range_max: 443, action: 'deny', priority: 1 })
  rejected = await rule(group, {
    protocol: 'tcp',
    port_range_min: 90,
    port_range_max: 90,
    action: 'reject',
    priority: 2,
  })
  await rule(group, { protocol: 'icmp' })
  a1 = await cloud.guest(cloud.host(0), red, redSubnet, { name: 'a1' })
  a2 = await cloud.guest(cloud.host(0), red, redSubnet, { name: 'a2' })
  web = await cloud.guest(cloud.host(1), blue, blueSubnet, { name: 'web', security_groups: [group] })
  await Promise.all([warm(a1.vm, web.port.address), warm(a1.vm, a2.port.address)])
  for (const port of [80, 443]) {
    const serve = `require('net').createServer((peer) => peer.end()).listen(${port})`
    servers.push(await startDaemon(process.execPath, ['-e', serve], { namespace: web.vm.namespace }))
    await until('the server listens', async () => (await web.vm.exec('ss', '-Hltn', `sport = :${port}`)) !== '')
  }
})

afterAll(async () => {
  for (const server of servers) await server.stop()
  await cloud?.stop()
})

const MAIN = join(import.meta.dirname, '../../bin/main.ts')
const weft = (...args: readonly string[]): Promise<string> =>
  run('ip', ['netns', 'exec', cloud.fabric.controller, process.execPath, MAIN, 'trace', ...args])

/** Whether a TCP connection comes about. */
async function connects(from: Guest, to: Guest, port: number): Promise<boolean> {
  const connect = `require('net').connect({ host: '${to.port.address}', port: ${port}, timeout: 3000 })
    .on('connect', () => process.exit(0)).on('error', () => process.exit(1)).on('timeout', () => process.exit(1))`
  return from.vm.exec(process.execPath, '-e', connect).then(
    () => true,
    () => false,
  )
}

interface Outcome {
  readonly kind: string
  readonly stage: string | null
  readonly to: readonly Json[]
}
interface Decision {
  readonly side: string
  readonly verdict: string
  readonly rule: { readonly id: string } | null
}
interface Traced {
  readonly outcome: Outcome
  readonly decisions: readonly Decision[]
  readonly hosts: readonly { readonly host: string; readonly steps: readonly Step[] }[]
  readonly live?: Omit<Traced, 'live'> & { readonly agrees: boolean }
}
interface Step {
  readonly stage: string
  readonly flow: { readonly live?: { readonly state: string; readonly packets: number } } | null
}
const trace = async (body: Json): Promise<Traced> =>
  (await cloud.controller.call('POST', '/v1/trace', body)) as unknown as Traced

describe('the trace says what the packet then does', () => {
  test('it is delivered through the router on the other host, by the rule that lets it in', async () => {
    const { outcome, decisions, hosts } = await trace({ from: 'a1', to: 'web', protocol: 'tcp', destination_port: 80 })
    expect(outcome).toMatchObject({
      kind: 'delivered',
      to: [{ host: 'host2', port: { id: web.port.id, name: 'web' } }],
    })
    expect(decisions).toMatchObject([
      { side: 'egress', verdict: 'allow', security_group: { name: 'default' } },
      { side: 'ingress', verdict: 'allow', rule: { id: allowed }, security_group: { name: 'web' } },
    ])
    expect(hosts.map(({ host }) => host)).toEqual(['host1', 'host2'])
    expect(await connects(a1, web, 80)).toBe(true)
  })

  test('it is dropped on the other host by the rule that denies it', async () => {
    const { outcome, decisions } = await trace({ from: 'a1', to: 'web', protocol: 'tcp', destination_port: 443 })
    expect(outcome).toMatchObject({ kind: 'dropped', host: 'host2', stage: 'ingress_verdict' })
    expect(decisions.at(-1)).toMatchObject({ side: 'ingress', verdict: 'deny', rule: { id: denied } })
    expect(await connects(a1, web, 443)).toBe(false)
  })

  test('it is rejected by the rule that rejects it, and its sender is told', async () => {
    const { outcome, decisions } = await trace({ from: 'a1', to: 'web', protocol: 'tcp', destination_port: 90 })
    expect(outcome).toMatchObject({ kind: 'rejected', host: 'host2', to: [{ host: 'host1', port: { name: 'a1' } }] })
    expect(decisions.at(-1)).toMatchObject({ side: 'ingress', verdict: 'reject', rule: { id: rejected } })
    const connect = `require('net').connect(90, '${web.port.address}').on('error', ({ code }) => console.log(code))`
    expect(await a1.vm.exec(process.execPath, '-e', connect)).toBe('ECONNREFUSED\n')
  })

  test('it is dropped because no rule allows it', async () => {
    const { outcome, decisions } = await trace({ from: 'web', to: 'a1', protocol: 'icmp' })
    expect(outcome).toMatchObject({ kind: 'dropped', host: 'host1', stage: 'ingress_verdict' })
    expect(decisions.at(-1)).toMatchObject({ side: 'ingress', verdict: 'none', rule: null })
    expect(await web.vm.ping(a1.port.address)).toBe(0)
  })

  test('a reply passes where a new connection would not, by the rule that let the connection in', async () => {
    const reply = { from: 'web', to: 'a1', protocol: 'tcp', source_port: 80, destination_port: 50_000 }
    expect((await trace(reply)).outcome.kind).toBe('dropped')
    const { outcome, decisions } = await trace({ ...reply, state: 'reply' })
    expect(outcome).toMatchObject({ kind: 'delivered', to: [{ port: { name: 'a1' } }] })
    expect(decisions[0]).toMatchObject({ side: 'egress', verdict: 'allow', rule: { id: allowed } })
    expect(
      (await trace({ from: 'a1', to: 'web', protocol: 'tcp', destination_port: 80, state: 'established' })).outcome,
    ).toMatchObject({ kind: 'delivered' })
  })

  test.each([
    ['a ping of the router is answered by flows', { to: '10.1.0.1' }],
    ['a DHCP request is answered by the controller', { protocol: 'dhcp' }],
    ['an ARP request is answered by flows', { to: '10.1.0.3', protocol: 'arp' }],
  ])('%s', async (_, body) => {
    expect((await trace({ from: 'a1', ...body })).outcome).toMatchObject({ kind: 'answered' })
  })

  test('a flow that lies about its sender is stopped by port security', async () => {
    const flow = `in_port=1,icmp,dl_src=${a1.port.mac},dl_dst=${a2.port.mac},nw_src=10.1.0.99,nw_dst=${a2.port.address},icmp_type=8`
    expect((await trace({ host: 'host1', flow })).outcome).toMatchObject({ kind: 'dropped', stage: 'port_security' })
  })
})

describe('the live check', () => {
  test('the hosts have the flows of the trace, and count the packets that pass', async () => {
    const before = await trace({ from: 'a1', to: 'a2', live: true })
    expect(before.live).toMatchObject({ agrees: true, unread: [] })
    expect(before.hosts[0]?.steps.every(({ flow }) => flow?.live?.state === 'installed')).toBe(true)
    const packets = ({ hosts }: Traced): number =>
      hosts[0]?.steps.find(({ stage }) => stage === 'classify')?.flow?.live?.packets ?? 0
    expect(await a1.vm.ping(a2.port.address)).toBe(1)
    const counted = async (): Promise<boolean> =>
      packets(await trace({ from: 'a1', to: 'a2', live: true })) >= packets(before) + 3
    await until('the packets are counted', counted)
  })

  test('what somebody put on a host by hand shows, with what it does to the packet', async () => {
    const { ovs } = cloud.host(0)
    const flow = `table=0,priority=60000,in_port=1,icmp,nw_dst=${a2.port.address}`
    await ovs.ofctl('add-flow', 'br-int', `${flow},actions=drop`)
    const { outcome, live } = await trace({ from: 'a1', to: 'a2', live: true })
    expect(outcome.kind).toBe('delivered')
    expect(live).toMatchObject({ agrees: false, outcome: { kind: 'dropped', host: 'host1', stage: 'classify' } })
    expect(live?.hosts[0]?.steps[0]?.flow?.live?.state).toBe('unwanted')
    expect(await a1.vm.ping(a2.port.address)).toBe(0)
    expect(await weft('--from', 'a1', '--to', 'a2', '--live')).toContain('the packet goes otherwise')
    await ovs.ofctl('--strict', 'del-flows', 'br-int', flow)
    expect((await trace({ from: 'a1', to: 'a2', live: true })).live?.agrees).toBe(true)
  })
})

test('a flow that somebody deleted is missed until it is repaired', async () => {
  const ask = (): Promise<Traced> => trace({ from: 'a1', to: 'a2', live: true })
  // The repair is quick: it may come before the trace.
  await until('the trace misses the flow', async () => {
    await cloud.host(0).ovs.ofctl('del-flows', 'br-int', 'table=0,in_port=1')
    const { hosts, live } = await ask()
    if (live?.agrees !== false) return false
    expect(hosts[0]?.steps[0]?.flow?.live?.state).toBe('missing')
    expect(live.outcome).toMatchObject({ kind: 'dropped', host: 'host1', stage: 'classify' })
    return true
  })
  await until('the flow is repaired', async () => (await ask()).live?.agrees === true)
})

describe('why hosts have their flows', () => {
  test('an object explains its flows on each host, and what was read for them', async () => {
    const { object, hosts, read } = await cloud.controller.call('GET', `/v1/explain/${web.port.id}`)
    expect(object).toMatchObject({ kind: 'port', name: 'web', link: `/v2.0/ports/${web.port.id}` })
    expect(hosts).toMatchObject([
      { host: expect.any(String), confirmed: true },
      { host: expect.any(String), confirmed: true },
    ])
    const own = (hosts as Json[]).find(({ host }) => host === 'host2')
    expect(own?.['flows']).toContainEqual(expect.objectContaining({ stage: 'l2', app: 'overlay', priority: 110 }))
    const rows = (read as { rows: Json[] }[]).flatMap(({ rows: each }) => each)
    expect(rows).toContainEqual(expect.objectContaining({ kind: 'network', name: 'blue' }))
    expect(rows).toContainEqual({ kind: 'host', id: 'host2' })
  })

  test('each flow of a host leads to its object', async () => {
    const { flows } = await cloud.controller.call('GET', '/v1/hosts/host2/flows?stage=rules&live=true')
    const mine = (flows as { object: Json | null; live: Json }[]).filter((flow) => flow.object?.['id'] === allowed)
    expect(mine.length).toBeGreaterThan(0)
    expect(mine[0]).toMatchObject({ object: { kind: 'security_group_rule' }, live: { state: 'installed' } })
    const all = (await cloud.controller.call('GET', '/v1/hosts/host2/flows'))['flows'] as readonly Json[]
    const listed = (await cloud.host(1).ovs.ofctl('dump-flows', 'br-int')).match(/cookie=/g)
    expect(all).toHaveLength(listed?.length ?? 0)
  })

  test('a rule counts sessions, packets and bytes on all hosts', async () => {
    const path = `/v1/security-group-rules/${allowed}/counters`
    const counters = async (): Promise<Record<string, number>> =>
      (await cloud.controller.call('GET', path))['counters'] as Record<string, number>
    const before = await counters()
    for (let i = 0; i < 3; i += 1) expect(await connects(a1, web, 80)).toBe(true)
    await until(
      'three sessions are counted',
      async () => (await counters())['sessions'] === (before['sessions'] ?? 0) + 3,
    )
    const after = await counters()
    expect(after['packets']).toBeGreaterThan((before['packets'] ?? 0) + 9)
    expect(after['bytes']).toBeGreaterThan(before['bytes'] ?? 0)
    const group = await cloud.controller.call('GET', `/v2.0/security-group-rules/${allowed}`)
    const id = (group['security_group_rule'] as Json)['security_group_id']
    const all = await cloud.controller.call('GET', `/v1/security-groups/${String(id)}/counters`)
    expect(all).toMatchObject({ complete: true, counters: { rules: expect.arrayContaining([after]) } })
  })
})

describe('weft trace', () => {
  test('shows hosts, tables, objects and the rule that decides', async () => {
    const text = await weft('--from', 'a1', '--to', 'web', '--tcp', '443')
    expect(text).toMatch(/^host1, from port a1 \(in_port 1\)$/m)
    expect(text).toMatch(/^ {2}0 {2}classify +100 in_port=1 +port a1 +network red; policy of port a1$/m)
    expect(text).toMatch(/^ {2}=> tunnel to host2, VNI \d+$/m)
    expect(text).toMatch(/^host2, by tunnel from host1, VNI \d+$/m)
    expect(text).toContain(`ingress of port web: denied by rule ${denied} (ingress) of security group web`)
    expect(text).toMatch(/^dropped in ingress_verdict on host2: .*deny/m)
  })

  test('gives the answer as JSON', async () => {
    const answer = JSON.parse(await weft('--from', web.port.id, '--to', '10.2.0.1', '--json')) as Traced
    expect(answer.outcome.kind).toBe('answered')
  })

  test('says what is wrong', async () => {
    await expect(weft('--from', 'a1', '--to', 'nobody')).rejects.toThrow('Port nobody could not be found')
    await expect(weft('--from', 'a1', '--to', 'a2', '--ttl', '300')).rejects.toThrow(/ttl.*300/)
    await expect(weft('--to', 'a2')).rejects.toThrow('--from or --flow is needed')
  })
})

// The life of a port on real hosts: plugged in before or after it exists, moved, changed, deleted, claimed twice; and a host
// that is lost and comes back.
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Json } from '../lab/controller.ts'
import { Cloud, warm, type Guest, type Network, type Subnet } from '../lab/cloud.ts'
import type { Hypervisor } from '../lab/fabric.ts'
import { startDaemon, until } from '../lab/run.ts'

let cloud: Cloud
let red: Network
let subnet: Subnet
/** On the first host, to be seen by all others. */
let anchor: Guest

beforeAll(async () => {
  cloud = await Cloud.start(3)
  red = await cloud.network()
  subnet = await cloud.subnet(red, '10.1.0.0/24')
  anchor = await cloud.guest(cloud.host(0), red, subnet)
})

afterAll(() => cloud?.stop())

const binding = async (id: string): Promise<unknown> => {
  const { port } = (await cloud.controller.call('GET', `/v2.0/ports/${id}`)) as { port: Json }
  return port['binding:host_id']
}

/** How many flows of a host came from an object: its UUID is in their cookies. */
async function flowsOf(host: Hypervisor, id: string): Promise<number> {
  const object = id.replaceAll('-', '').slice(0, 12)
  const flows = await host.ovs.ofctl('--no-stats', 'dump-flows', 'br-int')
  return flows.split('\n').filter((flow) => new RegExp(`cookie=0x57..${object},`).test(flow)).length
}

describe('plugging', () => {
  test('a port is DOWN until its interface appears, then ACTIVE; DOWN again when it is unplugged', async () => {
    const port = await cloud.port(red)
    expect(await cloud.status(port)).toBe('DOWN')
    const vm = await cloud.fabric.addVm(cloud.host(1), 'late', port.mac, port.id)
    await vm.address(`${port.address}/24`)
    await cloud.becomes(port, 'ACTIVE')
    expect(await binding(port.id)).toBe('host2')
    await warm(vm, anchor.port.address)
    expect(await flowsOf(cloud.host(1), port.id)).toBeGreaterThan(0)
    await cloud.fabric.unplug(vm)
    await cloud.becomes(port, 'DOWN')
    await until('its flows are gone', async () => (await flowsOf(cloud.host(1), port.id)) === 0)
    expect(await anchor.vm.ping(port.address, '-c', '1')).toBe(0)
  })

  test('events tell each status of a port once, in the order in which it has them', async () => {
    const told: unknown[] = []
    const port = await cloud.port(red)
    const events = await cloud.controller.follow(({ type, kind, id, status }) => {
      if (type === 'observed' && kind === 'port' && id === port.id) told.push(status)
    })
    try {
      const vm = await cloud.fabric.addVm(cloud.host(1), 'watched', port.mac, port.id)
      await until('ACTIVE is told', () => told.includes('ACTIVE'), 30)
      await cloud.fabric.unplug(vm)
      await until('DOWN is told', () => told.at(-1) === 'DOWN', 30)
      expect(told).toEqual(['BUILD', 'ACTIVE', 'DOWN'])
    } finally {
      events.close()
    }
  })

  test('an interface of no port gets nothing, and is served as soon as it says which port it is', async () => {
    const vm = await cloud.fabric.addVm(cloud.host(1), 'early', '02:00:00:00:00:31', randomUUID())
    const port = await cloud.port(red, { mac_address: '02:00:00:00:00:31' })
    await vm.address(`${port.address}/24`)
    expect(await vm.ping(anchor.port.address, '-c', '1')).toBe(0)
    await vm.host.ovs.vsctl('set', 'interface', vm.interface, `external_ids:iface-id=${port.id}`)
    await cloud.becomes(port, 'ACTIVE')
    await warm(vm, anchor.port.address)
    await cloud.fabric.unplug(vm)
  })

  test('a port made again under the same interface is another port', async () => {
    const { vm, port } = await cloud.guest(cloud.host(1), red, subnet)
    await warm(vm, anchor.port.address)
    await cloud.remove('port', port.id)
    expect(await flowsOf(cloud.host(1), port.id)).toBe(0)
    expect(await vm.ping(anchor.port.address, '-c', '1')).toBe(0)
    const fixed_ips = [{ subnet_id: subnet.id, ip_address: port.address }]
    const again = await cloud.port(red, { mac_address: port.mac, fixed_ips })
    await vm.host.ovs.vsctl('set', 'interface', vm.interface, `external_ids:iface-id=${again.id}`)
    await cloud.becomes(again, 'ACTIVE')
    await warm(vm, anchor.port.address)
  })
})

describe('changes', () => {
  test('a port that is set down is silent, and speaks again when it is set up', async () => {
    const { vm, port } = await cloud.guest(cloud.host(1), red, subnet)
    await warm(vm, anchor.port.address)
    await cloud.update('port', port.id, { admin_state_up: false })
    expect(await vm.ping(anchor.port.address, '-c', '2')).toBe(0)
    await cloud.update('port', port.id, { admin_state_up: true })
    await warm(vm, anchor.port.address)
  })

  test('a changed address is known everywhere, the old one nowhere', async () => {
    const { vm, port } = await cloud.guest(cloud.host(1), red, subnet)
    await warm(anchor.vm, port.address)
    const fixed_ips = [{ subnet_id: subnet.id, ip_address: '10.1.0.201' }]
    await cloud.update('port', port.id, { fixed_ips })
    expect((await vm.dhcp())['ip']).toBe('10.1.0.201')
    await warm(anchor.vm, '10.1.0.201')
    expect(await anchor.vm.ping(port.address, '-c', '1')).toBe(0)
  })

  test('?wait=realized answers when the hosts have the flows', async () => {
    const { port } = await cloud.guest(cloud.host(2), red, subnet)
    const pairs = [{ ip_address: '10.1.0.222' }]
    const answer = await cloud.controller.request('PUT', `/v2.0/ports/${port.id}?wait=realized`, {
      port: { allowed_address_pairs: pairs },
    })
    expect(answer.status).toBe(200)
    // No waiting here: this is what the answer promised.
    expect(await cloud.host(2).ovs.ofctl('dump-flows', 'br-int')).toContain('10.1.0.222')
  })
})

describe('migration', () => {
  test('a machine that moves to another host keeps its address, and others find it there', async () => {
    const { vm, port } = await cloud.guest(cloud.host(1), red, subnet)
    await warm(anchor.vm, port.address)
    const log = join(cloud.fabric.folder, 'migration.ping')
    const ping = await startDaemon('ping', ['-n', '-i', '0.05', port.address], { namespace: anchor.vm.namespace, log })
    const answers = (): number => readFileSync(log, 'utf8').match(/bytes from/g)?.length ?? 0
    await until('traffic passes', () => answers() > 5)
    await cloud.fabric.migrate(vm, cloud.host(2), port.id)
    await until('the port is bound to the new host', async () => (await binding(port.id)) === 'host3')
    const before = answers()
    await until('traffic passes again', () => answers() > before + 5)
    await ping.stop('SIGINT')
    await cloud.becomes(port, 'ACTIVE')
    expect(await anchor.vm.ping(port.address)).toBe(1)
    expect(await flowsOf(cloud.host(1), port.id)).toBe(await flowsOf(cloud.host(0), port.id))
  })

  test('of two hosts that claim one port one has it, always the same, and an alarm names both', async () => {
    const { vm, port } = await cloud.guest(cloud.host(1), red, subnet)
    const twin = await cloud.fabric.addVm(cloud.host(2), 'twin', port.mac, port.id)
    const alarms = async (host: Hypervisor) => (await cloud.agent(host)).configurations.alarms.join('\n')
    await until('an alarm', async () => (await alarms(cloud.host(2))).includes(port.id))
    expect(await alarms(cloud.host(2))).toContain('host2')
    expect(await binding(port.id)).toBe('host2')
    await warm(anchor.vm, port.address)
    // Unplugging the winner makes the other one the owner, and the alarm ends.
    await cloud.fabric.unplug(vm)
    await until('the other host has it', async () => (await binding(port.id)) === 'host3')
    await until('the alarm is over', async () => (await alarms(cloud.host(2))) === '')
    await twin.address(`${port.address}/24`)
    await warm(twin, anchor.port.address)
    // Plugged in again, the first host wins as it did before.
    await cloud.fabric.plug(vm, port.id)
    await until('the first host has it', async () => (await binding(port.id)) === 'host2')
    await until('an alarm', async () => (await alarms(cloud.host(2))).includes(port.id))
    await warm(anchor.vm, port.address)
    await cloud.fabric.unplug(twin)
    await until('the alarm is over', async () => (await alarms(cloud.host(2))) === '')
  })

  test('of two interfaces of one host that claim one port the first by name has it, and an alarm names both', async () => {
    const { vm, port } = await cloud.guest(cloud.host(1), red, subnet)
    const twin = await cloud.fabric.addVm(cloud.host(1), 'double', port.mac, port.id)
    const alarms = async () => (await cloud.agent(cloud.host(1))).configurations.alarms.join('\n')
    await until('an alarm', async () => (await alarms()).includes(port.id))
    const [first, second] = [vm, twin].map(({ interface: name }) => `host2/${name}`).toSorted()
    expect(await alarms()).toContain(`${first} and ${second}: ${first} has it`)
    await cloud.fabric.unplug(twin)
    await until('the alarm is over', async () => (await alarms()) === '')
    await warm(vm, anchor.port.address)
  })
})

/** Events as they come, until the scope is left. */
async function events(cursor?: number): Promise<Disposable & { readonly seen: Json[] }> {
  const seen: Json[] = []
  const socket = await cloud.controller.follow((event) => void seen.push(event), cursor)
  return { seen, [Symbol.dispose]: () => socket.terminate() }
}

/** Waits for an event with these properties; an agent's are those of the agent. */
const told = ({ seen }: { readonly seen: readonly Json[] }, what: string, expected: Json): Promise<void> =>
  until(`an event of ${what}`, () =>
    seen.some((event) => {
      const said: Json = { ...event, ...(event['agent'] as Json | undefined) }
      return Object.entries(expected).every(([name, value]) => said[name] === value)
    }),
  )

describe('a host that is lost', () => {
  test('is shown as not alive, its ports as DOWN; what was changed meanwhile is done when it is back', async () => {
    const host = cloud.host(2)
    const { vm, port } = await cloud.guest(host, red, subnet)
    await warm(vm, anchor.port.address)
    using heard = await events()
    await host.ovs.stopSwitch('SIGKILL')
    await host.ovs.stopDatabase('SIGKILL')
    await until('it is not alive', async () => !(await cloud.agent(host)).alive, 30)
    await told(heard, 'the host', { type: 'observed', kind: 'agent', host: 'host3', alive: false })
    await cloud.becomes(port, 'DOWN')
    await told(heard, 'its port', { type: 'observed', kind: 'port', id: port.id, status: 'DOWN' })
    const before = heard.seen.length
    const change = { port: { allowed_address_pairs: [{ ip_address: '10.1.0.233' }] } }
    const answer = await cloud.controller.request('PUT', `/v2.0/ports/${port.id}?wait=realized&timeout=1`, change)
    expect(answer.status).toBe(202)
    expect(answer.body['unrealized']).toEqual([{ host: 'host3', reason: 'its switch is not connected' }])
    await told(heard, 'the change', { type: 'updated', kind: 'ports', id: port.id })
    await host.ovs.startDatabase()
    await host.ovs.startSwitch()
    await cloud.becomes(port, 'ACTIVE')
    await told(heard, 'the host', { type: 'observed', kind: 'agent', host: 'host3', alive: true })
    await told(heard, 'its port', { type: 'observed', kind: 'port', id: port.id, status: 'ACTIVE' })
    expect(await host.ovs.ofctl('dump-flows', 'br-int')).toContain('10.1.0.233')
    await warm(vm, anchor.port.address)
    // Who was away meanwhile gets the changes of objects after the last one that it saw.
    const { cursor } = heard.seen[before - 1] as { cursor: number }
    using again = await events(cursor)
    await told(again, 'the change', { type: 'updated', kind: 'ports', id: port.id })
  })
})

describe('requests that are refused', () => {
  test('change nothing, neither in the API nor on any host', async () => {
    const other = await cloud.subnet(await cloud.network(), '10.8.0.0/24')
    const router = await cloud.router([subnet, other])
    await cloud.settled()
    const sent = async () => (await cloud.agents()).map(({ configurations: { flowMods } }) => flowMods)
    const tables = () =>
      Promise.all(cloud.fabric.hosts.map(({ ovs }) => ovs.ofctl('--no-stats', 'dump-flows', 'br-int')))
    const [sentBefore, before] = [await sent(), await tables()]
    using heard = await events()
    const taken = [{ subnet_id: subnet.id, ip_address: anchor.port.address }]
    const refusals = [
      [409, 'IpAddressAlreadyAllocated', 'POST', 'ports', { port: { network_id: red.id, fixed_ips: taken } }],
      [409, 'MacAddressInUse', 'POST', 'ports', { port: { network_id: red.id, mac_address: anchor.port.mac } }],
      [409, 'NetworkInUse', 'DELETE', `networks/${red.id}`],
      [409, 'SubnetInUse', 'DELETE', `subnets/${subnet.id}`],
      [409, 'RouterInUse', 'DELETE', `routers/${router}`],
      [404, 'NetworkNotFound', 'POST', 'ports', { port: { network_id: randomUUID() } }],
      [400, 'InvalidInput', 'PUT', `ports/${anchor.port.id}`, { port: { mac_address: 'no MAC' } }],
      [400, 'InvalidInput', 'PUT', `ports/${anchor.port.id}`, { port: { admin_state_up: 'perhaps' } }],
      [400, 'HTTPBadRequest', 'PUT', `routers/${router}/add_router_interface`, { subnet_id: subnet.id }],
    ] as const
    for (const [status, type, method, path, body] of refusals) {
      const answer = await cloud.controller.request(method, `/v2.0/${path}`, body)
      expect({ path, status: answer.status, ...(answer.body['NeutronError'] as Json) }).toMatchObject({ status, type })
    }
    // A change that is made afterwards is the first that events and hosts hear of.
    await cloud.update('network', red.id, { name: 'red' })
    await told(heard, 'the change', { type: 'updated', kind: 'networks', id: red.id })
    expect(heard.seen.filter(({ type }) => type !== 'observed')).toHaveLength(1)
    expect(await sent()).toEqual(sentBefore)
    expect(await tables()).toEqual(before)
  })
})

// What security groups cost in the datapath, read from the flows that it caches: how often a packet is tracked, which
// packets are not, how many flows many connections need. And that a restart of the controller costs nothing.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cloud, warm, type Guest } from '../lab/cloud.ts'
import { attempt, Conversation, talker, type Talker } from '../lab/conversation.ts'
import { addRule, emptyGroup } from './groups-lab.ts'

let cloud: Cloud
/** Filtered, on both hosts; one network. */
let client: Guest
let server: Guest
/** On a network of their own: one without port security, one with a group that has no state. */
let open: Guest
let stateless: Guest
let conversation: Conversation
let listener: Talker

beforeAll(async () => {
  cloud = await Cloud.start(2)
  const [red, blue] = [await cloud.network(), await cloud.network()]
  const redSubnet = await cloud.subnet(red, '10.1.0.0/24')
  const blueSubnet = await cloud.subnet(blue, '10.2.0.0/24')
  const stateful = await emptyGroup(cloud)
  const plain = await emptyGroup(cloud, { stateful: false })
  for (const direction of ['ingress', 'egress'] as const) {
    for (const group of [stateful, plain]) await addRule(cloud, group, direction, { remote_group_id: group })
    await addRule(cloud, plain, direction)
  }
  const groups = { security_groups: [stateful] }
  client = await cloud.guest(cloud.host(0), red, redSubnet, groups)
  server = await cloud.guest(cloud.host(1), red, redSubnet, groups)
  open = await cloud.guest(cloud.host(0), blue, blueSubnet, { port_security_enabled: false, security_groups: [] })
  stateless = await cloud.guest(cloud.host(1), blue, blueSubnet, { security_groups: [plain] })
  await warm(client.vm, server.port.address)
  await warm(open.vm, stateless.port.address)
  conversation = await Conversation.start('tcp', client, server, 5500)
  listener = await talker(server.vm, 'tcp', 'listen', '5600')
})

afterAll(async () => {
  await conversation?.[Symbol.asyncDispose]()
  await listener?.[Symbol.asyncDispose]()
  await cloud?.stop()
})

interface Cached {
  readonly match: string
  readonly actions: string
}

/** The IPv4 flows that a guest's host has cached for what the guest sends and gets. */
async function cached({ vm, port }: Guest): Promise<readonly Cached[]> {
  const text = await vm.host.ovs.appctl('dpctl/dump-flows', '--names')
  const own = text
    .split('\n')
    .filter((flow) => flow.includes('eth_type(0x0800)'))
    .filter((flow) => flow.includes(`in_port(${vm.interface})`) || flow.includes(`dst=${port.mac})`))
  return own.map((flow) => {
    const [match = '', actions = ''] = flow.split(', actions:')
    return { match, actions }
  })
}

test('a packet of an established connection is tracked once on each host', async () => {
  await conversation.goesOn()
  for (const guest of [client, server]) {
    const flows = await cached(guest)
    const entries = flows.filter(({ match }) => match.includes('recirc_id(0)'))
    const established = flows.filter(({ match }) => match.includes('-new') && match.includes('-inv+trk'))
    // What the guest sends, and what it gets.
    expect(entries.length).toBeGreaterThanOrEqual(2)
    expect(established.length).toBeGreaterThanOrEqual(2)
    expect(entries.filter(({ actions }) => !/^ct\(zone=\d+\),recirc\(0x[0-9a-f]+\)$/.test(actions))).toEqual([])
    expect(established.filter(({ actions }) => /\b(ct|recirc)\(/.test(actions))).toEqual([])
  }
})

test('packets of ports without a stateful group are not tracked at all', async () => {
  expect(await open.vm.ping(stateless.port.address)).toBe(1)
  for (const guest of [open, stateless]) {
    const flows = await cached(guest)
    expect(flows.length).toBeGreaterThanOrEqual(2)
    expect(flows.filter(({ actions }) => /\b(ct|recirc)\(/.test(actions))).toEqual([])
    expect(await guest.vm.host.ovs.appctl('dpctl/dump-conntrack')).not.toContain(open.port.address)
  }
})

test('many connections need no more flows in the datapath than one', async () => {
  const count = async (): Promise<number> => (await cached(server)).length
  expect(await attempt(client.vm, 'tcp', server.port.address, 5600)).toBe('connected')
  const before = await count()
  const more = Array.from({ length: 20 }, () => attempt(client.vm, 'tcp', server.port.address, 5600))
  expect(new Set(await Promise.all(more))).toEqual(new Set(['connected']))
  expect(await count()).toBeLessThan(before + 5)
})

test('the controller restarts: no flow is sent, no zone changes, no connection is lost', async () => {
  const zones = async (): Promise<readonly string[]> => {
    const texts = await Promise.all([0, 1].map((host) => cloud.host(host).ovs.appctl('dpctl/dump-conntrack')))
    const ours = texts.map((text) => text.split('\n').find((line) => line.includes('dport=5500')) ?? '')
    return ours.map((line) => /zone=\d+/.exec(line)?.[0] ?? 'none')
  }
  const before = await zones()
  expect(before).not.toContain('none')
  await cloud.controller.restart('SIGKILL')
  await conversation.goesOn()
  await cloud.settled()
  const mods = (await cloud.agents()).map(({ configurations }) => configurations.flowMods)
  expect(mods).toEqual([0, 0])
  expect(await zones()).toEqual(before)
  await conversation.goesOn()
})

// Rules that change under conversations: on one host, across hosts and through a router, TCP and UDP, either end's rules.
import { afterAll, beforeAll, test } from 'vitest'
import { Cloud, warm, type Guest } from '../lab/cloud.ts'
import { Conversation } from '../lab/conversation.ts'
import { addRule, emptyGroup, removeRule } from './groups-lab.ts'

let cloud: Cloud
let clients: string
let servers: string
let conversations: readonly Conversation[] = []
/** What lets the conversations pass: rules for the servers' ingress, and one for the clients' egress. */
let ingress: readonly string[]
let egress: string

const PORT = 5300
/** More than one packet: in six fragments. */
const BIG = 8000

const letIn = async (): Promise<readonly string[]> => [
  await addRule(cloud, servers, 'ingress', { protocol: 'tcp', port_range_min: PORT, port_range_max: PORT }),
  await addRule(cloud, servers, 'ingress', {
    protocol: 'udp',
    port_range_min: PORT,
    port_range_max: PORT + 9,
    remote_group_id: clients,
  }),
]

beforeAll(async () => {
  cloud = await Cloud.start(2)
  const [red, blue] = [await cloud.network(), await cloud.network()]
  const redSubnet = await cloud.subnet(red, '10.1.0.0/24')
  const blueSubnet = await cloud.subnet(blue, '10.2.0.0/24')
  await cloud.router([redSubnet, blueSubnet])
  clients = await emptyGroup(cloud)
  servers = await emptyGroup(cloud)
  const ping = { protocol: 'icmp' }
  await addRule(cloud, clients, 'egress', ping)
  await addRule(cloud, servers, 'ingress', ping)
  const server = { security_groups: [servers] }
  const client = await cloud.guest(cloud.host(0), red, redSubnet, { security_groups: [clients] })
  const far = [
    await cloud.guest(cloud.host(0), red, redSubnet, server),
    await cloud.guest(cloud.host(1), red, redSubnet, server),
    await cloud.guest(cloud.host(1), blue, blueSubnet, server),
  ]
  for (const { port } of far) await warm(client.vm, port.address)
  ingress = await letIn()
  egress = await addRule(cloud, clients, 'egress')
  const [near, across, routed] = far as [Guest, Guest, Guest]
  conversations = [
    await Conversation.start('tcp', client, near, PORT),
    await Conversation.start('tcp', client, across, PORT),
    await Conversation.start('tcp', client, routed, PORT),
    await Conversation.start('udp', client, near, PORT),
    await Conversation.start('udp', client, across, PORT, BIG),
    await Conversation.start('udp', client, routed, PORT, BIG),
  ]
})

afterAll(async () => {
  for (const each of conversations) await each[Symbol.asyncDispose]()
  await cloud?.stop()
})

const allGoOn = (): Promise<unknown> => Promise.all(conversations.map((each) => each.goesOn()))
const allSilent = (): Promise<unknown> => Promise.all(conversations.map((each) => each.isSilent()))

test('streams and large datagrams flow both ways where one rule lets them begin', async () => {
  await allGoOn()
})

test('a rule that is removed cuts what it let begin, and added again lets it go on', async () => {
  for (const rule of ingress) await removeRule(cloud, rule)
  await allSilent()
  ingress = await letIn()
  await allGoOn()
})

test('a rule of the client’s end does so as well', async () => {
  await removeRule(cloud, egress)
  await allSilent()
  egress = await addRule(cloud, clients, 'egress')
  await allGoOn()
})

test('a deny that is added before the allow cuts them, and removed lets them go on', async () => {
  const deny = await addRule(cloud, servers, 'ingress', { action: 'deny', priority: 1 })
  await allSilent()
  await removeRule(cloud, deny)
  await allGoOn()
})

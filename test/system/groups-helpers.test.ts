// FTP and TFTP past security groups that know only their control ports: the data connections that they announce pass as
// related, real servers and clients at both ends.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cloud, warm, type Guest } from '../lab/cloud.ts'
import { attempt } from '../lab/conversation.ts'
import { startDaemon, until, type Daemon } from '../lab/run.ts'
import { addRule, emptyGroup, removeRule } from './groups-lab.ts'

const TEXT = 'what the server has\n'

let cloud: Cloud
let client: Guest
let server: Guest
let servers: string
let rules: readonly string[] = []
const daemons: Daemon[] = []

beforeAll(async () => {
  cloud = await Cloud.start(2)
  const red = await cloud.network()
  const subnet = await cloud.subnet(red, '10.1.0.0/24')
  const clients = await emptyGroup(cloud)
  servers = await emptyGroup(cloud)
  client = await cloud.guest(cloud.host(0), red, subnet, { security_groups: [clients] })
  server = await cloud.guest(cloud.host(1), red, subnet, { security_groups: [servers] })
  const to = (port: number, protocol: string): object => ({ protocol, port_range_min: port, port_range_max: port })
  for (const body of [to(21, 'tcp'), to(69, 'udp'), { protocol: 'icmp' }])
    await addRule(cloud, clients, 'egress', { ...body })
  await addRule(cloud, servers, 'ingress', { protocol: 'icmp' })
  rules = [
    await addRule(cloud, servers, 'ingress', { ...to(21, 'tcp') }),
    await addRule(cloud, servers, 'ingress', { ...to(69, 'udp') }),
  ]
  await warm(client.vm, server.port.address)
  const folder = join(cloud.fabric.folder, 'served')
  mkdirSync(folder)
  writeFileSync(join(folder, 'file'), TEXT, { mode: 0o644 })
  const options = { namespace: server.vm.namespace }
  daemons.push(
    await startDaemon('/usr/bin/python3', ['-m', 'pyftpdlib', '-p', '21', '-d', folder], options),
    await startDaemon('in.tftpd', ['-L', '-a', `${server.port.address}:69`, '-s', folder], options),
  )
  const listens = async (option: string, port: number): Promise<boolean> =>
    (await server.vm.exec('ss', `-Hln${option}`, `sport = :${port}`)) !== ''
  await until('the servers listen', async () => (await listens('t', 21)) && (await listens('u', 69)))
})

afterAll(async () => {
  await Promise.all(daemons.map((each) => each.stop()))
  await cloud?.stop()
})

const curl = (...options: readonly string[]): Promise<string> =>
  client.vm.exec('curl', '-s', '-m', '5', ...options, `ftp://${server.port.address}/file`)

async function tftp(): Promise<string> {
  const target = join(cloud.fabric.folder, 'transferred')
  await client.vm.exec('busybox', 'tftp', '-g', '-l', target, '-r', 'file', server.port.address)
  return readFileSync(target, 'utf8')
}

test('other ports are closed, each way', async () => {
  const attempts = [
    attempt(client.vm, 'tcp', server.port.address, 2049),
    attempt(server.vm, 'tcp', client.port.address, 2049),
  ]
  expect(await Promise.all(attempts)).toEqual(['silence', 'silence'])
})

test('FTP transfers in passive mode: the client opens the data connection', async () => {
  expect(await curl('--disable-epsv')).toBe(TEXT)
})

test('FTP transfers in active mode: the server opens the data connection', async () => {
  expect(await curl('--disable-eprt', '--ftp-port', '-')).toBe(TEXT)
})

test('TFTP transfers: the server answers from a port of its own', async () => {
  expect(await tftp()).toBe(TEXT)
})

test('without the rules for the control ports nothing is transferred', async () => {
  for (const rule of rules) await removeRule(cloud, rule)
  await expect(curl('--disable-epsv', '-m', '1')).rejects.toThrow()
})

// A small simulated fleet (test/fleet) under a real controller: its hosts get what the apps derive and what a real OVS host
// gets for the same intent, and a fault harms only the host that has it.
import { cpSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { apps } from '../../apps/index.ts'
import { connect } from '../../controller/connect/openflow.ts'
import { Deployment } from '../../controller/deployment.ts'
import type { Zone } from '../../controller/app.ts'
import { Derivation } from '../../controller/derivation.ts'
import { loadFacts } from '../../controller/host/facts.ts'
import { writeHost } from '../../controller/host-rows.ts'
import { followIntent } from '../../controller/intent.ts'
import { openLmdbStore } from '../../controller/store/index.ts'
import { encodeMessage, NO_BUFFER, ports as reserved, type FlowStats } from '../../ofproto/messages/index.ts'
import { hostName } from '../fleet/host.ts'
import { FleetProcess } from '../fleet/process.ts'
import type { Agent } from '../lab/cloud.ts'
import { makeFolder, removeFolder } from '../lab/folder.ts'
import { Ovs } from '../lab/ovs.ts'
import { until } from '../lab/run.ts'
import { ServeProcess } from '../lab/serve.ts'

const HOSTS = 6
const SECONDS = 60

interface Row {
  readonly id: string
}
interface PortRow extends Row {
  readonly status: string
  readonly mac_address: string
}

let folder: string
let controller: ServeProcess
let fleet: FleetProcess
/** UUIDs of the ports of each host. */
let plugged: string[][]
const networks: string[] = []

async function create(kind: string, body: object): Promise<string> {
  const answer = await controller.call('POST', `/v2.0/${kind}s`, { [kind]: body })
  return (answer[kind] as Row).id
}

async function network(number: number): Promise<string> {
  const id = await create('network', {})
  await create('subnet', { network_id: id, ip_version: 4, cidr: `10.${number}.0.0/24` })
  return id
}

async function newPorts(networkId: string, count: number): Promise<string[]> {
  const ports = Array.from({ length: count }, () => ({ network_id: networkId }))
  const { ports: made } = await controller.call('POST', '/v2.0/ports', { ports })
  return (made as Row[]).map(({ id }) => id)
}

const list = async <T extends Row>(kind: string): Promise<readonly T[]> =>
  (await controller.call('GET', `/v2.0/${kind}`))[kind] as readonly T[]

async function agent(host: number): Promise<Agent['configurations'] & { readonly started_at: string }> {
  const agents = await list<Agent & Row & { readonly started_at: string }>('agents')
  const found = agents.find((each) => each.host === hostName(host))
  if (found === undefined) throw new Error(`no agent for host ${host}`)
  return { ...found.configurations, started_at: found.started_at }
}

async function allActive(): Promise<void> {
  const isActive = async (): Promise<boolean> => {
    const ports = await list<PortRow & { readonly device_owner: string }>('ports')
    const ours = ports.filter(({ id }) => plugged.some((each) => each.includes(id)))
    return ours.every(({ status }) => status === 'ACTIVE')
  }
  await until('all ports are ACTIVE', isActive, SECONDS)
}

const hex = (frames: Iterable<Uint8Array>): string[] =>
  Array.from(frames, (each) => Buffer.from(each).toString('hex')).sort()

/** What the apps derive for a host from all that is stored, as a controller would that starts now. */
async function derived(host: string): Promise<string[]> {
  const copy = join(await makeFolder(), 'store')
  cpSync(join(folder, 'data', 'store'), copy, { recursive: true })
  const store = openLmdbStore({ folder: copy })
  const derivation = new Derivation(apps)
  const { inputs } = derivation
  const rows = async (prefix: string): Promise<string[]> =>
    (await store.range(prefix)).entries.map(({ value }) => value)
  for (const facts of loadFacts(await rows('host/'), await rows('vif/'))) writeHost(inputs, null, facts)
  for (const { key, value } of (await store.range('zone/')).entries) {
    inputs.zone.set(key.slice('zone/'.length), JSON.parse(value) as Zone)
  }
  const stop = await followIntent(store, derivation, () => {})
  const deployment = new Deployment()
  const { units, scopes } = derivation.commit()
  deployment.update(units, scopes)
  stop()
  await store.close()
  removeFolder(dirname(copy))
  const flows = Array.from(deployment.itemsOf(host).values()).filter(({ kind }) => kind === 'flow')
  return hex(flows.map(({ frame }) => frame))
}

const simulated = async (host: number): Promise<string[]> => hex(await fleet.ask('flows', host))

const isAsDerived = async (host: number): Promise<boolean> =>
  JSON.stringify(await simulated(host)) === JSON.stringify(await derived(hostName(host)))

beforeAll(async () => {
  folder = await makeFolder()
  controller = await ServeProcess.start(folder)
  networks.push(await network(1), await network(2))
  const router = await create('router', {})
  for (const { id } of await list('subnets')) {
    await controller.call('PUT', `/v2.0/routers/${router}/add_router_interface`, { subnet_id: id })
  }
  const [red, blue] = [await newPorts(networks[0] as string, 12), await newPorts(networks[1] as string, 12)]
  plugged = Array.from({ length: HOSTS }, (_, i) => [...red.slice(i * 2, i * 2 + 2), ...blue.slice(i * 2, i * 2 + 2)])
  fleet = await FleetProcess.start({ manager: controller.manager, ports: plugged })
  await allActive()
})

afterAll(async () => {
  await fleet?.stop()
  await controller?.stop()
  removeFolder(folder)
})

describe('a simulated fleet', () => {
  test('holds on every host exactly the flows that the apps derive for it', async () => {
    const { connected, flows, distinctFlows } = await fleet.ask('totals')
    expect(connected).toBe(HOSTS)
    expect(distinctFlows).toBeLessThan(flows / 2)
    for (let host = 0; host < HOSTS; host += 1) {
      expect(await simulated(host)).toEqual(await derived(hostName(host)))
    }
  })

  test('is told of a change as far as it goes, and when it has come', async () => {
    const [id = ''] = plugged[1] ?? []
    await fleet.ask('watch', id)
    const before = await fleet.ask('totals')
    await controller.call('PUT', `/v2.0/ports/${id}?wait=realized`, {
      port: { allowed_address_pairs: [{ ip_address: '192.0.2.1' }] },
    })
    const { changes, hosts, firstMs, lastMs } = await fleet.ask('watched', id)
    const after = await fleet.ask('totals')
    expect(changes).toBeGreaterThan(0)
    expect(hosts).toBeLessThanOrEqual(HOSTS)
    expect(lastMs).toBeGreaterThanOrEqual(firstMs)
    expect(after.lastChangeMs).toBeGreaterThan(before.lastChangeMs)
    expect(await simulated(1)).toEqual(await derived(hostName(1)))
  })

  test('a port that is unplugged takes its flows along', async () => {
    const [id = ''] = plugged[2]?.splice(0, 1) ?? []
    await fleet.ask('unplug', 2, id)
    await until('the flows are those without the port', () => isAsDerived(2), SECONDS)
    expect(await fleet.ask('ofport', 2, id)).toBeNull()
  })
})

describe('a fault', () => {
  const flowModsOf = async (host: number): Promise<number> => (await agent(host)).flowMods

  test('a flow that one host refuses is an alarm there; all else is realised, and it too once the host takes it', async () => {
    const [id = ''] = await newPorts(networks[0] as string, 1)
    await fleet.ask('refuse', 3, id)
    await fleet.ask('plug', 4, [id])
    plugged[4]?.push(id)
    const alarmed = async (): Promise<boolean> =>
      (await agent(3)).alarms.some((alarm) => alarm.includes('OFPFMFC_TABLE_FULL'))
    await until('the refusal is an alarm', alarmed, SECONDS)
    await until('another host has all', () => isAsDerived(5), SECONDS)
    expect((await agent(5)).alarms).toEqual([])
    await fleet.ask('refuse', 3, null)
    await until('the alarm is over', async () => (await agent(3)).alarms.length === 0, SECONDS)
    expect(await simulated(3)).toEqual(await derived(hostName(3)))
  })

  test('a host that loses its connections gets nothing anew, nor do others', async () => {
    const before = await Promise.all([flowModsOf(0), flowModsOf(1)])
    const since = (await agent(0)).started_at
    await fleet.ask('disconnect', 0)
    await until('it has come back', async () => (await agent(0)).started_at !== since, SECONDS)
    await until('its switch, too', async () => (await agent(0)).switch === 'ready', SECONDS)
    expect(await Promise.all([flowModsOf(0), flowModsOf(1)])).toEqual(before)
  })

  test('a switch that starts anew gets everything again', async () => {
    await fleet.ask('restartSwitch', 1)
    await until('it has all again', () => isAsDerived(1), SECONDS)
  })

  test('a host that hangs delays nobody else', async () => {
    await fleet.ask('stall', 5)
    const [id = ''] = await newPorts(networks[1] as string, 1)
    await fleet.ask('plug', 0, [id])
    plugged[0]?.push(id)
    await until('the others have the change', () => isAsDerived(2), SECONDS)
    expect(await simulated(5)).not.toEqual(await derived(hostName(5)))
    await fleet.ask('resume', 5)
    await until('it has it, too, once it goes on', () => isAsDerived(5), SECONDS)
  })
})

test('a real OVS host in the place of a simulated one gets the same flows, byte by byte', async () => {
  await using ovs = await Ovs.start()
  const ids = [
    'external_ids:system-id=real',
    'external_ids:weft-encap-ip=172.16.0.1',
    'external_ids:weft-datapath-type=dummy',
  ]
  await ovs.vsctl('set', 'open_vswitch', '.', ...ids)
  await ovs.vsctl('set-manager', controller.manager)
  await until('br-int is there', async () => (await ovs.vsctl('list-br')).includes('br-int'), SECONDS)
  const expected = await simulated(0)
  const ports = plugged[0]?.splice(0) ?? []
  const numbers = await Promise.all(ports.map((id) => fleet.ask('ofport', 0, id)))
  for (const id of ports) await fleet.ask('unplug', 0, id)
  const added = ports.flatMap((id, i) => {
    const settings = ['type=dummy', `ofport_request=${numbers[i]}`, `external_ids:iface-id=${id}`]
    return ['--', 'add-port', 'br-int', `p${i}`, '--', 'set', 'interface', `p${i}`, ...settings]
  })
  await ovs.vsctl(...added)
  const channel = await connect(ovs.management('br-int'), {})
  const listed = async (): Promise<string[]> => {
    const all = { table: 0xff, outPort: reserved.any, outGroup: 0xffff_ffff, cookie: 0n, cookieMask: 0n, match: [] }
    const xid = channel.nextXid()
    const reply = await channel.request({ kind: 'multipart_request', xid, more: false, body: { kind: 'flow', ...all } })
    if (reply.kind !== 'multipart_reply' || reply.body.kind !== 'flow') throw new Error(reply.kind)
    return hex(reply.body.flows.map(frameOf))
  }
  await until('the real host has as many flows', async () => (await listed()).length === expected.length, SECONDS)
  const same = async (): Promise<boolean> => JSON.stringify(await listed()) === JSON.stringify(expected)
  await until('the flows are the same', same).catch(() => {})
  expect(await listed()).toEqual(expected)
  channel.close()
})

/** The OFPT_FLOW_MOD that adds what is listed. */
function frameOf({ table, priority, cookie, flags, match, instructions, ...timeouts }: FlowStats): Uint8Array {
  const { idleTimeoutSeconds, hardTimeoutSeconds } = timeouts
  return encodeMessage({
    kind: 'flow_mod',
    xid: 0,
    cookie,
    cookieMask: 0n,
    table,
    command: 'add',
    idleTimeoutSeconds,
    hardTimeoutSeconds,
    priority,
    bufferId: NO_BUFFER,
    outPort: reserved.any,
    outGroup: 0xffff_ffff,
    flags,
    match,
    instructions,
  })
}

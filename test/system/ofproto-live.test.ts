// OpenFlow against a real ovs-vswitchd: what the library says, OVS does; what OVS says, the library understands.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Channel } from '../../controller/connect/channel.ts'
import { connect, listen, stayConnected } from '../../controller/connect/openflow.ts'
import { formatFlowStats, parseFlowMod } from '../../ofproto/messages/flow-text.ts'
import { parseGroupMod } from '../../ofproto/messages/group-text.ts'
import type { Message } from '../../ofproto/messages/index.ts'
import { parseMeterMod } from '../../ofproto/messages/meter-text.ts'
import type { MultipartReplyBody, MultipartRequestBody } from '../../ofproto/messages/multipart.ts'
import { parseFlowRequest } from '../../ofproto/messages/flow-text.ts'
import { makeAuthority, readIdentity } from '../lab/certificates.ts'
import { control, flow, Inbox, manage } from '../lab/openflow.ts'
import { Ovs } from '../lab/ovs.ts'
import { until } from '../lab/run.ts'

const BRIDGE = 'br-int'
let ovs: Ovs
let channel: Channel
let inbox: Inbox

beforeAll(async () => {
  ovs = await Ovs.start()
  await ovs.addBridge(BRIDGE, ['p1', 'p2'])
  inbox = new Inbox()
  channel = await manage(ovs, BRIDGE, inbox)
})
afterAll(async () => {
  channel.close()
  await ovs.stop()
})
beforeEach(async () => {
  await ovs.ofctl('del-flows', BRIDGE)
  inbox.messages.length = 0
})

/** The body of the reply to a multipart request. */
async function ask<K extends MultipartReplyBody['kind']>(
  body: Extract<MultipartRequestBody, { kind: K }>,
  through = channel,
): Promise<Extract<MultipartReplyBody, { kind: K }>> {
  const reply = await through.request({ kind: 'multipart_request', xid: through.nextXid(), more: false, body })
  if (reply.kind !== 'multipart_reply' || reply.body.kind !== body.kind) throw new Error(`unexpected ${reply.kind}`)
  return reply.body as Extract<MultipartReplyBody, { kind: K }>
}

const allFlows = async (): Promise<string[]> => {
  const { flows } = await ask(parseFlowRequest('flow', ''))
  return flows.map((stats) => formatFlowStats({ ...stats, durationSeconds: 0, durationNanoseconds: 0 }))
}

/** As ovs-ofctl says it, less what passes with time. */
const dumpFlows = async (): Promise<string[]> =>
  (await ovs.ofctl('dump-flows', BRIDGE))
    .split('\n')
    .map((line) =>
      line
        .trim()
        .replace(/duration=[0-9.]+s/, 'duration=0s')
        .replace(/idle_age=\d+, /, ''),
    )
    .filter((line) => line.startsWith('cookie'))

const arp =
  'in_port(1),eth(src=50:54:00:00:00:01,dst=50:54:00:00:00:02),eth_type(0x0806),arp(sip=10.0.0.1,tip=10.0.0.2,op=1,sha=50:54:00:00:00:01,tha=00:00:00:00:00:00)'
const inject = (): Promise<string> => ovs.appctl('netdev-dummy/receive', 'p1', arp)

test('the switch says what it is', async () => {
  const features = await channel.request({ kind: 'features_request', xid: channel.nextXid() })
  const datapath = (await ovs.vsctl('get', 'bridge', BRIDGE, 'datapath_id')).trim().replaceAll('"', '')
  expect(features).toMatchObject({ kind: 'features_reply', datapath: BigInt(`0x${datapath}`), tables: 254 })
  const { manufacturer, software } = await ask({ kind: 'desc' })
  expect([manufacturer, software]).toEqual(['Nicira, Inc.', expect.stringMatching(/^\d+\.\d+\.\d+/)])
  const { ports } = await ask({ kind: 'port_desc' })
  expect(ports.map(({ name }) => name).sort()).toEqual([BRIDGE, 'p1', 'p2'])
})

test('flows that we send are the flows that ovs-ofctl dumps, and that we read back', async () => {
  const texts = [
    'table=0,priority=7,in_port=1,ip,nw_dst=10.0.0.0/8 actions=dec_ttl,output:2',
    'table=1,cookie=0x123,tcp,tp_dst=80 actions=ct(commit,zone=5,nat(dst=10.1.1.1:8080)),resubmit(,2)',
    'table=2,idle_timeout=60,reg1=0x7/0xff actions=load:0x5->NXM_NX_REG2[0..7],learn(table=9,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])',
    'table=3 actions=controller(userdata=01.02,pause),goto_table:4',
  ]
  for (const text of texts) channel.send(flow(channel, text))
  await channel.barrier()
  expect(inbox.messages).toEqual([])
  const ours = await allFlows()
  expect(ours).toHaveLength(texts.length)
  expect(ours.map((line) => line.replace('duration=0.000s', 'duration=0s')).sort()).toEqual((await dumpFlows()).sort())
})

describe('bundles', () => {
  const bundle = 77
  const step = (type: 'open_request' | 'commit_request'): Promise<Message> =>
    channel.request({
      kind: 'bundle_control',
      xid: channel.nextXid(),
      bundle,
      type,
      flags: 3,
      properties: new Uint8Array(0),
    })
  const add = (message: Extract<Message, { kind: 'flow_mod' | 'group_mod' }>): number => {
    const xid = channel.nextXid()
    channel.send({ kind: 'bundle_add', xid, bundle, flags: 3, message: { ...message, xid }, rest: new Uint8Array(0) })
    return xid
  }

  test('a bundle is applied whole when it is committed', async () => {
    expect(await step('open_request')).toMatchObject({ type: 'open_reply' })
    add(parseGroupMod('add', 'group_id=9,type=all,bucket=output:2'))
    add(parseFlowMod('add', 'priority=1 actions=group:9'))
    expect(await dumpFlows()).toEqual([])
    expect(await step('commit_request')).toMatchObject({ type: 'commit_reply' })
    expect(await dumpFlows()).toEqual([expect.stringMatching(/priority=1 actions=group:9$/)])
    await ovs.ofctl('del-groups', BRIDGE)
  })

  test('a bundle with a faulty message fails, naming the message by its xid, and changes nothing', async () => {
    await step('open_request')
    add(parseFlowMod('add', 'priority=1 actions=output:1'))
    const guilty = add(parseFlowMod('add', 'priority=2 actions=group:4711'))
    add(parseFlowMod('add', 'priority=3 actions=output:2'))
    await expect(step('commit_request')).rejects.toMatchObject({ code: 'refused' })
    const errors = inbox.of('error')
    expect(errors.map(({ xid }) => xid)).toEqual([guilty])
    expect(errors).toMatchObject([{ type: 2, code: 9 }])
    expect(await dumpFlows()).toEqual([])
  })
})

test('a dump of 100,000 flows comes as one reply that lists each of them', async () => {
  const count = 100_000
  const template = parseFlowMod('add', 'table=5,priority=5,ip,nw_dst=0.0.0.0 actions=output:2')
  for (let i = 0; i < count; i += 1) {
    const match = template.match.map((entry) => (entry.kind === 'ip_dst' ? { ...entry, value: i } : entry))
    channel.send({ ...template, match, cookie: BigInt(i), xid: channel.nextXid() })
    await channel.congestion
  }
  await channel.barrier()
  expect(inbox.of('error')).toEqual([])
  const { flows } = await ask(parseFlowRequest('flow', 'table=5'))
  expect(flows).toHaveLength(count)
  expect(new Set(flows.map(({ cookie }) => cookie)).size).toBe(count)
  for (const { cookie, match } of flows) {
    const destination = match.find((entry) => entry.kind === 'ip_dst')
    if (destination?.value !== Number(cookie)) expect(destination).toEqual({ cookie })
  }
})

test('groups: what we add is described back, changes and goes', async () => {
  const send = async (command: 'add' | 'modify' | 'delete', text: string): Promise<void> => {
    channel.send({ ...parseGroupMod(command, text), xid: channel.nextXid() })
    await channel.barrier()
  }
  await send('add', 'group_id=5,type=select,bucket=weight:3,actions=output:1,bucket=weight:1,actions=output:2')
  expect((await ask({ kind: 'group_desc' })).groups).toMatchObject([
    { group: 5, type: 'select', buckets: [{ weight: 3 }, { weight: 1 }] },
  ])
  await send('modify', 'group_id=5,type=all,bucket=output:1')
  expect(await ovs.ofctl('dump-groups', BRIDGE)).toContain('group_id=5,type=all,bucket=actions=output:1')
  expect((await ask({ kind: 'group', group: 5 })).groups).toMatchObject([{ group: 5, references: 0 }])
  await send('delete', 'group_id=5')
  expect((await ask({ kind: 'group_desc' })).groups).toEqual([])
  expect(inbox.messages).toEqual([])
})

test('meters: what we add is described back, and counts', async () => {
  channel.send({
    ...parseMeterMod('add', 'meter=3,pktps,burst,bands=type=drop,rate=100,burst_size=10'),
    xid: channel.nextXid(),
  })
  await channel.barrier()
  const bands = [{ kind: 'drop', rate: 100, burst: 10 }]
  expect((await ask({ kind: 'meter_config', meter: 3 })).meters).toMatchObject([{ meter: 3, flags: 6, bands }])
  expect((await ask({ kind: 'meter', meter: 3 })).meters).toMatchObject([{ meter: 3, flows: 0, packets: 0n }])
  expect((await ask({ kind: 'meter_features' })).maximumMeters).toBeGreaterThan(0)
  channel.send({ ...parseMeterMod('delete', 'meter=3'), xid: channel.nextXid() })
  await channel.barrier()
  expect(await ovs.ofctl('dump-meters', BRIDGE)).not.toContain('meter=3')
})

test('the primary role goes to whoever asks with the newest generation; a stale one is refused', async () => {
  const other = await connect(ovs.management(BRIDGE), { onMessage: inbox.add })
  const claim = (who: Channel, generation: bigint): Promise<Message> =>
    who.request({ kind: 'role_request', xid: who.nextXid(), role: 'primary', generation })
  expect(await claim(channel, 10n)).toMatchObject({ kind: 'role_reply', role: 'primary', generation: 10n })
  expect(await claim(other, 11n)).toMatchObject({ role: 'primary', generation: 11n })
  expect((await inbox.next('role_status')).role).toBe('secondary')
  // OFPRRFC_STALE
  await expect(claim(channel, 10n)).rejects.toMatchObject({ error: { kind: 'error', type: 11, code: 0 } })
  // OFPBRC_IS_SLAVE
  channel.send(flow(channel, 'actions=drop'))
  expect(await inbox.next('error')).toMatchObject({ type: 1, code: 10 })
  await channel.request({ kind: 'role_request', xid: channel.nextXid(), role: 'equal', generation: 0n })
  other.close()
  await other.closed
})

describe('packets', () => {
  test('a packet comes up as packet_in and goes out as packet_out', async () => {
    await using controller = await control(ovs, BRIDGE)
    controller.channel.send(flow(controller.channel, 'cookie=0xabc,arp,in_port=1 actions=controller'))
    controller.channel.send(flow(controller.channel, 'arp,in_port=controller actions=output:2'))
    await controller.channel.barrier()
    await inject()
    const packet = await controller.inbox.next('packet_in')
    expect(packet).toMatchObject({ cookie: 0xabcn, reason: 1, table: 0, totalLength: packet.data.length })
    expect(packet.match).toContainEqual({ kind: 'in_port_oxm', value: 1, mask: null })
    const sent = async (): Promise<number> => {
      const { ports } = await ask({ kind: 'port_stats', port: 2 })
      return Number(ports[0]?.sentPackets)
    }
    const before = await sent()
    const actions = parseFlowMod('add', 'actions=output:2').instructions.flatMap((i) =>
      'actions' in i ? i.actions : [],
    )
    const xid = controller.channel.nextXid()
    controller.channel.send({
      kind: 'packet_out',
      xid,
      bufferId: 0xffffffff,
      inPort: 0xfffffffd,
      actions,
      data: packet.data,
    })
    await controller.channel.barrier()
    expect(await sent()).toBe(before + 1)
  })

  test('packet_in2 carries userdata, and a paused packet goes on when it is resumed', async () => {
    await using controller = await control(ovs, BRIDGE)
    const { channel: primary, inbox: received } = controller
    primary.send({ kind: 'set_packet_in_format', xid: primary.nextXid(), format: 'nxt_packet_in2' })
    primary.send(
      flow(primary, 'arp,in_port=1 actions=controller(userdata=01.02.03,pause),load:7->NXM_NX_REG1[],resubmit(,1)'),
    )
    primary.send(flow(primary, 'table=1,reg1=7 actions=output:2'))
    await primary.barrier()
    await inject()
    const { properties } = await received.next('packet_in2')
    expect(properties).toContainEqual({ kind: 'userdata', bytes: Uint8Array.of(1, 2, 3) })
    expect(properties.map(({ kind }) => kind)).toContain('continuation')
    expect(await ovs.ofctl('dump-flows', BRIDGE, 'table=1')).toContain('n_packets=0')
    primary.send({
      kind: 'resume',
      xid: primary.nextXid(),
      properties: properties.filter(({ kind }) => kind !== 'userdata'),
    })
    await primary.barrier()
    expect(received.of('error')).toEqual([])
    await until('the resumed packet is counted', async () =>
      (await ovs.ofctl('dump-flows', BRIDGE, 'table=1')).includes('n_packets=1'),
    )
  })
})

test('a flow monitor tells of flows that others add and delete', async () => {
  const monitor = { monitor: 1, flags: 0x1f, outPort: 0xffffffff, table: 0xff, match: [] }
  channel.send(flow(channel, 'table=7,priority=1 actions=drop'))
  await channel.barrier()
  const { updates } = await ask({ kind: 'flow_monitor', monitors: [monitor] })
  expect(updates).toMatchObject([{ kind: 'full', event: 'added', table: 7, priority: 1 }])
  await ovs.ofctl('add-flow', BRIDGE, 'table=8,priority=2,in_port=1 actions=output:2')
  const added = await inbox.next('multipart_reply')
  expect(added.body).toMatchObject({ kind: 'flow_monitor', updates: [{ event: 'added', table: 8, priority: 2 }] })
  await ovs.ofctl('del-flows', BRIDGE, 'table=8')
  const deleted = await inbox.next('multipart_reply')
  expect(deleted.body).toMatchObject({ kind: 'flow_monitor', updates: [{ event: 'deleted', table: 8 }] })
  channel.send({ kind: 'flow_monitor_cancel', xid: channel.nextXid(), monitor: 1 })
  await channel.barrier()
})

test('tunnel options are mapped to fields and unmapped', async () => {
  const maps = [{ optionClass: 0xffff, optionType: 7, optionLength: 8, index: 3 }]
  channel.send({ kind: 'tlv_table_mod', xid: channel.nextXid(), command: 'add', maps })
  const table = await channel.request({ kind: 'tlv_table_request', xid: channel.nextXid() })
  expect(table).toMatchObject({ kind: 'tlv_table_reply', maximumFields: 64, maps })
  channel.send(flow(channel, 'tun_metadata3=0x0102030405060708 actions=drop'))
  await channel.barrier()
  expect(await ovs.ofctl('dump-flows', BRIDGE)).toContain('tun_metadata3=0x102030405060708')
  await ovs.ofctl('del-flows', BRIDGE)
  channel.send({ kind: 'tlv_table_mod', xid: channel.nextXid(), command: 'clear', maps: [] })
  await channel.barrier()
  expect(inbox.messages).toEqual([])
})

test('tracked connections of a zone are flushed, all or those of one tuple', async () => {
  const connections = async (): Promise<number> =>
    (await ovs.appctl('dpctl/dump-conntrack', 'zone=9')).split('\n').filter((line) => line !== '').length
  channel.send(flow(channel, 'tcp,in_port=1 actions=ct(commit,zone=9),output:2'))
  await channel.barrier()
  const syn = (source: number): Promise<string> =>
    ovs.appctl(
      'netdev-dummy/receive',
      'p1',
      `in_port(1),eth(src=50:54:00:00:00:01,dst=50:54:00:00:00:02),eth_type(0x0800),ipv4(src=10.0.0.1,dst=10.0.0.2,proto=6,tos=0,ttl=64,frag=no),tcp(src=${source},dst=80),tcp_flags(syn)`,
    )
  await syn(1000)
  await syn(1001)
  await until('two connections are tracked', async () => (await connections()) === 2)
  const tuple = [{ kind: 'source_port', value: 1000 } as const]
  const properties = [
    { kind: 'original', tuple },
    { kind: 'zone', value: 9 },
  ] as const
  channel.send({ kind: 'ct_flush', xid: channel.nextXid(), ipProtocol: 6, properties })
  await channel.barrier()
  expect(await connections()).toBe(1)
  channel.send({ kind: 'ct_flush_zone', xid: channel.nextXid(), zone: 9 })
  await channel.barrier()
  expect(await connections()).toBe(0)
})

test('what the switch refuses is told with its reason and the xid', async () => {
  const bad = flow(channel, 'actions=group:99')
  channel.send(bad)
  await channel.barrier()
  // OFPBAC_BAD_OUT_GROUP
  expect(inbox.of('error')).toMatchObject([{ xid: bad.xid, type: 2, code: 9, experimenter: null }])
})

describe('TLS', () => {
  test('a switch connects by TLS both ways verified; one of another authority does not', async () => {
    const sign = await makeAuthority(ovs.folder)
    const theirs = await sign('switch')
    await ovs.vsctl('set-ssl', theirs.key, theirs.certificate, theirs.authority)
    const tls = await readIdentity(await sign('controller'))
    {
      await using controller = await control(ovs, BRIDGE, { tls })
      expect(controller.channel.peer).toMatch(/^ssl:/)
      const features = await controller.channel.request({ kind: 'features_request', xid: controller.channel.nextXid() })
      expect(features.kind).toBe('features_reply')
    }
    const stranger = await readIdentity(await (await makeAuthority(ovs.folder, 'other'))('stranger'))
    const opened: Channel[] = []
    const listener = await listen('pssl:0:127.0.0.1', { tls: stranger }, (each) => opened.push(each))
    await ovs.vsctl('set-controller', BRIDGE, `ssl:127.0.0.1:${listener.port}`)
    await until('the switch reports that it failed', async () =>
      (await ovs.vsctl('get', 'controller', BRIDGE, 'status')).includes('last_error'),
    )
    expect(opened).toEqual([])
    await ovs.vsctl('del-controller', BRIDGE)
    await listener.close()
  })
})

test('a channel that stays connected is back after the switch was restarted', async () => {
  await using other = await Ovs.start()
  await other.addBridge(BRIDGE)
  const stop = new AbortController()
  const channels: Channel[] = []
  const failures: string[] = []
  const running = stayConnected(
    other.management(BRIDGE),
    { backoff: { minMilliseconds: 10 }, onFailure: ({ code }) => failures.push(code) },
    (each) => channels.push(each),
    stop.signal,
  )
  await until('the first connection', () => channels.length === 1)
  await other.stopSwitch('SIGKILL')
  await channels[0]?.closed
  await expect(channels[0]?.barrier()).rejects.toMatchObject({ code: 'closed' })
  await other.startSwitch()
  await until('the second connection', () => channels.length === 2)
  await channels[1]?.barrier()
  stop.abort()
  await running
  expect(failures[0]).toBe('closed')
})

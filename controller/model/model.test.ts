// What single actions and tables do, in the language of ovs-ofctl. test/system/model.test.ts asks real OVS the same.
import { parseArp } from '../../packet/arp.ts'
import { expect, test } from 'vitest'
import { mac } from '../address.ts'
import { checksum, composeFrame, composeIpv4, composeUdp, parseFrame, parseIpv4, parseUdp } from '../../packet/frame.ts'
import { parseFlowMod, parseGroupMod, ports as reserved } from '../../ofproto/messages/index.ts'
import { ModelSwitch } from './switch.ts'
import { plainPort, tunnelPort } from './tables.ts'
import { address, pingFrame, whoHas } from './testing.ts'
import { formatTrace } from './trace.ts'

const A = '02:00:00:00:00:0a'
const B = '02:00:00:00:00:0b'
const ping = pingFrame({ fromMac: A, toMac: B, from: '10.0.0.1', to: '10.0.0.2' })

function switchWith(flows: readonly string[], groups: readonly string[] = []): ModelSwitch {
  const model = new ModelSwitch(address('192.0.2.1'))
  for (const number of [1, 2, 3]) model.ports.set(number, plainPort)
  model.ports.set(4, { tunnel: null, up: false })
  model.ports.set(9, tunnelPort)
  for (const text of flows) model.addFlow(parseFlowMod('add', text))
  for (const text of groups) {
    const group = parseGroupMod('add', text)
    model.groups.set(group.group, group)
  }
  return model
}

const traced = (flows: readonly string[], bytes = ping, groups: readonly string[] = [], inPort = 1) =>
  switchWith(flows, groups).trace({ bytes, inPort })
const portsOf = (...args: Parameters<typeof traced>): number[] => traced(...args).outputs.map(({ port }) => port)
/** The packet that leaves by the first output. */
const sentBy = (actions: string, bytes = ping): Uint8Array =>
  traced([`actions=${actions},output:2`], bytes).outputs[0]?.bytes ?? new Uint8Array()
/** For an action that the match must allow. */
const changed = (match: string, actions: string, bytes: Uint8Array): Uint8Array =>
  traced([`${match},actions=${actions},output:2`], bytes).outputs[0]?.bytes ?? new Uint8Array()

test('the flow of the highest priority that matches decides; without one the packet is dropped', () => {
  const flows = ['priority=5,ip,actions=output:2', 'priority=9,icmp,actions=output:3', 'priority=7,actions=drop']
  expect(portsOf(flows)).toEqual([3])
  expect(portsOf(flows.slice(0, 1), whoHas(A, '10.0.0.1', '10.0.0.2'))).toEqual([])
})

test('a flow that is removed lets the next one through, and one that is added again replaces its twin', () => {
  const model = switchWith(['priority=5,ip,actions=output:2', 'priority=9,ip,actions=output:3'])
  model.addFlow(parseFlowMod('add', 'priority=9,ip,actions=output:1,output:2,output:3'))
  expect(model.trace({ bytes: ping, inPort: 1 }).outputs).toHaveLength(2)
  model.removeFlow(parseFlowMod('add', 'priority=9,ip,actions=drop'))
  expect(model.trace({ bytes: ping, inPort: 1 }).outputs.map(({ port }) => port)).toEqual([2])
})

test.each([
  ['output:1', []],
  ['in_port', [1]],
  ['output:2,output:3', [2, 3]],
  ['all', [reserved.local, 2, 3, 4]],
  ['flood', [reserved.local, 2, 3, 4]],
  ['LOCAL', [reserved.local]],
  ['output:77', []],
  ['load:2->NXM_OF_IN_PORT[],output:1,output:2', [1]],
  ['load:3->NXM_NX_REG0[],output:NXM_NX_REG0[]', [3]],
])('%s sends to %j what came from port 1', (actions, expected) => {
  expect(new Set(portsOf([`actions=${actions}`]))).toEqual(new Set<number>(expected))
  expect(portsOf([`actions=${actions}`])).toHaveLength(expected.length)
})

test('output with a maximum length truncates that copy only', () => {
  expect(traced(['actions=output(port=2,max_len=20),output:3']).outputs.map(({ bytes }) => bytes.length)).toEqual([
    20,
    ping.length,
  ])
})

test('rewritten addresses, ports and TTL keep every checksum right', () => {
  expect(changed('icmp', 'set_field:5->icmp_code', ping)).not.toEqual(ping)
  const icmp = parseIpv4(parseFrame(changed('icmp', 'set_field:0->icmp_type', ping))?.payload ?? ping)?.payload
  expect([icmp?.[0], checksum(icmp ?? ping)]).toEqual([0, 0])
  const ends = { source: address('10.0.0.1'), destination: address('10.0.0.2') }
  const udp = composeFrame({
    source: mac(A),
    destination: mac(B),
    etherType: 0x0800,
    payload: composeIpv4({
      ...ends,
      protocol: 17,
      ttl: 64,
      dscp: 0,
      payload: composeUdp({ sourcePort: 5, destinationPort: 6, payload: Uint8Array.of(1, 2, 3) }, ends),
    }),
  })
  const actions = 'set_field:192.0.2.7->ip_src,set_field:4000->udp_dst,set_field:46->ip_dscp,dec_ttl'
  const packet = parseIpv4(parseFrame(changed('udp', actions, udp))?.payload ?? udp)
  expect(packet).toMatchObject({ source: address('192.0.2.7'), ttl: 63, dscp: 46 })
  expect(packet && parseUdp(packet)).toMatchObject({ sourcePort: 5, destinationPort: 4000 })
})

test('an ARP request becomes its reply by field moves', () => {
  const request = whoHas(A, '10.0.0.1', '10.0.0.2')
  const actions = [
    'set_field:2->arp_op',
    'move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[]',
    `set_field:${B}->arp_sha`,
    'move:NXM_OF_ARP_SPA[]->NXM_NX_REG0[]',
    'move:NXM_OF_ARP_TPA[]->NXM_OF_ARP_SPA[]',
    'move:NXM_NX_REG0[]->NXM_OF_ARP_TPA[]',
  ]
  expect(parseArp(changed('arp', actions.join(), request))).toEqual({
    op: 2,
    sha: mac(B),
    spa: address('10.0.0.2'),
    tha: mac(A),
    tpa: address('10.0.0.1'),
  })
})

test('a field that the packet does not have stays unset', () => {
  const request = whoHas(A, '10.0.0.1', '10.0.0.2')
  const model = switchWith(['actions=resubmit(,1),output:2'])
  model.addFlow({ ...parseFlowMod('add', 'ip,actions=set_field:1.2.3.4->ip_src'), table: 1, match: [] })
  expect(model.trace({ bytes: request, inPort: 1 }).outputs[0]?.bytes).toEqual(request)
})

test('xreg0 is reg0 and reg1, xxreg0 four registers', () => {
  const flows = [
    'actions=set_field:0x1122334455667788->xreg0,move:NXM_NX_XXREG0[64..127]->OXM_OF_METADATA[],goto_table:1',
  ]
  const matched = 'table=1,reg0=0x11223344,reg1=0x55667788,metadata=0x1122334455667788,actions=output:2'
  expect(portsOf([...flows, matched])).toEqual([2])
})

test('a VLAN tag is pushed, seen, changed and popped', () => {
  const tagged = sentBy('push_vlan:0x8100,set_field:4106->vlan_vid,set_field:3->vlan_pcp')
  expect([...tagged.subarray(12, 18)]).toEqual([0x81, 0, 0x60, 10, 8, 0])
  expect(portsOf(['dl_vlan=10,dl_vlan_pcp=3,icmp,actions=output:3'], tagged)).toEqual([3])
  expect(changed('dl_vlan=10', 'pop_vlan', tagged)).toEqual(ping)
})

test('an MPLS label is made from the IP header and pops off again', () => {
  const labelled = changed('ip', 'push_mpls:0x8847,set_field:77->mpls_label', ping)
  expect([...labelled.subarray(12, 18)]).toEqual([0x88, 0x47, 0, 0x04, 0xd1, 64])
  expect(changed('mpls', 'pop_mpls:0x0800', labelled)).toEqual(ping)
})

test('a TTL that runs out ends the list, not the pipeline around it, and tells the controller', () => {
  const dying = pingFrame({ fromMac: A, toMac: B, from: '10.0.0.1', to: '10.0.0.2', ttl: 1 })
  const trace = traced(['actions=resubmit(,1),output:3', 'table=1,ip,actions=dec_ttl,output:2'], dying)
  expect(trace.outputs.map(({ port, bytes }) => [port, bytes])).toEqual([[3, dying]])
  expect(trace.packetIns).toMatchObject([{ reason: 2, table: 1 }])
})

test('a packet-in carries the cookie and table of its flow, the registers, and the packet as it is by then', () => {
  const flow = `cookie=7,table=2,priority=3,actions=set_field:5->reg3,set_field:${A}->eth_dst,controller`
  const [punt] = traced(['actions=goto_table:2', flow]).packetIns
  expect(punt).toMatchObject({ reason: 1, table: 2, cookie: 7n })
  expect(punt?.metadata).toEqual(
    new Map([
      ['in_port_oxm', 1],
      ['reg3', 5],
    ]),
  )
  expect(parseFrame(punt?.bytes ?? ping)?.destination).toBe(mac(A))
  expect(traced(['priority=0,actions=controller']).packetIns).toMatchObject([{ reason: 0 }])
})

test('the action set runs last, in its own order, the last of each kind only', () => {
  const flows = [
    `actions=write_actions(output:2,set_field:${A}->eth_dst),goto_table:1`,
    'table=1,ip,actions=output:3,write_actions(dec_ttl,output:3)',
  ]
  const [first, second, ...rest] = traced(flows).outputs
  expect([first?.port, second?.port, rest]).toEqual([3, 3, []])
  expect(first?.bytes).toEqual(ping)
  expect(parseIpv4(parseFrame(second?.bytes ?? ping)?.payload ?? ping)?.ttl).toBe(63)
  expect(portsOf(['actions=write_actions(output:2),goto_table:1', 'table=1,actions=clear_actions'])).toEqual([])
})

test('each bucket of a group works on a copy', () => {
  const all = [`group_id=1,type=all,bucket=set_field:${A}->eth_dst,output:2,bucket=output:3`]
  const outputs = traced(['actions=group:1,output:2'], ping, all).outputs
  expect(outputs.map(({ port, bytes }) => [port, parseFrame(bytes)?.destination])).toEqual([
    [2, mac(A)],
    [3, mac(B)],
    [2, mac(B)],
  ])
})

test('fast failover takes the first live bucket, also by way of a watched group; a missing group ends the list', () => {
  const groups = [
    'group_id=1,type=fast_failover,bucket=watch_port:4,output:2,bucket=watch_group:2,output:3',
    'group_id=2,type=fast_failover,bucket=watch_port:2,output:2',
  ]
  expect(portsOf(['actions=group:1'], ping, groups)).toEqual([3])
  expect(portsOf(['actions=group:8,output:2'], ping, groups)).toEqual([])
})

test('select spreads connections by weight and keeps both directions of one together', () => {
  const groups = ['group_id=1,type=select,bucket=weight:3,output:2,bucket=weight:1,output:3,bucket=weight:0,output:4']
  const chosen = Array.from({ length: 200 }, (_, i) => {
    const there = pingFrame({ fromMac: A, toMac: B, from: '10.0.0.1', to: `10.0.1.${i}` })
    const back = pingFrame({ fromMac: B, toMac: A, from: `10.0.1.${i}`, to: '10.0.0.1' })
    const [port] = portsOf(['actions=group:1'], there, groups)
    expect(portsOf(['actions=group:1'], back, groups)).toEqual([port])
    return port
  })
  expect(chosen.filter((port) => port === 2).length).toBeGreaterThan(chosen.filter((port) => port === 3).length)
  expect(new Set(chosen)).toEqual(new Set([2, 3]))
})

test('clone and the stack leave nothing behind but what is popped', () => {
  const actions = `push:NXM_OF_ETH_SRC[],clone(set_field:${B}->eth_src,output:2),pop:NXM_OF_ETH_DST[],output:3`
  const outputs = traced([`actions=${actions}`]).outputs
  const ends = outputs.map(({ bytes }) => parseFrame(bytes)).map((frame) => [frame?.source, frame?.destination])
  expect(ends).toEqual([
    [mac(B), mac(B)],
    [mac(A), mac(A)],
  ])
})

test('a conjunction matches when a flow of each clause does; else flows of lower priority decide', () => {
  const clause = (match: string, text: string, priority = 9) => `priority=${priority},${match},actions=${text}`
  const flows = [
    clause('ip,nw_src=10.0.0.1', 'conjunction(7,1/2)'),
    clause('ip,nw_src=10.0.0.3', 'conjunction(7,1/2),conjunction(8,1/2)'),
    clause('ip,nw_dst=10.0.0.2', 'conjunction(7,2/2)'),
    clause('ip,nw_dst=10.0.0.4', 'conjunction(8,2/2)'),
    'conj_id=7,ip,actions=output:2',
    'conj_id=8,ip,actions=output:3',
    'priority=1,actions=in_port',
  ]
  const sent = (from: string, to: string): number[] => portsOf(flows, pingFrame({ fromMac: A, toMac: B, from, to }))
  expect(sent('10.0.0.1', '10.0.0.2')).toEqual([2])
  expect(sent('10.0.0.3', '10.0.0.2')).toEqual([2])
  expect(sent('10.0.0.3', '10.0.0.4')).toEqual([3])
  expect(sent('10.0.0.1', '10.0.0.4')).toEqual([1])
  expect(portsOf([...flows, 'priority=10,ip,nw_dst=10.0.0.2,actions=output:3'])).toEqual([3])
  expect(portsOf([...flows.slice(0, 4), 'priority=1,actions=output:3'])).toEqual([3])
})

test('resubmit looks up with another port and goes on with the old one', () => {
  expect(portsOf(['actions=resubmit(3,1)', 'table=1,in_port=3,actions=output:1,output:3'])).toEqual([3])
})

test('a tunnel port takes key and destination from the packet, and nothing goes back where it came from', () => {
  const out = 'set_field:5->tun_id,set_field:192.0.2.9->tun_dst,output:9'
  expect(traced([`actions=${out}`]).outputs).toMatchObject([
    { port: 9, tunnel: { id: 5n, source: address('192.0.2.1'), destination: address('192.0.2.9') } },
  ])
  expect(portsOf(['actions=output:9'])).toEqual([])
  const tunnel = { id: 7n, source: address('192.0.2.2'), destination: address('192.0.2.1') }
  const flows = ['tun_id=7,tun_src=192.0.2.2,actions=output:2,in_port']
  expect(
    switchWith(flows)
      .trace({ bytes: ping, inPort: 9, tunnel })
      .outputs.map(({ port }) => port),
  ).toEqual([2])
})

test('a loop of tables ends with an error and without outputs', () => {
  const trace = traced(['actions=output:2,resubmit(,0)'])
  expect(trace).toMatchObject({ outputs: [], error: 'more than 64 tables deep' })
  const many = Array.from({ length: 13 }, (_, i) => `table=${i},actions=resubmit(,${i + 1}),resubmit(,${i + 1})`)
  expect(traced(many)).toMatchObject({ outputs: [], error: 'more than 4096 lookups' })
})

test('what the model cannot follow is an error, never a guess', () => {
  expect(traced(['actions=NORMAL'])).toMatchObject({ outputs: [], error: 'the model does not do NORMAL' })
  expect(traced(['actions=output:2,learn(table=1)'])).toMatchObject({
    outputs: [],
    error: 'the model does not do learn',
  })
})

test('SCTP ports are matched and not rewritten', () => {
  const ends = { source: address('10.0.0.1'), destination: address('10.0.0.2') }
  const payload = composeIpv4({
    ...ends,
    protocol: 132,
    ttl: 64,
    dscp: 0,
    payload: Uint8Array.of(0, 7, 0, 8, ...Array<number>(12).fill(0)),
  })
  const sctp = composeFrame({ source: mac(A), destination: mac(B), etherType: 0x0800, payload })
  expect(portsOf(['sctp,sctp_dst=8,actions=output:2'], sctp)).toEqual([2])
  const refused = { outputs: [], error: 'the model does not rewrite sctp_src' }
  expect(traced(['sctp,actions=set_field:9->sctp_src,output:2'], sctp)).toMatchObject(refused)
})

test('a trace reads like ofproto/trace', () => {
  const text = formatTrace(
    traced(['cookie=0x5,ip,actions=dec_ttl,resubmit(,1)', 'table=1,priority=9,actions=output:2']),
  )
  expect(text.split('\n').slice(0, 5)).toEqual([
    '0. ip, priority 32768, cookie 0x5',
    '    dec_ttl',
    '    resubmit(,1)',
    '  1. priority 9, cookie 0x0',
    '      output:2',
  ])
})

// The bytes that a real ovs-vswitchd sends: each frame decodes, and encodes to the same bytes again.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseFlowRequest } from '../../ofproto/messages/flow-text.ts'
import { decodeMessage, encodeMessage, type Message } from '../../ofproto/messages/index.ts'
import type { MultipartRequestBody } from '../../ofproto/messages/multipart.ts'
import { capture, exchange } from '../lab/openflow.ts'
import { Ovs } from '../lab/ovs.ts'

const BRIDGE = 'br-int'
let ovs: Ovs

beforeAll(async () => {
  ovs = await Ovs.start()
  await ovs.addBridge(BRIDGE, ['p1', 'p2'])
})
afterAll(() => ovs.stop())

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** Sends one request of each body and gives the frames that answer; those that differ when encoded again fail. */
async function roundTrip(...messages: readonly Message[]): Promise<Message[]> {
  const frames = await exchange(ovs.management(BRIDGE), messages)
  const decoded = frames.map((frame) => decodeMessage(frame))
  expect(decoded.map((message) => hex(encodeMessage(message)))).toEqual(frames.map(hex))
  return decoded
}

const request = (body: MultipartRequestBody): Message => ({ kind: 'multipart_request', xid: 7, more: false, body })

const arp =
  'in_port(1),eth(src=50:54:00:00:00:01,dst=50:54:00:00:00:02),eth_type(0x0806),' +
  'arp(sip=10.0.0.1,tip=10.0.0.2,op=1,sha=50:54:00:00:00:01,tha=00:00:00:00:00:00)'

const flows = [
  'actions=drop',
  'table=1,cookie=0x1,idle_timeout=5,hard_timeout=6,send_flow_rem,priority=9,in_port=1,dl_vlan=5,dl_vlan_pcp=3 actions=strip_vlan,output:2',
  'table=2,tcp,nw_src=10.0.0.0/8,tp_src=0x10/0xfff0,tcp_flags=+syn-ack actions=mod_nw_src:1.2.3.4,mod_tp_dst:99,dec_ttl,output:in_port',
  'table=3,ipv6,ipv6_src=fc00::/64,ipv6_label=0x12345,nw_tos=32,nw_ecn=2 actions=set_field:fc00::1->ipv6_dst,dec_ttl(1,2)',
  'table=4,icmp6,icmp_type=135,icmp_code=0,nd_target=fe80::1,nd_sll=00:11:22:33:44:55 actions=normal',
  'table=5,arp,arp_op=1,arp_spa=10.0.0.1,arp_tpa=10.0.0.2,arp_sha=00:00:00:00:00:01 actions=move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],set_field:2->arp_op,in_port',
  'table=6,reg0=1,reg15=0xf/0xff,xxreg1=0x1234,metadata=0x5,pkt_mark=9 actions=load:0x7->OXM_OF_METADATA[0..15],push:NXM_NX_REG1[],pop:NXM_NX_REG2[]',
  'table=7,ip,ct_state=+trk+est-inv,ct_zone=5,ct_mark=3/7,ct_label=0x10 actions=ct(commit,zone=NXM_NX_REG0[0..15],table=8,exec(load:1->NXM_NX_CT_MARK[],set_field:0x2/0xff->ct_label),nat(src=10.0.0.1-10.0.0.9:1000-2000,random))',
  'table=8,tcp,ct_nw_src=10.0.0.1,ct_nw_dst=10.0.0.2,ct_state=+trk+est actions=ct_clear,ct(commit,nat,alg=ftp)',
  'table=9,tun_id=0x77,tun_src=1.1.1.1,tun_dst=2.2.2.2,tun_flags=oam,tun_gbp_id=3 actions=set_field:0x99->tun_id,output:2',
  'table=10,ip actions=learn(table=11,idle_timeout=10,priority=5,eth_type=0x800,NXM_OF_IP_SRC[]=NXM_OF_IP_DST[],load:NXM_OF_IN_PORT[]->NXM_NX_REG1[0..15],output:NXM_OF_IN_PORT[])',
  'table=12,conj_id=7,ip actions=multipath(symmetric_l4,50,hrw,4,0,NXM_NX_REG1[0..7]),resubmit(,13),resubmit(1,14)',
  'table=13,ip,nw_src=10.0.0.1 actions=conjunction(7,1/2),conjunction(8,2/3)',
  'table=14 actions=bundle(eth_src,50,active_backup,ofport,slaves:1,2),bundle_load(symmetric_l4,60,hrw,ofport,NXM_NX_REG3[],slaves:1,2)',
  'table=15 actions=controller(reason=no_match,max_len=128,id=1,userdata=01.02.03.04.05,pause),note:01.02.03.04.05.06.07,exit',
  'table=16,ip,nw_frag=later actions=sample(probability=100,collector_set_id=1,obs_domain_id=2,obs_point_id=3,sampling_port=1,ingress),clone(dec_ttl,output:2)',
  'table=17,mpls,mpls_label=55,mpls_bos=1 actions=pop_mpls:0x0800,goto_table:18',
  'table=18,ip actions=push_mpls:0x8847,set_field:10->mpls_label,set_mpls_ttl(5),dec_mpls_ttl,output:2',
  'table=19 actions=push_vlan:0x8100,set_field:4101->vlan_vid,set_queue:3,output:1,pop_queue,enqueue(2,4)',
  'table=20 actions=meter:1,clear_actions,write_actions(output:2,group:1),write_metadata:0x12/0xff,goto_table:21',
  'table=21 actions=check_pkt_larger(1500)->NXM_NX_REG0[0],output(port=2,max_len=100),output:NXM_NX_REG1[0..15]',
  'table=22,tcp actions=fin_timeout(idle_timeout=1,hard_timeout=2)',
  'table=25 actions=delete_field:tun_metadata0,move:NXM_NX_TUN_METADATA0[0..31]->NXM_NX_REG1[],push:NXM_NX_TUN_METADATA0[0..31]',
  'table=23 actions=encap(nsh(md_type=1)),set_field:0x1234->nsh_spi,encap(ethernet),decap(),output:2',
  'table=24,udp actions=group:1,all,flood,local,table',
]

test('every kind of flow, as dumped', async () => {
  await ovs.ofctl('add-meter', BRIDGE, 'meter=1,kbps,burst,stats,bands=type=drop,rate=1000,burst_size=5')
  await ovs.ofctl(
    'add-group',
    BRIDGE,
    'group_id=1,type=ff,bucket=watch_port:1,output:1,bucket=watch_port:2,dec_ttl,output:2',
  )
  await ovs.ofctl('add-tlv-map', BRIDGE, '{class=0xffff,type=0,len=4}->tun_metadata0')
  const refused: string[] = []
  for (const text of flows) {
    const added = await ovs.ofctl('add-flow', BRIDGE, text).then(() => true, String)
    if (added !== true) refused.push(`${text}: ${added}`)
  }
  expect(refused).toEqual([])
  const [reply] = await roundTrip(request(parseFlowRequest('flow', '')))
  const body = reply?.kind === 'multipart_reply' && reply.body.kind === 'flow' ? reply.body.flows : []
  expect(body).toHaveLength(flows.length)
  await roundTrip(request(parseFlowRequest('aggregate', '')))
})

test('descriptions, counters and features of everything', async () => {
  const ANY = 0xffffffff
  const bodies: MultipartRequestBody[] = [
    { kind: 'desc' },
    { kind: 'table' },
    { kind: 'port_stats', port: ANY },
    { kind: 'port_desc' },
    { kind: 'queue', port: ANY, queue: ANY },
    { kind: 'group', group: 0xfffffffc },
    { kind: 'group_desc' },
    { kind: 'group_features' },
    { kind: 'meter', meter: ANY },
    { kind: 'meter_config', meter: ANY },
    { kind: 'meter_features' },
    { kind: 'table_features', tables: [] },
    { kind: 'flow_monitor', monitors: [{ monitor: 1, flags: 0x1f, outPort: ANY, table: 0xff, match: [] }] },
  ]
  for (const body of bodies) {
    const replies = await roundTrip(request(body))
    expect(replies.map((reply) => reply.kind === 'multipart_reply' && reply.body.kind)).toContain(body.kind)
  }
})

test('answers to single requests', async () => {
  const replies = await roundTrip(
    { kind: 'features_request', xid: 1 },
    { kind: 'get_config_request', xid: 2 },
    { kind: 'get_async_request', xid: 3 },
    { kind: 'role_request', xid: 4, role: 'nochange', generation: 0n },
    { kind: 'nx_role_request', xid: 5, role: 'equal' },
    { kind: 'tlv_table_request', xid: 6 },
    { kind: 'queue_get_config_request', xid: 7, port: 1 },
    { kind: 'echo_request', version: 4, xid: 8, data: Uint8Array.of(1, 2, 3) },
    { kind: 'bundle_control', xid: 9, bundle: 1, type: 'open_request', flags: 1, properties: new Uint8Array(0) },
  )
  expect(replies.map(({ xid }) => xid)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
})

test('errors, standard and extended', async () => {
  const broken: Message[] = [
    { kind: 'unknown', type: 99, xid: 1, bytes: Uint8Array.of(1, 2, 3, 4) },
    { kind: 'unknown', type: 4, xid: 2, bytes: Uint8Array.of(0, 0, 0x23, 0x20, 0, 0, 0xff, 0xff) },
    { kind: 'bundle_control', xid: 3, bundle: 9, type: 'commit_request', flags: 1, properties: new Uint8Array(0) },
  ]
  const errors = await roundTrip(...broken)
  expect(errors).toMatchObject([
    { kind: 'error', xid: 1, type: 1, code: 1 },
    { kind: 'error', xid: 2, type: 1, code: 4 },
    // OFPBFC_BAD_ID of the ONF extension
    { kind: 'error', xid: 3, type: 0xffff, code: 2302, experimenter: 0x4f4e4600 },
  ])
})

test.each(['standard', 'nxt_packet_in2'] as const)(
  'what the switch sends unasked, packets as %s: packets, removed flows, port changes',
  async (format) => {
    const provoke = async (): Promise<void> => {
      await ovs.ofctl('add-flow', BRIDGE, 'arp,send_flow_rem,cookie=5 actions=controller(pause,userdata=01),output:2')
      await ovs.appctl('netdev-dummy/receive', 'p1', arp)
      await ovs.vsctl('add-port', BRIDGE, 'p3', '--', 'set', 'interface', 'p3', 'type=dummy')
      await ovs.ofctl('del-flows', BRIDGE)
    }
    const wanted = [format === 'standard' ? 'packet_in' : 'packet_in2', 'port_status', 'flow_removed']
    const isDone = (frames: readonly Uint8Array[]): boolean => {
      const kinds = new Set<string>(frames.map((frame) => decodeMessage(frame).kind))
      return wanted.every((kind) => kinds.has(kind))
    }
    const frames = await capture(ovs, BRIDGE, [{ kind: 'set_packet_in_format', xid: 2, format }], provoke, isDone)
    await ovs.vsctl('del-port', BRIDGE, 'p3')
    for (const frame of frames) expect(hex(encodeMessage(decodeMessage(frame)))).toBe(hex(frame))
  },
)

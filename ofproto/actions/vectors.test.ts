// Every action in bytes beside its text: the text as ovs-ofctl prints it, then the action in hexadecimal (type, length, for
// an extension vendor and subtype, and what follows). All were checked against `ovs-ofctl parse-actions OpenFlow13`,
// except those that it refuses: debug_*, write_metadata outside of instructions, PBB, copy_ttl_*, unknown.
import { expect, test } from 'vitest'
import { Reader } from '../wire/reader.ts'
import { Writer } from '../wire/writer.ts'
import { actionCodec, formatActions, parseActions, type Action } from './index.ts'
import { rows } from './table.ts'

/** Texts that mean just these bytes. */
const bothWays = parse(`
output:7
  0000 0010 00000007 0000000000000000
LOCAL
  0000 0010 fffffffe 0000000000000000
CONTROLLER:128
  0000 0010 fffffffd 0080000000000000
group:5
  0016 0008 00000005
output(port=7,max_len=64)
  ffff 0010 00002320 0027 000700000040
output:NXM_NX_REG0[0..15]
  ffff 0018 00002320 000f 000f00010004 ffff000000000000
output:NXOXM_NSH_C1[0..15]
  ffff 0018 00002320 0020 000fffffffff 0c08005ad6500000
controller(reason=invalid_ttl,max_len=128,id=3)
  ffff 0010 00002320 0014 008000030200
controller(userdata=01.02.03,pause,meter_id=9)
  ffff 0028 00002320 0025 000000000000 0003000701020300 0004000400000000 0005000800000009
set_mpls_ttl(9)
  000f 0008 09000000
dec_mpls_ttl
  0010 0008 00000000
push_vlan:0x8100
  0011 0008 81000000
pop_vlan
  0012 0008 00000000
push_mpls:0x8847
  0013 0008 88470000
pop_mpls:0x0800
  0014 0008 08000000
mod_nw_ttl:64
  0017 0008 40000000
dec_ttl
  0018 0008 00000000
dec_ttl(1,2,3)
  ffff 0018 00002320 0015 000300000000 0001000200030000
dec_nsh_ttl
  ffff 0010 00002320 0030 000000000000
set_field:00:11:22:33:44:55->eth_src
  0019 0010 80000806 0011223344550000
set_field:4101->vlan_vid
  0019 0010 80000c02 1005000000000000
set_field:fe80::1->ipv6_dst
  0019 0018 80003610 fe80000000000000 0000000000000001
set_field:0x102->tun_metadata3
  0019 0010 00015602 0102000000000000
load:0x5->NXM_NX_REG1[4..7]
  ffff 0018 00002320 0007 010300010204 0000000000000005
load:0x1234->NXM_OF_ETH_DST[]
  ffff 0018 00002320 0007 002f00000206 0000000000001234
set_field:0x30/0xf0->nsh_c1
  ffff 0020 00002320 0021 ffff0d0c005a d650000000300000 00f0000000000000
move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]
  ffff 0018 00002320 0006 003000000000 0000040600000206
move:NXM_NX_REG0[0..7]->NXOXM_NSH_C1[8..15]
  ffff 0020 00002320 0006 000800000008 00010004ffff0c08 005ad65000000000
push:NXM_NX_REG2[0..15]
  ffff 0018 00002320 001b 000000010404 0010000000000000
pop:NXM_NX_REG2[]
  ffff 0018 00002320 001c 000000010404 0020000000000000
delete_field:tun_metadata5
  ffff 0018 00002320 0032 00015a7c0000 0000000000000000
check_pkt_larger(1500)->NXM_NX_REG0[3]
  ffff 0018 00002320 0031 05dc00030001 0004000000000000
resubmit:9
  ffff 0010 00002320 000e 0009ff000000
resubmit(,5)
  ffff 0010 00002320 000e fff805000000
resubmit(7,5)
  ffff 0010 00002320 000e 000705000000
resubmit(,5,ct)
  ffff 0010 00002320 002c fff805000000
conjunction(77,2/3)
  ffff 0010 00002320 0022 01030000004d
learn(table=10,idle_timeout=30,fin_hard_timeout=5,delete_learned,cookie=0x99,NXM_OF_VLAN_TCI[0..11],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],eth_type=0x800,NXM_NX_REG3[0..7]=0x2a,load:0x5->NXM_NX_REG1[],load:NXM_OF_IN_PORT[]->NXM_NX_REG1[16..31],output:NXM_OF_IN_PORT[])
  ffff 0078 00002320 0010 001e00008000 0000000000000099 00020a0000000005 000c000008020000 0000080200000030
    0000040600000000 0206000020100800 0000060200002008 002a000106040000 2820000000050001 0204000008100000
    0002000000010204 0010101000000002 0000000000000000
learn(table=1,priority=5,send_flow_rem,limit=100,result_dst=NXM_NX_REG0[8],NXM_OF_ETH_SRC[])
  ffff 0040 00002320 002d 000000000005 0000000000000000 0005010000000000 0000006400080000 0001000400300000
    0406000000000406 0000000000000000
multipath(nw_src,50,hrw,4,0,NXM_NX_REG1[0..7])
  ffff 0020 00002320 000a 000400320000 0002000300000000 0000000700010204
bundle(eth_src,0,hrw,ofport,members:4,8,LOCAL)
  ffff 0028 00002320 000c 000100000000 0000000200030000 0000000000000000 00040008fffe0000
bundle_load(symmetric_l3l4+udp,7,active_backup,ofport,NXM_NX_REG0[0..15],members:4,ANY)
  ffff 0028 00002320 000d 000000030007 000000020002000f 0001000400000000 0004ffff00000000
ct()
  ffff 0018 00002320 0023 000000000000 0000ff0000000000
ct(commit,table=1,zone=5,nat(src=10.0.0.1-10.0.0.9:100-200,random),exec(set_field:0x1->ct_mark),alg=ftp)
  ffff 0048 00002320 0023 000100000000 0005010000000015 ffff002000002320 0024000000110033 0a0000010a000009
    006400c800000000 001900100001d604 0000000100000000
ct(commit,force,zone=NXM_NX_REG0[0..15],nat(dst=[fd00::1]:80))
  ffff 0040 00002320 0023 000300010004 000fff0000000000 ffff002800002320 0024000000020014 fd00000000000000
    0000000000000001 0050000000000000
ct(zone=9,nat)
  ffff 0028 00002320 0023 000000000000 0009ff0000000000 ffff001000002320 0024000000000000
ct_clear
  ffff 0010 00002320 002b 000000000000
clone(push_vlan:0x8100,clone(output:5))
  ffff 0038 00002320 002a 000000000000 0011000881000000 ffff002000002320 002a000000000000 0000001000000005
    0000000000000000
encap(nsh(md_type=2,tlv(0x1000,10,0x12345678)))
  ffff 0028 00002320 002e 00000001894f 0004010502000000 0004021010000a04 1234567800000000
encap(ethernet)
  ffff 0010 00002320 002e 000000000000
decap()
  ffff 0010 00002320 002f 00000000fffe
decap(packet_type(ns=1,type=0x894f))
  ffff 0010 00002320 002f 00000001894f
sample(probability=100,collector_set_id=1,obs_domain_id=2,obs_point_id=3)
  ffff 0018 00002320 001d 006400000001 0000000200000003
sample(probability=100,collector_set_id=1,obs_domain_id=2,obs_point_id=3,sampling_port=5)
  ffff 0020 00002320 0026 006400000001 0000000200000003 0005000000000000
sample(probability=100,collector_set_id=1,obs_domain_id=2,obs_point_id=3,sampling_port=5,egress)
  ffff 0020 00002320 0029 006400000001 0000000200000003 0005020000000000
set_queue:3
  0015 0008 00000003
pop_queue
  ffff 0010 00002320 0005 000000000000
note:01.02.03.04.05.06
  ffff 0010 00002320 0008 010203040506
exit
  ffff 0010 00002320 0011 000000000000
fin_timeout(idle_timeout=5,hard_timeout=9)
  ffff 0010 00002320 0013 000500090000
debug_slow
  ffff 0010 00002320 00fe 000000000000
debug_recirc
  ffff 0010 00002320 00ff 000000000000
`)

/** Bytes that print so, but that no text means on an OpenFlow 1.3 connection. */
const fromBytes = parse(`
set_vlan_vid:5
  0001 0008 00050000
set_vlan_pcp:3
  0002 0008 03000000
mod_dl_src:00:11:22:33:44:55
  0003 0010 00112233 4455000000000000
mod_dl_dst:00:11:22:33:44:55
  0004 0010 00112233 4455000000000000
mod_nw_src:10.0.0.1
  0005 0008 0a000001
mod_nw_dst:10.0.0.1
  0006 0008 0a000001
mod_nw_tos:8
  0007 0008 08000000
mod_nw_ecn:2
  0008 0008 02000000
mod_tp_src:80
  0009 0008 00500000
mod_tp_dst:80
  000a 0008 00500000
set_mpls_label(10)
  000d 0008 0000000a
set_mpls_tc(3)
  000e 0008 03000000
resubmit:9
  ffff 0010 00002320 0001 000900000000
move:NXM_NX_REG0[0..7]->NXM_NX_REG1[8..15]
  ffff 0020 4f4e4600 0c80 000000080000 0008000000010004 0001020400000000
set_tunnel:0x5
  ffff 0010 00002320 0002 000000000005
set_tunnel64:0x1234567890
  ffff 0018 00002320 0009 000000000000 0000001234567890
write_metadata:0x5/0xff
  ffff 0020 00002320 0016 000000000000 0000000000000005 00000000000000ff
copy_ttl_out
  000b 0008 00000000
copy_ttl_in
  000c 0008 00000000
push_pbb:0x88e7
  001a 0008 88e70000
pop_pbb
  001b 0008 00000000
unknown(ff.ff.00.10.00.00.12.34.01.02.03.04.05.06.07.08)
  ffff 0010 00001234 0102 030405060708
move:NXM_NX_REG0[]->NXM_NX_TUN_METADATA3[0..31]
  ffff 0018 00002320 0006 002000000000 0001000400015604
load:0x5->NXM_NX_TUN_METADATA3[0..31]
  ffff 0018 00002320 0007 001f00015604 0000000000000005
delete_field:tun_metadata3
  ffff 0018 00002320 0032 000156040000 0000000000000000
`)

interface Vector {
  readonly text: string
  readonly hex: string
}

/** Lines without indentation are texts, those with it their bytes. */
function parse(vectors: string): readonly Vector[] {
  return [...vectors.matchAll(/^(\S.*)\n((?: .*\n)+)/gm)].map(([, text = '', hex = '']) => ({
    text,
    hex: hex.replaceAll(/\s/g, ''),
  }))
}

function decode(hex: string): readonly Action[] {
  const r = new Reader(Uint8Array.from(Buffer.from(hex, 'hex')))
  const actions: Action[] = []
  while (r.offset < r.end) actions.push(actionCodec.read(r))
  return actions
}

/** Into a buffer full of 0xa5, so that a byte left unwritten shows. */
function encode(actions: readonly Action[]): string {
  const w = new Writer(1024)
  w.bytes.fill(0xa5)
  for (const action of actions) actionCodec.write(w, action)
  return Buffer.from(w.slice()).toString('hex')
}

test.each([...bothWays, ...fromBytes])('$text: bytes -> text, and back to the same bytes', ({ text, hex }) => {
  const actions = decode(hex)
  expect(formatActions(actions)).toBe(text)
  expect(encode(actions)).toBe(hex)
})

test.each(bothWays)('$text: text -> bytes', ({ text, hex }) => {
  expect(encode(parseActions(text))).toBe(hex)
})

const nested = (action: Action): readonly Action[] =>
  'actions' in action ? [action, ...action.actions.flatMap(nested)] : [action]

test('every action has a vector', () => {
  const covered = new Set(
    [...bothWays, ...fromBytes].flatMap(({ hex }) => decode(hex).flatMap(nested)).map((a) => a.kind),
  )
  expect([...covered].toSorted()).toEqual([...Object.keys(rows), 'unknown'].toSorted())
})

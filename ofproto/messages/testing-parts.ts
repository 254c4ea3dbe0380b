// Random parts of messages for tests: numbers at their edges, ports, matches, actions, packets. Matches and actions come from
// texts, since their own tests vary them.
import { ports } from '../fields/ports.ts'
import fc from 'fast-check'
import { parseActions, parseInstructions } from '../actions/index.ts'
import { parseMatch } from '../fields/match-text.ts'
import type { Match } from '../fields/match.ts'
import { ALL_GROUPS, ANY_GROUP } from './frame.ts'

export const u8 = fc.integer({ min: 0, max: 0xff })
export const u16 = fc.oneof(fc.constantFrom(0, 1, 0xffff), fc.integer({ min: 0, max: 0xffff }))
export const u32 = fc.oneof(fc.constantFrom(0, 1, 0xffffffff), fc.integer({ min: 0, max: 0xffffffff }))
export const u64 = fc.oneof(
  fc.constantFrom(0n, 1n, 0xffff_ffff_ffff_ffffn),
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
)
export const count = fc.oneof(fc.constantFrom(0n, 0xffff_ffff_ffff_ffffn), fc.bigInt({ min: 0n, max: 1n << 50n }))
export const mac = fc.integer({ min: 0, max: 0xffff_ffff_ffff })
export const nanoseconds = fc.oneof(
  fc.constantFrom(0, 5_000_000, 999_999_999, 120_000),
  fc.integer({ min: 0, max: 999_999_999 }),
)
export const bytes = (maxLength: number) => fc.uint8Array({ minLength: 0, maxLength })
export const octets = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
export const name = (maxLength: number) =>
  fc.string({
    unit: fc.constantFrom('a', 'b', 'x', '0', '9', '_', '.', '-', '/', ' ', '(', ')'),
    minLength: 1,
    maxLength,
    size: 'max',
  })
export const bits = (...values: number[]) => fc.subarray(values).map((some) => some.reduce((sum, bit) => sum | bit, 0))

export const anyPort = fc.oneof(
  fc.constantFrom(1, 10, 0xfeff, ...Object.values(ports)),
  fc.integer({ min: 0, max: 0xfeff }),
)
export const table = fc.oneof(fc.constantFrom(0, 1, 254), fc.integer({ min: 0, max: 254 }))
export const groupId = fc.oneof(fc.constantFrom(0, ALL_GROUPS, ANY_GROUP), u32)

const matchTexts = [
  '',
  'in_port=3',
  'in_port=LOCAL,dl_vlan=10',
  'arp,arp_spa=10.0.0.1,arp_op=1',
  'tcp,nw_src=10.0.0.0/8,nw_dst=192.168.1.1,tp_dst=80',
  'udp6,ipv6_src=fd00::/64,tp_src=0x400/0xfc00',
  'icmp,icmp_type=8,icmp_code=0',
  'ct_state=+trk+est,ct_zone=7,ip',
  'reg0=0x1/0xff,reg5=7,metadata=0x1234/0xffff',
  'tun_id=0x5,tun_src=1.2.3.4',
  'dl_src=00:11:22:33:44:55,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00',
  'ip,nw_tos=32,nw_ttl=64,nw_frag=later',
  'mpls,mpls_label=100,mpls_bos=1',
]
export const match: fc.Arbitrary<Match> = fc.constantFrom(...matchTexts.map(parseMatch))
/** What a packet-in tells of a packet beyond its bytes. */
export const metadata: fc.Arbitrary<Match> = fc.constantFrom(
  ...['in_port=1', 'in_port=LOCAL,reg3=0x5', 'in_port=7,tun_id=0x10,tun_src=1.1.1.1,metadata=0x9', ''].map(parseMatch),
)
export const instructions = fc.constantFrom(
  ...[
    'drop',
    'output:1',
    'CONTROLLER:65535',
    'set_field:10.0.0.1->ip_dst,dec_ttl,output:LOCAL',
    'group:7',
    'meter:3,goto_table:5',
    'write_actions(output:2,set_queue:1),goto_table:9',
    'clear_actions,write_metadata:0x5/0xff',
    'resubmit(,4),resubmit(2,)',
    'load:0x7->NXM_NX_REG0[0..7],move:NXM_NX_REG1[]->NXM_NX_REG2[]',
    'learn(table=1,hard_timeout=10,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])',
    'push_vlan:0x8100,set_field:4097->vlan_vid,NORMAL',
    'conjunction(5,1/2)',
    'note:01.02.03',
  ].map((text) => parseInstructions(text)),
)
export const actions = fc.constantFrom(
  ...[
    'drop',
    'output:3',
    'set_field:1.2.3.4->ip_src,output:2',
    'set_queue:1,output:1,pop_queue',
    'ct(commit,zone=1),resubmit(,1)',
  ].map((text) => parseActions(text)),
)
export const frame = fc.oneof(
  fc.constantFrom(
    Uint8Array.from(
      '0102030405060708090a0b0c08004500001c00004000400626ce0a0000010a00000204d2005000000001000000025002ffff0000'
        .match(/../g)
        ?.map((h) => Number.parseInt(h, 16)) ?? [],
    ),
  ),
  fc.uint8Array({ minLength: 1, maxLength: 80 }),
)

export const kind = <const K extends string>(value: K) => fc.constant(value)
export const some = <T>(item: fc.Arbitrary<T>) => fc.array(item, { maxLength: 4 })

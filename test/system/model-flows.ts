// Random flow tables, as ovs-ofctl text, that use every action the model does on every kind of packet. Tables only go
// on to later tables, and priorities in a table differ, so that what happens is defined.
import * as fc from 'fast-check'

const TABLES = 4

type Texts = fc.Arbitrary<string>

const ethernet = fc.nat(0xffff).map((n) => `02:00:00:01:${(n >> 8).toString(16)}:${(n & 0xff).toString(16)}`)
const address = fc.nat(0xffff).map((n) => `10.9.${n >> 8}.${n & 0xff}`)
const address6 = fc.nat(0xffff).map((n) => `2001:db8::${n.toString(16)}`)
const number = (max: number): fc.Arbitrary<number> => fc.nat(max)

/** Actions that any packet takes. */
function plain(table: number, ports: readonly number[], tunnel: { port: number; to: string }): Texts {
  const port = fc.constantFrom(...ports)
  const later = table + 1
  const register = fc.constantFrom('REG0', 'REG1', 'REG2', 'REG5')
  const common: Texts[] = [
    port.map((n) => `output:${n}`),
    fc.constantFrom('in_port', 'all', 'flood', 'controller', 'LOCAL', 'output:4000'),
    ethernet.map((mac) => `set_field:${mac}->eth_dst`),
    ethernet.map((mac) => `set_field:${mac}/00:00:00:00:ff:ff->eth_src`),
    number(3).map((n) => `load:${n}->NXM_NX_REG0[0..1]`),
    number(0xffff).map((n) => `set_field:${n}/0xf0f0->reg1`),
    number(0xffff_ffff).map((n) => `set_field:${n}->xreg1`),
    fc.constantFrom(
      'move:NXM_OF_ETH_SRC[]->OXM_OF_PKT_REG2[0..47]',
      'move:NXM_NX_REG0[0..15]->NXM_OF_ETH_DST[8..23]',
      'move:NXM_OF_ETH_DST[]->NXM_OF_ETH_SRC[]',
      'move:NXM_NX_REG2[4..11]->NXM_NX_REG5[12..19]',
      'move:OXM_OF_METADATA[0..31]->NXM_NX_REG5[]',
      'push:NXM_OF_ETH_SRC[],push:NXM_NX_REG1[],pop:NXM_NX_REG2[],pop:NXM_OF_ETH_DST[]',
    ),
    fc.tuple(register, register).map(([from, to]) => `push:NXM_NX_${from}[],pop:NXM_NX_${to}[]`),
    fc.constantFrom(1, 2, 3, 4).map((group) => `group:${group}`),
    fc.tuple(port, ethernet).map(([n, mac]) => `clone(set_field:${mac}->eth_src,set_field:3->reg0,output:${n})`),
    fc
      .tuple(number(0xff_ffff), fc.boolean())
      .map(
        ([id, set]) => `set_field:${id}->tun_id,${set ? `set_field:${tunnel.to}->tun_dst,` : ''}output:${tunnel.port}`,
      ),
    port.map((n) => `load:${n}->NXM_NX_REG5[0..15],output:NXM_NX_REG5[0..15]`),
    fc.constantFrom('load:0xffff->NXM_OF_IN_PORT[]', 'load:0->NXM_OF_IN_PORT[]'),
    fc.constantFrom('set_queue:3', 'note:00.11.22.33.44.55', 'exit'),
  ]
  // In one table only: of a third tag OVS 3.1 dies.
  if (table === 0) common.push(number(0xffe).map((vid) => `push_vlan:0x8100,set_field:${4096 + vid}->vlan_vid`))
  if (later >= TABLES) return fc.oneof(...common)
  const resubmit = port.map((n) => `resubmit(${n},${later})`)
  return fc.oneof(...common, { weight: 3, arbitrary: fc.constant(`resubmit(,${later})`) }, resubmit)
}

const ip: readonly Texts[] = [
  fc.constantFrom('dec_ttl', 'dec_ttl', 'dec_ttl(1,2)'),
  number(63).map((n) => `set_field:${n}->ip_dscp`),
  number(3).map((n) => `set_field:${n}->nw_ecn`),
  number(255).map((n) => `set_field:${n}->nw_ttl`),
]
const ipv4: readonly Texts[] = [
  ...ip,
  address.map((a) => `set_field:${a}->ip_src`),
  address.map((a) => `set_field:${a}->ip_dst`),
  number(255).map((n) => `set_field:0.0.0.${n}/0.0.0.255->ip_src`),
  fc.constant('move:NXM_OF_IP_SRC[]->NXM_NX_REG2[],move:NXM_OF_IP_DST[]->NXM_OF_IP_SRC[]'),
]
const ipv6: readonly Texts[] = [
  ...ip,
  address6.map((a) => `set_field:${a}->ipv6_src`),
  address6.map((a) => `set_field:${a}/::ffff->ipv6_dst`),
  number(0xf_ffff).map((n) => `set_field:${n}->ipv6_label`),
]
const arp: readonly Texts[] = [
  number(3).map((n) => `set_field:${n + 1}->arp_op`),
  address.map((a) => `set_field:${a}->arp_spa`),
  address.map((a) => `set_field:${a}->arp_tpa`),
  ethernet.map((mac) => `set_field:${mac}->arp_sha`),
  fc.constant('move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[]'),
]
const vlan: readonly Texts[] = [
  fc.constant('pop_vlan'),
  number(0xffe).map((n) => `set_field:${4096 + n}->vlan_vid`),
  // OVS takes a priority only where there is a tag for sure.
  number(7).map((n) => `set_field:4099->vlan_vid,set_field:${n}->vlan_pcp`),
]
const transport = (protocol: string): readonly Texts[] => [
  number(0xffff).map((n) => `set_field:${n}->${protocol}_src`),
  number(0xffff).map((n) => `set_field:${n}/0xff->${protocol}_dst`),
]

/** What a flow matches, and what packets that match take beside the plain actions. */
const kinds: readonly (readonly [match: Texts, actions: readonly Texts[]])[] = [
  [fc.constantFrom('', 'metadata=5/0xf', 'reg0=1', 'reg0=0/0x2', 'reg5=0/0x80000000'), []],
  [fc.constantFrom('dl_src=02:00:00:00:01:02', 'dl_dst=01:00:00:00:00:00/01:00:00:00:00:00', 'vlan_tci=0'), []],
  [fc.constantFrom('ip', 'ip,nw_dst=10.0.1.0/24', 'ip,nw_ttl=1', 'ip,ip_dscp=46', 'ip,nw_proto=47'), ipv4],
  [fc.constantFrom('ipv6', 'ipv6,ipv6_dst=fe80::/64'), ipv6],
  [fc.constantFrom('tcp', 'tcp,tp_dst=80', 'tcp,tcp_flags=+syn'), [...ipv4, ...transport('tcp')]],
  [fc.constantFrom('udp', 'udp,tp_src=68', 'udp,tp_dst=0x40/0xffc0'), [...ipv4, ...transport('udp')]],
  [fc.constantFrom('udp6'), [...ipv6, ...transport('udp')]],
  [
    fc.constantFrom('icmp', 'icmp,icmp_type=8'),
    [...ipv4, number(9).map((n) => `set_field:${n}->icmp_type`), number(9).map((n) => `set_field:${n}->icmp_code`)],
  ],
  [fc.constantFrom('arp', 'arp,arp_op=1', 'arp,arp_tpa=10.0.1.2'), arp],
  [
    fc.constant('icmp6,icmp_type=135,icmp_code=0'),
    [...ipv6, address6.map((a) => `set_field:${a}->nd_target`), ethernet.map((mac) => `set_field:${mac}->nd_sll`)],
  ],
  [fc.constantFrom('vlan_tci=0x1000/0x1000', 'dl_vlan=7', 'dl_vlan_pcp=1'), vlan],
]

const written = (ports: readonly number[]): Texts =>
  fc
    .tuple(
      fc.subarray(['set_field:02:00:00:00:77:77->eth_src', 'load:3->NXM_NX_REG0[]']),
      fc.constantFrom(...ports.map((n) => `output:${n}`), 'group:1', 'group:2', 'controller'),
    )
    .map(([some, final]) => [final, ...some].join())

/** OVS refuses to pop or change a tag that may not be there: a pop comes first and is followed by a push only. */
function tagOnce(all: readonly string[]): readonly string[] {
  const firstPush = all.findIndex((text) => text.startsWith('push_vlan'))
  const list = all.filter((text, i) => !text.startsWith('push_vlan') || i === firstPush)
  if (!list.includes('pop_vlan')) return list
  return ['pop_vlan', ...list.filter((text) => text !== 'pop_vlan' && !/^set_field:\d+->vlan_vid/.test(text))]
}

function flow(table: number, ports: readonly number[], tunnel: { port: number; to: string }): Texts {
  const instructions = fc.tuple(
    fc.option(written(ports), { freq: 3, nil: '' }),
    fc.boolean().map((is) => (is ? 'write_metadata:0x5/0xff' : '')),
    fc.boolean().map((goes) => (goes && table + 1 < TABLES ? `goto_table:${table + 1}` : '')),
  )
  return fc.constantFrom(...kinds).chain(([match, special]) => {
    const own = special.length === 0 ? [] : [{ weight: 2, arbitrary: fc.oneof(...special) }]
    const actions = fc.array(fc.oneof(plain(table, ports, tunnel), ...own), { maxLength: 4 })
    return fc.tuple(match, actions, instructions).map(([what, list, [set, metadata, next]]) => {
      const all = [...tagOnce(list), set && `write_actions(${set})`, metadata, next].filter((text) => text !== '')
      return `table=${table},${what === '' ? '' : `${what},`}actions=${all.join() || 'drop'}`
    })
  })
}

/** Flows for all tables: `add-flow` texts. */
export function flowTables(ports: readonly number[], tunnel: { port: number; to: string }): fc.Arbitrary<string[]> {
  const tables = Array.from({ length: TABLES }, (_, table) =>
    fc.array(flow(table, ports, tunnel), { minLength: 12, maxLength: 16, size: 'max' }),
  )
  return fc
    .tuple(...tables)
    .map((all) => all.flatMap((flows) => flows.map((text, i) => text.replace(',', `,priority=${1000 - i},`))))
}

/** `add-group` texts of the numbers that flows name. */
export const groupTexts = (ports: readonly number[]): readonly string[] => {
  const [a = 0, b = 0] = ports
  return [
    `group_id=1,type=all,bucket=set_field:02:00:00:00:aa:01->eth_src,output:${a},bucket=set_field:02:00:00:00:aa:03->eth_dst,output:${b},bucket=output:4000`,
    `group_id=2,type=indirect,bucket=set_field:02:00:00:00:aa:02->eth_dst,resubmit(,3)`,
    `group_id=4,type=select,bucket=weight:0,output:${b},bucket=weight:5,output:${a}`,
    `group_id=3,type=fast_failover,bucket=watch_port:4000,output:${a},bucket=watch_port:${b},load:1->NXM_NX_REG0[],output:${b}`,
  ]
}

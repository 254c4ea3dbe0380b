// Random flows for tests: a match in the ovs-ofctl language, what it tells about packets, and instructions that OVS
// accepts after it. They cover every word, so that whatever this file forgets shows in the test that counts kinds.
import * as fc from 'fast-check'
import type { Arbitrary } from 'fast-check'
import { isValid } from '../fields/check.ts'
import { formatBits } from '../fields/format.ts'
import { fullMask, maskedValue, ones } from '../fields/bits.ts'
import type { Prerequisite } from '../fields/row.ts'
import { fields, type Field } from '../fields/table.ts'
import type { FlowContext } from './table.ts'

export interface FlowText {
  readonly match: string
  readonly context: FlowContext
  /** What follows `actions=`. */
  readonly actions: string
}

interface Template {
  readonly match: string
  readonly context: FlowContext
  readonly met: ReadonlySet<Prerequisite>
  readonly ip: 4 | 6 | null
  readonly tracked: boolean
}

const template = (match: string, ip: 4 | 6 | null, ipProto: number, ...met: Prerequisite[]): Template => ({
  match,
  context: { vlans: /vlan/.test(match) ? 1 : 0, ipProto },
  met: new Set<Prerequisite>(['none', ...met]),
  ip,
  tracked: /ct_state/.test(match),
})
const ipv4: Prerequisite[] = ['Ethernet', 'IPv4', 'IPv4/IPv6']
const ipv6: Prerequisite[] = ['Ethernet', 'IPv6', 'IPv4/IPv6']
const templates = [
  template('', null, 0, 'Ethernet'),
  template('ip', 4, 0, ...ipv4),
  template('ipv6', 6, 0, ...ipv6),
  template('tcp', 4, 6, ...ipv4, 'TCP'),
  template('udp6', 6, 17, ...ipv6, 'UDP'),
  template('sctp', 4, 132, ...ipv4, 'SCTP'),
  template('icmp', 4, 1, ...ipv4, 'ICMPv4'),
  template('icmp6,icmp_type=135,icmp_code=0', 6, 58, ...ipv6, 'ICMPv6', 'ND', 'ND solicit'),
  template('icmp6,icmp_type=136,icmp_code=0', 6, 58, ...ipv6, 'ICMPv6', 'ND', 'ND advert'),
  template('dl_vlan=7,udp', 4, 17, ...ipv4, 'UDP', 'VLAN VID'),
  template('ct_state=+trk+est,tcp', 4, 6, ...ipv4, 'TCP', 'CT'),
  template('arp', null, 0, 'Ethernet', 'ARP'),
  template('mpls', null, 0, 'Ethernet', 'MPLS'),
  template('packet_type=(1,0x894f)', null, 0, 'NSH'),
]

const int = (max: number, min = 0): Arbitrary<string> => fc.integer({ min, max }).map(String)
const hex = (bits: number): Arbitrary<string> =>
  fc.bigInt({ min: 0n, max: ones(bits) }).map((n) => `0x${n.toString(16)}`)
const u8 = int(0xff)
const u16 = int(0xffff)
const u32 = int(0xffffffff)
const bytes = (maxLength: number): Arbitrary<string> =>
  fc.uint8Array({ minLength: 1, maxLength }).map((b) => Array.from(b, (x) => x.toString(16).padStart(2, '0')).join('.'))
const list = (item: Arbitrary<string>, minLength = 1, maxLength = 4): Arbitrary<string> =>
  fc.array(item, { minLength, maxLength }).map((parts) => parts.join(','))
/** Some of `parts`, at least one, in order, with commas. */
const some = (...parts: Arbitrary<string>[]): Arbitrary<string> =>
  fc
    .tuple(...parts.map((part) => fc.option(part, { nil: '' })), fc.nat(parts.length - 1), fc.tuple(...parts))
    .map((all) => {
      const drawn = all.slice(0, parts.length) as string[]
      const kept = drawn.filter((part) => part !== '')
      const fallback = (all[parts.length + 1] as string[])[all[parts.length] as number] as string
      return (kept.length > 0 ? kept : [fallback]).join(',')
    })
const text = (strings: TemplateStringsArray, ...parts: Arbitrary<string>[]): Arbitrary<string> =>
  fc.tuple(...parts).map((values) => strings.reduce((sum, s, i) => sum + s + (values[i] ?? ''), ''))

const port = fc.oneof(int(0xfeff, 1), fc.constantFrom('LOCAL', 'IN_PORT', 'normal', 'FLOOD', 'ALL', 'TABLE', '65534'))
const ipv4Address = fc.ipV4()
const ipv6Address = fc.ipV6().filter((a) => !/^[0:]*$/.test(a))
const mac = fc
  .uint8Array({ minLength: 6, maxLength: 6 })
  .map((b) => Array.from(b, (x) => x.toString(16).padStart(2, '0')).join(':'))

/** Fields that have a header, may be used after `met`, and are not what OVS refuses on sight. */
const usable = (met: ReadonlySet<Prerequisite>, writable: boolean): readonly Field[] =>
  fields.filter(
    (f) =>
      met.has(f.prerequisite) &&
      f.nxm !== null &&
      (f.writable || !writable) &&
      !['ct_mark', 'ct_label', 'in_port_oxm', 'vlan_tci'].includes(f.name) &&
      (f.name !== 'vlan_vid' || met.has('VLAN VID')),
  )

const within = (field: Field): Arbitrary<{ start: number; bits: number }> =>
  fc
    .tuple(fc.nat(field.bits - 1), fc.nat(field.bits - 1))
    .map(([a, b]) => ({ start: Math.min(a, b), bits: Math.abs(a - b) + 1 }))
const range = (start: number, bits: number): string => (bits === 1 ? `[${start}]` : `[${start}..${start + bits - 1}]`)

const part = (candidates: readonly Field[]): Arbitrary<{ text: string; field: Field; bits: number }> =>
  fc.constantFrom(...candidates).chain((field) =>
    fc.option(within(field)).map((w) => ({
      field,
      bits: w?.bits ?? field.bits,
      text: `${field.nxm?.name ?? ''}${w === null ? '[]' : range(w.start, w.bits)}`,
    })),
  )
/** A part of one of `candidates`, exactly `bits` wide. */
const partOf = (candidates: readonly Field[], bits: number): Arbitrary<string> =>
  fc
    .constantFrom(...candidates.filter((f) => f.bits >= bits))
    .chain((field) => fc.nat(field.bits - bits).map((start) => `${field.nxm?.name ?? ''}${range(start, bits)}`))
const oldStyle = (candidates: readonly Field[]): readonly Field[] => candidates.filter((f) => f.nxm?.experimenter === 0)

/** Mostly one run of ones. */
const mask = (bits: number): Arbitrary<bigint> =>
  fc.oneof(
    { weight: 1, arbitrary: fc.bigInt({ min: 1n, max: ones(bits) }) },
    {
      weight: 9,
      arbitrary: fc
        .tuple(fc.nat(bits - 1), fc.nat(bits - 1))
        .map(([a, b]) => ones(Math.abs(a - b) + 1) << BigInt(Math.min(a, b))),
    },
  )

/** `value` or `value/mask`, as text, of a field. */
const value = (field: Field): Arbitrary<string> =>
  fc
    .tuple(fc.bigInt({ min: 0n, max: ones(field.bits) }), mask(field.bits), fc.boolean())
    .map(([bits, mask, masked]) => {
      const vlan = field.name === 'vlan_vid' ? 0x1000n : 0n
      // OVS takes the digits that an IPv6 mask starts with for a prefix length.
      const usesMask = masked && field.maskable && vlan === 0n && field.format !== 'IPv6'
      return usesMask ? { value: bits & mask, mask } : { value: bits | vlan, mask: fullMask(field) }
    })
    .filter((v) => isValid(field, maskedValue(field, v).value))
    .map((v) => formatBits(field, v))

const setField = (met: ReadonlySet<Prerequisite>): Arbitrary<string> =>
  fc.constantFrom(...usable(met, true)).chain((field) => value(field).map((v) => `set_field:${v}->${field.name}`))

const load = (met: ReadonlySet<Prerequisite>): Arbitrary<string> =>
  part(usable(met, true)).chain(({ text: target, bits }) => hex(bits).map((n) => `load:${n}->${target}`))

const move = (met: ReadonlySet<Prerequisite>): Arbitrary<string> =>
  part(usable(met, false).filter((f) => f.bits <= 128)).chain(({ text: source, bits }) =>
    partOf(usable(met, true), bits).map((target) => `move:${source}->${target}`),
  )

const registers = fields.filter((f) => /^x*reg\d/.test(f.name))
const hash = fc.constantFrom(
  'eth_src',
  'symmetric_l4',
  'symmetric_l3l4',
  'symmetric_l3l4+udp',
  'nw_src',
  'nw_dst',
  'symmetric_l3',
)
const members = list(fc.oneof(int(0xfeff), fc.constant('LOCAL'), fc.constant('ANY')), 0, 6)

const learnSpec = (met: ReadonlySet<Prerequisite>): Arbitrary<string> => {
  const sources = oldStyle(usable(met, false)).filter((f) => f.bits <= 128)
  const constants = registers
  return fc.oneof(
    part(oldStyle(registers)).map((p) => p.text),
    part(oldStyle(registers)).chain((p) =>
      partOf(sources.filter((f) => f.bits >= p.bits).length > 0 ? sources : registers, Math.min(p.bits, 64)).map((s) =>
        p.bits <= 64 ? `${p.text}=${s}` : p.text,
      ),
    ),
    part(constants).chain((p) => hex(p.bits).map((n) => `${p.text}=${n}`)),
    part(constants).chain((p) => hex(p.bits).map((n) => `load:${n}->${p.text}`)),
    part(oldStyle(registers)).chain((p) => partOf(oldStyle(registers), p.bits).map((t) => `load:${p.text}->${t}`)),
    partOf(oldStyle(registers), 16).map((s) => `output:${s}`),
    fc.constantFrom('eth_type=0x800,nw_proto=6', 'eth_type=0x800,ip_dst=10.1.2.3', 'in_port=99'),
    fc.constantFrom(
      ...(met.has('Ethernet') ? ['NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]', 'NXM_OF_VLAN_TCI[0..11]'] : ['in_port=LOCAL']),
    ),
  )
}
const learn = (met: ReadonlySet<Prerequisite>): Arbitrary<string> =>
  fc
    .tuple(
      some(
        text`table=${int(254)}`,
        text`idle_timeout=${u16}`,
        text`hard_timeout=${u16}`,
        text`fin_idle_timeout=${u16}`,
        text`fin_hard_timeout=${u16}`,
        text`priority=${u16}`,
        text`cookie=${hex(64)}`,
        fc.constant('send_flow_rem'),
        fc.constant('delete_learned'),
        text`limit=${int(0x7fffffff)}`,
        partOf(registers, 1).map((p) => `result_dst=${p}`),
      ),
      list(learnSpec(met), 0, 5),
    )
    .map(([settings, specs]) => `learn(${settings}${specs === '' ? '' : `,${specs}`})`)

const ports = fc.tuple(int(0xffff, 1), fc.nat(9)).map(([a, n]) => `${a}-${Math.min(0xffff, Number(a) + n)}`)
const natRange = (ip: 4 | 6): Arbitrary<string> =>
  ip === 4
    ? fc
        .oneof(
          ipv4Address.map((a) => `1${a.replace(/^\d+/, '')}`),
          fc.constant('10.0.0.1-10.0.0.9'),
        )
        .chain((a) =>
          fc.oneof(
            fc.constant(a),
            ports.map((p) => `${a}:${p}`),
          ),
        )
    : fc.oneof(
        ipv6Address,
        fc.constant('[fe80::1]-[fe80::9]'),
        ports.map((p) => `[fe80::2]:${p}`),
      )
const nat = (ip: 4 | 6): Arbitrary<string> =>
  fc.oneof(
    fc.constant('nat'),
    fc
      .tuple(
        fc.constantFrom('src', 'dst'),
        natRange(ip),
        fc.constantFrom('', ',persistent', ',hash', ',random', ',persistent,random'),
      )
      .map(([side, r, flags]) => `nat(${side}=${r}${flags})`),
    fc.constantFrom('nat(src)', 'nat(dst)'),
  )
const ctInner = fc.oneof(
  hex(32).map((n) => `set_field:${n}->ct_mark`),
  fc.tuple(hex(32), hex(32)).map(([a, b]) => `set_field:${a}/${b}->ct_mark`),
  hex(128).map((n) => `set_field:${n}->ct_label`),
  hex(20).map((n) => `load:${n}->NXM_NX_CT_LABEL[7..40]`),
  fc.constant('move:NXM_NX_REG1[]->NXM_NX_CT_MARK[]'),
)
const zone = fc.oneof(u16, partOf(oldStyle(registers), 16)).map((z) => `zone=${z}`)
const ct = (t: Template): Arbitrary<string> => {
  const algs = t.context.ipProto === 6 ? ['alg=ftp'] : t.context.ipProto === 17 ? ['alg=tftp'] : ['']
  const settings = [zone, text`table=${int(254)}`] as const
  return fc.oneof(
    fc.constant('ct()'),
    some(...settings, fc.constant('nat')).map((s) => `ct(${s})`),
    fc
      .tuple(
        some(...settings),
        fc.option(nat(t.ip as 4 | 6), { nil: '' }),
        fc.option(list(ctInner), { nil: '' }),
        fc.constantFrom('', 'force'),
        fc.constantFrom('', ...algs),
      )
      .map(([s, n, inner, force, alg]) =>
        ['commit', force, s, n, inner === '' ? '' : `exec(${inner})`, alg].filter((p) => p !== '').join(','),
      )
      .map((s) => `ct(${s})`),
  )
}

/** Actions that leave the packet's protocols as the match says they are. */
function steady(t: Template): Arbitrary<string>[] {
  const targets = usable(t.met, true)
  const sources = usable(t.met, false)
  const all = [
    text`output:${port}`,
    port,
    text`output(port=${int(0xfeff, 1)},max_len=${int(0xffffffff, 14)})`,
    part(sources)
      .filter((p) => p.bits <= 64)
      .map((p) => `output:${p.text}`),
    text`enqueue:${int(0xfeff, 1)}:${u32}`,
    text`group:${int(0x7fffffff)}`,
    fc.constantFrom('CONTROLLER', 'controller', 'controller:100', 'CONTROLLER:65535', 'output:CONTROLLER'),
    some(
      fc.constantFrom('reason=no_match', 'reason=invalid_ttl', 'reason=action', 'reason=group'),
      text`max_len=${u16}`,
      text`id=${u16}`,
    ).map((s) => `controller(${s})`),
    some(
      text`userdata=${bytes(20)}`,
      fc.constant('pause'),
      text`meter_id=${u32}`,
      text`max_len=${u16}`,
      text`id=${u16}`,
    ).map((s) => `controller(${s})`),
    setField(t.met),
    setField(t.met),
    load(t.met),
    move(t.met),
    part(sources.filter((f) => !f.variable)).map((p) => `push:${p.text}`),
    part(targets.filter((f) => !f.variable)).map((p) => `pop:${p.text}`),
    int(63).map((n) => `delete_field:tun_metadata${n}`),
    fc.tuple(u16, partOf(registers, 1)).map(([n, p]) => `check_pkt_larger(${n})->${p}`),
    text`resubmit(,${int(254)})`,
    text`resubmit(${int(0xfeff, 1)},${int(254)})`,
    text`resubmit:${int(0xfeff, 1)}`,
    text`set_queue:${u32}`,
    fc.constantFrom('pop_queue', 'exit', 'ct_clear'),
    text`set_tunnel:${u32}`,
    text`set_tunnel64:${hex(64)}`,
    text`note:${bytes(30)}`,
    learn(t.met),
    fc
      .tuple(
        hash,
        u16,
        fc.constantFrom('modulo_n', 'hash_threshold', 'hrw', 'iter_hash'),
        int(256, 1),
        u16,
        partOf(registers, 16),
      )
      .map(([h, basis, algorithm, links, arg, p]) => `multipath(${h},${basis},${algorithm},${links},${arg},${p})`),
    fc
      .tuple(hash, u16, fc.constantFrom('active_backup', 'hrw'), members)
      .map(([h, basis, algorithm, m]) => `bundle(${h},${basis},${algorithm},ofport,members:${m})`),
    fc
      .tuple(hash, u16, fc.constantFrom('active_backup', 'hrw'), partOf(oldStyle(registers), 16), members)
      .map(([h, basis, algorithm, p, m]) => `bundle_load(${h},${basis},${algorithm},ofport,${p},members:${m})`),
    fc
      .tuple(
        int(0xffff, 1),
        some(
          text`collector_set_id=${u32}`,
          text`obs_domain_id=${u32}`,
          text`obs_point_id=${u32}`,
          text`sampling_port=${int(0xfeff)}`,
          fc.constantFrom('ingress', 'egress'),
        ),
      )
      .map(([p, rest]) => `sample(probability=${p},${rest})`),
  ]
  if (t.ip !== null) {
    all.push(
      ct(t),
      fc.constant('dec_ttl'),
      text`dec_ttl(${list(u16)})`,
      text`mod_nw_tos:${int(63).map((n) => String(Number(n) * 4))}`,
      text`mod_nw_ecn:${int(3)}`,
      text`mod_nw_ttl:${u8}`,
    )
  }
  if (t.met.has('Ethernet')) all.push(text`mod_dl_src:${mac}`, text`mod_dl_dst:${mac}`)
  if (t.ip === 4) all.push(text`mod_nw_src:${ipv4Address}`, text`mod_nw_dst:${ipv4Address}`)
  if ([6, 17, 132].includes(t.context.ipProto)) all.push(text`mod_tp_src:${u16}`, text`mod_tp_dst:${u16}`)
  if (t.context.ipProto === 6)
    all.push(text`fin_timeout(${some(text`idle_timeout=${u16}`, text`hard_timeout=${u16}`)})`)
  if (t.context.vlans > 0) all.push(text`set_vlan_vid:${int(4095)}`, text`set_vlan_pcp:${int(7)}`)
  if (t.met.has('MPLS')) {
    all.push(
      text`set_mpls_label:${int(0xfffff)}`,
      text`set_mpls_tc:${int(7)}`,
      text`set_mpls_ttl:${u8}`,
      fc.constant('dec_mpls_ttl'),
    )
  }
  if (t.met.has('NSH')) all.push(fc.constant('dec_nsh_ttl'))
  if (t.tracked) all.push(text`resubmit(,${int(254)},ct)`)
  return all
}

/** Whole bytes, the first of two digits: OVS prints no leading zero and reads no half byte. */
const tlvValue = fc
  .tuple(fc.integer({ min: 16, max: 255 }), fc.uint8Array({ maxLength: 12 }))
  .map(([first, rest]) => `0x${Buffer.from([first, ...rest]).toString('hex')}`)

/** Actions after which the match no longer tells the packet's protocols: they go last. */
function unsettling(t: Template): Arbitrary<string>[] {
  const out = [
    fc.constant('decap()'),
    fc.constantFrom('encap(ethernet)', 'encap(nsh)', 'encap(mpls)', 'encap(mpls_mc)', 'encap(nsh(md_type=1))'),
    fc.tuple(hex(16), u8, tlvValue).map(([c, ty, v]) => `encap(nsh(md_type=2,tlv(${c},${ty},${v})))`),
    u16.map((n) => `decap(packet_type(ns=1,type=${n}))`),
  ]
  if (!t.met.has('Ethernet')) return out
  out.push(
    fc.constantFrom('push_vlan:0x8100', 'push_vlan:0x88a8'),
    text`mod_vlan_vid:${int(4095)}`,
    text`mod_vlan_pcp:${int(7)}`,
    text`mod_vlan_vid:${int(4095)},mod_vlan_pcp:${int(7)}`,
    text`push_vlan:0x8100,set_vlan_vid:${int(4095)}`,
    hex(13).map((n) => `set_field:${n}->vlan_tci`),
    hex(16).map((n) => `load:${n}->NXM_OF_VLAN_TCI[],mod_vlan_vid:5`),
    fc.constantFrom('push_mpls:0x8847', 'push_mpls:0x8848'),
  )
  if (t.context.vlans > 0) out.push(fc.constantFrom('strip_vlan', 'pop_vlan'))
  if (t.met.has('MPLS')) out.push(fc.constantFrom('pop_mpls:0x0800', 'pop_mpls:0x86dd'))
  return out
}

const allowedInSet = /^(output:\d|group|set_field|load|move|set_queue|mod_dl|resubmit|ct_clear|dec_ttl$|mod_nw)/

/** The parts of one flow's instructions. */
function instructions(t: Template): Arbitrary<string> {
  const single = fc.oneof(...steady(t))
  const action = fc.oneof(
    { weight: 12, arbitrary: single },
    { weight: 1, arbitrary: list(single, 1, 3).map((inner) => `clone(${inner})`) },
    { weight: 1, arbitrary: list(single, 1, 2).map((inner) => `clone(output:1,clone(${inner}))`) },
  )
  const optional = (a: Arbitrary<string>): Arbitrary<string> =>
    fc.oneof({ weight: 3, arbitrary: fc.constant('') }, { weight: 1, arbitrary: a })
  const set = list(
    single.filter((s) => allowedInSet.test(s)),
    1,
    3,
  ).map((inner) => `write_actions(${inner})`)
  const metadata = fc.oneof(
    hex(64),
    fc.tuple(hex(64), hex(64)).map((pair) => pair.join('/')),
  )
  return fc
    .tuple(
      optional(text`meter:${int(0xffff, 1)}`),
      list(action, 1, 5),
      optional(fc.oneof(...unsettling(t))),
      optional(fc.constant('clear_actions')),
      optional(set),
      optional(metadata.map((m) => `write_metadata:${m}`)),
      optional(int(254, 1).map((n) => `goto_table:${n}`)),
    )
    .map(([meter, actions, last, clear, writes, ...rest]) =>
      [meter, actions, last, clear, last === '' ? writes : '', ...rest].filter((p) => p !== '').join(','),
    )
}

const conjunctions = list(
  fc.tuple(u32, int(64, 2)).chain(([id, n]) => int(Number(n), 1).map((i) => `conjunction(${id},${i}/${n})`)),
)

/** Flows with instructions of every kind. */
export const flowTexts: Arbitrary<FlowText> = fc
  .constantFrom(...templates)
  .chain((t) =>
    fc
      .oneof(
        { weight: 30, arbitrary: instructions(t) },
        { weight: 1, arbitrary: conjunctions },
        { weight: 1, arbitrary: fc.constant('drop') },
      )
      .map((actions) => ({ match: t.match, context: t.context, actions })),
  )

// Actions that change packet headers without naming a field: tags and labels pushed and popped, TTLs, and the setters
// that OpenFlow 1.2 replaced by set_field. OVS still accepts those on a 1.3 connection and sends one of them, the
// transport port of a flow that does not match TCP, UDP or SCTP; the other words become what OVS sends for them.
import { formatValue, parseValue } from '../fields/format.ts'
import type { FieldName, ValueOf as FieldValue } from '../fields/table.ts'
import { atoi, hex } from '../text/numbers.ts'
import { parseUint, TextError } from '../text/tokens.ts'
import { errorCodes } from '../wire/errors.ts'
import { pad, u16, u32, u48, u8 } from '../wire/struct.ts'
import { action, bare, irregular, nx, of, type ParseWord, type RowValue } from './row.ts'
import type { Action } from './types.ts'

const PRESENT = 0x1000
const VLAN = 0x8100
const MAX_TAGS = 2
const isVlanType = (type: number): boolean => type === VLAN || type === 0x88a8

const setField = <N extends FieldName>(kind: N, value: FieldValue<N>): Action =>
  ({ kind: 'set_field', field: { kind, value, mask: null } }) as unknown as Action

/** A word whose number of at most `bits` bits becomes one field. */
const fieldWord =
  (field: FieldName, bits: number, what: string, shift = 0): ParseWord =>
  (text) => {
    const value = parseUint(text, bits, what)
    if (value % 2 ** shift !== 0) throw new TextError(`${text}: not a valid ${what}`)
    return [setField(field, (value / 2 ** shift) as never)]
  }

/** A word whose value is written like the field's. */
const addressWord =
  (field: 'eth_src' | 'eth_dst' | 'ip_src' | 'ip_dst'): ParseWord =>
  (text) => {
    const { value, mask } = parseValue(field, text)
    if (mask !== null) throw new TextError(`${text}: a mask has no place here`)
    return [setField(field, value)]
  }

/** `vid` or `pcp` set in a tag, which is pushed first if none is known to be there and `push` says so. */
const vlanWord =
  (field: 'vlan_vid' | 'vlan_pcp', push: boolean): ParseWord =>
  (text, context) => {
    const value = parseUint(text, field === 'vlan_vid' ? 12 : 3, field)
    const set = setField(field, field === 'vlan_vid' ? value | PRESENT : value)
    const needed = push && context.vlans === 0
    if (context.vlans === 0) context.vlans = 1
    return needed ? [{ kind: 'push_vlan', etherType: VLAN }, set] : [set]
  }

const setVlanVid = action(
  'set_vlan_vid',
  of(1),
  8,
  { vlan: u16, padding: pad(2) },
  {
    format: (a) => `set_vlan_vid:${a.vlan}`,
    words: { set_vlan_vid: vlanWord('vlan_vid', false), mod_vlan_vid: vlanWord('vlan_vid', true) },
    check: ({ vlan }, r, at) => {
      if (vlan > 0xfff) r.fail(errorCodes.badActionArgument, `VLAN id ${vlan}`, at + 4)
    },
  },
)
const setVlanPcp = action(
  'set_vlan_pcp',
  of(2),
  8,
  { priority: u8, padding: pad(3) },
  {
    format: (a) => `set_vlan_pcp:${a.priority}`,
    words: { set_vlan_pcp: vlanWord('vlan_pcp', false), mod_vlan_pcp: vlanWord('vlan_pcp', true) },
    check: ({ priority }, r, at) => {
      if (priority > 7) r.fail(errorCodes.badActionArgument, `VLAN priority ${priority}`, at + 4)
    },
  },
)

const modDlSrc = action(
  'mod_dl_src',
  of(3),
  16,
  { address: u48, padding: pad(6) },
  {
    format: (a) => `mod_dl_src:${formatValue('eth_src', a.address, null)}`,
    words: { mod_dl_src: addressWord('eth_src') },
  },
)
const modDlDst = action(
  'mod_dl_dst',
  of(4),
  16,
  { address: u48, padding: pad(6) },
  {
    format: (a) => `mod_dl_dst:${formatValue('eth_dst', a.address, null)}`,
    words: { mod_dl_dst: addressWord('eth_dst') },
  },
)
const modNwSrc = action(
  'mod_nw_src',
  of(5),
  8,
  { address: u32 },
  {
    format: (a) => `mod_nw_src:${formatValue('ip_src', a.address, null)}`,
    words: { mod_nw_src: addressWord('ip_src') },
  },
)
const modNwDst = action(
  'mod_nw_dst',
  of(6),
  8,
  { address: u32 },
  {
    format: (a) => `mod_nw_dst:${formatValue('ip_dst', a.address, null)}`,
    words: { mod_nw_dst: addressWord('ip_dst') },
  },
)
const modNwTos = action(
  'mod_nw_tos',
  of(7),
  8,
  { tos: u8, padding: pad(3) },
  {
    format: (a) => `mod_nw_tos:${a.tos}`,
    words: { mod_nw_tos: fieldWord('ip_dscp', 8, 'TOS', 2) },
    check: ({ tos }, r, at) => {
      if ((tos & 3) !== 0) r.fail(errorCodes.badActionArgument, `TOS ${tos} sets ECN bits`, at + 4)
    },
  },
)
const modNwEcn = action(
  'mod_nw_ecn',
  of(8),
  8,
  { ecn: u8, padding: pad(3) },
  {
    format: (a) => `mod_nw_ecn:${a.ecn}`,
    words: { mod_nw_ecn: fieldWord('nw_ecn', 2, 'ECN') },
    check: ({ ecn }, r, at) => {
      if (ecn > 3) r.fail(errorCodes.badActionArgument, `ECN ${ecn}`, at + 4)
    },
  },
)

/** By the IP protocol that the flow matches; without one OVS sends the setter of OpenFlow 1.1. */
const transportFields = {
  mod_tp_src: new Map<number, FieldName>([
    [6, 'tcp_src'],
    [17, 'udp_src'],
    [132, 'sctp_src'],
  ]),
  mod_tp_dst: new Map<number, FieldName>([
    [6, 'tcp_dst'],
    [17, 'udp_dst'],
    [132, 'sctp_dst'],
  ]),
}
const transportWord =
  (kind: keyof typeof transportFields): ParseWord =>
  (text, { ipProto }) => {
    const port = parseUint(text, 16, 'port')
    const field = transportFields[kind].get(ipProto)
    return [field === undefined ? { kind, port } : setField(field, port as never)]
  }
const modTpSrc = action(
  'mod_tp_src',
  of(9),
  8,
  { port: u16, padding: pad(2) },
  {
    format: (a) => `mod_tp_src:${a.port}`,
    words: { mod_tp_src: transportWord('mod_tp_src') },
  },
)
const modTpDst = action(
  'mod_tp_dst',
  of(10),
  8,
  { port: u16, padding: pad(2) },
  {
    format: (a) => `mod_tp_dst:${a.port}`,
    words: { mod_tp_dst: transportWord('mod_tp_dst') },
  },
)

const setMplsLabel = action(
  'set_mpls_label',
  of(13),
  8,
  { label: u32 },
  {
    format: (a) => `set_mpls_label(${a.label})`,
    words: { set_mpls_label: fieldWord('mpls_label', 20, 'MPLS label') },
  },
)
const setMplsTc = action(
  'set_mpls_tc',
  of(14),
  8,
  { trafficClass: u8, padding: pad(3) },
  {
    format: (a) => `set_mpls_tc(${a.trafficClass})`,
    words: { set_mpls_tc: fieldWord('mpls_tc', 3, 'MPLS TC') },
  },
)
const setMplsTtl = action(
  'set_mpls_ttl',
  of(15),
  8,
  { ttl: u8, padding: pad(3) },
  {
    format: (a) => `set_mpls_ttl(${a.ttl})`,
    words: { set_mpls_ttl: (text) => [{ kind: 'set_mpls_ttl', ttl: parseUint(text, 8, 'MPLS TTL') }] },
  },
)

const pushVlan = action(
  'push_vlan',
  of(17),
  8,
  { etherType: u16, padding: pad(2) },
  {
    format: (a) => `push_vlan:${hex(a.etherType)}`,
    words: {
      push_vlan: (text, context) => {
        const etherType = parseUint(text, 16, 'ethertype')
        if (!isVlanType(etherType)) throw new TextError(`${text}: not a valid VLAN ethertype`)
        if (context.vlans >= MAX_TAGS) throw new TextError(`push_vlan: OVS keeps at most ${MAX_TAGS} VLAN tags`)
        context.vlans += 1
        return [{ kind: 'push_vlan', etherType }]
      },
    },
    check: ({ etherType }, r, at) => {
      if (!isVlanType(etherType)) r.fail(errorCodes.badActionArgument, `${hex(etherType)} is no VLAN type`, at + 4)
    },
  },
)
const popVlanWord: ParseWord = (_, context) => {
  context.vlans = Math.max(0, context.vlans - 1)
  return [{ kind: 'pop_vlan' }]
}
const popVlan = {
  ...bare('pop_vlan', of(18)),
  words: { pop_vlan: popVlanWord, strip_vlan: popVlanWord },
}

const etherType4 = (type: number): string => `0x${type.toString(16).padStart(4, '0')}`
const pushMpls = action(
  'push_mpls',
  of(19),
  8,
  { etherType: u16, padding: pad(2) },
  {
    format: (a) => `push_mpls:${etherType4(a.etherType)}`,
    words: {
      push_mpls: (text, context) => {
        // What follows the label is opaque from here on.
        context.ipProto = 0
        return [{ kind: 'push_mpls', etherType: parseUint(text, 16, 'push_mpls') }]
      },
    },
    check: ({ etherType }, r, at) => {
      const mpls = etherType === 0x8847 || etherType === 0x8848
      if (!mpls) r.fail(errorCodes.badActionArgument, `${hex(etherType)} is no MPLS type`, at + 4)
    },
  },
)
const popMpls = action(
  'pop_mpls',
  of(20),
  8,
  { etherType: u16, padding: pad(2) },
  {
    format: (a) => `pop_mpls:${etherType4(a.etherType)}`,
    words: { pop_mpls: (text) => [{ kind: 'pop_mpls', etherType: parseUint(text, 16, 'pop_mpls') }] },
  },
)

const modNwTtlWord: ParseWord = (text) => [{ kind: 'mod_nw_ttl', ttl: parseUint(text, 8, 'TTL') }]
const modNwTtl = action(
  'mod_nw_ttl',
  of(23),
  8,
  { ttl: u8, padding: pad(3) },
  {
    format: (a) => `mod_nw_ttl:${a.ttl}`,
    words: { mod_nw_ttl: modNwTtlWord, set_nw_ttl: modNwTtlWord },
  },
)

const decTtl = { ...bare('dec_ttl', of(24)), words: { dec_ttl: parseDecTtl } }

/** Says which controllers hear of a packet whose TTL runs out. */
interface DecTtlCntIds {
  readonly kind: 'dec_ttl_cnt_ids'
  readonly controllerIds: readonly number[]
}
const decTtlCntIds = irregular<DecTtlCntIds>(
  'dec_ttl_cnt_ids',
  nx(21),
  16,
  {
    read(r) {
      const count = r.u16()
      if (r.u32() !== 0) r.fail(errorCodes.mustBeZero, 'reserved bytes are not zero', r.offset - 4)
      const at = r.take(2 * count, errorCodes.badActionLength)
      r.offset = r.end
      return {
        kind: 'dec_ttl_cnt_ids',
        controllerIds: Array.from({ length: count }, (_, i) => r.view.getUint16(at + 2 * i)),
      }
    },
    write(w, { controllerIds }) {
      w.u16(controllerIds.length)
      w.u32(0)
      for (const id of controllerIds) w.u16(id)
    },
  },
  { format: (a) => `dec_ttl(${a.controllerIds.join(',')})` },
)

function parseDecTtl(...[text]: Parameters<ParseWord>): readonly Action[] {
  if (text === '') return [{ kind: 'dec_ttl' }]
  const controllerIds = text
    .split(/[, ]+/)
    .filter((id) => id !== '')
    .map((id) => atoi(id) & 0xffff)
  if (controllerIds.length === 0) throw new TextError('dec_ttl_cnt_ids: expected at least one controller id.')
  return [{ kind: 'dec_ttl_cnt_ids', controllerIds }]
}

const pushPbb = action(
  'push_pbb',
  of(26),
  8,
  { etherType: u16, padding: pad(2) },
  {
    format: (a) => `push_pbb:${etherType4(a.etherType)}`,
  },
)

export const headerRows = {
  set_vlan_vid: setVlanVid,
  set_vlan_pcp: setVlanPcp,
  mod_dl_src: modDlSrc,
  mod_dl_dst: modDlDst,
  mod_nw_src: modNwSrc,
  mod_nw_dst: modNwDst,
  mod_nw_tos: modNwTos,
  mod_nw_ecn: modNwEcn,
  mod_tp_src: modTpSrc,
  mod_tp_dst: modTpDst,
  set_mpls_label: setMplsLabel,
  set_mpls_tc: setMplsTc,
  set_mpls_ttl: setMplsTtl,
  dec_mpls_ttl: bare('dec_mpls_ttl', of(16)),
  push_vlan: pushVlan,
  pop_vlan: popVlan,
  push_mpls: pushMpls,
  pop_mpls: popMpls,
  mod_nw_ttl: modNwTtl,
  dec_ttl: decTtl,
  dec_ttl_cnt_ids: decTtlCntIds,
  dec_nsh_ttl: bare('dec_nsh_ttl', nx(48)),
  // These four are OpenFlow 1.3 actions that OVS refuses; other switches have them.
  copy_ttl_out: bare('copy_ttl_out', of(11), []),
  copy_ttl_in: bare('copy_ttl_in', of(12), []),
  push_pbb: pushPbb,
  pop_pbb: bare('pop_pbb', of(27), []),
}
export type HeaderAction = RowValue<typeof headerRows>

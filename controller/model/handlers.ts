// What each action does to a packet, as do_xlate_actions() of OVS 3.1. One entry for each kind: a forgotten one does not
// compile. What the model cannot follow ends the packet with an error rather than with a guess.
import type { Action } from '../../ofproto/actions/index.ts'
import { toBits } from '../../ofproto/fields/bits.ts'
import { port11 } from '../../ofproto/fields/ports.ts'
import { ETH_TYPE, IP_PROTO } from '../../ofproto/fields/protocols.ts'
import { fullMask } from '../../ofproto/fields/bits.ts'
import { fieldOf, type FieldName } from '../../ofproto/fields/table.ts'
import type { MatchEntry } from '../../ofproto/fields/match.ts'
import { ports } from '../../ofproto/actions/ports.ts'
import { packetInReason } from '../../ofproto/messages/packet.ts'
import type { ModelPacket } from './packet.ts'

export interface PuntOptions {
  readonly controllerId?: number
  readonly userdata?: Uint8Array
}

/** A packet's walk through the tables, as actions see it. */
export interface Walk {
  packet: ModelPacket
  queue: number | null
  /** The `exit` action was met: nothing more is done. */
  exit: boolean
  readonly stack: bigint[]
  readonly table: number
  readonly size: number
  /** Processes a table as if the packet had come in by `inPort`. */
  lookup(table: number, inPort: number): void
  output(port: number, maxLength?: number): void
  punt(reason: number, options?: PuntOptions): void
  /** False if there is no such group. */
  group(id: number): boolean
  /** Runs actions on a copy of the packet. */
  clone(actions: readonly Action[]): void
  /** Of a table for the tuple of the packet's connection. */
  lookupTuple(table: number, inPort: number): void
  track(action: Extract<Action, { readonly kind: 'ct' }>): void
  note(text: string): void
  fail(error: string): void
}

/** 'stop' ends the list that the action stands in. */
type Verdict = 'stop' | undefined
type Handlers = {
  readonly [K in Action['kind']]: (walk: Walk, action: Extract<Action, { readonly kind: K }>) => Verdict
}

const THIS_TABLE = 255

function refuse(walk: Walk, { kind }: Action): Verdict {
  walk.fail(`the model does not do ${kind}`)
  return undefined
}
const nothing = (): Verdict => undefined

/** A translation to one IPv4 address with ports as conntrack chooses them, or what the connection's entry says. */
const isSingle = ({ side, ipv4, ipv6, ports }: Extract<Action, { readonly kind: 'nat' }>): boolean =>
  ports === null && ipv6 === null && (side === null || (ipv4 !== null && ipv4.max === null))

/** Headers that the model matches and does not rewrite. */
function refuseHeader(walk: Walk, field: FieldName): boolean {
  const { prerequisite } = fieldOf(field)
  const unknown = prerequisite === 'SCTP' || prerequisite === 'NSH'
  if (unknown) walk.fail(`the model does not rewrite ${field}`)
  return unknown
}

function write(walk: Walk, field: FieldName, value: bigint, mask: bigint = fullMask(fieldOf(field))): Verdict {
  if (refuseHeader(walk, field)) return undefined
  if (!walk.packet.write(field, value, mask)) walk.note(`the packet has no ${field} to set`)
  return undefined
}

function setField(walk: Walk, { field }: { readonly field: MatchEntry }): Verdict {
  if (field.kind === 'unknown') {
    walk.fail('the model does not know the field that is set')
    return undefined
  }
  const mask = field.mask === null ? undefined : toBits(field.mask)
  return write(walk, field.kind, toBits(field.value), mask)
}

const isIp = ({ key }: ModelPacket): boolean => key.ethType === ETH_TYPE.ip || key.ethType === ETH_TYPE.ipv6
const isMpls = ({ key }: ModelPacket): boolean =>
  key.ethType === ETH_TYPE.mpls || key.ethType === ETH_TYPE.mplsMulticast

function decrementTtl(walk: Walk, controllers: readonly number[]): Verdict {
  if (!isIp(walk.packet)) return undefined
  const ttl = walk.packet.read('nw_ttl')
  if (ttl > 1n) return write(walk, 'nw_ttl', ttl - 1n)
  for (const controllerId of controllers) walk.punt(packetInReason.invalidTtl, { controllerId })
  walk.note('time to live exceeded')
  return 'stop'
}

function decrementMplsTtl(walk: Walk): Verdict {
  const ttl = walk.packet.read('mpls_ttl')
  if (isMpls(walk.packet) && ttl > 1n) return write(walk, 'mpls_ttl', ttl - 1n)
  if (isMpls(walk.packet)) walk.punt(packetInReason.invalidTtl)
  walk.note('MPLS time to live exceeded')
  return 'stop'
}

function setTransport(walk: Walk, end: 'src' | 'dst', port: number): Verdict {
  const name = { [IP_PROTO.tcp]: 'tcp', [IP_PROTO.udp]: 'udp', [IP_PROTO.sctp]: 'sctp' }[walk.packet.key.protocol]
  return name === undefined || !isIp(walk.packet)
    ? undefined
    : write(walk, `${name as 'tcp' | 'udp'}_${end}`, BigInt(port))
}

/** Of OpenFlow 1.0: these change a tag that is there (OVS asks for a push_vlan where one may be missing). */
const setTag = (walk: Walk, field: 'dl_vlan' | 'dl_vlan_pcp', value: number): Verdict =>
  walk.packet.key.vlans.length === 0 ? undefined : write(walk, field, BigInt(value))

function outputRegister(walk: Walk, action: Extract<Action, { readonly kind: 'output_reg' | 'output_reg2' }>): Verdict {
  const port = walk.packet.readBits(action.source)
  if (port <= 0xffffn) walk.output(port11(Number(port)))
  return undefined
}

function copyBits(walk: Walk, { source, target }: Extract<Action, { readonly kind: 'move' | 'copy_field' }>): Verdict {
  if (refuseHeader(walk, source.field) || refuseHeader(walk, target.field)) return undefined
  if (!walk.packet.has(source.field) || !walk.packet.has(target.field)) {
    walk.note(`the packet has no ${walk.packet.has(source.field) ? target.field : source.field}`)
  } else walk.packet.writeBits(target, walk.packet.readBits(source))
  return undefined
}

export const handlers: Handlers = {
  output(walk, { port }) {
    walk.output(port)
    return undefined
  },
  output_trunc(walk, { port, maxLength }) {
    if (port < ports.max || port === ports.local || port === ports.inPort) walk.output(port, maxLength)
    else walk.note('OVS sends nothing truncated to this port')
    return undefined
  },
  output_reg: outputRegister,
  output_reg2: outputRegister,
  group: (walk, { group }) => (walk.group(group) ? undefined : 'stop'),
  controller(walk, { reason, controllerId }) {
    walk.punt(reason, { controllerId })
    return undefined
  },
  controller2(walk, action) {
    if (action.pause) return refuse(walk, action)
    walk.punt(action.reason, action)
    return undefined
  },

  set_field: setField,
  reg_load2: setField,
  load(walk, { target, value }) {
    if (refuseHeader(walk, target.field)) return undefined
    if (!walk.packet.writeBits(target, value)) walk.note(`the packet has no ${target.field} to set`)
    return undefined
  },
  move: copyBits,
  copy_field: copyBits,
  push(walk, { source }) {
    walk.stack.push(walk.packet.readBits(source))
    return undefined
  },
  pop(walk, { target }) {
    const value = walk.stack.pop()
    if (value === undefined) walk.note('the stack is empty')
    else walk.packet.writeBits(target, value)
    return undefined
  },
  delete_field: (walk, { field }) => write(walk, field, 0n),
  // As documented. OVS 3.1 runs the rest of the list for both answers, and in nested tables may send copies too many.
  check_pkt_larger(walk, { length, target }) {
    walk.packet.writeBits(target, walk.size > length ? 1n : 0n)
    return undefined
  },
  write_metadata: (walk, { metadata, mask }) => write(walk, 'metadata', metadata, mask),
  set_tunnel: (walk, { tunnel }) => write(walk, 'tun_id', BigInt(tunnel)),
  set_tunnel64: (walk, { tunnel }) => write(walk, 'tun_id', tunnel),

  mod_dl_src: (walk, { address }) => write(walk, 'eth_src', BigInt(address)),
  mod_dl_dst: (walk, { address }) => write(walk, 'eth_dst', BigInt(address)),
  mod_nw_src: (walk, { address }) => write(walk, 'ip_src', BigInt(address)),
  mod_nw_dst: (walk, { address }) => write(walk, 'ip_dst', BigInt(address)),
  mod_nw_tos: (walk, { tos }) => write(walk, 'nw_tos', BigInt(tos)),
  mod_nw_ecn: (walk, { ecn }) => write(walk, 'nw_ecn', BigInt(ecn)),
  mod_nw_ttl: (walk, { ttl }) => write(walk, 'nw_ttl', BigInt(ttl)),
  mod_tp_src: (walk, { port }) => setTransport(walk, 'src', port),
  mod_tp_dst: (walk, { port }) => setTransport(walk, 'dst', port),
  dec_ttl: (walk) => decrementTtl(walk, [0]),
  dec_ttl_cnt_ids: (walk, { controllerIds }) => decrementTtl(walk, controllerIds),

  set_vlan_vid: (walk, { vlan }) => setTag(walk, 'dl_vlan', vlan),
  set_vlan_pcp: (walk, { priority }) => setTag(walk, 'dl_vlan_pcp', priority),
  push_vlan(walk, { etherType }) {
    walk.packet.pushVlan(etherType)
    return undefined
  },
  pop_vlan(walk) {
    walk.packet.popVlan()
    return undefined
  },
  push_mpls(walk, { etherType }) {
    if (!walk.packet.pushMpls(etherType)) walk.fail('more MPLS labels than OVS handles')
    return undefined
  },
  pop_mpls(walk, { etherType }) {
    if (!walk.packet.popMpls(etherType)) walk.fail('more MPLS labels than OVS handles')
    return undefined
  },
  set_mpls_label: (walk, { label }) => write(walk, 'mpls_label', BigInt(label)),
  set_mpls_tc: (walk, { trafficClass }) => write(walk, 'mpls_tc', BigInt(trafficClass)),
  set_mpls_ttl: (walk, { ttl }) => write(walk, 'mpls_ttl', BigInt(ttl)),
  dec_mpls_ttl: decrementMplsTtl,

  resubmit(walk, { port }) {
    walk.lookup(walk.table, port)
    return undefined
  },
  resubmit_table(walk, { port, table }) {
    walk.lookup(table === THIS_TABLE ? walk.table : table, port)
    return undefined
  },
  resubmit_table_ct(walk, { port, table }) {
    walk.lookupTuple(table === THIS_TABLE ? walk.table : table, port)
    return undefined
  },
  ct(walk, action) {
    walk.track(action)
    return undefined
  },
  ct_clear(walk) {
    walk.packet.untrack()
    return undefined
  },
  // Done by the ct action that it stands in.
  nat: (walk, action) => (isSingle(action) ? undefined : refuse(walk, action)),
  // Says to which sets of flows its own belongs: that is read where flows are looked up.
  conjunction: nothing,
  clone(walk, { actions }) {
    walk.clone(actions)
    return undefined
  },
  exit(walk) {
    walk.exit = true
    return undefined
  },
  set_queue(walk, { queue }) {
    walk.queue = queue
    return undefined
  },
  pop_queue(walk) {
    walk.queue = null
    return undefined
  },

  note: nothing,
  fin_timeout: nothing,
  debug_slow: nothing,
  debug_recirc: nothing,
  // Samples go to collectors, past the tables.
  sample: nothing,
  sample2: nothing,
  sample3: nothing,

  learn: refuse,
  learn2: refuse,
  multipath: refuse,
  bundle: refuse,
  bundle_load: refuse,
  encap: refuse,
  decap: refuse,
  dec_nsh_ttl: refuse,
  copy_ttl_in: refuse,
  copy_ttl_out: refuse,
  push_pbb: refuse,
  pop_pbb: refuse,
  unknown: refuse,
}

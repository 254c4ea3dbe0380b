// Matches from values, for applications: `match({ eth_type: 0x0800, ip_dst: [0x0a000000, 0xff000000], reg0: 5 })`. What can
// follow from a field alone is implied (arp_op: ARP; ip_dst: IPv4; tcp_dst: TCP); the rest must be said, or is refused.
import { fullMask, ones, toBits } from './bits.ts'
import { canonicalMatch, type Asked } from './canonical.ts'
import { isValid } from './check.ts'
import { FlowMatch } from './flow-match.ts'
import type { Match } from './match.ts'
import { PlainMatch } from './plain.ts'
import { ETH_TYPE, IP_PROTO, ND } from './protocols.ts'
import type { Prerequisite } from './row.ts'
import { slotOf } from './slots.ts'
import {
  fieldByName,
  fieldOf,
  type AnyValue,
  type Field,
  type FieldAlias,
  type FieldName,
  type ValueOf,
} from './table.ts'

/** A value, or a value and its mask. */
type Operand<N extends FieldName> = ValueOf<N> | readonly [value: ValueOf<N>, mask: ValueOf<N>]
type NameOf<A extends FieldAlias> = Extract<Field, { readonly aka: A }>['name']

/** Fields by name or other name. */
export type MatchFields = {
  readonly [N in FieldName]?: Operand<N> | undefined
} & { readonly [A in FieldAlias]?: Operand<NameOf<A>> | undefined }

type Implied = readonly (readonly [FieldName, number])[]
const ip: Implied = [['eth_type', ETH_TYPE.ip]]
const ipv6: Implied = [['eth_type', ETH_TYPE.ipv6]]
const icmpv6: Implied = [...ipv6, ['nw_proto', IP_PROTO.icmpv6]]

/** What follows from a field with a prerequisite; nothing where there is a choice. */
const implied: Readonly<Record<Prerequisite, Implied>> = {
  none: [],
  Ethernet: [],
  ARP: [['eth_type', ETH_TYPE.arp]],
  'VLAN VID': [],
  IPv4: ip,
  IPv6: ipv6,
  'IPv4/IPv6': [],
  NSH: [['eth_type', ETH_TYPE.nsh]],
  CT: [],
  MPLS: [],
  TCP: [['nw_proto', IP_PROTO.tcp]],
  UDP: [['nw_proto', IP_PROTO.udp]],
  SCTP: [['nw_proto', IP_PROTO.sctp]],
  ICMPv4: [...ip, ['nw_proto', IP_PROTO.icmp]],
  ICMPv6: icmpv6,
  ND: icmpv6,
  'ND solicit': [...icmpv6, ['icmpv6_type', ND.solicit], ['icmpv6_code', 0]],
  'ND advert': [...icmpv6, ['icmpv6_type', ND.advert], ['icmpv6_code', 0]],
}

const describe = (value: AnyValue): string => (value instanceof Uint8Array ? `${value.length} bytes` : `${value}`)

/** The bits of a value that fits the field. */
function checkedBits(key: string, field: Field, value: AnyValue): bigint {
  const wanted = field.bytes < 8 ? 'number' : field.bytes === 8 ? 'bigint' : 'object'
  const fits =
    value instanceof Uint8Array
      ? field.variable
        ? value.length <= field.bytes
        : value.length === field.bytes
      : typeof value === 'bigint' || Number.isInteger(value)
  // The type is checked at run time too: values that come out of JSON reach this through casts.
  if (typeof value !== wanted || !fits) throw new RangeError(`${key}: ${describe(value)} is no value of the field`)
  const bits = toBits(value)
  if (bits < 0n || bits > fullMask(field)) throw new RangeError(`${key}: ${describe(value)} does not fit`)
  return bits
}

const isPair = (operand: AnyValue | readonly [AnyValue, AnyValue]): operand is readonly [AnyValue, AnyValue] =>
  Array.isArray(operand)

function set(flow: FlowMatch, key: string, field: Field, operand: AnyValue | readonly [AnyValue, AnyValue]): void {
  const [value, mask] = isPair(operand) ? operand : [operand, null]
  const bits = checkedBits(key, field, value)
  if (!isValid(field, value)) throw new RangeError(`${key}: ${describe(value)} is no value of the field`)
  const maskBits = mask === null ? fullMask(field) : checkedBits(key, field, mask)
  if (!field.maskable && maskBits !== 0n && maskBits !== fullMask(field)) {
    throw new RangeError(`${key} cannot be masked`)
  }
  flow.set(field, bits, maskBits)
}

/** A match in canonical order. Throws RangeError for what OVS could not match. */
export const match = (fields: MatchFields): Match => plainMatch(fields) ?? foldedMatch(fields)

/** The same for fields that stand for themselves: 1.3 µs instead of 9 µs (six fields). Null for all else. */
export function plainMatch(fields: MatchFields): Match | null {
  const plain = new PlainMatch()
  const queue: Field[] = []
  for (const key of Object.keys(fields)) {
    const operand = fields[key as FieldName] as AnyValue | readonly [AnyValue, AnyValue] | undefined
    const field = fieldByName(key)
    if (operand === undefined || field === undefined) return null
    if (!(isPair(operand) ? plain.add(field, operand[0], operand[1]) : plain.add(field, operand, null))) return null
    queue.push(field)
  }
  for (const field of queue) {
    for (const [name, value] of implied[field.prerequisite]) {
      if (plain.has(name)) continue
      if (!plain.add(fieldOf(name), value, null)) return null
      queue.push(fieldOf(name))
    }
  }
  return plain.checked()
}

/** A match of any fields. */
export function foldedMatch(fields: MatchFields): Match {
  const flow = new FlowMatch()
  const asked: Asked[] = []
  for (const [key, operand] of Object.entries(fields)) {
    const field = fieldByName(key)
    if (field === undefined) throw new RangeError(`there is no field '${key}'`)
    if (operand === undefined) continue
    set(flow, key, field, operand)
    asked.push({ key, field })
  }
  // From the fields to what they imply, and from that to what it implies in turn.
  const queue = asked.map(({ field }) => field)
  for (const field of queue) {
    for (const [name, value] of implied[field.prerequisite]) {
      if (flow.has(slotOf(name))) continue
      flow.set(fieldOf(name), BigInt(value), ones(fieldOf(name).bytes * 8))
      queue.push(fieldOf(name))
    }
  }
  const result = canonicalMatch(flow, asked)
  if (typeof result === 'string') throw new RangeError(result)
  return result
}

// Matches in the ovs-ofctl language: `tcp,nw_dst=10.0.0.0/8,tp_dst=80`. Parsing goes through FlowMatch, so that the result is what
// ovs-ofctl would send. Where ovs-ofctl silently drops a field that the match cannot have (nw_dst without ip), we refuse.
import { items, TextError } from '../text/tokens.ts'
import { canonicalMatch, normalizedMatch, type Asked } from './canonical.ts'
import { fullMask, ones } from './bits.ts'
import { FlowMatch } from './flow-match.ts'
import { parseBits } from './format.ts'
import type { Match, UnknownEntry } from './match.ts'
import { formatFlowMatch } from './match-format.ts'
import { protocolOf } from './protocols.ts'
import { registersOf, slotOf } from './slots.ts'
import { parseSubfield } from './subfield.ts'
import { fieldByName, fieldOf, type Field } from './table.ts'

/** Bytes that OVS has for all tun_metadata of a match (TUN_METADATA_TOT_OPT_SIZE). */
const MAX_OPTIONS = 256

/** Gathers the items of a text that are about the match. */
export class MatchBuilder {
  readonly flow = new FlowMatch()
  private readonly asked: Asked[] = []

  /** Takes `key=value`; false if it is no match item (`priority`, `actions` ...). */
  add(key: string, value: string): boolean {
    const protocol = protocolOf(key)
    const field = fieldByName(key)
    if (protocol !== undefined) this.addProtocol(protocol.ethType, protocol.protocol)
    else if (key === 'eth') this.flow.put('packet_type', 0n, ones(32))
    else if (field !== undefined) this.addField(key, field, value)
    else if (key.includes('[')) this.addSubfield(key, value)
    else return false
    return true
  }

  private addProtocol(ethType: number, protocol: number): void {
    this.flow.put('eth_type', BigInt(ethType), ones(16))
    if (protocol !== 0) this.flow.put('nw_proto', BigInt(protocol), ones(8))
    if (!this.flow.has('packet_type')) this.flow.put('packet_type', 0n, ones(32))
  }

  private addField(key: string, field: Field, value: string): void {
    if (field.variable && this.flow.has(field.name)) throw new TextError(`field ${key} set multiple times`)
    const bits = parseBits(field, value === '' ? '0/0' : value)
    this.flow.set(field, bits.value, bits.mask)
    const options = [...this.flow.optionSizes.values()].reduce((sum, size) => sum + size, 0)
    if (options > MAX_OPTIONS) throw new TextError(`${key}: tunnel metadata are at most ${MAX_OPTIONS} bytes in all`)
    if (bits.mask !== 0n || field.variable) this.asked.push({ key, field })
  }

  /** `reg0[4..7]=3`: adds to what is matched of the field already. */
  private addSubfield(key: string, text: string): void {
    const { field: name, start, bits } = parseSubfield(key)
    const field = fieldOf(name)
    const { value } = parseBits(field, text)
    if (value > ones(bits)) throw new TextError(`${key}: value ${text} does not fit into ${bits} bits`)
    const before = this.fieldBits(field)
    const mask = ones(bits) << BigInt(start)
    this.flow.set(field, (before.value & ~mask) | (value << BigInt(start)), before.mask | mask)
    this.asked.push({ key, field })
  }

  private fieldBits(field: Field): { value: bigint; mask: bigint } {
    const join = (part: 'value' | 'mask'): bigint =>
      (registersOf(field.name) ?? [slotOf(field.name)]).reduce(
        (sum, slot) => (sum << 32n) | this.flow.get(slot)[part],
        0n,
      )
    return { value: join('value'), mask: join('mask') & fullMask(field) }
  }

  /** The match in canonical order; refuses fields whose prerequisites are not matched. */
  build(): Match {
    const match = canonicalMatch(this.flow, this.asked)
    if (typeof match === 'string') throw new TextError(match)
    return match
  }

  /** The same as ovs-ofctl does it: what the match cannot have is dropped in silence. */
  buildLoosely(): Match {
    return normalizedMatch(this.flow)
  }
}

/** Parses a match and nothing else. */
export function parseMatch(text: string): Match {
  const builder = new MatchBuilder()
  for (const { key, value } of items(text)) {
    if (!builder.add(key, value)) throw new TextError(`unknown keyword ${key}`)
  }
  return builder.build()
}

const bytesHex = (bytes: Uint8Array): string => `0x${[...bytes].map((b) => b.toString(16).padStart(2, '0')).join('')}`

/** OVS has no text for these: `oxm(0x80004a02)=0x1234/0xffff`, the header first. */
function formatUnknown({ header, experimenter, value, mask }: UnknownEntry): string {
  const id = experimenter === null ? '' : `:0x${experimenter.toString(16)}`
  return `oxm(0x${header.toString(16).padStart(8, '0')}${id})=${bytesHex(value)}${mask === null ? '' : `/${bytesHex(mask)}`}`
}

/** A match as match_format() of OVS prints it, without priority; '' for one that matches everything. */
export function formatMatch(match: Match): string {
  const known = formatFlowMatch(FlowMatch.from(match))
  const unknown = match.flatMap((entry) => (entry.kind === 'unknown' ? [formatUnknown(entry)] : []))
  return [...(known === '' ? [] : [known]), ...unknown].join(',')
}
